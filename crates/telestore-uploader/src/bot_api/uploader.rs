use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use telestore_bot_api::{BotApi, BotApiConfig, Heard};
use telestore_types::{
    CAPTION_MAX, ChatId, Sender, Stage, StoredFile, StoredMessage, TelegramCredentials, UserId, pasted,
};

use super::answer::{self, Outcome};
use super::copy;
use super::preflight::{Known, Open};
use super::rights::Refused;
use super::state::{BodyState, Told};
use super::transfer::Transfer;
use crate::media::Media;
use crate::staying::Staying;
use crate::{
    Capability, Error, ErrorKind, ProgressSink, Requirement, Result, TelegramUploader, UploadRequest,
};

/// How many moved chats are remembered.
const MAX_MIGRATED: usize = 1024;

/// How often one request follows a chat that has moved.
const MAX_MOVES: u32 = 3;

/// Sends a file with the Bot API, in one request.
///
/// The Bot API has no key that would make a repeated request the same one: if a body was taken in full and no
/// answer came, the message may exist, and the error says so ([`Verdict::Ambiguous`](crate::Verdict::Ambiguous)).
///
/// Nor does it acknowledge pieces. A piece is reported as acknowledged when the connection has asked for two more
/// behind it, so what is reported runs ahead of Telegram by at most the buffers of the connection; the full length is
/// reported only after Telegram has answered that the message exists.
pub struct BotApiUploader {
    pub(super) api: BotApi,
    pub(super) posts: Known,
    migrated: Mutex<HashMap<(UserId, ChatId), i64>>,
}

impl std::fmt::Debug for BotApiUploader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BotApiUploader").field("config", self.api.config()).finish_non_exhaustive()
    }
}

impl BotApiUploader {
    /// Prepares a client; nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the TLS set-up of this machine cannot be used, or if the proxy cannot carry the Bot API
    /// (see [`BotApiConfig::has_way`]).
    pub fn new(config: BotApiConfig) -> Result<Self> {
        // A connection that the server closed while it was idle would cost an attempt: a streamed body cannot be sent again behind
        // our back. One handshake per file costs nothing beside that.
        let api = BotApi::new(config, |client| client.pool_max_idle_per_host(0))?;
        Ok(Self { api, posts: Known::default(), migrated: Mutex::default() })
    }

    /// Calls a method that sends no file.
    pub(super) async fn post(&self, token: &str, method: &str, arguments: &Value) -> Result<Heard> {
        Ok(self.api.post(token, method, arguments).await?)
    }

    /// Calls a method that changes nothing, and gives its result.
    pub(super) async fn ask(&self, token: &str, method: &str, arguments: &Value) -> Result<Value> {
        answer::told(&self.post(token, method, arguments).await?)
    }

    fn chat_of(&self, credentials: &TelegramCredentials) -> String {
        let key = (credentials.user_id.clone(), credentials.chat_id.clone());
        let moved = self.migrated.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        moved.map_or_else(|| key.1.as_str().to_owned(), |chat| chat.to_string())
    }

    fn remember(&self, credentials: &TelegramCredentials, chat: i64) {
        let mut migrated = self.migrated.lock().unwrap_or_else(PoisonError::into_inner);
        if migrated.len() >= MAX_MIGRATED {
            migrated.clear();
        }
        migrated.insert((credentials.user_id.clone(), credentials.chat_id.clone()), chat);
    }

    /// Follows a chat that has moved, for this file and for later ones.
    async fn follow(&self, request: &UploadRequest, chat: i64, progress: &dyn ProgressSink) -> String {
        self.remember(&request.credentials, chat);
        if let Ok(new) = ChatId::new(chat.to_string()) {
            progress.moved(&request.credentials.chat_id, &new).await;
        }
        chat.to_string()
    }

    /// Sends the file in one request.
    async fn send(
        &self,
        request: &UploadRequest,
        media: &Media,
        token: &str,
        chat_id: &str,
        told: &Arc<Told>,
    ) -> Result<Sent> {
        if request.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        told.stage(Stage::Sending);
        let transfer = Transfer { api: &self.api, request, media, token, chat_id };
        let caption = request.caption.clone().cut(CAPTION_MAX);
        let to = ChatId::new(chat_id).ok().map(|chat| (chat, caption));
        let answer = transfer.run(&BodyState::new(told.clone(), to)).await?;
        let forget = || self.forget(&request.credentials.user_id, token, chat_id);
        match answer::read(&answer.heard, answer.taken) {
            Outcome::Stored(mut message) => {
                message.size = request.source.len();
                Ok(Sent::Stored(StoredFile::new(message.sent_as(media.shown_as()))))
            }
            // The whole file goes again afterwards, so nothing is lost by giving the place to others meanwhile.
            Outcome::Wait(wait) => Err(answer::asked_to_wait(wait)),
            Outcome::Migrated(chat) => {
                forget();
                Ok(Sent::Moved(chat))
            }
            Outcome::Failed(error) if let Some(instead) = media.instead(&error.to_string()) => {
                tracing::info!("[{}] Sent as a document: {error}", request.upload_id);
                Ok(Sent::NotAs(instead))
            }
            Outcome::Failed(error) => Err(match Refused::read(&answer.heard) {
                Some(refused) => {
                    forget();
                    refused.into()
                }
                None => copy::explained(request, error),
            }),
        }
    }

