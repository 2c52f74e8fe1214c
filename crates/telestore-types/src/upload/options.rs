use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Upload, UploadState};
use crate::{Error, FileDigest, Result, SendAs, ThumbnailMark, Timestamp};

/// What a client wants to know of its upload later: names and values of its own, which nobody else reads.
pub type Metadata = BTreeMap<String, String>;

/// A topic of a forum: the number of the message that opened it.
///
/// ```
/// use telestore_types::TopicId;
///
/// assert_eq!(TopicId::new(7)?.thread(), Some(7));
/// assert_eq!(TopicId::GENERAL.thread(), None, "no message names it");
/// assert!(TopicId::new(0).is_err());
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicId(i32);

impl TopicId {
    /// The topic that each forum has.
    pub const GENERAL: Self = Self(1);

    /// Checks a number.
    ///
    /// # Errors
    /// [`Error::TopicId`] below 1, and above what Telegram numbers messages by.
    pub fn new(id: u64) -> Result<Self> {
        i32::try_from(id).ok().filter(|id| *id > 0).map(Self).ok_or(Error::TopicId)
    }

    /// The message that messages in the topic name. Those in "General" name none: Telegram refuses its number.
    pub fn thread(self) -> Option<i32> {
        Some(self.0).filter(|_| self != Self::GENERAL)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How the message of an upload is to be. Options may be added; what an older version wrote has none of them.
///
/// ```
/// use telestore_types::{UploadOption, UploadOptions};
///
/// let options = UploadOptions::default().with_caption("from the holidays");
/// let json = serde_json::to_string(&options).unwrap();
/// assert_eq!(json, r#"{"caption":"from the holidays"}"#);
/// assert_eq!(serde_json::from_str::<UploadOptions>(&json).unwrap(), options);
/// assert_eq!(serde_json::from_str::<UploadOptions>("{}").unwrap(), UploadOptions::default());
///
/// let mut known = options.clone();
/// assert_eq!(known.adopt(&UploadOptions::default().silently(true)), Ok(true));
/// assert_eq!(known, options.silently(true));
/// assert_eq!(known.adopt(&UploadOptions::default().with_caption("else")), Err(UploadOption::Caption));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UploadOptions {
    /// The text of the message, to the letter; empty for none. Unless it is named, the worker makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Where in the chat the message goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<TopicId>,
    /// Whether the chat's members are not notified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<bool>,
    /// As what the file is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_as: Option<SendAs>,
    /// The SHA-256 that the file must have; it is not sent if it has another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<FileDigest>,
    /// Whether Telegram gets the file encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypt: Option<bool>,
    /// Whether Telegram gets the file compressed, if that gains anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    /// The picture that stands for the file. The caller that names it also keeps its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<ThumbnailMark>,
}

/// One of the [`UploadOptions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UploadOption {
    /// [`UploadOptions::caption`].
    Caption,
    /// [`UploadOptions::topic_id`].
    Topic,
    /// [`UploadOptions::silent`].
    Silent,
    /// [`UploadOptions::send_as`].
    SendAs,
    /// [`UploadOptions::sha256`].
    Sha256,
    /// [`UploadOptions::encrypt`].
    Encrypt,
    /// [`UploadOptions::compress`].
    Compress,
    /// [`UploadOptions::thumbnail`].
    Thumbnail,
}

impl fmt::Display for UploadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caption => "caption",
            Self::Topic => "topic",
            Self::Silent => "silence",
            Self::SendAs => "kind of message",
            Self::Sha256 => "SHA-256",
            Self::Encrypt => "encryption",
            Self::Compress => "compression",
            Self::Thumbnail => "thumbnail",
        })
    }
}

/// Why an option cannot be named for an upload any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// Another value was named before.
    #[error("another {0} was named for this upload before: the first one counts")]
    Other(UploadOption),
    /// The file is on its way already, without it.
    #[error("the {0} is named too late for this upload: it is being sent, or was")]
    Late(UploadOption),
}

impl UploadOptions {
    /// The most units of UTF-16 that a caption may have: what an account that pays for it may send
    /// (<https://core.telegram.org/api/config>). Of a longer one than the account may send the beginning is sent.
    pub const MAX_CAPTION: usize = 4096;

    /// Checks what is named.
    ///
    /// # Errors
    /// [`Error::LongCaption`].
    pub fn check(&self) -> Result<()> {
        let units = |caption: &String| caption.encode_utf16().count();
        match self.caption.as_ref().map(units) {
            Some(units) if units > Self::MAX_CAPTION => Err(Error::LongCaption),
            _ => Ok(()),
        }
    }

    /// The message has this text.
    #[must_use]
    pub fn with_caption(self, caption: impl Into<String>) -> Self {
        Self { caption: Some(caption.into()), ..self }
    }

    /// The message goes into this topic.
    #[must_use]
    pub fn in_topic(self, topic_id: TopicId) -> Self {
        Self { topic_id: Some(topic_id), ..self }
    }

    /// The message notifies nobody, or it does.
    #[must_use]
    pub fn silently(self, silent: bool) -> Self {
        Self { silent: Some(silent), ..self }
    }

    /// The file is sent as this.
    #[must_use]
    pub fn sent_as(self, send_as: SendAs) -> Self {
        Self { send_as: Some(send_as), ..self }
    }

    /// The file must have this SHA-256.
    #[must_use]
    pub fn with_sha256(self, sha256: FileDigest) -> Self {
        Self { sha256: Some(sha256), ..self }
    }

