//! The words of lines and bars.

use std::time::Duration;

use bytesize::ByteSize;

use super::{End, Summary, Way};

pub(crate) fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// `1 file`, `2 files`.
pub(super) fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// What files are that are done.
pub(super) fn is_done(way: Way) -> &'static str {
    match way {
        Way::Sends => "sent",
        Way::Gets => "saved",
    }
}

pub(super) fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// What became of one; `None` for what goes without saying.
pub(super) fn end(name: &str, end: &End) -> Option<String> {
    let gone = |deleted: &bool| if *deleted { ", and the file is deleted" } else { "" };
    match end {
        End::Sent { delivered, deleted } => {
            let messages = match delivered.messages.len() {
                0 => format!("message {}", delivered.message_id),
                many => format!("{many} messages from {} on", delivered.message_id),
            };
            Some(format!("{name}: {messages}{}", gone(deleted)))
        }
        End::Already { message_id, deleted } => Some(format!(
            "{name}: sent before, as message {message_id}{}; --again sends it once more",
            gone(deleted)
        )),
        End::Saved { path: Some(path), .. } => Some(format!("{name}: saved as {path}")),
        End::Saved { path: None, .. } => None,
        End::There { path, .. } => Some(format!("{name}: there already, as {path}")),
        End::Failed { text, .. } => Some(format!("{name}: {text}")),
        End::Stopped => None,
    }
}

pub(super) fn summary(summary: &Summary) -> String {
    let Summary { way, files: all, done, already, failed, stopped, left_out, deleted, bytes, took } = summary;
    let mut text =
        format!("{done} of {} {} ({} in {})", files(*all), is_done(*way), size(*bytes), time(*took));
    let before = match way {
        Way::Sends => "sent before",
        Way::Gets => "there already",
    };
    for (count, words) in [
        (already, before),
        (failed, "failed"),
        (stopped, "not ended"),
        (left_out, "left out"),
        (deleted, "deleted"),
    ] {
        if *count > 0 {
            text.push_str(&format!(", {count} {words}"));
        }
    }
    if *stopped > 0 {
        text.push_str("; to go on, give the same command");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_there_is_to_say() {
        let mut all =
            Summary { files: 3, done: 3, bytes: 2048, took: Duration::from_secs(61), ..Summary::default() };
        assert_eq!(summary(&all), "3 of 3 files sent (2.0 KiB in 1 min 1 s)");
        (all.done, all.failed, all.stopped) = (1, 1, 1);
        assert_eq!(
            summary(&all),
            "1 of 3 files sent (2.0 KiB in 1 min 1 s), 1 failed, 1 not ended; to go on, give the same command"
        );
        (all.way, all.already, all.stopped) = (Way::Gets, 1, 0);
        assert_eq!(summary(&all), "1 of 3 files saved (2.0 KiB in 1 min 1 s), 1 there already, 1 failed");
    }
}
