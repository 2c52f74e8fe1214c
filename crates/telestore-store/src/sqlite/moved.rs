use sqlx::{Row, SqlitePool};
use telestore_types::{ChatId, UserId};

use super::database;
use crate::Result;

pub(super) async fn find(readers: &SqlitePool, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>> {
    let found = sqlx::query("SELECT moved_to FROM moved_chats WHERE user_id = ? AND chat = ?")
        .bind(user.as_str())
        .bind(chat.as_str())
        .fetch_optional(readers)
        .await
        .map_err(database)?;
    let Some(row) = found else { return Ok(None) };
    let moved_to: String = row.try_get("moved_to").map_err(database)?;
    ChatId::new(moved_to).map(Some).map_err(database)
}

pub(super) async fn save(writer: &SqlitePool, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()> {
    let save = sqlx::query("INSERT OR REPLACE INTO moved_chats (user_id, chat, moved_to) VALUES (?, ?, ?)");
    save.bind(user.as_str())
        .bind(chat.as_str())
        .bind(moved_to.as_str())
        .execute(writer)
        .await
        .map_err(database)?;
    Ok(())
}
