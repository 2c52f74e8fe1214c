use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use telestore_progress::ProgressBus;
use telestore_store::Lease;
use telestore_types::{Upload, UploadEvent, UploadId, UploadState};

use crate::shared::base::Base;
use crate::shared::error::Result;

/// What listeners are told of uploads.
pub(crate) struct Events {
    base: Arc<Base>,
    pub(crate) bus: Arc<dyn ProgressBus>,
    /// How many runs the bus was let forget.
    forgotten: AtomicU64,
}

/// When a row was read, among the runs that end here. To be taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    pub(crate) fn new(base: Arc<Base>, bus: Arc<dyn ProgressBus>) -> Self {
        Self { base, bus, forgotten: AtomicU64::new(0) }
    }

    /// Tells what a row says. The bus need not remember it if the upload is over, or waits for whichever worker comes first:
    /// listeners look into the store next.
    pub(crate) fn publish(&self, upload: &Upload) {
        let Some(event) = upload.event(self.base.now()) else { return };
        let is_over = event.is_final();
        self.bus.publish(event);
        if is_over {
            self.forget(&upload.id);
        } else if !upload.is_fetched_by(&self.base.worker) {
            self.leave_to_others(&upload.id);
        }
    }

    /// If another worker goes on with an upload, nobody says here when it is over. If it is this one, listeners hear of it.
    fn leave_to_others(&self, id: &UploadId) {
        if !self.base.config.alone {
            self.note_forgotten();
            self.bus.release(id);
        }
    }

    /// Tells that an upload waits, unless a runner was quicker: what that has told is newer.
    pub(crate) async fn publish_queued(&self, upload: &Upload) {
        let now = self.base.sessions.get(&upload.id).await;
        if now.is_ok_and(|now| now.is_some_and(|now| now.state == UploadState::Queued)) {
            self.publish(upload);
        }
    }

    /// Tells listeners what the store says now, and lets the bus forget what is over.
    pub(crate) async fn publish_end(&self, lease: &Lease) {
        let Ok(Some(upload)) = self.base.sessions.get(&lease.upload.id).await else {
            // Listeners look for themselves then.
            self.forget(&lease.upload.id);
            return;
        };
        // Another runner has taken the upload over; it is the one to tell of it.
        if upload.key != lease.upload.key || upload.state == UploadState::Sending {
            return self.leave_to_others(&lease.upload.id);
        }
        self.publish(&upload);
    }

    /// Lets the bus forget a run that is over and written down.
    pub(crate) fn forget(&self, id: &UploadId) {
        self.note_forgotten();
        self.bus.forget(id);
    }

    /// Before the bus forgets: who finds that it knows nothing must see that it was let forget something.
    fn note_forgotten(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment(self.forgotten.load(Ordering::SeqCst))
    }

    /// What listeners are told of an upload that was read since `read`; nothing before completion was asked for.
    ///
    /// If it was being sent then, and has come to its end in between, an older percentage must not come behind a newer one: the
    /// bus has the end, or may have forgotten it. If it knows nothing and no run has ended here since, another worker sends it,
    /// and the row is all that is known.
    pub(crate) async fn event_now(&self, read: Moment, mut upload: Upload) -> Result<Option<UploadEvent>> {
        let latest = self.bus.latest(&upload.id).await;
        let has_ended = latest.as_ref().map_or_else(|| self.moment() != read, UploadEvent::is_final);
        let live = latest.filter(|live| !live.is_final());
        if upload.state == UploadState::Sending && has_ended {
            let now = self.base.sessions.get(&upload.id).await?;
            upload = now.filter(|now| now.key == upload.key).unwrap_or(upload);
        }
        let Some(stored) = upload.event(self.base.now()) else { return Ok(None) };
        // The store has the truth about the end; the bus is ahead of it on the way there.
        Ok(Some(match live {
            Some(live) if upload.state == UploadState::Sending => {
                let mut event = live;
                event.progress = event.progress.max(stored.progress);
                event
            }
            _ => stored,
        }))
    }
}
