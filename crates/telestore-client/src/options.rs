use std::fmt;
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use telestore_types::{FileDigest, FileName, SendAs, Thumbnail, TopicId};

use crate::error::{Error, ErrorKind, Result};
use crate::upload_url::UploadUrl;

/// Files up to this size have their SHA-256 sent ahead, unless [`UploadOptions::digest_up_to`] says else. They are read
/// twice for it, the second time from memory as a rule.
const DIGEST_UP_TO: u64 = 64 * 1024 * 1024;

/// What is called before the last bytes of a file go out.
pub(crate) type BeforeLast = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// What is called with the address of a new upload.
pub(crate) type Created = Arc<dyn Fn(&UploadUrl) -> io::Result<()> + Send + Sync>;

/// How an upload, and the message of its file, is to be. What is not named is as the worker's settings say.
///
/// ```
/// use telestore_client::{SendAs, UploadOptions};
///
/// let options = UploadOptions::new()
///     .caption("from the holidays")
///     .send_as(SendAs::Video)
///     .topic(7)?
///     .silent(true);
/// # let _ = options;
/// # Ok::<(), telestore_client::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct UploadOptions {
    pub(crate) file_name: Option<String>,
    pub(crate) mime_type: Option<String>,
    pub(crate) caption: Option<String>,
    pub(crate) topic: Option<TopicId>,
    pub(crate) silent: Option<bool>,
    pub(crate) send_as: Option<SendAs>,
    pub(crate) encrypt: Option<bool>,
    pub(crate) compress: Option<bool>,
    pub(crate) sha256: Option<FileDigest>,
    pub(crate) thumbnail: Option<Thumbnail>,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) digest_up_to: u64,
    pub(crate) segment: Option<u64>,
    pub(crate) key: Option<String>,
    pub(crate) created: Option<Created>,
    pub(crate) before_last: Option<BeforeLast>,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self {
            file_name: None,
            mime_type: None,
            caption: None,
            topic: None,
            silent: None,
            send_as: None,
            encrypt: None,
            compress: None,
            sha256: None,
            thumbnail: None,
            metadata: Vec::new(),
            digest_up_to: DIGEST_UP_TO,
            segment: None,
            key: None,
            created: None,
            before_last: None,
        }
    }
}

impl UploadOptions {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the file is called; that of a path is called as it is there unless this is named.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it is empty, or longer than 255 characters.
    pub fn file_name(mut self, name: &str) -> Result<Self> {
        let name =
            FileName::of_file(name).map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
        self.file_name = Some(name.as_str().to_owned());
        Ok(self)
    }

    /// The file's content type. Unless it is named, the worker takes it from the name.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// The text of the message, to the letter; empty for none.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// The topic of the forum that the message goes into.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a number that no message has.
    pub fn topic(mut self, topic: u64) -> Result<Self> {
        self.topic =
            Some(TopicId::new(topic).map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?);
        Ok(self)
    }

    /// Whether the chat's members are not notified.
    pub fn silent(mut self, silent: bool) -> Self {
        self.silent = Some(silent);
        self
    }

    /// As what the file is sent.
    pub fn send_as(mut self, send_as: SendAs) -> Self {
        self.send_as = Some(send_as);
        self
    }

    /// Whether the channel gets the file encrypted. Unless it is named, the worker decides.
    pub fn encrypt(mut self, encrypt: bool) -> Self {
        self.encrypt = Some(encrypt);
        self
    }

