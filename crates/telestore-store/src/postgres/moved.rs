use sqlx::PgConnection;
use telestore_types::{ChatId, UserId};

use super::row::{self, Values};
use super::{database, sql};
use crate::Result;

pub(super) async fn find(on: &mut PgConnection, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>> {
    let found = sql("SELECT moved_to FROM moved_chats WHERE user_id = $1 AND chat = $2");
    let found = found.text(user.as_str()).text(chat.as_str()).fetch_optional(on).await.map_err(database)?;
    let Some(found) = found else { return Ok(None) };
    ChatId::new(row::text(&found, "moved_to")?).map(Some).map_err(database)
}

pub(super) async fn save(
    on: &mut PgConnection,
    user: &UserId,
    chat: &ChatId,
    moved_to: &ChatId,
) -> Result<()> {
    let save = sql("INSERT INTO moved_chats (user_id, chat, moved_to) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id) DO UPDATE SET chat = $2, moved_to = $3");
    let save = save.text(user.as_str()).text(chat.as_str()).text(moved_to.as_str());
    save.execute(on).await.map_err(database)?;
    Ok(())
}
