use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telestore_types::{Caption, ChatId, Stage};
use tokio::sync::watch;

use crate::metrics::BOT_API_BYTES;
use crate::{Error, ProgressSink};

/// What the listener was told of a file, however many requests it takes.
#[derive(Debug)]
pub(super) struct Told {
    progress: Arc<dyn ProgressSink>,
    highest: AtomicU64,
}

impl Told {
    pub(super) fn new(progress: Arc<dyn ProgressSink>) -> Arc<Self> {
        Arc::new(Self { progress, highest: AtomicU64::new(0) })
    }

    /// Says which stage has begun.
    pub(super) fn stage(&self, stage: Stage) {
        self.progress.stage(stage);
    }

    /// What was reported stays reported: progress never goes back.
    pub(super) fn acknowledge(&self, bytes: u64) {
        let before = self.highest.fetch_max(bytes, Ordering::SeqCst);
        if before < bytes {
            BOT_API_BYTES.increment(bytes - before);
            self.progress.acknowledged(bytes);
        }
    }
}

/// How far the body of one request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Some of the file is not with the connection yet.
    Sending,
    /// It is being written down that the message may exist. The connection does not have the end of the body.
    Committing,
    /// That is written down, and the connection may have all of the body.
    Consumed,
    /// Given up before the connection had the end of the body: it never gets it.
    Closed,
}

/// What is known about the body of one request.
#[derive(Debug)]
pub(super) struct BodyState {
    told: Arc<Told>,
    /// Where the message goes, and its caption.
    to: Option<(ChatId, Caption)>,
    /// Counts the pieces that were asked for, so that a watchdog sees that something moves.
    pulse: watch::Sender<u64>,
    phase: Mutex<Phase>,
    failure: Mutex<Option<Error>>,
}

impl BodyState {
    pub(super) fn new(told: Arc<Told>, to: Option<(ChatId, Caption)>) -> Arc<Self> {
        Arc::new(Self {
            told,
            to,
            pulse: watch::Sender::new(0),
            phase: Mutex::new(Phase::Sending),
            failure: Mutex::default(),
        })
    }

    pub(super) fn pulse(&self) -> watch::Receiver<u64> {
        self.pulse.subscribe()
    }

    pub(super) fn phase(&self) -> Phase {
        *self.lock()
    }

    /// Keeps the end of the body back for good, and says whether that was in time: if it was not, the server may
    /// have accepted the file. A connection that runs on without its request finds the body closed, too.
    pub(super) fn close(&self) -> bool {
        let mut phase = self.lock();
        if *phase != Phase::Consumed {
            *phase = Phase::Closed;
        }
        *phase == Phase::Closed
    }

    /// Writes down that the message may exist. Only if this succeeds may the end of the body be handed out.
    pub(super) async fn commit(&self) -> std::io::Result<()> {
        self.step(Phase::Sending, Phase::Committing)?;
        let progress = &self.told.progress;
        let written = match &self.to {
            Some((chat, caption)) => progress.hand_over(chat, caption).await,
            None => progress.commit(None).await,
        };
        written.map_err(|error| self.fail(error))?;
        // It may have been given up meanwhile: then it was written down for nothing, and nothing is sent.
        self.step(Phase::Committing, Phase::Consumed)
    }

    fn step(&self, from: Phase, to: Phase) -> std::io::Result<()> {
        let mut phase = self.lock();
        if *phase != from {
            return Err(std::io::Error::other("the request was given up"));
        }
        *phase = to;
        drop(phase);
        self.beat();
        Ok(())
    }

    /// Why the body ended, if that is not the connection's fault.
    pub(super) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the body with `error`, which comes back out of [`take_failure`](Self::take_failure).
    pub(super) fn fail(&self, error: Error) -> std::io::Error {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        std::io::Error::other("the body cannot go on")
    }

    pub(super) fn acknowledge(&self, bytes: u64) {
        self.told.acknowledge(bytes);
    }

    pub(super) fn beat(&self) {
        self.pulse.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
