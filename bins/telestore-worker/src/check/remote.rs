//! Whom the worker talks to.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::http::header::HttpDate;
use reqwest::header;
use telestore::backend::{CredentialProvider, Error as BackendError, HttpConfig, HttpCredentialProvider};
use telestore::types::{Secret, Sender, TelegramCredentials};
use telestore::uploader::{BotApiUploader, MtprotoUploader};

use super::mtproto;
use super::report::Report;
use super::tried::{PATIENCE, in_time, numbered, uploader_check};
use crate::cli::CheckArgs;
use crate::config::{Access, Config};

/// What MTProto lets a clock be wrong by.
const CLOCK: Duration = Duration::from_secs(30);

/// A token that no backend has given out.
const NOBODY: &str = "telestore-worker-check";

pub(super) async fn check(config: &Config, args: &CheckArgs, report: &mut Report) {
    let credentials = match &config.access {
        Access::Backend { url } => backend(url, args.token.as_ref(), report).await,
        Access::StandAlone { credentials, tokens } => {
            if args.token.as_ref().is_some_and(|token| tokens.iter().all(|known| known.secret != *token)) {
                report.failed("token", "is not one of TELESTORE_AUTH_TOKENS or TELESTORE_NAMED_TOKENS");
            }
            Some(Arc::new((**credentials).clone()))
        }
    };
    clock(config, report).await;
    way(config, report).await;
    match credentials {
        Some(credentials) => telegram(config, args, &credentials, report).await,
        None => {
            let text = "not checked without a user: give --token";
            report.skipped("Bot API", text);
            report.skipped("MTProto", text);
        }
    }
}

/// Asks the backend, and gives the credentials of the token if there is one.
async fn backend(url: &str, token: Option<&Secret>, report: &mut Report) -> Option<Arc<TelegramCredentials>> {
    let provider = match HttpCredentialProvider::new(&HttpConfig::new(url)) {
        Ok(provider) => provider,
        Err(error) => {
            report.failed("backend", error);
            return None;
        }
    };
    let asked = provider.credentials(token.unwrap_or(&NOBODY.into())).await;
    if !matches!(&asked, Err(BackendError::Unavailable(_) | BackendError::BadAnswer(_))) {
        report.ok("backend", "answers");
    }
    match (asked, token) {
        (Ok(credentials), Some(_)) => {
            report.ok("token", format!("belongs to user {}", credentials.user_id));
            return Some(credentials);
        }
        (Ok(_), None) => report.warning("backend", "takes a token that nobody was given: anybody may upload"),
        (Err(BackendError::InvalidToken), None) | (Err(BackendError::NotConfigured(_)), None) => {}
        (Err(BackendError::InvalidToken), Some(_)) => {
            report.failed("token", "the backend does not know it: sign in again, or check --token");
        }
        (Err(BackendError::NotConfigured(words)), Some(_)) => {
            report.failed("token", format!("the backend says: {words}"))
        }
        (Err(error), _) => {
            report.failed("backend", format!("{error}: check BACKEND_URL, and that the backend runs"))
        }
    }
    None
}

/// Tries the proxy, without anybody's account.
async fn way(config: &Config, report: &mut Report) {
    const CHECK: &str = "proxy";
    let Some(proxy) = config.settings.sending.proxy() else { return };
    let mut quick = config.mtproto();
    quick.connect_timeout = PATIENCE / 3;
    match in_time(MtprotoUploader::new(quick).try_way()).await {
        Some(Ok(())) => report.ok(CHECK, format!("Telegram answers through the {proxy}")),
        Some(Err(error)) => report.failed(CHECK, format!("{error}; see TELESTORE_TELEGRAM_PROXY")),
        None => report.failed(CHECK, format!("the {proxy} does not answer in {} s", PATIENCE.as_secs())),
    }
}

async fn telegram(config: &Config, args: &CheckArgs, credentials: &TelegramCredentials, report: &mut Report) {
    if !config.bot_api().has_way() {
        report.warning("Bot API", "not reached, since no MTProxy carries it: all files go by MTProto");
    } else if credentials.bots().next().is_none() {
        report.warning("Bot API", "no bot token is set up: all files go by MTProto");
    } else {
        match BotApiUploader::new(config.bot_api()) {
            Ok(uploader) => each_bot(&uploader, credentials, report).await,
            Err(error) => report.failed("Bot API", error),
        }
    }
    mtproto::check(config, args, credentials, report).await;
}

/// Tries each bot by itself: one that does not work says nothing of the others.
async fn each_bot(uploader: &BotApiUploader, credentials: &TelegramCredentials, report: &mut Report) {
    // Else MTProto tells who they are.
    let tells = |bot: &Sender| bot.application().is_none() || credentials.sessions().next().is_some();
    for (bot, of) in numbered(credentials.bots(), "bot") {
        let only = credentials.only(bot);
        let is_in = uploader_check("Bot API", &of, uploader, &only, report).await;
        if is_in
            && tells(bot)
            && let Some(Ok(name)) = in_time(uploader.bot_name(&only)).await
        {
            report.ok("bot", format!("{of}is {name}"));
        }
    }
}

/// Compares the clock with the first other one that can be asked.
async fn clock(config: &Config, report: &mut Report) {
    let url = match &config.access {
        Access::Backend { url } => url.clone(),
        Access::StandAlone { .. } => config.bot_api().base_url,
    };
    if matches!(config.access, Access::StandAlone { .. }) && config.bot_api().is_behind_proxy() {
        return report.skipped("clock", "not compared, since nobody is asked past the proxy");
    }
    let Some(theirs) = in_time(date_of(&url)).await.flatten() else {
        return report.skipped("clock", "nobody answered with the time");
    };
    let ours = SystemTime::now();
    let ahead = ours.duration_since(theirs);
    let (off, way) = match &ahead {
        Ok(ahead) => (*ahead, "ahead"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if off > CLOCK {
        let text =
            format!("{} s {way}: set it, for instance with NTP; TLS and Telegram need it", off.as_secs());
        report.warning("clock", text);
    } else {
        report.ok("clock", "agrees with the other side's");
    }
}

/// The `Date` of an answer, whatever it answers.
async fn date_of(url: &str) -> Option<SystemTime> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().ok()?;
    let answer = client.get(url).send().await.ok()?;
    let date: HttpDate = answer.headers().get(header::DATE)?.to_str().ok()?.parse().ok()?;
    Some(date.into())
}
