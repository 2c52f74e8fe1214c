//! Progress of a file that goes one way first and another way then: what was told is not told again, and nothing goes back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{Caption, ChatId, ResumeState, Stage};

use super::ledger::rank;
use crate::{ProgressSink, Result};

/// What the listener knows.
#[derive(Debug, Default)]
struct Told {
    stage: Option<Stage>,
    bytes: u64,
}

/// Tells a listener only what is further than what it knows.
#[derive(Debug)]
pub(super) struct OneWay {
    listener: Arc<dyn ProgressSink>,
    told: Mutex<Told>,
}

impl OneWay {
    pub(super) fn to(listener: Arc<dyn ProgressSink>) -> Arc<dyn ProgressSink> {
        Arc::new(Self { listener, told: Mutex::default() })
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ProgressSink for OneWay {
    fn stage(&self, stage: Stage) {
        let mut told = self.told();
        if told.stage.is_none_or(|before| rank(stage) > rank(before)) {
            told.stage = Some(stage);
            self.listener.stage(stage);
        }
    }

    fn acknowledged(&self, bytes: u64) {
        let mut told = self.told();
        if bytes > told.bytes {
            told.bytes = bytes;
            self.listener.acknowledged(bytes);
        }
    }

    fn flood_wait(&self, wait: Duration) {
        self.listener.flood_wait(wait);
    }

    async fn moved(&self, from: &ChatId, to: &ChatId) {
        self.listener.moved(from, to).await;
    }

    async fn checkpoint(&self, state: ResumeState) -> Result<()> {
        self.listener.checkpoint(state).await
    }

    async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
        self.listener.commit(resume).await
    }

    async fn hand_over(&self, chat: &ChatId, caption: &Caption) -> Result<()> {
        self.listener.hand_over(chat, caption).await
    }
}
