//! The Bot API's way back: `getFile` and the download.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::bot_api::{Answer, BotCall, ok};
use super::faulty::bot_error;
use crate::channel_id::ChannelId;
use crate::message::StoredMessage;
use crate::shared::Shared;
use crate::standing::Who;
use crate::users::Account;

/// What a bot may fetch: 20 MB.
const DOWNLOAD_MAX: u64 = 20 * 1024 * 1024;

pub(crate) fn get_file(call: &BotCall) -> Answer {
    let file_id = call.params.get("file_id");
    let found = find(&call.shared, &call.bot, |message| message.public.file_id == file_id);
    let Some(message) = found.filter(|_| !file_id.is_empty()) else {
        return Err(bot_error(400, "Bad Request: invalid file_id", json!({})));
    };
    if message.public.size > DOWNLOAD_MAX {
        return Err(bot_error(400, "Bad Request: file is too big", json!({})));
    }
    Ok(ok(json!({
        "file_id": message.public.file_id,
        "file_unique_id": message.public.file_unique_id,
        "file_size": message.public.size,
        "file_path": file_path(&message),
    })))
}

pub(crate) async fn download(shared: &Shared, bot: &Account, path: &str) -> Answer {
    let found = find(shared, bot, |message| message.has_document() && file_path(message) == path);
    let message = found.filter(|message| message.public.size <= DOWNLOAD_MAX);
    let Some(message) = message else { return Err(bot_error(404, "Not Found", json!({}))) };
    let Ok(file) = tokio::fs::File::open(&message.public.path).await else {
        return Err(bot_error(404, "Not Found", json!({})));
    };
    shared.stats.write(|stats| stats.bytes_sent += message.public.size);
    let chunks = futures_util::stream::try_unfold(file, async |mut file| {
        let mut chunk = vec![0; 64 * 1024];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), file)))
    });
    let length =
        [(header::CONTENT_LENGTH, message.public.size)].map(|(name, value)| (name, value.to_string()));
    Ok((length, Body::from_stream(chunks)).into_response())
}

/// A message with a document in a channel the bot is in.
fn find(shared: &Shared, bot: &Account, wanted: impl Fn(&StoredMessage) -> bool) -> Option<StoredMessage> {
    let message = shared.channels.find_message(|message| message.has_document() && wanted(message))?;
    let id = ChannelId::from(message.public.channel_id);
    let member = shared.channels.look(id, |channel| channel.holds(&Who::bot(&bot.user.user_id)));
    member.filter(|member| *member).map(|_| message)
}

fn file_path(message: &StoredMessage) -> String {
    let extension =
        message.public.path.extension().map_or(String::new(), |e| format!(".{}", e.to_string_lossy()));
    format!("documents/file_{}{extension}", message.public.document_id)
}
