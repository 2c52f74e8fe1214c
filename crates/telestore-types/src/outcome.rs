use serde::{Deserialize, Serialize};

/// How an upload ended. An upload that waits, receives or is being sent has none.
///
/// A failed upload may be completed again, which takes its outcome away; [`Ambiguous`](Self::Ambiguous) says that a look
/// into the channel comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It is in the channel.
    Stored,
    /// Telegram, the backend or the credentials do not allow it: the same try ends the same.
    Refused,
    /// The token that it was to be sent with is not valid any more: it goes on with a new one.
    TokenInvalid,
    /// The token that it was to be sent with cannot be read any more: it goes on once the token is given again.
    TokenLost,
    /// The token that it was to be sent with is another user's now.
    OtherUser,
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
    const ALL: [Self; 11] = [
        Self::Stored,
        Self::Refused,
        Self::TokenInvalid,
        Self::TokenLost,
        Self::OtherUser,
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
            Self::TokenInvalid => "token_invalid",
            Self::TokenLost => "token_lost",
            Self::OtherUser => "other_user",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_and_events_name_it_alike_and_read_it_back() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }
}