    /// Whether the channel gets the file compressed, if that gains anything. Unless it is named, the worker decides.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = Some(compress);
        self
    }

    /// The SHA-256 that the whole file must have. The worker compares it before the message is made.
    pub fn sha256(mut self, digest: [u8; 32]) -> Self {
        self.sha256 = Some(digest.into());
        self
    }

    /// A picture that stands for the file: a JPEG of at most 200 kB and 320 pixels on each side.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it is none.
    pub fn thumbnail(mut self, jpeg: impl Into<Bytes>) -> Result<Self> {
        let thumbnail =
            Thumbnail::new(jpeg.into()).map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
        self.thumbnail = Some(thumbnail);
        Ok(self)
    }

    /// A name and a value of the caller's own, which the worker keeps and gives back to whoever asks for the upload.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the name is empty or has blanks, commas or characters outside of ASCII.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let fits = |c: char| c.is_ascii_graphic() && c != ',';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(Error::new(
                ErrorKind::Config,
                "a name of metadata is ASCII without blanks and commas",
            ));
        }
        self.metadata.push((name, value.into()));
        Ok(self)
    }

    /// Files up to so many bytes have their SHA-256 taken before they are sent, and compared by the worker before the message
    /// is made: 64 MiB unless it is named, 0 for none. Each part of any file has a digest of its own, whatever is said here.
    pub fn digest_up_to(mut self, bytes: u64) -> Self {
        self.digest_up_to = bytes;
        self
    }

    /// How many bytes go in one request, at least 1. Unless it is named, the client begins with 8 MiB, and takes more while they go
    /// fast and less after a connection broke. So many bytes are held in memory.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment = Some(bytes.max(1));
        self
    }

    /// A name of this upload, new for each, of 1 to 255 visible ASCII characters: uploads of one user with one key and the same options
    /// are one. Unless it is named there is a new one for each [`upload`](crate::Client::upload), so that a lost answer makes no second
    /// upload; it is for whoever creates the same upload of a file in another process, since this one may end before it knows an address.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it is none.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Result<Self> {
        let key = key.into();
        let fits = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            let words = "an idempotency key has 1 to 255 visible ASCII characters";
            return Err(Error::new(ErrorKind::Config, words));
        }
        self.key = Some(key);
        Ok(self)
    }

    /// Called with the address of each upload that [`upload`](crate::Client::upload) creates, before a byte of the file goes out, on a thread
    /// that may block: for whoever keeps it, to [resume](crate::Client::resume) in another process. If it fails, nothing goes out.
    pub fn created(mut self, call: impl Fn(&UploadUrl) -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.created = Some(Arc::new(call));
        self
    }

    /// Called once before the last bytes of the file go out, on a thread that may block. If it fails, they do not go.
    ///
    /// Who keeps an [`UploadUrl`](crate::UploadUrl) over restarts writes down here that the file may be complete from now on: if the
    /// worker later knows the upload no longer, it may be in the channel, and must not simply be sent again.
    pub fn before_last(mut self, call: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.before_last = Some(Arc::new(call));
        self
    }

    /// By what the worker knows that a creation comes again.
    pub(crate) fn key(&self) -> String {
        self.key.clone().unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()))
    }

    /// `Upload-Metadata`.
    pub(crate) fn encoded(&self) -> String {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        let mut push =
            |name, value: Option<String>| pairs.extend(value.map(|value| (name, STANDARD.encode(value))));
        push("filename", self.file_name.clone());
        push("filetype", self.mime_type.clone());
        push("caption", self.caption.clone());
        push("topicId", self.topic.map(|topic| topic.to_string()));
        push("silent", self.silent.map(|silent| silent.to_string()));
        push("sendAs", self.send_as.map(|kind| kind.to_string()));
        push("encrypt", self.encrypt.map(|encrypt| encrypt.to_string()));
        push("compress", self.compress.map(|compress| compress.to_string()));
        push("sha256", self.sha256.map(|digest| digest.to_string()));
        for (name, value) in &self.metadata {
            push(name, Some(value.clone()));
        }
        pairs.extend(self.thumbnail.as_ref().map(|picture| ("thumbnail", STANDARD.encode(picture.bytes()))));
        let pairs = pairs.into_iter().map(|(name, value)| format!("{name} {value}"));
        // A key whose value is empty stands alone.
        pairs.map(|pair| pair.trim_end().to_owned()).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Debug for UploadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadOptions")
            .field("file_name", &self.file_name)
            .field("mime_type", &self.mime_type)
            .field("caption", &self.caption)
            .field("topic", &self.topic)
            .field("silent", &self.silent)
            .field("send_as", &self.send_as)
            .field("encrypt", &self.encrypt)
            .field("compress", &self.compress)
            .field("sha256", &self.sha256)
            .field("thumbnail", &self.thumbnail)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_metadata() {
        let options = UploadOptions::new()
            .file_name("é.txt")
            .and_then(|options| options.topic(7))
            .and_then(|options| options.metadata("mark", "x"))
            .unwrap()
            .caption("")
            .silent(true)
            .encrypt(true)
            .compress(false)
            .send_as(SendAs::Audio);
        assert_eq!(
            options.encoded(),
            "filename w6kudHh0,caption,topicId Nw==,silent dHJ1ZQ==,sendAs YXVkaW8=,encrypt dHJ1ZQ==,compress ZmFsc2U=,mark eA=="
        );
    }

    #[test]
    fn what_the_worker_would_refuse_is_refused_here() {
        let options = UploadOptions::new();
        for refused in [
            options.clone().file_name("").err(),
            options.clone().topic(0).err(),
            options.clone().thumbnail(b"GIF89a".to_vec()).err(),
            options.clone().metadata("two words", "").err(),
            options.clone().idempotency_key("").err(),
            options.idempotency_key("two words").err(),
        ] {
            assert_eq!(refused.unwrap().kind(), ErrorKind::Config);
        }
    }
}
