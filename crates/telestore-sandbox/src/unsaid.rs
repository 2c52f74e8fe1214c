//! Answers that do not tell whether a call was executed.

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
    /// When the call is executed.
    pub executed: Executed,
    /// What the caller gets.
    pub answer: UnsaidAnswer,
}

/// When an [`Unsaid`] call is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executed {
    /// Before the answer.
    Before,
    /// After the answer, as soon as an account looks for messages: a server that works on, whose message is not there yet when it is
    /// looked for at once.
    AtLook,
    /// Not at all.
    Never,
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
        Self { executed: Executed::Before, answer }
    }

    /// Executed after the caller has got `answer`, when the message is looked for.
    pub const fn executed_at_look(answer: UnsaidAnswer) -> Self {
        Self { executed: Executed::AtLook, answer }
    }

    /// Not executed.
    pub const fn not_executed(answer: UnsaidAnswer) -> Self {
        Self { executed: Executed::Never, answer }
    }
}
