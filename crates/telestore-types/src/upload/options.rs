use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a client wants to know of its upload later: names and values of its own, which nobody else reads.
pub type Metadata = BTreeMap<String, String>;

/// How the message of an upload is to be. Options may be added; what an older version wrote has none of them.
///
/// ```
/// use telestore_types::UploadOptions;
///
/// let options = UploadOptions::default().with_caption("from the holidays");
/// let json = serde_json::to_string(&options).unwrap();
/// assert_eq!(json, r#"{"caption":"from the holidays"}"#);
/// assert_eq!(serde_json::from_str::<UploadOptions>(&json).unwrap(), options);
/// assert_eq!(serde_json::from_str::<UploadOptions>("{}").unwrap(), UploadOptions::default());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UploadOptions {
    /// The text of the message, to the letter; the file's name if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

impl UploadOptions {
    /// The message has this text.
    #[must_use]
    pub fn with_caption(self, caption: impl Into<String>) -> Self {
        Self { caption: Some(caption.into()), ..self }
    }

    /// Whether nothing is asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
