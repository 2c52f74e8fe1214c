use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client as Http};
use telestore_types::{Secret, pasted};

use crate::calls::Calls;
use crate::delivery::{self, Cancelled, Status};
use crate::download::{self, Download};
use crate::download_options::DownloadOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::index::{self, File, FileQuery, Link};
use crate::meter::Rate;
use crate::options::UploadOptions;
use crate::source::Source;
use crate::target::Target;
use crate::tus;
use crate::upload::{self, Upload};
use crate::upload_url::UploadUrl;

/// How long a worker may be away in a row, as when it is restarted.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long it may take to reach it.
const CONNECT: Duration = Duration::from_secs(10);

/// One user at one worker. Clones share connections, patience and rate.
///
/// ```
/// use telestore_client::Client;
///
/// let client = Client::builder("https://worker.example").token("the user's token").build()?;
/// assert_eq!(client.base_url(), "https://worker.example");
/// # Ok::<(), telestore_client::Error>(())
/// ```
#[derive(Clone)]
pub struct Client(Arc<Calls>);

/// Makes a [`Client`].
#[must_use]
pub struct ClientBuilder {
    base: String,
    token: Option<Secret>,
    ca: Option<PathBuf>,
    patience: Duration,
    user_agent: String,
    rate: Option<u64>,
    stall: Option<Duration>,
}

impl Client {
    /// For the worker at this address: `http://` or `https://`, with a path if a proxy serves it below one.
    pub fn builder(base_url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            base: base_url.into(),
            token: None,
            ca: None,
            patience: PATIENCE,
            user_agent: concat!("telestore-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            rate: None,
            stall: None,
        }
    }

    /// The worker's address, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.0.base
    }

    /// The address of an upload of which only the id is known.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if no upload has such an id.
    pub fn url_of(&self, upload_id: &str) -> Result<UploadUrl> {
        UploadUrl::of(&self.0.base, upload_id).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "an upload's id is 1 to 128 characters out of A-Z a-z 0-9 . _ -, and not a path",
            )
        })
    }

    /// Sends a file, or whatever the source is. To be called within a tokio runtime.
    ///
    /// The upload waits and tries again for as long as the patience lasts, and goes on where the worker is. Where it is lost to the worker
    /// before its end, it begins anew. Its message is made at most once.
    pub fn upload(&self, source: Source, options: UploadOptions) -> Upload {
        upload::start(Arc::clone(&self.0), None, source, options)
    }

    /// Goes on with an upload, from what the worker has of it; also one of which it has all, and one that has ended: the worker is
    /// asked, and nothing is guessed. Of the options, only those count that say how bytes are sent.
    ///
    /// It ends with [`ErrorKind::Gone`] if the worker does not know it. Whether the file may be in the channel then, is what
    /// [`before_last`](UploadOptions::before_last) tells.
    pub fn resume(&self, url: &UploadUrl, source: Source, options: UploadOptions) -> Upload {
        upload::start(Arc::clone(&self.0), Some(url.clone()), source, options)
    }

    /// What the worker knows of an upload.
    ///
    /// # Errors
    /// The worker refuses the token, or is away for too long.
    pub async fn status(&self, url: &UploadUrl) -> Result<Status> {
        delivery::status(&self.0, url).await
    }

    /// What was said of an upload when it was created: `filename` and the like, and its own
    /// [metadata](UploadOptions::metadata). `None` if there is no such upload, or not any more.
    ///
    /// # Errors
    /// As of [`status`](Self::status).
    pub async fn metadata(&self, url: &UploadUrl) -> Result<Option<BTreeMap<String, String>>> {
        tus::metadata(&self.0, url).await
    }

    /// Has the worker send the file of a failed upload again, from what it has of it. `false` if it has not, or if the upload
    /// was cancelled: then the file is to be uploaded anew.
    ///
    /// # Errors
    /// As of [`status`](Self::status).
    pub async fn send_again(&self, url: &UploadUrl) -> Result<bool> {
        delivery::again(&self.0, None, url).await
    }

    /// Cancels an upload, also one that the worker does not know.
    ///
    /// # Errors
    /// As of [`status`](Self::status).
    pub async fn cancel(&self, url: &UploadUrl) -> Result<Cancelled> {
        delivery::cancel(&self.0, url).await
    }

    /// The files that completed uploads have become, the newest first. Pages are asked for as the stream is read; it ends with
    /// its first error.
    ///
    /// ```no_run
    /// use futures_util::StreamExt;
    /// use telestore_client::FileQuery;
    ///
    /// # async fn example(client: telestore_client::Client) -> telestore_client::Result<()> {
    /// let mut files = client.files(FileQuery::new().named(".mkv"));
    /// while let Some(file) = files.next().await {
    ///     println!("{}", file?.file_name);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn files(&self, query: FileQuery) -> impl Stream<Item = Result<File>> + Send + Unpin + 'static {
        index::files(Arc::clone(&self.0), query)
    }

    /// One of the files, by its [id](File::id).
    ///
    /// # Errors
    /// [`ErrorKind::Gone`] if there is none; [`ErrorKind::Config`] if no file has such an id; or as of [`status`](Self::status).
    pub async fn file(&self, id: &str) -> Result<File> {
        index::file(&self.0, id).await
    }

    /// Fetches a file. To be called within a tokio runtime.
    ///
    /// The download waits and tries again for as long as the patience lasts, from the byte where it was. What comes is the file
    /// that was sent, by its SHA-256 if the index has one, and by its length; bytes of two files are never mixed.
    pub fn download(&self, file: &File, target: Target, options: DownloadOptions) -> Download {
        download::start(Arc::clone(&self.0), file, target, options)
    }

    /// Has the worker make an address that opens a file without a token for so long. It counts whole seconds.
    ///
    /// # Errors
    /// As of [`file`](Self::file), and [`ErrorKind::Refused`] for a time that the worker does not take.
    pub async fn link(&self, id: &str, lasts: Duration) -> Result<Link> {
        index::link(&self.0, id, lasts).await
    }

    /// Deletes a file, and its messages. `false` if the worker has no such file: also if it was deleted by an earlier try of this call,
    /// whose answer was lost on the way.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if no file has such an id; or as of [`status`](Self::status).
    pub async fn delete(&self, id: &str) -> Result<bool> {
        index::delete(&self.0, id).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.base).finish()
    }
}

