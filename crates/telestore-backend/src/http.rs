use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use telestore_types::pasted::{self, ApplicationFault};
use telestore_types::{ApiId, Secret, Shown, TelegramCredentials, UserId};

use crate::metrics::METRICS;
use crate::{CredentialProvider, Error, Result};

/// The largest answer that is read; credentials are a kilobyte or two.
const MAX_ANSWER: usize = 64 * 1024;

/// How much of the backend's own words is repeated, in characters.
const SHOWN: usize = 200;

/// How many bots of a list are taken.
const MAX_BOTS: usize = 64;

/// The longest user id, in bytes.
const MAX_USER_ID: usize = 256;

/// Where the backend is and how long to wait for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpConfig {
    /// `BACKEND_URL`, without a trailing slash or with one.
    pub base_url: String,
    /// How long one call may take, connection included.
    pub timeout: Duration,
}

impl HttpConfig {
    /// The backend at `base_url`, with ten seconds for a call.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), timeout: Duration::from_secs(10) }
    }

    /// The same, with so long for a call.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The address of `path`, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.trim_end_matches('/'))
    }

    pub(crate) fn client(&self) -> Result<Client> {
        // Fails if the process has chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(self.timeout).redirect(reqwest::redirect::Policy::none());
        // No answer is inflated, whatever features others switch on.
        let client = client.no_gzip().no_brotli().no_deflate().no_zstd();
        client.build().map_err(|error| Error::Unavailable(describe(error)))
    }
}

/// What went wrong, without the address: it may hold somebody's secret.
pub(crate) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    shown(&text)
}

/// Words from outside on one line, and not at any length.
fn shown(text: &str) -> String {
    Shown(&text.chars().take(SHOWN).collect::<String>()).to_string()
}

/// Reads what an answer may hold. The client's timeout is over all of it.
async fn body_of(mut answer: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| Error::Unavailable(describe(error)))? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(Error::BadAnswer(format!("it is longer than {} KiB", MAX_ANSWER / 1024)));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Asks `GET {BACKEND_URL}/api/worker/credentials`.
#[derive(Debug)]
pub struct HttpCredentialProvider {
    client: Client,
    url: String,
}

/// The documented answer. Numbers come as text; some backends send them as numbers.
#[derive(Deserialize)]
struct Answer {
    user_id: String,
    channel_id: Option<Text>,
    bot_token: Option<Secret>,
    bot_tokens: Option<Vec<Secret>>,
    telegram_session: Option<Secret>,
    telegram_api_id: Option<Text>,
    telegram_api_hash: Option<Secret>,
    age_recipients: Option<Recipients>,
}

/// For whom files are encrypted: as a list, or as one text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recipients {
    One(String),
    Many(Vec<String>),
}

impl Recipients {
    /// Each that is named. Whether it can be one is looked at when a file is encrypted: one that is left out could not open it.
    fn named(self) -> Vec<String> {
        let all = match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        };
        all.into_iter().filter(|text| !text.trim().is_empty()).collect()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Given(String),
    Number(i64),
    /// As languages write large numbers that have one kind of number only.
    Float(f64),
}

