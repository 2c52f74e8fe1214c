//! Lines on standard error, for logs and other things that are no terminal.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Begun, Doing, End, Entry, Show, Summary, Way, words};
use crate::exit::Exit;
use crate::say;

/// How often it is said how far all is.
const PACE: Duration = Duration::from_secs(10);

pub(super) struct Lines {
    quiet: bool,
    all: Mutex<All>,
}

struct All {
    way: Way,
    files: usize,
    ended: usize,
    bytes: u64,
    /// Bytes of those that have ended.
    done: u64,
    /// Bytes of those under way that went out, and what each of them waits for.
    under_way: HashMap<usize, (u64, Option<String>)>,
    told: Instant,
    /// What went out when it was told last.
    before: u64,
}

impl Lines {
    pub(super) fn new(quiet: bool, way: Way) -> Self {
        let all = All {
            way,
            files: 0,
            ended: 0,
            bytes: 0,
            done: 0,
            under_way: HashMap::new(),
            told: Instant::now(),
            before: 0,
        };
        Self { quiet, all: Mutex::new(all) }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl All {
    /// How far all is, if it is time to say so.
    fn line(&mut self) -> Option<String> {
        let since = self.told.elapsed();
        if since < PACE {
            return None;
        }
        let out = self.done + self.under_way.values().map(|(sent, _)| sent).sum::<u64>();
        let rate = out.saturating_sub(self.before) as f64 / since.as_secs_f64();
        (self.told, self.before) = (Instant::now(), out);
        let mut line =
            format!("{} of {} {}", words::size(out), words::size(self.bytes), words::is_done(self.way));
        if rate >= 1.0 {
            let left = Duration::from_secs_f64(self.bytes.saturating_sub(out) as f64 / rate);
            line.push_str(&format!(", {}/s, {} left", words::size(rate as u64), words::time(left)));
        }
        Some(format!("{line}; {} of {} ended", self.ended, words::files(self.files)))
    }
}

impl Show for Lines {
    fn plan(&self, files: usize, bytes: u64) {
        (self.all().files, self.all().bytes) = (files, bytes);
        if !self.quiet && files > 1 {
            say(&format!("{}, {}", words::files(files), words::size(bytes)));
        }
    }

    fn begun(&self, _: &Entry, _: &Begun) {}

    fn state(&self, entry: &Entry, state: &Doing) {
        let mut all = self.all();
        let before = all.under_way.insert(entry.index, (state.moved(), state.trouble().cloned()));
        let waited = before.and_then(|(_, trouble)| trouble);
        let line = all.line();
        drop(all);
        if self.quiet {
            return;
        }
        if let (Some(trouble), None) = (state.trouble(), waited) {
            say(&format!("{}: {trouble}; trying again", entry.name));
        }
        if let Some(line) = line {
            say(&line);
        }
    }

    fn ended(&self, entry: &Entry, end: &End) {
        {
            let mut all = self.all();
            let sent = all.under_way.remove(&entry.index).map_or(0, |(sent, _)| sent);
            all.done += entry.size.unwrap_or(sent);
            all.ended += 1;
        }
        let is_failure = matches!(end, End::Failed { .. });
        if let Some(line) = words::end(&entry.name, end).filter(|_| is_failure || !self.quiet) {
            say(&line);
        }
    }

    fn note(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    fn summary(&self, summary: &Summary, exit: Exit) {
        if !self.quiet || exit != Exit::Done {
            say(&words::summary(summary));
        }
    }
}
