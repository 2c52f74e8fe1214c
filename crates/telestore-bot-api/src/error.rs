/// Why the Bot API was not reached: the network, a proxy, or the TLS set-up of this machine. It holds no URL, which would hold a
/// token.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    text: String,
    #[source]
    source: Option<reqwest::Error>,
}

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    pub(crate) fn with_source(self, source: reqwest::Error) -> Self {
        Self { source: Some(source.without_url()), ..self }
    }

    /// A connection that failed, in words, and its cause, if there is one.
    pub fn into_parts(self) -> (String, Option<reqwest::Error>) {
        (self.text, self.source)
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The URL holds the bot token.
        let error = error.without_url();
        let why = if error.is_connect() { format!(": {}", root(&error)) } else { String::new() };
        Self::new(format!("the connection to Telegram failed{why}")).with_source(error)
    }
}

/// The first cause: a proxy says in it why it refuses, and nobody puts a URL there.
fn root(error: &reqwest::Error) -> &dyn std::error::Error {
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}
