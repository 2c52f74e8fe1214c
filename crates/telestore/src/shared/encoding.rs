//! In what form files go to Telegram, and are read back.

use telestore_age::{Identity, Recipient, recipients};
use telestore_types::{TelegramCredentials, Upload, UploadOptions};

/// In what form files go to Telegram whose uploads do not say so, and the keys of encrypted ones. [`Default`] is what the
/// documentation promises: files go as they are.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct EncodingDefaults {
    /// Whether files are encrypted.
    pub encrypt: bool,
    /// Whether files are compressed, if that gains anything.
    pub compress: bool,
    /// For whom files are encrypted, beside those that the credentials of a user name.
    pub recipients: Vec<Recipient>,
    /// What encrypted files are read back with. Without one that fits, they are not read.
    pub identities: Vec<Identity>,
    /// Whether the name of an encrypted file is kept from those who read the channel.
    pub hide_names: bool,
}

impl PartialEq for EncodingDefaults {
    fn eq(&self, other: &Self) -> bool {
        let public = |all: &[Identity]| all.iter().map(Identity::recipient).collect::<Vec<_>>();
        let flags = |one: &Self| (one.encrypt, one.compress, one.hide_names);
        flags(self) == flags(other)
            && self.recipients == other.recipients
            && public(&self.identities) == public(&other.identities)
    }
}

impl Eq for EncodingDefaults {}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) encrypt: bool,
    pub(crate) compress: bool,
}

impl EncodingDefaults {
    /// What an upload with these options wants.
    pub(crate) fn wanted(&self, options: &UploadOptions) -> Wanted {
        Wanted {
            encrypt: options.encrypt.unwrap_or(self.encrypt),
            compress: options.compress.unwrap_or(self.compress),
        }
    }

    /// Whether Telegram may get other bytes than those of the file. One of which parts were sent as they are is not compressed any
    /// more.
    pub(crate) fn changes(&self, upload: &Upload) -> bool {
        let wanted = self.wanted(&upload.options);
        upload.encoding.is_some() || wanted.encrypt || (wanted.compress && upload.resume.is_none())
    }

    /// For whom the files of a user are encrypted.
    ///
    /// # Errors
    /// In words: nobody is named, or a name is none.
    pub(crate) fn recipients_of(&self, user: &TelegramCredentials) -> Result<Vec<Recipient>, String> {
        let mut all = self.recipients.clone();
        for named in &user.age_recipients {
            let named = recipients(named).map_err(|error| {
                format!("the file cannot be encrypted: among the age_recipients of the user, {error}")
            })?;
            all.extend(named);
        }
        // The same one twice would open it twice.
        let mut seen = std::collections::HashSet::new();
        all.retain(|recipient| seen.insert(recipient.clone()));
        if all.is_empty() {
            return Err(NOBODY.to_owned());
        }
        Ok(all)
    }
}

const NOBODY: &str = "the file cannot be encrypted: nobody is named whom it is for. Age recipients are named in the settings of the \
                      worker or in the credentials of the user; or send the file without encryption";

#[cfg(test)]
mod tests {
    use telestore_types::{ChatId, UserId};

    use super::*;

    #[test]
    fn recipients_of_operator_and_user_are_each_named_once() {
        let (one, two) =
            (Identity::generate().unwrap().recipient(), Identity::generate().unwrap().recipient());
        let user = TelegramCredentials::new(UserId::new("u"), ChatId::new("-1001").unwrap());
        let mut defaults = EncodingDefaults::default();
        assert!(defaults.recipients_of(&user).unwrap_err().contains("nobody is named"));
        defaults.recipients = vec![one.clone()];
        let named = user.clone().with_age_recipients(vec![format!("{two}, {one}")]);
        assert_eq!(defaults.recipients_of(&named), Ok(vec![one, two]));
        let wrong = user.with_age_recipients(vec!["age1nobody".to_owned()]);
        assert!(defaults.recipients_of(&wrong).unwrap_err().contains("age_recipients"));
    }
}
