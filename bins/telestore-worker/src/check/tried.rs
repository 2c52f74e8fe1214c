//! A way to Telegram that is tried, and what is to be done if it does not do.

use std::future::Future;
use std::time::Duration;

use telestore::types::{Sender, TelegramCredentials};
use telestore::uploader::{Error, ErrorKind, TelegramUploader};

use super::report::Report;

/// The longest that one check may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Each of `senders` with the words that tell it from the others, which are none if it is alone: `bot 2 of 3 (bot:123456): `.
pub(super) fn numbered<'a>(
    senders: impl Iterator<Item = &'a Sender>,
    kind: &str,
) -> Vec<(&'a Sender, String)> {
    let all: Vec<&Sender> = senders.collect();
    let of = all.len();
    let words = |(index, sender): (usize, &Sender)| match of {
        1 => String::new(),
        _ => format!("{kind} {} of {of} ({}): ", index + 1, sender.id),
    };
    all.into_iter().enumerate().map(|(index, sender)| (sender, words((index, sender)))).collect()
}

/// Says what works, or what does not, behind `of` whom; returns whether Telegram let the bot or the account in, whatever
/// else is wrong.
pub(super) async fn uploader_check(
    name: &'static str,
    of: &str,
    uploader: &dyn TelegramUploader,
    credentials: &TelegramCredentials,
    report: &mut Report,
) -> bool {
    match in_time(uploader.check(credentials)).await {
        None => {
            let seconds = PATIENCE.as_secs();
            report.failed(name, format!("{of}no answer in {seconds} s: are outgoing connections allowed?"));
            false
        }
        Some(Ok(())) => {
            report.ok(name, format!("{of}signed in, and {} can be written to", credentials.chat_id));
            true
        }
        Some(Err(error)) => {
            report.failed(name, format!("{of}{}", with_cure(name, &error)));
            matches!(error.kind(), ErrorKind::ChannelUnresolved | ErrorKind::GroupUpgraded)
        }
    }
}

/// The error, and what to do about it.
fn with_cure(name: &str, error: &Error) -> String {
    let cure = match error.kind() {
        // If more is known, it is said with its cure.
        ErrorKind::NotAuthorized if error.to_string().contains(": ") => "",
        ErrorKind::NotAuthorized if name == "MTProto" => "sign in to Telegram again",
        ErrorKind::NotAuthorized => "set the bot up again",
        // It says what to do itself.
        ErrorKind::ChannelUnresolved if error.to_string() != Error::channel_unresolved().to_string() => {
            return error.to_string();
        }
        ErrorKind::GroupUpgraded => return error.to_string(),
        ErrorKind::ChannelUnresolved => {
            "the channel must exist, and the bot or account must be in it and may post"
        }
        ErrorKind::FloodWait(wait) if wait.is_zero() => "try again in a minute",
        ErrorKind::FloodWait(_) => "try again then",
        ErrorKind::Unavailable => "check outgoing connections, and whether Telegram is well",
        _ => "see docs/OPERATIONS.md",
    };
    let cause = match error.kind() {
        // The words of Telegram's answer say no more than the error does.
        ErrorKind::NotAuthorized | ErrorKind::ChannelUnresolved | ErrorKind::FloodWait(_) => None,
        _ => std::error::Error::source(error),
    };
    let cause = cause.map_or(String::new(), |cause| format!(" ({cause})"));
    let cure = if cure.is_empty() { String::new() } else { format!("; {cure}") };
    format!("{error}{cause}{cure}")
}

pub(super) async fn in_time<T>(asked: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, asked).await.ok()
}
