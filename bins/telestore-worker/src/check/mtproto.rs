//! Whether MTProto would do: with a session, or as a bot.

use std::sync::Arc;

use telestore::types::TelegramCredentials;
use telestore::uploader::{MtprotoUploader, Requirement, TelegramUploader};
use telestore::{SealedKeys, Sealer};

use super::local::read_key;
use super::report::Report;
use super::tried::{PATIENCE, in_time, numbered, uploader_check};
use crate::cli::CheckArgs;
use crate::config::{Access, Config};
use crate::data_files::SECRET_KEY;
use crate::stores::Stores;
use crate::wire::is_running;

const CHECK: &str = "MTProto";

pub(super) async fn check(
    config: &Config,
    args: &CheckArgs,
    credentials: &TelegramCredentials,
    report: &mut Report,
) {
    let by_session = credentials.sessions().next().is_some();
    if !by_session && !Requirement::SessionOrBot.is_met_by(credentials) {
        return with_neither(config, report);
    }
    if is_running(&config.settings.data.data_dir) && !args.force {
        let text = "not checked while a worker runs: Telegram may end a session that it sees on two connections. \
                    Stop the worker first, or give --force";
        return report.skipped(CHECK, text);
    }
    let mut quick = config.mtproto();
    (quick.connect_timeout, quick.max_failures) = (PATIENCE / 3, 1);
    let uploader = MtprotoUploader::new(quick);
    if !by_session {
        match keys(config).await {
            Ok(keys) => uploader.keep_keys(Arc::new(keys)),
            Err(why) => return report.skipped(CHECK, format!("the bot is not signed in for a check: {why}")),
        }
    }
    let able =
        numbered(Requirement::SessionOrBot.senders(credentials), if by_session { "session" } else { "bot" });
    let each = able.into_iter().map(|(sender, of)| (credentials.only(sender), of)).collect::<Vec<_>>();
    // What cannot be read is told of by the check.
    let each = if each.is_empty() { vec![(credentials.clone(), String::new())] } else { each };
    for (only, of) in each {
        let is_in = uploader_check(CHECK, &of, &uploader, &only, report).await;
        if is_in && let Some(Ok(user)) = in_time(uploader.user(&only)).await {
            let (name, text) = match by_session {
                true => ("session", format!("{of}belongs to {user}")),
                false => ("bot", format!("{of}signs in as {user}")),
            };
            report.ok(name, text);
        }
    }
    uploader.close().await;
}

/// Where the worker keeps the keys of bots. Telegram counts sign-ins, so that one that is not kept is not made.
async fn keys(config: &Config) -> Result<SealedKeys, String> {
    const FIRST: &str = "its key is kept in the worker's data, which the first start makes";
    let data = &config.settings.data;
    let sealer = match &config.settings.users.secret_key {
        Some(secret) => Sealer::from_secret(secret),
        None => {
            let kept = read_key(&data.data_dir.join(SECRET_KEY)).map_err(|error| error.to_string())?;
            kept.ok_or(FIRST)?
        }
    };
    match Stores::attach(data).await {
        Ok(stores) => Ok(SealedKeys::new(stores.sessions, sealer)),
        Err(telestore::store::Error::Missing) => Err(FIRST.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// How large a file may be without a session and an application, and what would take a larger one.
fn with_neither(config: &Config, report: &mut Report) {
    let limit = config.settings.sending.bot_api_max_bytes;
    if limit >= config.engine.max_file_bytes {
        return report
            .ok(CHECK, "no Telegram session is set up, and none is needed: the bot takes files of any size");
    }
    let cure = match config.access {
        Access::Backend { .. } => "sign in to Telegram in TeleStore",
        Access::StandAlone { .. } => {
            "set TELESTORE_API_ID and TELESTORE_API_HASH for the bot, or TELESTORE_TELEGRAM_SESSION"
        }
    };
    let limit = bytesize::ByteSize(limit);
    let text = format!(
        "no Telegram session is set up: files over {limit} go as several messages; for one message each, {cure}, or use a \
         local Bot API server (TELEGRAM_BOT_API_URL and TELESTORE_BOT_API_MAX_BYTES)"
    );
    report.warning(CHECK, text);
}
