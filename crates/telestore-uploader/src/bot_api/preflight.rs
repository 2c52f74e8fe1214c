//! What is looked at before the first byte of a file: is the chat there, and may the bot post in it?

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use telestore_bot_api::Heard;
use telestore_types::telegram::MissingRight;
use telestore_types::{Sender, UserId};
use tokio::time::{Instant, timeout};

use super::answer;
use super::rights::{Refused, bot_id, refusal};
use super::uploader::BotApiUploader;
use crate::{Error, ErrorKind, Result, UploadRequest};

/// How many answers are remembered.
const MAX_KNOWN: usize = 1024;

/// How long the questions may take: if nobody answers them, the file itself will tell.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose file, by which bot, and to where.
type Key = (UserId, i64, String);

/// The chats where bots may post, and since when that is known.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<Key, Instant>>);

impl Known {
    fn holds(&self, key: &Key, max_age: Duration) -> bool {
        self.lock().get(key).is_some_and(|at| at.elapsed() < max_age)
    }

    fn remember(&self, key: Key) {
        let mut known = self.lock();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(key, Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a file can go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// To this chat, as far as it is known.
    Here,
    /// To this one, which it has become.
    Moved(i64),
}

/// A server that does not know a method, or refuses it for reasons of its own, says nothing of the chat.
enum Said {
    Something(Value),
    Nothing,
    Moved(i64),
}

impl BotApiUploader {
    /// Looks whether the bot may post in `chat`, unless that is known.
    ///
    /// # Errors
    /// [`ErrorKind::ChannelUnresolved`] if it may not, and what a file would meet, too: a token that is refused, a wait.
    /// Nothing else stops a file, since not every server knows these methods: what is not said is left to the sending.
    pub(super) async fn look(&self, user: &UserId, token: &str, chat: &str) -> Result<Open> {
        let Some(bot) = bot_id(token) else { return Ok(Open::Here) };
        let key = (user.clone(), bot, chat.to_owned());
        if self.posts.holds(&key, self.api.config().rights_max_age) {
            return Ok(Open::Here);
        }
        let found =
            timeout(PATIENCE.min(self.api.config().answer_timeout), self.ask_about(token, bot, chat)).await;
        let open = found.unwrap_or(Ok(Open::Here))?;
        if open == Open::Here {
            self.posts.remember(key);
        }
        Ok(open)
    }

    /// To be called if a file was refused: the rights are not what they were.
    pub(super) fn forget(&self, user: &UserId, token: &str, chat: &str) {
        if let Some(bot) = bot_id(token) {
            self.posts.lock().remove(&(user.clone(), bot, chat.to_owned()));
        }
    }

    async fn ask_about(&self, token: &str, bot: i64, chat: &str) -> Result<Open> {
        let found = match self.hear(token, "getChat", &json!({ "chat_id": chat })).await? {
            Said::Something(found) => found,
            Said::Nothing => return Ok(Open::Here),
            Said::Moved(new) => return Ok(Open::Moved(new)),
        };
        let member = json!({ "chat_id": chat, "user_id": bot });
        match self.hear(token, "getChatMember", &member).await? {
            Said::Something(member) => match refusal(&found, &member) {
                Some(why) => Err(Error::may_not_post(why)),
                None => Ok(Open::Here),
            },
            Said::Nothing => Ok(Open::Here),
            Said::Moved(new) => Ok(Open::Moved(new)),
        }
    }

    async fn hear(&self, token: &str, method: &str, arguments: &Value) -> Result<Said> {
        let Ok(heard) = self.post(token, method, arguments).await else { return Ok(Said::Nothing) };
        let error = match answer::told(&heard) {
            Ok(said) => return Ok(Said::Something(said)),
            Err(error) if error.retry_after().is_some() => return Err(error),
            Err(error) => error,
        };
        match Refused::read(&heard) {
            Some(Refused::Moved(new)) => Ok(Said::Moved(new)),
            Some(
                refused
                @ (Refused::Upgraded | Refused::NotMember | Refused::Rights(MissingRight::Membership)),
            ) => Err(refused.into()),
            // That is about the question: some chats hide who is in them.
            Some(Refused::Rights(_)) => Ok(Said::Nothing),
            None if stops(&heard, &error) => Err(error),
            None => Ok(Said::Nothing),
        }
    }

    /// The bot that can send a file once more: a `file_id` is good for one bot, and does not say for which. Of several, each is asked
    /// whether it knows the file, the chosen one first.
    pub(super) async fn holder<'a>(&self, request: &'a UploadRequest, file_id: &str) -> Result<&'a Sender> {
        let chosen = request.bot();
        let others = request.credentials.bots().filter(|bot| chosen.is_none_or(|chosen| chosen.id != bot.id));
        let bots: Vec<&Sender> = chosen.into_iter().chain(others).collect();
        if let [only] = bots[..] {
            return Ok(only);
        }
        for bot in bots {
            let Some(token) = bot.bot_token() else { continue };
            match self.ask(token.expose(), "getFile", &json!({ "file_id": file_id })).await {
                Ok(_) => return Ok(bot),
                // It knows the file, which it may not fetch.
                Err(error) if error.kind() == ErrorKind::TooLarge => return Ok(bot),
                Err(error)
                    if error.kind() == ErrorKind::Rejected || error.kind() == ErrorKind::NotAuthorized =>
                {
                    tracing::debug!(bot = %bot.id, %error, "does not know the file");
                }
                Err(error) => return Err(error.met_by(Some(bot.id.clone()))),
            }
        }
        Err(Error::copied_is_gone())
    }
}

/// Whether a file would meet the same.
fn stops(heard: &Heard, error: &Error) -> bool {
    match error.kind() {
        // A method that a server does not know is not found, as is a token.
        ErrorKind::NotAuthorized => heard.status != StatusCode::NOT_FOUND,
        ErrorKind::ChannelUnresolved => heard.status == StatusCode::BAD_REQUEST,
        _ => false,
    }
}