impl Text {
    fn into_text(self) -> String {
        match self {
            Self::Given(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    detail: String,
}

const NOT_CONFIGURED: &str = "Telegram not fully configured. Please complete setup in Settings.";

impl HttpCredentialProvider {
    /// A provider for the backend of `config`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no HTTP client can be made.
    pub fn new(config: &HttpConfig) -> Result<Self> {
        Ok(Self { client: config.client()?, url: config.url("/api/worker/credentials") })
    }
}

impl TryFrom<Answer> for TelegramCredentials {
    type Error = Error;

    fn try_from(answer: Answer) -> Result<Self> {
        let given = |secret: Option<Secret>| secret.filter(|secret| !secret.is_empty());
        let channel = answer.channel_id.map(Text::into_text).filter(|channel| !channel.trim().is_empty());
        let channel = channel.ok_or_else(|| Error::NotConfigured(NOT_CONFIGURED.to_owned()))?;
        // A channel that makes no sense is the user's setting, not the backend's fault.
        let channel = pasted::channel(&channel).map_err(|fault| Error::NotConfigured(fault.to_string()))?;
        if answer.user_id.is_empty() {
            return Err(Error::BadAnswer("user_id is empty".to_owned()));
        }
        if answer.user_id.len() > MAX_USER_ID {
            return Err(Error::BadAnswer(format!("user_id is longer than {MAX_USER_ID} bytes")));
        }
        if let Some(hint) = channel.hint {
            tracing::info!(user = %answer.user_id, "channel id of the user {hint}");
        }
        let api_id = answer.telegram_api_id.map(Text::into_text).filter(|id| !id.trim().is_empty());
        let (api_id, api_hash) = application(api_id.as_deref(), given(answer.telegram_api_hash))?;
        let bots = bots(answer.bot_token, answer.bot_tokens.unwrap_or_default(), &answer.user_id);
        let credentials = Self::new(UserId::new(answer.user_id), channel.chat);
        let credentials = bots.into_iter().fold(credentials, Self::with_bot);
        let credentials = credentials.with_application(api_id, api_hash.clone());
        let recipients = answer.age_recipients.map(Recipients::named).unwrap_or_default();
        let credentials = credentials.with_age_recipients(recipients);
        Ok(credentials.with_session(answer.telegram_session, api_id, api_hash))
    }
}

/// All bots, each once: the single one is the first. One of a list that cannot be read is left out, so that it spoils nothing; the
/// single one is passed on, since its fault is told to who sends.
fn bots(single: Option<Secret>, list: Vec<Secret>, user: &str) -> Vec<Secret> {
    let mut bots: Vec<Secret> = single.filter(|token| !token.is_empty()).into_iter().collect();
    let more = list.into_iter().enumerate().filter(|(_, token)| !token.expose().trim().is_empty());
    for (index, token) in more.take(MAX_BOTS) {
        match pasted::bot_token(token.expose()) {
            Ok(read) if bots.iter().any(|known| pasted::bot_token(known.expose()) == Ok(read)) => {}
            Ok(read) => bots.push(Secret::new(read)),
            Err(fault) => {
                tracing::warn!(%user, number = index + 1, "one of the user's bot_tokens is left out: {fault}")
            }
        }
    }
    bots
}

/// A session needs no hash: one that cannot be read is passed on, and spoils nothing.
fn application(id: Option<&str>, hash: Option<Secret>) -> Result<(Option<ApiId>, Option<Secret>)> {
    let told = |fault: ApplicationFault| Error::NotConfigured(fault.to_string());
    match pasted::application(id, hash.as_ref().map(Secret::expose)) {
        Ok(pair) => Ok(pair),
        Err(_) => Ok((id.map(pasted::api_id).transpose().map_err(told)?, hash)),
    }
}

#[async_trait]
impl CredentialProvider for HttpCredentialProvider {
    async fn credentials(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        if token.is_empty() || !token.expose().bytes().all(|b| b.is_ascii_graphic()) {
            // It does not fit into a header, so the backend cannot have given it out.
            return Err(Error::InvalidToken);
        }
        let unavailable = |error| Error::Unavailable(describe(error));
        let began = Instant::now();
        let answer = self.client.get(&self.url).bearer_auth(token.expose()).send().await;
        METRICS.credentials.record(began.elapsed());
        let answer = answer.map_err(unavailable)?;
        match answer.status() {
            StatusCode::OK => {
                let body = body_of(answer).await?;
                // serde's own words may quote the body, which is full of secrets.
                let answer: Answer = serde_json::from_slice(&body)
                    .map_err(|_| Error::BadAnswer("credentials are not the documented JSON".to_owned()))?;
                TelegramCredentials::try_from(answer).map(Arc::new)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::InvalidToken),
            StatusCode::BAD_REQUEST => {
                let body = body_of(answer).await?;
                let words = serde_json::from_slice(&body).map(|refusal: Refusal| shown(&refusal.detail));
                Err(Error::NotConfigured(words.unwrap_or_else(|_| NOT_CONFIGURED.to_owned())))
            }
            status => Err(Error::Unavailable(format!("it answered {status}"))),
        }
    }

    async fn forget(&self, _: &Secret) {}

    /// Asks without a token, which a backend that is well refuses.
    async fn reach(&self) -> Result<()> {
        let asked = self.client.get(&self.url).send().await;
        match asked.map_err(|error| Error::Unavailable(describe(error)))?.status() {
            status if status.is_server_error() => Err(Error::Unavailable(format!("it answered {status}"))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::Login;

    use super::*;

    fn read(json: &str) -> Result<TelegramCredentials> {
        TelegramCredentials::try_from(serde_json::from_str::<Answer>(json).unwrap())
    }

    #[test]
    fn reads_the_documented_answer() {
        let credentials = read(
            r#"{"bot_token": "123:abc", "channel_id": "-1001234567890", "telegram_session": null,
                "telegram_api_id": "12345", "telegram_api_hash": "h", "user_id": "uuid", "backend_url": "…"}"#,
        )
        .unwrap();
        let names: Vec<_> = credentials.senders.iter().map(|sender| sender.id.as_str()).collect();
        assert_eq!((names.len(), credentials.sessions().count()), (1, 0), "{names:?}");
        assert_eq!(credentials.chat_id.channel_id(), Some(1_234_567_890));
        assert_eq!(credentials.user_id.as_str(), "uuid");
    }

    #[test]
    fn several_bots_share_the_files_and_one_that_cannot_be_read_spoils_nothing() {
        let credentials = read(
            r#"{"user_id": "u", "channel_id": "-1001", "bot_token": "1:a", "bot_tokens": ["2:b", "nonsense", " 1:a ", "", "'3:c'"],
                "telegram_api_id": "12345", "telegram_api_hash": "0123456789abcdef0123456789abcdef"}"#,
        )
        .unwrap();
        let names: Vec<_> = credentials.bots().map(|bot| bot.id.as_str()).collect();
        assert_eq!(names, ["bot:1", "bot:2", "bot:3"]);
        assert!(credentials.bots().all(|bot| bot.application().is_some()));
        let only = read(r#"{"user_id": "u", "channel_id": "-1001", "bot_tokens": ["2:b"]}"#).unwrap();
        assert_eq!(only.bots().count(), 1);
        let none = read(r#"{"user_id": "u", "channel_id": "-1001", "bot_token": "1:a", "bot_tokens": null}"#);
        assert_eq!(none.unwrap().bots().count(), 1);
    }

    #[test]
    fn files_are_encrypted_for_those_whom_the_backend_names() {
        let named = |recipients: &str| {
            let text = format!(
                r#"{{"user_id": "u", "channel_id": "-1001", "bot_token": "1:a", "age_recipients": {recipients}}}"#
            );
            read(&text).unwrap().age_recipients
        };
        assert_eq!(named(r#"["age1a", "age1b"]"#), ["age1a", "age1b"]);
        assert_eq!(named(r#""age1a,age1b""#), ["age1a,age1b"]);
        for nobody in ["null", "[]", r#""""#, r#"[" "]"#] {
            assert_eq!(named(nobody), [""; 0], "{nobody}");
        }
    }

    #[test]
    fn takes_numbers_and_empty_texts_for_what_they_mean() {
        let credentials =
            read(r#"{"user_id": "u", "channel_id": -1001, "bot_token": "", "telegram_session": "s", "telegram_api_id": 7}"#)
                .unwrap();
        assert_eq!(credentials.chat_id.as_str(), "-1001");
        assert_eq!(credentials.bots().count(), 0);
        assert_eq!(credentials.senders[0].api_id().map(ApiId::get), Some(7));
        assert!(matches!(read(r#"{"user_id": "u", "channel_id": ""}"#), Err(Error::NotConfigured(_))));
        assert!(matches!(
            read(r#"{"user_id": "u", "channel_id": "my channel"}"#),
            Err(Error::NotConfigured(_))
        ));
        for user_id in ["", &"u".repeat(MAX_USER_ID + 1)] {
            let answer = format!(r#"{{"user_id": "{user_id}", "channel_id": "-1001"}}"#);
            assert!(matches!(read(&answer), Err(Error::BadAnswer(_))));
        }
    }

    #[test]
    fn reads_what_users_have_pasted() {
        let channel = |json: &str| read(&format!(r#"{{"user_id": "u", "channel_id": {json}}}"#));
        for json in [
            r#""'-1001953958128'""#,
            r#""\u22121001953958128""#,
            r#""https://t.me/c/1953958128/5""#,
            "-1001953958128",
            "-1.001953958128e12",
            "1001953958128",
        ] {
            assert_eq!(channel(json).unwrap().chat_id.as_str(), "-1001953958128", "{json}");
        }
        for (json, words) in [
            ("1953958128", "did you mean -1001953958128?"),
            (r#""https://t.me/+AbCdEf""#, "invite link"),
            (r#""files""#, "did you mean @files?"),
            ("1.5", "looks like a title"),
        ] {
            let error = channel(json).unwrap_err();
            assert!(matches!(&error, Error::NotConfigured(text) if text.contains(words)), "{json}: {error}");
        }
        let hash = "0123456789abcdef0123456789abcdef";
        let turned = format!(
            r#"{{"user_id": "u", "channel_id": "@files", "telegram_session": "s", "telegram_api_id": "{hash}",
                "telegram_api_hash": "'7'"}}"#
        );
        let credentials = read(&turned).unwrap();
        let Login::Session { api_id, api_hash, .. } = &credentials.senders[0].login else {
            panic!("a session")
        };
        assert_eq!((api_id.map(ApiId::get), api_hash.as_ref().map(Secret::expose)), (Some(7), Some(hash)));
        let wrong = r#"{"user_id": "u", "channel_id": "@files", "telegram_api_id": "seven"}"#;
        assert!(matches!(read(wrong), Err(Error::NotConfigured(text)) if text.contains("my.telegram.org")));
    }

    #[tokio::test]
    async fn tokens_that_fit_no_header_never_reach_the_backend() {
        let provider = HttpCredentialProvider::new(&HttpConfig::new("http://127.0.0.1:1")).unwrap();
        for token in ["", "a b", "a\r\nX-Evil: 1", "ä"] {
            assert_eq!(provider.credentials(&token.into()).await, Err(Error::InvalidToken), "{token:?}");
        }
        let down = provider.credentials(&"fine".into()).await.unwrap_err();
        assert!(matches!(&down, Error::Unavailable(text) if !text.contains("127.0.0.1:1/")), "{down}");
    }
}
