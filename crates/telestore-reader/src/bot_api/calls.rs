//! The calls of one bot.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use telestore_bot_api::BotApi;
use telestore_types::{Sender, SenderId, pasted};

use super::answer::{self, Broken, Found};
use crate::{Error, ErrorKind};

/// A bot that reads.
#[derive(Clone)]
pub(super) struct Bot {
    pub(super) api: BotApi,
    pub(super) id: SenderId,
    token: Arc<str>,
}

impl Bot {
    /// `None` if it is none.
    ///
    /// # Errors
    /// If its token cannot be one: it is a part of the path, and nothing in it may ask for another one.
    pub(super) fn of(api: &BotApi, sender: &Sender) -> Option<Result<Self, Error>> {
        let token = sender.bot_token()?;
        Some(match pasted::bot_token(token.expose()) {
            Ok(token) => Ok(Self { api: api.clone(), id: sender.id.clone(), token: token.into() }),
            Err(fault) => Err(Error::new(ErrorKind::Refused, fault.to_string())),
        })
    }

    /// Asks where a file can be had.
    pub(super) async fn get_file(&self, file_id: &str) -> Result<Found, Broken> {
        let heard = self.api.post(&self.token, "getFile", &json!({ "file_id": file_id })).await?;
        answer::found(&heard, &self.id)
    }

    /// Where it is loaded from, with the token in it.
    pub(super) fn url(&self, path: &str) -> Result<reqwest::Url, Broken> {
        self.api.file_url(&self.token, path).ok_or_else(|| Broken::nonsense("a path that is none"))
    }

    /// How long nothing may come before it is tried again.
    pub(super) fn idle(&self) -> Duration {
        self.api.config().idle_timeout
    }
}
