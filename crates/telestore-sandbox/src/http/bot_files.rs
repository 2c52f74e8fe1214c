//! The Bot API's way back: `getFile` and the download.

use std::io::SeekFrom;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::bot_api::{Answer, BotCall, ok};
use super::faulty::{Refusal, bot_error};
use super::ranges::{Asked, asked};
use crate::channel_id::ChannelId;
use crate::hostile::HostileFile;
use crate::message::{StoredMessage, looks_like_file_id};
use crate::shared::Shared;
use crate::standing::Who;
use crate::users::Account;

/// What a bot may fetch from a server that is not its own: 20 MB.
const DOWNLOAD_MAX: u64 = 20 * 1024 * 1024;

pub(crate) fn get_file(call: &BotCall) -> Answer {
    let file_id = call.params.get("file_id");
    let refused = |why: &str| Err(bot_error(400, &format!("Bad Request: {why}"), json!({})));
    if file_id.is_empty() {
        return refused("file_id not specified");
    }
    if !looks_like_file_id(file_id) {
        return refused("invalid file_id");
    }
    let bot = &call.bot.user.user_id;
    let Some(message) = by_file_id(call, file_id) else {
        return refused("wrong file_id or the file is temporarily unavailable");
    };
    let local = call.shared.rules.local_bot_api;
    if message.public.size > DOWNLOAD_MAX && !local {
        return refused("file is too big");
    }
    let path = match local {
        true => message.public.path.to_string_lossy().into_owned(),
        false => {
            let path = file_path(&message);
            call.shared.links.give(bot, &path);
            path
        }
    };
    Ok(ok(json!({
        "file_id": file_id,
        "file_unique_id": message.public.file_unique_id,
        "file_size": message.public.size,
        "file_path": path,
    })))
}

/// The message whose file this bot knows by this name.
pub(super) fn by_file_id(call: &BotCall, file_id: &str) -> Option<StoredMessage> {
    let bot = &call.bot.user.user_id;
    find(&call.shared, &call.bot, |message| message.file_id(bot) == file_id)
}

/// What is wrong with a download.
#[derive(Clone, Copy)]
pub(crate) struct Faulty {
    /// The connection ends after so many bytes.
    pub(crate) cut_after: Option<u64>,
    pub(crate) hostile: Option<HostileFile>,
}

/// Sends a file, or a range of it.
pub(crate) async fn download(
    shared: &Arc<Shared>,
    bot: &Account,
    path: &str,
    headers: &HeaderMap,
    Faulty { cut_after, hostile }: Faulty,
) -> Answer {
    let found = match shared.links.are_good(&bot.user.user_id, path) {
        true => find(shared, bot, |message| file_path(message) == path),
        false => None,
    };
    let message = found.ok_or_else(not_found)?.public;
    let etag = format!("\"{}\"", message.file_unique_id);
    let asked = match hostile {
        Some(HostileFile::Whole) => Asked::Whole,
        _ => asked(headers, &etag, message.size),
    };
    let range = match asked {
        Asked::Whole => None,
        Asked::Part(range) => Some(range),
        Asked::Nothing => {
            let whole = [(header::CONTENT_RANGE, format!("bytes */{}", message.size))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response());
        }
    };
    let (status, part) = match range.clone() {
        Some(part) => (StatusCode::PARTIAL_CONTENT, part),
        None => (StatusCode::OK, 0..message.size),
    };
    let mut file = File::open(&message.path).await.map_err(|_| not_found())?;
    file.seek(SeekFrom::Start(part.start)).await.map_err(|_| not_found())?;
    let length = part.end - part.start;
    let (sent, surplus) = match hostile {
        Some(HostileFile::TooShort(by)) => (length.saturating_sub(by), 0),
        Some(HostileFile::TooLong(by)) => (length, by),
        _ => (length, 0),
    };
    let modified = UNIX_EPOCH + Duration::from_secs(message.date.unsigned_abs());
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, etag),
        (header::LAST_MODIFIED, httpdate::fmt_http_date(modified)),
    ];
    let shared = Arc::clone(shared);
    let body = Sending { shared, file, left: sent, surplus, until_cut: cut_after }.body();
    let mut response: Response = (status, headers, body).into_response();
    if (sent, surplus) == (length, 0) {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    if let Some(part) = range {
        let total = match hostile {
            Some(HostileFile::OtherTotal(total)) => total,
            _ => message.size,
        };
        let told = format!("bytes {}-{}/{total}", part.start, part.end - 1);
        response.headers_mut().insert(header::CONTENT_RANGE, told.parse().map_err(|_| not_found())?);
    }
    Ok(response)
}

/// A file on its way to a client.
struct Sending {
    shared: Arc<Shared>,
    file: File,
    left: u64,
    /// What follows the file.
    surplus: u64,
    /// What may still be sent before the connection ends.
    until_cut: Option<u64>,
}

impl Sending {
    fn body(self) -> Body {
        Body::from_stream(futures_util::stream::try_unfold(self, Self::next))
    }

    async fn next(mut self) -> std::io::Result<Option<(Bytes, Self)>> {
        if self.until_cut == Some(0) && self.left > 0 {
            // What was sent before gets to the client first.
            tokio::task::yield_now().await;
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        if self.left == 0 && self.surplus > 0 {
            let zeros = vec![0; std::mem::take(&mut self.surplus) as usize];
            return Ok(Some((Bytes::from(zeros), self)));
        }
        let most = self.left.min(64 * 1024).min(self.until_cut.unwrap_or(u64::MAX));
        let mut chunk = vec![0; most as usize];
        self.file.read_exact(&mut chunk).await?;
        self.left -= most;
        self.until_cut = self.until_cut.map(|left| left - most);
        self.shared.stats.write(|stats| stats.bytes_sent += most);
        Ok((most > 0).then(|| (Bytes::from(chunk), self)))
    }
}

fn not_found() -> Refusal {
    bot_error(404, "Not Found", json!({}))
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
