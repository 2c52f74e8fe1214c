use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use telestore_merger::{GrowingFile, changed};
use telestore_store::ChunkRecord;
use telestore_types::{ByteSource, ResumeState, Upload, UploadState};
use telestore_uploader::{Chosen, Error, ErrorKind, ProgressSink, TelegramUploader, UploadRequest, Verdict};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::sink::EarlySink;
use super::{Early, EarlyUpload};
use crate::shared::base::Base;
use crate::shared::job::Job;
use crate::shared::metrics::Ongoing;
use crate::shared::sends::early::{Running, is_under_way};

/// Whose a state is that only says that there is none yet: no backend has this name.
const MARK: &str = "nobody";

/// How often in a row a session tries again after a failure that may pass.
const MAX_FAILURES: u32 = 5;

/// How long early sending rests after that, and after a failure that does not pass; the attempt that counts will tell.
const REST: Duration = Duration::from_secs(10 * 60);

/// How long it rests if another worker has the upload, its user's account or the login.
const ELSEWHERE: Duration = Duration::from_secs(10);

/// How often to look for chunks that other workers took in.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sends one upload early, until it is completed or idle.
pub(super) struct Session {
    early: Arc<Early>,
    of: EarlyUpload,
    running: Running,
    inbox: mpsc::UnboundedReceiver<ChunkRecord>,
    /// The last state that the store took while these chunks were the upload's, or one that followed it in the same
    /// round. Only together do they say which bytes were sent.
    base: Option<(ResumeState, Vec<ChunkRecord>)>,
    /// Whether parts of an earlier round may still arrive at Telegram, though nobody waits for their answers.
    unsettled: bool,
    /// Rounds in a row that came to nothing.
    failures: u32,
    /// Those that found the file too large after all.
    ruled_out: Vec<(Arc<dyn TelegramUploader>, ErrorKind)>,
}

/// What a session finds in the store.
struct Found {
    upload: Upload,
    chunks: Vec<ChunkRecord>,
    /// Whether there was a state already.
    begun: bool,
}

/// Who sends it, and as what.
struct Prepared {
    job: Job,
    chosen: Chosen,
    request: UploadRequest,
}

/// What a session does next.
enum Next {
    Over,
    /// Another round, after this pause.
    After(Duration),
    /// Nothing, and not soon again.
    Rest(Duration),
}

impl Drop for Session {
    fn drop(&mut self) {
        self.running.over.cancel();
    }
}

impl Session {
    pub(super) fn new(
        early: Arc<Early>,
        upload: &Upload,
        running: Running,
        inbox: mpsc::UnboundedReceiver<ChunkRecord>,
    ) -> Self {
        let of = EarlyUpload { id: upload.id.clone(), key: upload.key.clone() };
        Self { early, of, running, inbox, base: None, unsettled: false, failures: 0, ruled_out: Vec::new() }
    }

    /// Sends until there is nothing more to do. The row says so meanwhile: an end of the process counts.
    pub(super) async fn run(mut self) {
        let _ongoing = Ongoing::early_send();
        let early = self.early.clone();
        let (base, now) = (&early.base, early.base.now());
        let until = now + base.config.account_hold;
        match base.sessions.begin_early(&self.of.id, &self.of.key, &base.worker, now, until).await {
            Ok(true) => {}
            Ok(false) => {
                // Another worker has it or its user's account, or it is over. The next chunks need not ask the same.
                self.rest(ELSEWHERE);
                return self.forget_if_over().await;
            }
            Err(error) => {
                tracing::debug!(upload = %self.of.id, %error, "could not begin to send early");
                return self.rest(REST);
            }
        }
        self.send().await;
        if self.running.kill.is_cancelled() && self.early.kill.is_cancelled() {
            return;
        }
        if let Err(error) = base.sessions.end_early(&self.of.id, &self.of.key, &base.worker).await {
            tracing::debug!(upload = %self.of.id, %error, "could not write down the end of early sending");
        }
    }

