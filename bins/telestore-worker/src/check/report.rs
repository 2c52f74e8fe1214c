use std::io::{self, Write};

use serde_json::json;
use telestore::types::Shown;

/// What became of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// Works, but an operator should know.
    Warning,
    /// Will not work.
    Failed,
    /// Not looked at.
    Skipped,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What was found. The texts say what to do, and never hold a secret.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<(&'static str, Outcome, String)>);

impl Report {
    fn add(&mut self, check: &'static str, outcome: Outcome, text: impl ToString) {
        self.0.push((check, outcome, text.to_string()));
    }

    pub(crate) fn ok(&mut self, check: &'static str, text: impl ToString) {
        self.add(check, Outcome::Ok, text);
    }

    pub(crate) fn warning(&mut self, check: &'static str, text: impl ToString) {
        self.add(check, Outcome::Warning, text);
    }

    pub(crate) fn failed(&mut self, check: &'static str, text: impl ToString) {
        self.add(check, Outcome::Failed, text);
    }

    pub(crate) fn skipped(&mut self, check: &'static str, text: impl ToString) {
        self.add(check, Outcome::Skipped, text);
    }

    fn failures(&self) -> usize {
        self.0.iter().filter(|(_, outcome, _)| *outcome == Outcome::Failed).count()
    }

    /// One line for each, or one JSON object for all.
    pub(crate) fn print(&self, as_json: bool) {
        let mut out = io::stdout().lock();
        if as_json {
            let checks: Vec<_> = self
                .0
                .iter()
                .map(|(check, outcome, text)| json!({ "check": check, "result": outcome.as_str(), "message": text }))
                .collect();
            let _ = writeln!(out, "{}", json!({ "ok": self.failures() == 0, "checks": checks }));
            return;
        }
        for (check, outcome, text) in &self.0 {
            let _ = writeln!(out, "{:<8} {check:<15} {}", outcome.as_str(), Shown(text));
        }
    }

    /// Fails if a check has.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        match self.failures() {
            0 => Ok(()),
            failed => Err(format!("{failed} of {} checks failed", self.0.len())),
        }
    }
}