impl ClientBuilder {
    /// The auth token of the user. Blanks around it are taken off.
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Certificates (PEM) to trust and no others, for a worker whose certificate is not publicly trusted. Without it those of the
    /// system are trusted, or those that `SSL_CERT_FILE` names.
    pub fn ca(mut self, path: impl AsRef<Path>) -> Self {
        self.ca = Some(path.as_ref().to_owned());
        self
    }

    /// How long the worker may be away, or ask for patience, while nothing of all files goes forward: two minutes unless it is named.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What the client calls itself.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// How many bytes may go in a second, over all files of this client, either way.
    pub fn bytes_per_second(mut self, bytes: u64) -> Self {
        self.rate = Some(bytes);
        self
    }

    /// How long a connection may stand still while bytes are sent or fetched, before it counts as broken: two minutes unless it is named.
    pub fn stall(mut self, stall: Duration) -> Self {
        self.stall = Some(stall);
        self
    }

    /// The client. Nothing is asked of the worker yet.
    ///
    /// Proxies are taken from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`). If no cryptography was installed
    /// for rustls in this process, ring is.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]: the address or the token is malformed, or the certificates cannot be read.
    pub fn build(self) -> Result<Client> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = |text: String| Error::new(ErrorKind::Config, text);
        let base = pasted::base_url(&self.base).map_err(|fault| config(fault.to_string()))?;
        let token = token(self.token.as_ref().map_or("", Secret::expose))?;
        let mut http = Http::builder()
            .connect_timeout(CONNECT)
            .tcp_keepalive(Duration::from_secs(30))
            // A connection for each upload: one that stands still, or breaks, holds up no other.
            .http1_only()
            .user_agent(&self.user_agent)
            // The token goes nowhere else, and a body cannot follow.
            .redirect(Policy::none());
        if let Some(path) = &self.ca {
            http = http.tls_certs_only(certificates(path)?);
        }
        let http = http.build().map_err(|error| config(error.without_url().to_string()))?;
        let mut calls = Calls::new(http, base, token, self.patience);
        calls.rate = self.rate.map(Rate::new);
        calls.stall = self.stall.unwrap_or(calls.stall);
        Ok(Client(Arc::new(calls)))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("base", &self.base).finish_non_exhaustive()
    }
}

/// The token without the blanks around it, which a header would lose.
fn token(given: &str) -> Result<Secret> {
    let token = given.trim();
    match HeaderValue::from_str(token) {
        _ if token.is_empty() => Err(Error::new(ErrorKind::Config, "the token is empty")),
        Ok(_) => Ok(Secret::new(token)),
        Err(_) => Err(Error::new(
            ErrorKind::Config,
            "the token holds a line break, or another character that no token holds: copy it anew",
        )),
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let failed = |error: &dyn fmt::Display| {
        Error::new(ErrorKind::Config, format!("the certificates in {}: {error}", path.display()))
    };
    let pem = std::fs::read(path).map_err(|error| failed(&error))?;
    let trusted = Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))?;
    if trusted.is_empty() { Err(failed(&"there is none in PEM")) } else { Ok(trusted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_that_a_header_takes() {
        assert_eq!(token(" word\n").unwrap().expose(), "word");
        for (wrong, words) in [("", "is empty"), (" \n", "is empty"), ("hush\nhush", "line break")] {
            let error = token(wrong).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn what_is_malformed_is_said_before_anything_is_asked() {
        let builder = |url: &str| Client::builder(url).token("word");
        let error = builder("127.0.0.1:10000").build().unwrap_err();
        assert!(error.to_string().ends_with("did you mean http://127.0.0.1:10000?"), "{error}");
        let error = builder("http://127.0.0.1").ca("/nowhere").build().unwrap_err();
        assert!(error.to_string().contains("the certificates in /nowhere: "), "{error}");
        let client = builder("http://127.0.0.1/below/").build().unwrap();
        assert_eq!(client.url_of("x").unwrap().as_str(), "http://127.0.0.1/below/tus/x");
        assert!(client.url_of("../x").is_err());
        assert!(!format!("{client:?}").contains("word"));
    }
}
