/// How an upload ended. An upload that waits, receives or is being sent has none.
///
/// A failed upload may be completed again, which takes its outcome away; [`Ambiguous`](Self::Ambiguous) says that a look
/// into the channel comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It is in the channel.
    Stored,
    /// Telegram, the backend or the credentials do not allow it: the same try ends the same.
    Refused,
    /// It did not work for too long; a later try may.
    GaveUp,
    /// Its message may be in the channel, and nobody can tell.
    Ambiguous,
    /// Its stored bytes are not those that were received.
    Damaged,
    /// The process ended too often while it sent it.
    Crashed,
    /// Its client, or the operator, stopped it.
    Cancelled,
    /// It failed before outcomes were kept.
    Failed,
}

impl Outcome {
    const ALL: [Self; 8] = [
        Self::Stored,
        Self::Refused,
        Self::GaveUp,
        Self::Ambiguous,
        Self::Damaged,
        Self::Crashed,
        Self::Cancelled,
        Self::Failed,
    ];

    /// The name under which stores keep it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Refused => "refused",
            Self::GaveUp => "gave_up",
            Self::Ambiguous => "ambiguous",
            Self::Damaged => "damaged",
            Self::Crashed => "crashed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Reads a stored name back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}