    /// Telegram gets the file encrypted, or not.
    #[must_use]
    pub fn encrypted(self, encrypt: bool) -> Self {
        Self { encrypt: Some(encrypt), ..self }
    }

    /// Telegram gets the file compressed if that gains anything, or not.
    #[must_use]
    pub fn compressed(self, compress: bool) -> Self {
        Self { compress: Some(compress), ..self }
    }

    /// Whether nothing is asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over what `named` names and this does not, and says whether that is anything.
    ///
    /// # Errors
    /// Which option both name, with other values; nothing is taken over then.
    pub fn adopt(&mut self, named: &Self) -> std::result::Result<bool, UploadOption> {
        let adopted = self.clone().with(named)?;
        let changed = adopted != *self;
        *self = adopted;
        Ok(changed)
    }

    fn with(self, named: &Self) -> std::result::Result<Self, UploadOption> {
        Ok(Self {
            caption: either(self.caption, named.caption.as_ref(), UploadOption::Caption)?,
            topic_id: either(self.topic_id, named.topic_id.as_ref(), UploadOption::Topic)?,
            silent: either(self.silent, named.silent.as_ref(), UploadOption::Silent)?,
            send_as: either(self.send_as, named.send_as.as_ref(), UploadOption::SendAs)?,
            sha256: either(self.sha256, named.sha256.as_ref(), UploadOption::Sha256)?,
            encrypt: either(self.encrypt, named.encrypt.as_ref(), UploadOption::Encrypt)?,
            compress: either(self.compress, named.compress.as_ref(), UploadOption::Compress)?,
            thumbnail: either(self.thumbnail, named.thumbnail.as_ref(), UploadOption::Thumbnail)?,
        })
    }

    /// The first option that this names and `known` does not.
    fn beyond(&self, known: &Self) -> Option<UploadOption> {
        let named = [
            (self.caption.is_some() && known.caption.is_none(), UploadOption::Caption),
            (self.topic_id.is_some() && known.topic_id.is_none(), UploadOption::Topic),
            (self.silent.is_some() && known.silent.is_none(), UploadOption::Silent),
            (self.send_as.is_some() && known.send_as.is_none(), UploadOption::SendAs),
            (self.sha256.is_some() && known.sha256.is_none(), UploadOption::Sha256),
            (self.encrypt.is_some() && known.encrypt.is_none(), UploadOption::Encrypt),
            (self.compress.is_some() && known.compress.is_none(), UploadOption::Compress),
            (self.thumbnail.is_some() && known.thumbnail.is_none(), UploadOption::Thumbnail),
        ];
        named.into_iter().find_map(|(is_new, option)| is_new.then_some(option))
    }
}

fn either<T: Clone + PartialEq>(
    known: Option<T>,
    named: Option<&T>,
    option: UploadOption,
) -> std::result::Result<Option<T>, UploadOption> {
    match (known, named) {
        (Some(known), Some(named)) if known != *named => Err(option),
        (known, named) => Ok(known.or_else(|| named.cloned())),
    }
}

impl Upload {
    /// Takes over options that are named for it, and says whether there are new ones. The first value of each counts, and none
    /// comes once completion was asked for, unless the file failed.
    ///
    /// # Errors
    /// [`OptionError`]; nothing has changed then.
    pub fn set_options(&mut self, named: &UploadOptions, now: Timestamp) -> Result<bool, OptionError> {
        let mut options = self.options.clone();
        if !options.adopt(named).map_err(OptionError::Other)? {
            return Ok(false);
        }
        let open = matches!(self.state, UploadState::Receiving | UploadState::Failed);
        if let Some(late) = named.beyond(&self.options).filter(|_| !open) {
            return Err(OptionError::Late(late));
        }
        (self.options, self.updated_at) = (options, now);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, upload};
    use super::*;

    #[test]
    fn the_first_value_counts_until_the_file_is_on_its_way() {
        let mut upload = upload();
        let seven = UploadOptions::default().in_topic(TopicId::new(7).unwrap());
        let loud = UploadOptions::default().silently(false);
        assert_eq!(upload.set_options(&UploadOptions::default(), NOW), Ok(false));
        assert_eq!(upload.set_options(&seven, NOW), Ok(true));
        assert_eq!(upload.set_options(&seven, NOW), Ok(false));
        let other = UploadOptions::default().in_topic(TopicId::GENERAL).with_caption("x");
        assert_eq!(upload.set_options(&other, NOW), Err(OptionError::Other(UploadOption::Topic)));
        assert_eq!(upload.options, seven, "and the caption was not taken either");
        for state in [UploadState::Queued, UploadState::Sending, UploadState::Completed] {
            upload.state = state;
            assert_eq!(upload.set_options(&seven, NOW), Ok(false));
            assert_eq!(upload.set_options(&loud, NOW), Err(OptionError::Late(UploadOption::Silent)));
        }
        upload.state = UploadState::Failed;
        assert_eq!(upload.set_options(&loud, NOW), Ok(true));
        assert_eq!(upload.options, seven.silently(false));
    }

    #[test]
    fn a_topic_is_the_number_of_a_message() {
        for (id, good) in
            [(0, false), (1, true), (i32::MAX as u64, true), (1 << 31, false), (u64::MAX, false)]
        {
            assert_eq!(TopicId::new(id).is_ok(), good, "{id}");
        }
    }
}