    async fn send(&mut self) {
        let (stop, kill) = (self.running.stop.clone(), self.running.kill.clone());
        loop {
            let next = tokio::select! {
                biased;
                () = kill.cancelled() => return,
                next = self.round() => next,
            };
            let pause = match next {
                Next::Over => return,
                Next::After(pause) => pause,
                Next::Rest(rest) => return self.rest(rest),
            };
            tokio::select! {
                biased;
                () = kill.cancelled() => return,
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn rest(&self, rest: Duration) {
        if let Some(entry) = self.early.sends.early.entries().get_mut(&self.of.key) {
            entry.not_before = Some(self.early.base.now() + rest);
        }
    }

    /// Sends until the chunks change, there are no more of them, or the backend gives up.
    async fn round(&mut self) -> Next {
        let stop = self.running.stop.clone();
        let found = tokio::select! {
            biased;
            () = stop.cancelled() => return Next::Over,
            found = self.look() => found,
        };
        let Some(found) = found else {
            self.forget_if_over().await;
            return Next::Over;
        };
        let file = Arc::new(GrowingFile::new(Arc::clone(&self.early.bytes.chunks), found.upload.size()));
        let cancel = stop.child_token();
        let prepared = tokio::select! {
            biased;
            () = stop.cancelled() => return Next::Over,
            prepared = self.prepare(&found.upload, file.clone(), cancel.clone()) => prepared,
        };
        let Some(Prepared { mut job, chosen, mut request }) = prepared else { return Next::Rest(REST) };
        let (backend, known) = (chosen.backend.clone(), fill(&file, &found.chunks));
        (request.resume, request.changed) = self.go_on(&found, &file.chunks());
        if chosen.anew {
            // What another sender has sent is nothing to this one.
            (request.resume, request.changed) = (None, Vec::new());
        }
        let early = Arc::clone(&self.early);
        let sink = EarlySink::new(early, &request, self.of.clone(), self.running.clone(), cancel.clone());
        tracing::debug!(upload = %self.of.id, backend = backend.name(), "sending early");
        let (progress, sender): (Arc<dyn ProgressSink>, _) = (sink.clone(), Arc::clone(&backend));
        // In a task of its own: a backend that panics takes nothing else down.
        let sending =
            tokio::spawn(async move { sender.send_early(request, progress).await }.in_current_span());
        let mut sending = AbortOnDropHandle::new(sending);
        let (ended, replaced) = tokio::select! {
            ended = &mut sending => (ended, false),
            replaced = self.feed(&file, known) => {
                cancel.cancel();
                (sending.await, replaced)
            }
        };
        let ended = ended.unwrap_or_else(|died| {
            tracing::error!(upload = %self.of.id, error = %died, "backend died");
            Err(Error::cancelled())
        });
        self.settle(&file, &sink);
        job.note(&chosen, ended.as_ref().err());
        if let Err(error) = &ended
            && self.note_failure(&mut job, chosen, found.upload.size(), error).await
        {
            return Next::After(Duration::ZERO);
        }
        self.next(ended, replaced || sink.is_stale())
    }

    /// Takes over what was sent in this round, if the store took a state of it: that proves that the file was made
    /// of the upload's chunks, and that what had changed before was taken back.
    fn settle(&mut self, file: &GrowingFile, sink: &EarlySink) {
        let newest = self.running.states().newest.clone();
        if let (true, Some(newest)) = (sink.was_taken(), newest) {
            self.base = Some((newest, file.chunks()));
            self.failures = 0;
        }
    }

    /// The upload and its chunks, if it still receives. From here on, other bytes for one of these chunks are seen
    /// by the store refusing the next state.
    async fn look(&self) -> Option<Found> {
        let (sessions, EarlyUpload { id, key }) = (&self.early.base.sessions, &self.of);
        let mut upload = sessions.get(id).await.ok()??;
        if upload.key != *key || upload.state != UploadState::Receiving || upload.user_id.is_none() {
            return None;
        }
        let begun = upload.resume.is_some();
        if !begun {
            // There must be something for other bytes to clear. No backend reads it.
            let mark = ResumeState::new(MARK, rand::random::<[u8; 16]>());
            if !sessions.checkpoint_early(id, key, None, &mark).await.ok()? {
                return None;
            }
            upload.resume = Some(mark);
        }
        let chunks = self.early.base.file_chunks(key).await.ok()?;
        Some(Found { upload, chunks, begun })
    }

    /// A chunk that came late must not leave an entry for an upload that nobody will ask for again. A runner still
    /// does for one that is on its way.
    async fn forget_if_over(&self) {
        let Ok(upload) = self.early.base.sessions.get(&self.of.id).await else { return };
        if !is_under_way(upload.as_ref(), &self.of.key) {
            self.early.sends.early.entries().remove(&self.of.key);
        }
    }

    /// What the backend goes on from, and what has changed since that was made.
    ///
    /// Until the store has taken a state of this round, a runner that takes over gets what the row holds.
    fn go_on(&mut self, found: &Found, chunks: &[ChunkRecord]) -> (Option<ResumeState>, Vec<Range<u64>>) {
        let row = &found.upload.resume;
        let (first, same) = {
            let mut states = self.running.states();
            let (first, same) = (states.saved.is_none(), states.saved == *row);
            (states.saved, states.newest) = (row.clone(), row.clone());
            (first, same)
        };
        // What an earlier session left in flight is not known.
        self.unsettled |= first && found.begun;
        if !same && !first && self.unsettled {
            // Old bytes that are still on their way must not end up among the new ones, so those are for a new file.
            (self.base, self.unsettled) = (None, false);
        }
        match &self.base {
            Some((base, made_of)) => (Some(base.clone()), changed(made_of, chunks)),
            None => (row.clone(), Vec::new()),
        }
    }

    /// Who sends it, and as what; `None` if nobody can.
    async fn prepare(
        &self,
        upload: &Upload,
        source: Arc<GrowingFile>,
        cancel: CancellationToken,
    ) -> Option<Prepared> {
        let mut job = self.early.backends.prepare(upload).await.ok()?;
        for (backend, kind) in &self.ruled_out {
            job.rule_out(backend, *kind);
        }
        let chosen = job.select(upload.size(), upload.resume.as_ref()).ok()?;
        let from = chosen.backend.capability().early_from?;
        if upload.size() < from {
            return None;
        }
        let request = job.request(upload, source, cancel).with_sender(chosen.sender.clone());
        Some(Prepared { job, chosen, request })
    }

    /// Takes note of how a round failed; says whether another sender, or another backend, takes the file from here.
    async fn note_failure(&mut self, job: &mut Job, chosen: Chosen, length: u64, error: &Error) -> bool {
        self.early.backends.note_refusal(job, error).await;
        let state = self.running.states().newest.clone();
        let backend = chosen.backend.clone();
        if job.another(&chosen, error, length, state.as_ref()).is_some() {
            let from = chosen.sender.map(|sender| sender.id.to_string());
            tracing::info!(upload = %self.of.id, from, %error, "another one goes on with sending early");
            self.base = None;
            return true;
        }
        if !job.rule_out(&backend, error.kind()) {
            return false;
        }
        tracing::info!(upload = %self.of.id, %error, "trying another way");
        self.ruled_out.push((backend, error.kind()));
        // What the one has sent is nothing to the other.
        self.base = None;
        true
    }

    /// Lets the file grow as chunks arrive; returns when the backend is to stop, and says whether that is because other
    /// bytes took the place of a chunk: otherwise nothing has come for long.
    async fn feed(&mut self, file: &GrowingFile, mut known: BTreeMap<u32, ChunkRecord>) -> bool {
        let (base, of) = (Arc::clone(&self.early.base), self.of.clone());
        let mut idle = Instant::now() + base.config.eager_idle;
        loop {
            let chunks = tokio::select! {
                // The sender lives as long as this session.
                chunk = self.inbox.recv() => chunk.map(|chunk| vec![chunk]),
                chunks = from_elsewhere(&base, &of, &known), if file.filled() < file.len() => chunks,
                () = sleep_until(idle), if file.filled() < file.len() => return false,
            };
            let Some(chunks) = chunks else { return false };
            idle = Instant::now() + base.config.eager_idle;
            for chunk in chunks {
                let joins = are_joined(&known, &chunk) && file.join(&chunk);
                if joins {
                    known.retain(|index, _| *index < chunk.index.get());
                }
                match known.insert(chunk.index.get(), chunk.clone()) {
                    _ if joins => {}
                    Some(old) if old.blob == chunk.blob => {}
                    Some(old) if (old.length, old.crc32c) == (chunk.length, chunk.crc32c) => {
                        file.rename(&chunk);
                    }
                    Some(_) => return true,
                    None => grow(file, &known),
                }
            }
        }
    }

    fn next(&mut self, ended: Result<(), Error>, replaced: bool) -> Next {
        let error = match ended {
            Ok(()) if replaced => return Next::After(Duration::ZERO),
            Ok(()) => return Next::Over,
            Err(error) => error,
        };
        self.unsettled = true;
        let asked_to_stop = error.kind() == ErrorKind::Cancelled && !replaced;
        if asked_to_stop || self.running.stop.is_cancelled() {
            return Next::Over;
        }
        tracing::debug!(upload = %self.of.id, %error, "could not send early");
        // If no time is named, the pauses grow as after other errors.
        let wait = error.retry_after().filter(|wait| !wait.is_zero());
        if error.kind() == ErrorKind::LoginBusy {
            return Next::Rest(ELSEWHERE);
        }
        // Bytes that are gone were replaced meanwhile: the next look finds the new ones.
        let passes = error.verdict() == Verdict::Temporary || error.kind() == ErrorKind::SourceDamaged;
        if !replaced && (!passes || self.failures >= MAX_FAILURES) {
            return Next::Rest(wait.unwrap_or(REST));
        }
        self.failures += 1;
        match wait {
            Some(wait) if wait > self.early.base.config.eager_idle => Next::Rest(wait),
            Some(wait) => Next::After(wait),
            None => Next::After(self.early.base.config.pause(self.failures)),
        }
    }
}

/// Chunks that other workers took in, once there are some; `None` if the upload does not receive any more: the
/// worker that sends it now goes on from what was written down. A worker that is alone on its stores hears of every chunk.
async fn from_elsewhere(
    base: &Base,
    of: &EarlyUpload,
    known: &BTreeMap<u32, ChunkRecord>,
) -> Option<Vec<ChunkRecord>> {
    let EarlyUpload { id, key } = of;
    if base.config.alone {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Ok(upload) = base.sessions.get(id).await else { continue };
        let receives = |upload: &Upload| upload.key == *key && upload.state == UploadState::Receiving;
        let upload = upload.filter(receives)?;
        if upload.received_chunks as usize == known.len() {
            continue;
        }
        let Ok(chunks) = base.file_chunks(key).await else { continue };
        let is_new =
            |chunk: &ChunkRecord| known.get(&chunk.index.get()).is_none_or(|known| known.blob != chunk.blob);
        let new: Vec<_> = chunks.into_iter().filter(is_new).collect();
        if !new.is_empty() {
            return Some(new);
        }
    }
}

/// Whether a chunk holds the bytes of the last ones that are known, from its own place on.
fn are_joined(known: &BTreeMap<u32, ChunkRecord>, chunk: &ChunkRecord) -> bool {
    let last: Vec<_> = known.range(chunk.index.get()..).map(|(_, known)| known.clone()).collect();
    last.len() > 1 && ChunkRecord::joined(&last, chunk.blob.clone()).is_some_and(|joined| joined == *chunk)
}

/// Lets the file begin with what is there; gives every chunk that is known, by its place.
fn fill(file: &GrowingFile, chunks: &[ChunkRecord]) -> BTreeMap<u32, ChunkRecord> {
    let known: BTreeMap<_, _> = chunks.iter().map(|chunk| (chunk.index.get(), chunk.clone())).collect();
    grow(file, &known);
    known
}

/// Appends every chunk that follows without a gap.
fn grow(file: &GrowingFile, known: &BTreeMap<u32, ChunkRecord>) {
    let next = u32::try_from(file.count()).unwrap_or(u32::MAX);
    for (_, chunk) in known.range(next..) {
        if !file.push(chunk) {
            break;
        }
    }
}
