use std::sync::Arc;
use std::time::Duration;

use telestore_progress::Subscription;
use telestore_types::{Upload, UploadEvent, UploadId};
use tokio::time::{Instant, sleep_until};

use crate::shared::base::Base;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};
use crate::shared::events::{Events, Moment};
use crate::watching::Watching;
use crate::watching::observed::Observer;

/// What an operator's command does with an upload (see [`Operator`](crate::Operator)) reaches no listener of this process:
/// how often a watch that hears nothing looks by itself.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// One upload as it changes: its state now, then each newer one, and the final one as the last. Made by
/// [`Telestore::watch`](crate::Telestore::watch).
///
/// A watch that is not asked costs nothing and holds up nobody: what it did not see in the meantime is outdated, and the
/// next state that it gives is the newest.
#[derive(Debug)]
pub struct Watch {
    base: Arc<Base>,
    events: Arc<Events>,
    id: UploadId,
    began: Moment,
    listener: Subscription,
    /// Tells of what other workers do with it.
    observer: Option<Observer>,
    /// What was found at the beginning, until it is given.
    first: Option<UploadEvent>,
    last: Option<UploadEvent>,
    /// The bus has forgotten the upload, or may not know what has become of it.
    ask_store: bool,
    /// When to ask the store without being told to.
    next_look: Instant,
    over: bool,
}

impl Watching {
    pub(crate) async fn watch(&self, id: &UploadId, caller: &Caller) -> Result<Watch> {
        // Listening begins before the look, so that nothing falls in between.
        let mut watch = self.listen(id);
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotStarted)?;
        watch.first = self.events.event_now(watch.began, upload).await?;
        Ok(watch)
    }

    /// Gives a watch that has begun to listen the state of its upload, which was read since.
    pub(crate) async fn look(&self, watch: &mut Watch, upload: &Upload) -> Result<()> {
        watch.first = self.events.event_now(watch.began, upload.clone()).await?;
        Ok(())
    }

    /// Watches an upload that may not be there yet.
    pub(crate) fn listen(&self, id: &UploadId) -> Watch {
        Watch {
            base: Arc::clone(&self.base),
            events: Arc::clone(&self.events),
            id: id.clone(),
            began: self.events.moment(),
            listener: self.events.bus.subscribe(id),
            observer: self.observed.observe(id),
            first: None,
            last: None,
            ask_store: false,
            next_look: Instant::now() + LOOK_EVERY,
            over: false,
        }
    }
}

impl Watch {
    /// The state at the beginning, until [`next`](Self::next) has given it.
    pub fn first(&self) -> Option<&UploadEvent> {
        self.first.as_ref()
    }

    /// Leaves the [`first`](Self::first) state out: the caller has it already.
    pub fn skip_first(&mut self) {
        self.last = self.first.take();
        self.over |= self.last.as_ref().is_some_and(UploadEvent::is_final);
    }

    /// Waits for a state that is newer than the last one given. `None` is the end: the final state was given, the
    /// upload is past its time, or the engine stops. A call that is dropped loses nothing.
    ///
    /// # Errors
    /// [`Error::Storage`] if the session store had to be asked and failed; another call asks it again.
    pub async fn next(&mut self) -> Result<Option<UploadEvent>> {
        while !self.over {
            let newer = match self.first.take() {
                Some(first) => Some(first),
                None => self.newer().await?,
            };
            self.over = newer.as_ref().is_none_or(UploadEvent::is_final);
            if newer != self.last {
                self.last.clone_from(&newer);
                return Ok(newer);
            }
        }
        Ok(None)
    }

    async fn newer(&mut self) -> Result<Option<UploadEvent>> {
        loop {
            if self.ask_store {
                let read = self.events.moment();
                let Some(upload) = self.base.sessions.get(&self.id).await? else { return Ok(None) };
                self.ask_store = false;
                self.next_look = Instant::now() + LOOK_EVERY;
                if let Some(event) = self.events.event_now(read, upload).await? {
                    return Ok(Some(event));
                }
            }
            tokio::select! {
                biased;
                event = self.listener.next() => match event {
                    Some(event) => return Ok(Some(event)),
                    None => {
                        self.listener = self.events.bus.subscribe(&self.id);
                        self.ask_store = true;
                    }
                },
                () = self.base.shutdown.cancelled() => return Ok(None),
                () = changed_elsewhere(&mut self.observer) => self.ask_store = true,
                () = sleep_until(self.next_look) => self.ask_store = true,
            }
        }
    }
}

async fn changed_elsewhere(observer: &mut Option<Observer>) {
    match observer {
        Some(observer) => observer.changed().await,
        None => std::future::pending().await,
    }
}
