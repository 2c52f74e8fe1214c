//! Bars on a terminal: one for each file that goes to the worker or comes from it, and one for all. Without colours.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use telestore_client::Phase;
use telestore_types::Shown;

use super::{Begun, Doing, End, Entry, Show, Summary, words};
use crate::exit::Exit;

/// Files with a bar at a time. The others are counted below.
const MANY: usize = 12;

/// The width of a name, as the templates have it.
const WIDTH: usize = 28;

const FILE: &str = "{prefix:28!} [{bar:20}] {percent:>3}% {binary_bytes:>10} of {binary_total_bytes:<10} {binary_bytes_per_sec:>12} {eta:>4} left  {msg}";
const STREAM: &str = "{prefix:28!} {spinner} {binary_bytes:>10} {binary_bytes_per_sec:>12}  {msg}";
const TELEGRAM: &str = "{prefix:28!} [{bar:20}] {percent:>3}% {msg}";
const ALL: &str = "{prefix:28!} [{bar:20}] {percent:>3}% {binary_bytes:>10} of {binary_total_bytes:<10} {binary_bytes_per_sec:>12} {eta:>4} left  {msg}";

pub(super) struct Bars {
    screen: MultiProgress,
    whole: ProgressBar,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    files: usize,
    ended: usize,
    /// Bytes of those that have ended.
    done: u64,
    under_way: HashMap<usize, Row>,
}

/// A file under way.
struct Row {
    bar: Option<ProgressBar>,
    moved: u64,
    moves: bool,
    is_handed_over: bool,
}

/// The end of a long name: it tells more than the beginning of a path.
fn short(name: &str) -> String {
    let letters = name.chars().count();
    match letters > WIDTH {
        true => format!("…{}", name.chars().skip(letters + 1 - WIDTH).collect::<String>()),
        false => name.to_owned(),
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

impl Bars {
    pub(super) fn new() -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let whole = screen.add(ProgressBar::new(0).with_style(style(ALL)));
        Self { screen, whole, all: Mutex::new(All::default()) }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn bar(&self, entry: &Entry) -> ProgressBar {
        let bar = match entry.size {
            Some(size) => ProgressBar::new(size).with_style(style(FILE)),
            None => ProgressBar::no_length().with_style(style(STREAM)),
        };
        let bar = self.screen.insert_before(&self.whole, bar.with_prefix(short(&entry.name)));
        bar.enable_steady_tick(Duration::from_secs(1));
        bar
    }

    fn count(&self, all: &All) {
        let out = all.done + all.under_way.values().map(|row| row.moved).sum::<u64>();
        self.whole.set_position(out);
        let waiting = all.under_way.values().filter(|row| row.is_handed_over).count();
        let waiting = if waiting == 0 { String::new() } else { format!(", {waiting} at the worker") };
        self.whole.set_message(format!("{} of {} ended{waiting}", all.ended, words::files(all.files)));
    }

    fn line(&self, text: &str) {
        let _ = self.screen.println(Shown(text).to_string());
    }
}

/// Where a bar is, and what stands behind it.
fn draw(bar: &ProgressBar, doing: &Doing) {
    let (at, words) = match doing {
        Doing::Sends(state) if state.phase == Phase::Queued => (state.delivered, "waits at the worker"),
        Doing::Sends(state) if doing.is_handed_over() => (state.delivered, "goes to Telegram"),
        _ => (doing.moved(), ""),
    };
    let trouble = doing.trouble().map(|trouble| format!("{}; trying again", Shown(trouble)));
    bar.set_position(at);
    bar.set_message(trouble.unwrap_or_else(|| words.to_owned()));
}

impl Show for Bars {
    fn plan(&self, files: usize, bytes: u64) {
        let mut all = self.all();
        all.files = files;
        self.whole.set_length(bytes);
        self.whole.set_prefix("all");
        self.whole.enable_steady_tick(Duration::from_secs(1));
        self.count(&all);
    }

    fn begun(&self, _: &Entry, _: &Begun) {}

    fn state(&self, entry: &Entry, state: &Doing) {
        let mut all = self.all();
        let shown = all.under_way.values().filter(|row| row.bar.is_some()).count();
        let row = all.under_way.entry(entry.index).or_insert_with(|| {
            let bar = (shown < MANY).then(|| self.bar(entry));
            Row { bar, moved: 0, moves: false, is_handed_over: false }
        });
        let begins = !row.moves && state.moves();
        let handed_over = !row.is_handed_over && state.is_handed_over();
        (row.moved, row.moves, row.is_handed_over) = (state.moved(), state.moves(), state.is_handed_over());
        if let Some(bar) = &row.bar {
            if handed_over {
                bar.set_style(style(TELEGRAM));
                bar.set_length(state.total().unwrap_or(state.moved()));
            }
            draw(bar, state);
            if begins {
                // What was there before says nothing of how fast it goes.
                bar.reset_eta();
            }
        }
        self.count(&all);
        if begins && state.moved() > 0 {
            self.whole.reset_eta();
        }
    }

    fn ended(&self, entry: &Entry, end: &End) {
        let mut all = self.all();
        let row = all.under_way.remove(&entry.index);
        let moved = row.as_ref().map_or(0, |row| row.moved);
        if let Some(bar) = row.and_then(|row| row.bar) {
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
        all.done += entry.size.unwrap_or(moved);
        all.ended += 1;
        self.count(&all);
        drop(all);
        if let Some(line) = words::end(&entry.name, end) {
            self.line(&line);
        }
    }

    fn note(&self, text: &str) {
        self.line(text);
    }

    fn summary(&self, summary: &Summary, _: Exit) {
        self.whole.finish_and_clear();
        let _ = self.screen.clear();
        crate::say(&words::summary(summary));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_name_the_end_is_shown() {
        assert_eq!(short("a.mkv"), "a.mkv");
        let long = short(&format!("{}/ä.mkv", "x".repeat(60)));
        assert!(
            long.starts_with('…') && long.ends_with("xx/ä.mkv") && long.chars().count() == WIDTH,
            "{long}"
        );
    }

    #[test]
    fn templates_can_be_read() {
        for template in [FILE, STREAM, TELEGRAM, ALL] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
