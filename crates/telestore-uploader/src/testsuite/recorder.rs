use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{ResumeState, Stage};
use tokio::sync::watch;

use crate::{ProgressSink, Result};

/// Something that a backend told its listener.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A stage began.
    Stage(Stage),
    /// So many bytes are acknowledged.
    Acknowledged(u64),
    /// Telegram asked to wait.
    FloodWait(Duration),
    /// The backend wrote down how far it is.
    Checkpoint(ResumeState),
    /// The message may exist from here on.
    Commit(Option<ResumeState>),
}

/// A listener that remembers everything, and that can be waited at.
#[derive(Debug)]
pub struct Recorder {
    events: Mutex<Vec<Event>>,
    count: watch::Sender<usize>,
}

impl Recorder {
    /// A listener that has heard nothing.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { events: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Everything so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }

    /// The stages, in order.
    pub fn stages(&self) -> Vec<Stage> {
        self.select(|event| if let Event::Stage(stage) = event { Some(*stage) } else { None })
    }

    /// The acknowledged bytes, in order.
    pub fn acknowledged(&self) -> Vec<u64> {
        self.select(|event| if let Event::Acknowledged(bytes) = event { Some(*bytes) } else { None })
    }

    /// The waits, in order.
    pub fn flood_waits(&self) -> Vec<Duration> {
        self.select(|event| if let Event::FloodWait(wait) = event { Some(*wait) } else { None })
    }

    /// The checkpoints, in order; a commit with a state is one.
    pub fn checkpoints(&self) -> Vec<ResumeState> {
        self.select(|event| match event {
            Event::Checkpoint(state) | Event::Commit(Some(state)) => Some(state.clone()),
            _ => None,
        })
    }

    /// The commits, in order.
    pub fn commits(&self) -> Vec<Option<ResumeState>> {
        self.select(|event| if let Event::Commit(state) = event { Some(state.clone()) } else { None })
    }

    /// Waits until `enough` holds; it is asked at every event.
    pub async fn wait_until(&self, enough: impl Fn(&Self) -> bool) {
        let mut count = self.count.subscribe();
        while !enough(self) {
            // The sender lives as long as `self`.
            let _ = count.changed().await;
        }
    }

    fn select<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        self.lock().iter().filter_map(pick).collect()
    }

    fn add(&self, event: Event) {
        self.lock().push(event);
        self.count.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ProgressSink for Recorder {
    fn stage(&self, stage: Stage) {
        self.add(Event::Stage(stage));
    }

    fn acknowledged(&self, bytes: u64) {
        self.add(Event::Acknowledged(bytes));
    }

    fn flood_wait(&self, wait: Duration) {
        self.add(Event::FloodWait(wait));
    }

    async fn checkpoint(&self, state: ResumeState) -> Result<()> {
        self.add(Event::Checkpoint(state));
        Ok(())
    }

    async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
        self.add(Event::Commit(resume));
        Ok(())
    }
}
