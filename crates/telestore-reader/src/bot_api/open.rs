use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_bot_api::{BotApi, BotApiConfig};
use telestore_types::{Sender, StoredAs, StoredMessage, TelegramCredentials};

use super::answer::{Broken, Found, another_file};
use super::calls::Bot;
use super::disk::{self, FileOnDisk};
use super::known::KnownFiles;
use super::link::LinkedFile;
use crate::content::better;
use crate::{Error, ErrorKind, MessageBytes, Result, TelegramReader};

/// How many connections that are done wait for another range, and how long: servers end them after a while.
const IDLE_CONNECTIONS: usize = 4;
const IDLE_FOR: Duration = Duration::from_secs(20);

/// Reads by the Bot API: what a bot of the credentials has sent by it, and as large as its server gives (20 MiB, if it is Telegram's). It
/// needs the bot's token and nothing else.
///
/// A stream has one connection of its own, and holds what came of it last. Uploads have others.
pub struct BotApiReader {
    api: BotApi,
    known: KnownFiles,
}

impl std::fmt::Debug for BotApiReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BotApiReader").field("api", &self.api).finish_non_exhaustive()
    }
}

impl BotApiReader {
    /// Prepares a client; nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the TLS set-up of this machine cannot be used, or if the proxy cannot carry the Bot API (see
    /// [`BotApiConfig::has_way`]).
    pub fn new(config: BotApiConfig) -> Result<Self> {
        // Streams on one connection of HTTP/2 would wait for the slowest client among them.
        let tune = |client: reqwest::ClientBuilder| {
            client.http1_only().pool_max_idle_per_host(IDLE_CONNECTIONS).pool_idle_timeout(IDLE_FOR)
        };
        let api = BotApi::new(config, tune);
        let api = api.map_err(|error| Error::new(ErrorKind::Unavailable, error.to_string()))?;
        Ok(Self { api, known: KnownFiles::default() })
    }

    async fn open_as(
        &self,
        sender: &Sender,
        file_id: &str,
        length: u64,
    ) -> Result<Arc<dyn MessageBytes>, Broken> {
        let bot = Bot::of(&self.api, sender).unwrap_or_else(|| Err(nobody()));
        let bot = bot.map_err(Broken::NotThisBot)?;
        if let Some(link) = self.known.link(file_id, sender) {
            return Ok(Arc::new(LinkedFile::new(bot, file_id, length, link)));
        }
        let Found { path, length: found } = bot.get_file(file_id).await?;
        if found.is_some_and(|found| found != length) {
            return Err(Broken::Final(another_file()));
        }
        if disk::is_absolute(&path) {
            let file = FileOnDisk::find(&path, self.api.config().files_dir.as_deref(), length).await;
            return file.map(|file| Arc::new(file) as Arc<dyn MessageBytes>).map_err(Broken::Final);
        }
        let link: Arc<str> = path.into();
        self.known.remember(file_id, sender, &link);
        Ok(Arc::new(LinkedFile::new(bot, file_id, length, link)))
    }
}

fn nobody() -> Error {
    Error::new(ErrorKind::Refused, "no bot of these Telegram credentials can read the file")
}

#[async_trait]
impl TelegramReader for BotApiReader {
    fn name(&self) -> &'static str {
        "Bot API"
    }

    fn takes(&self, credentials: &TelegramCredentials, message: &StoredMessage) -> bool {
        let sent = matches!(message.stored_as, StoredAs::BotApi { .. });
        sent && message.size <= self.api.config().max_download_bytes() && credentials.bots().next().is_some()
    }

    async fn open(
        &self,
        credentials: &TelegramCredentials,
        message: &StoredMessage,
    ) -> Result<Arc<dyn MessageBytes>> {
        let StoredAs::BotApi { file_id } = &message.stored_as else { return Err(nobody()) };
        let mut failed = None;
        // A file_id is good for one bot, and does not say for which.
        for sender in self.known.order(file_id, credentials.bots()) {
            match self.open_as(sender, file_id, message.size).await {
                Ok(open) => return Ok(open),
                Err(Broken::Final(error)) => return Err(error),
                Err(broken) => {
                    let error = broken.into_error();
                    tracing::debug!(sender = %sender.id, %error, "cannot read the file as this bot");
                    failed = Some(better(failed, error));
                }
            }
        }
        Err(failed.unwrap_or_else(nobody))
    }

    fn looks(&self, _: &TelegramCredentials) -> bool {
        // The Bot API has no call that fetches a message.
        false
    }

    async fn look(&self, _: &TelegramCredentials, _: i64) -> Result<Arc<dyn MessageBytes>> {
        Err(Error::new(ErrorKind::Refused, "by the Bot API no message can be read by its number"))
    }
}
