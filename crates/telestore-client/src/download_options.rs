use std::fmt;
use std::io;
use std::sync::Arc;

/// What is called before the first byte of a file is written.
pub(crate) type Began = Arc<dyn Fn(Option<&str>) -> io::Result<()> + Send + Sync>;

/// How a file is fetched.
///
/// ```
/// use telestore_client::DownloadOptions;
///
/// let kept = std::fs::read_to_string("film.mkv.version").ok();
/// let options = DownloadOptions::new()
///     .version(kept)
///     .began(|version| std::fs::write("film.mkv.version", version.unwrap_or_default()));
/// # let _ = options;
/// ```
#[derive(Clone)]
#[must_use]
pub struct DownloadOptions {
    pub(crate) version: Option<String>,
    pub(crate) began: Option<Began>,
    pub(crate) check: bool,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self { version: None, began: None, check: true }
    }
}

impl DownloadOptions {
    /// From the first byte on, and checked.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the target holds is the beginning of this version of the file, as [`began`](Self::began) told it: the download goes on
    /// behind it if the worker still has this version, and begins anew if not. Empty is none.
    pub fn version(mut self, version: Option<String>) -> Self {
        self.version = version.filter(|version| !version.is_empty());
        self
    }

    /// Is called when the target is empty, before the first byte is written, with the version that the bytes will be of; `None` if
    /// the worker does not say so, and the file cannot be gone on with in another process. What it writes down is for
    /// [`version`](Self::version). It may block. If it fails, the download ends with [`ErrorKind::State`](crate::ErrorKind::State).
    pub fn began(mut self, call: impl Fn(Option<&str>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.began = Some(Arc::new(call));
        self
    }

    /// Whether what has come must be what was sent, by its SHA-256 if the index has one, and by its length. It must unless `false` is
    /// named: a photo, which Telegram compresses anew, never is.
    pub fn check(mut self, check: bool) -> Self {
        self.check = check;
        self
    }
}

impl fmt::Debug for DownloadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadOptions")
            .field("version", &self.version)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}

/// A file that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// How many bytes it has.
    pub length: u64,
    /// How many of them came in this run.
    pub fetched: u64,
    /// Whether its SHA-256 was compared, and not only its length.
    pub digest_checked: bool,
}