    /// Sends the file by the bot that is to send it.
    async fn deliver(&self, request: &UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        progress.stage(Stage::Connecting);
        let Some(file_id) = copy::file_id(request) else {
            return self.deliver_by(self.allowed(request)?, request, progress).await;
        };
        let holder = request.cancel.run_until_cancelled(self.holder(request, file_id)).await;
        let holder = holder.ok_or_else(Error::cancelled)??;
        let sent = match token_of(Some(holder)) {
            Ok(token) => self.deliver_by(token, request, progress).await,
            Err(error) => Err(error),
        };
        // It is not the chosen one that has to wait.
        sent.map_err(|error| error.met_by(Some(holder.id.clone())))
    }

    /// Sends the file to where its chat is.
    async fn deliver_by(
        &self,
        token: &str,
        request: &UploadRequest,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<StoredFile> {
        let told = Told::new(progress.clone());
        let user = &request.credentials.user_id;
        let mut chat_id = self.chat_of(&request.credentials);
        let cancel = &request.cancel;
        // A parser may take long over a file that means no good.
        let media = cancel.run_until_cancelled(Media::of(request)).await;
        let (mut moves, mut media) = (0, media.ok_or_else(Error::cancelled)?);
        progress.stage(Stage::Resolving);
        loop {
            let looked = cancel.run_until_cancelled(self.look(user, token, &chat_id)).await;
            let moved = match looked.ok_or_else(Error::cancelled)?? {
                Open::Moved(chat) => chat,
                Open::Here => match self.send(request, &media, token, &chat_id, &told).await? {
                    Sent::Stored(stored) => {
                        progress.stage(Stage::Finishing);
                        told.acknowledge(request.source.len());
                        return Ok(stored);
                    }
                    Sent::Moved(chat) => chat,
                    Sent::NotAs(instead) => {
                        media = instead;
                        continue;
                    }
                },
            };
            if moves >= MAX_MOVES {
                return Err(Error::channel_unresolved());
            }
            moves += 1;
            chat_id = self.follow(request, moved, progress.as_ref()).await;
        }
    }

    /// Looks whether the chat is there and the bot may post in it.
    async fn find(&self, credentials: &TelegramCredentials, token: &str) -> Result<()> {
        let chat = self.chat_of(credentials);
        let here = match self.look(&credentials.user_id, token, &chat).await? {
            Open::Here => chat,
            Open::Moved(new) => {
                self.remember(credentials, new);
                new.to_string()
            }
        };
        self.ask(token, "getChat", &json!({ "chat_id": here })).await.map(drop)
    }

    fn allowed<'a>(&self, request: &'a UploadRequest) -> Result<&'a str> {
        let length = request.source.len();
        match self.api.config().max_bytes {
            most if length > most => Err(Error::too_large(length, most)),
            _ => token_of(request.bot()),
        }
    }
}

/// What became of a request.
enum Sent {
    Stored(StoredFile),
    /// Nothing: the chat is this one now.
    Moved(i64),
    /// Nothing: it is to go as this.
    NotAs(Media),
}

/// The token is a part of the path: nothing else in it may ask for another path, which [`pasted::bot_token`] sees to.
pub(super) fn token_of(bot: Option<&Sender>) -> Result<&str> {
    let token = bot.and_then(Sender::bot_token).filter(|token| !token.is_empty()).ok_or_else(no_token)?;
    pasted::bot_token(token.expose()).map_err(Error::bad_bot_token)
}

fn no_token() -> Error {
    Error::new(ErrorKind::NotAuthorized, "no usable bot token is configured: get one from @BotFather")
}

#[async_trait]
impl TelegramUploader for BotApiUploader {
    fn name(&self) -> &'static str {
        "Bot API"
    }

    fn capability(&self) -> Capability {
        Capability::new(self.api.config().max_bytes, Requirement::BotToken)
    }

    async fn upload(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        let sent = self.deliver(&request, progress).await;
        sent.map_err(|error| error.about(&request.credentials.chat_id))
    }

    fn copies(&self, message: &StoredMessage) -> bool {
        copy::copies(message)
    }

    async fn check(&self, credentials: &TelegramCredentials) -> Result<()> {
        let token = token_of(credentials.bots().next())?;
        self.ask(token, "getMe", &json!({})).await?;
        let found = self.find(credentials, token).await;
        found.map_err(|error| error.about(&credentials.chat_id))
    }

    async fn withdraw(&self, credentials: &TelegramCredentials, stored: &StoredFile) -> Result<bool> {
        let token = token_of(credentials.bots().next())?;
        let (mut staying, mut messages) = (Staying::default(), stored.messages().iter());
        while let Some(message) = staying.next(&mut messages) {
            let chat = message.chat_id.as_ref().map(|chat| chat.as_str().to_owned());
            let chat = chat.unwrap_or_else(|| self.chat_of(credentials));
            let arguments = json!({ "chat_id": chat, "message_id": message.message_id });
            let answer = self.post(token, "deleteMessage", &arguments).await;
            staying.note(message, answer.and_then(|answer| answer::deleted(&answer)));
        }
        staying.end()
    }
}
