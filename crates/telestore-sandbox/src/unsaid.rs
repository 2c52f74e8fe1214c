//! Answers that do not tell whether a call was executed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What becomes of a call that was taken in full and whose answer tells nothing.
///
/// ```
/// use telestore_sandbox::{Fault, Unsaid, UnsaidAnswer};
///
/// // The message is made, and a proxy in between has lost patience.
/// let executed = Unsaid::executed(UnsaidAnswer::BadGateway);
/// // It looks the same, and no message is made.
/// let not_executed = Unsaid::not_executed(UnsaidAnswer::BadGateway);
/// let faults = [executed, not_executed].map(|unsaid| Fault::unsaid("sendDocument", unsaid).once());
/// # let _ = faults;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsaid {
    /// How many milliseconds after the answer the call is executed: zero is before it; `None` is never.
    pub executed_after: Option<u64>,
    /// What the caller gets.
    pub answer: UnsaidAnswer,
}

/// What the caller of an [`Unsaid`] call gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsaidAnswer {
    /// 500, as a Bot API server that stops answers.
    Restart,
    /// 502 with a page of HTML, as a proxy in front of the server answers.
    BadGateway,
    /// The connection ends.
    Reset,
}

impl Unsaid {
    /// Executed before the caller gets `answer`.
    pub const fn executed(answer: UnsaidAnswer) -> Self {
        Self { executed_after: Some(0), answer }
    }

    /// Executed so long after the caller has got `answer`: the server works on.
    pub const fn executed_later(answer: UnsaidAnswer, after: Duration) -> Self {
        Self { executed_after: Some(after.as_millis() as u64), answer }
    }

    /// Not executed.
    pub const fn not_executed(answer: UnsaidAnswer) -> Self {
        Self { executed_after: None, answer }
    }
}
