//! The topics of a forum: <https://core.telegram.org/api/forum>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The topic that each forum has. No message may name it.
const GENERAL: i32 = 1;

/// What a topic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Topic {
    /// Everybody who may write writes in it.
    Open,
    /// Nobody writes in it.
    Closed,
    /// It was there.
    Deleted,
}

/// The topics of a channel; of one that is no forum there are none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topics(Option<BTreeMap<i32, Topic>>);

/// Why nothing can be sent to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTopic {
    /// The chat is no forum.
    NoForum,
    /// There is none of this number, or it is the one that must not be named.
    Unknown,
    Closed,
    Deleted,
}

impl Topics {
    /// Makes a forum, if it is none yet, and says what one of its topics is.
    pub(crate) fn set(&mut self, id: i32, topic: Topic) {
        self.0.get_or_insert_default().insert(id, topic);
    }

    pub(crate) fn is_forum(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn all(&self) -> BTreeMap<i32, Topic> {
        self.0.clone().unwrap_or_default()
    }

    /// Whether something can be sent to this topic.
    pub(crate) fn check(&self, id: i32) -> Result<(), NoTopic> {
        let topics = self.0.as_ref().ok_or(NoTopic::NoForum)?;
        match topics.get(&id).filter(|_| id != GENERAL) {
            Some(Topic::Open) => Ok(()),
            Some(Topic::Closed) => Err(NoTopic::Closed),
            Some(Topic::Deleted) => Err(NoTopic::Deleted),
            None => Err(NoTopic::Unknown),
        }
    }
}
