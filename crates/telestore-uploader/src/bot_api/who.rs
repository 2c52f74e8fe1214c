//! Who a bot is.

use serde_json::json;
use telestore_types::{Shown, TelegramCredentials};

use super::answer;
use super::uploader::{BotApiUploader, token_of};
use crate::Result;

/// The most characters of a name that are told: the server may be anybody's.
const SHOWN: usize = 64;

impl BotApiUploader {
    /// The name and the number of the first bot of these credentials: `@name, id 123456`.
    ///
    /// # Errors
    /// As [`check`](crate::TelegramUploader::check), but for those about the channel.
    pub async fn bot_name(&self, credentials: &TelegramCredentials) -> Result<String> {
        let token = token_of(credentials.bots().next())?;
        let bot = answer::told(&self.post(token, "getMe", &json!({})).await?)?;
        let name: String = bot["username"].as_str().unwrap_or_default().chars().take(SHOWN).collect();
        let id = bot["id"].as_i64().unwrap_or_default();
        Ok(format!("@{}, id {id}", Shown(&name)))
    }
}
