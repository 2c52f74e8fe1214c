//! `TELESTORE_ENCRYPT`, `TELESTORE_COMPRESS`: in what form files go to Telegram.

use clap::{ArgAction, Args};
use telestore::EncodingDefaults;
use telestore::age::{Identity, Recipient, identities, recipients};
use telestore::types::Secret;

use super::{ConfigError, bad, values};

/// For whom files are encrypted, as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipients(Vec<Recipient>);

/// In what form files go to Telegram whose uploads do not say so, and the keys of encrypted ones.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Encryption and compression")]
pub(crate) struct EncodingSettings {
    /// Whether [files are encrypted](#encryption) whose uploads do not say so (`encrypt`): `on` or `off`
    #[arg(long, env = "TELESTORE_ENCRYPT", value_name = "on|off", default_value = "off", value_parser = values::on_or_off, action = ArgAction::Set)]
    pub(crate) encrypt: bool,

    /// For whom files are encrypted: age recipients (`age1…`), comma-separated [default: those that the backend names]
    #[arg(long, env = "TELESTORE_AGE_RECIPIENTS", value_name = "RECIPIENT,…", value_parser = read_recipients)]
    pub(crate) age_recipients: Option<Recipients>,

    /// The age identity (`AGE-SECRET-KEY-1…`) that encrypted files are read back with; several, comma-separated or in lines, as `age-keygen` writes them [default: none, encrypted files are not read]
    #[arg(long, env = "TELESTORE_AGE_IDENTITY", value_name = "TEXT")]
    pub(crate) age_identity: Option<Secret>,

    /// Whether the names of encrypted files are [kept from the channel](#encryption), too: `on` or `off`
    #[arg(long, env = "TELESTORE_ENCRYPT_NAMES", value_name = "on|off", default_value = "off", value_parser = values::on_or_off, action = ArgAction::Set)]
    pub(crate) encrypt_names: bool,

    /// Whether [files are compressed](#compression) whose uploads do not say so (`compress`), if that gains anything: `on` or `off`
    #[arg(long, env = "TELESTORE_COMPRESS", value_name = "on|off", default_value = "off", value_parser = values::on_or_off, action = ArgAction::Set)]
    pub(crate) compress: bool,
}

impl EncodingSettings {
    /// The same for the engine; `backend` if one may name recipients.
    ///
    /// # Errors
    /// What is missing, or no identity.
    pub(crate) fn defaults(&self, backend: bool) -> Result<EncodingDefaults, ConfigError> {
        let mut defaults = EncodingDefaults::default();
        defaults.encrypt = self.encrypt;
        defaults.compress = self.compress;
        defaults.hide_names = self.encrypt_names;
        defaults.recipients = self.age_recipients.clone().map(|recipients| recipients.0).unwrap_or_default();
        defaults.identities = self.identities()?;
        if self.encrypt && defaults.recipients.is_empty() && !backend {
            let text = "is not set, which TELESTORE_ENCRYPT needs: make a key with age-keygen, and set the age1… that it prints";
            return Err(bad("TELESTORE_AGE_RECIPIENTS", text));
        }
        if self.compress && !cfg!(feature = "zstd") {
            return Err(bad(
                "TELESTORE_COMPRESS",
                "is on, and this worker is built without the feature zstd",
            ));
        }
        Ok(defaults)
    }

    fn identities(&self) -> Result<Vec<Identity>, ConfigError> {
        let Some(text) = &self.age_identity else { return Ok(Vec::new()) };
        let lines = Secret::new(text.expose().replace(',', "\n"));
        identities(lines.expose()).map_err(|error| bad("TELESTORE_AGE_IDENTITY", error))
    }
}

fn read_recipients(text: &str) -> Result<Recipients, String> {
    recipients(text).map(Recipients).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::{settings, wrong};

    fn defaults(values: &[(&str, &str)]) -> Result<EncodingDefaults, String> {
        settings(values).encoding.defaults(false).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_read_and_what_is_missing_is_named() {
        let (mine, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let both = format!("{},{}", mine.recipient(), other.recipient());
        let kept = format!("# made today\n{}\n\n{}", &*mine.expose(), &*other.expose());
        let read =
            defaults(&[("encrypt", "on"), ("age_recipients", &both), ("age_identity", &kept)]).unwrap();
        assert_eq!(read.recipients, [mine.recipient(), other.recipient()]);
        assert_eq!(read.identities.len(), 2);
        assert!(read.encrypt && !read.compress && !read.hide_names);
        let missing = defaults(&[("encrypt", "on")]).unwrap_err();
        assert!(missing.contains("TELESTORE_AGE_RECIPIENTS"), "{missing}");
        assert!(settings(&[("encrypt", "on")]).encoding.defaults(true).is_ok(), "the backend may name some");
    }

    #[test]
    fn a_key_that_is_none_is_not_shown_if_it_is_secret() {
        let secret = Identity::generate().unwrap();
        let public = secret.recipient().to_string();
        let said = defaults(&[("age_identity", &public)]).unwrap_err();
        assert!(said.contains("TELESTORE_AGE_IDENTITY"), "{said}");
        let pasted = secret.expose();
        let said = wrong(&[("age_recipients", &pasted)]);
        assert!(said.contains("TELESTORE_AGE_RECIPIENTS") && !said.contains(&pasted[20..40]), "{said}");
    }
}
