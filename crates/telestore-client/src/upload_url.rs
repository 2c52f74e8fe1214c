use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use telestore_types::UploadId;

use crate::error::{Error, ErrorKind};

/// Where an upload lives at its worker. Stored, it is all that a later process needs to [resume](crate::Client::resume).
///
/// ```
/// use telestore_client::UploadUrl;
///
/// let url: UploadUrl = "https://worker.example/tus/5f0c8de1".parse()?;
/// assert_eq!(url.upload_id(), "5f0c8de1");
/// let stored = serde_json::to_string(&url).unwrap();
/// assert_eq!(serde_json::from_str::<UploadUrl>(&stored).unwrap(), url);
/// assert!("https://worker.example/".parse::<UploadUrl>().is_err());
/// # Ok::<(), telestore_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadUrl(String);

impl UploadUrl {
    /// Of an upload at the worker with this base address.
    pub(crate) fn of(base: &str, id: &str) -> Option<Self> {
        UploadId::new(id).ok().map(|id| Self(format!("{base}/tus/{}", id.as_str())))
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The upload's id, by which the other calls of the API know it.
    pub fn upload_id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for UploadUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = text.rsplit_once("/tus/").and_then(|(base, id)| Self::of(base, id));
        let is_http = text.starts_with("http://") || text.starts_with("https://");
        read.filter(|_| is_http).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "not the address of an upload: it ends with /tus/ and the upload's id",
            )
        })
    }
}

impl TryFrom<String> for UploadUrl {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<UploadUrl> for String {
    fn from(url: UploadUrl) -> Self {
        url.0
    }
}

impl fmt::Display for UploadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
