use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, OptionFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use md5::{Digest, Md5};
use telestore_mtproto::answers::is_true;
use telestore_mtproto::tl::{self, Identifiable};
use telestore_mtproto::{Body, Error as CallError, Failures, Remedy};
use telestore_types::ByteSource;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::limits::PART_SIZE;
use super::resume::Resume;
use super::window::Permit;
use crate::metrics::MTPROTO_BYTES;
use crate::{ErrorKind, Result};

/// Larger files go by `upload.saveBigFilePart`, as Telegram demands above 10 MB; the official clients draw the line here
/// too. Smaller ones go by `upload.saveFilePart`, where Telegram checks an MD5.
pub(crate) const BIG_FILE: u64 = 10 * 1024 * 1024;

/// How much may be confirmed before it is written down. With the window on top, a killed worker sends at most 16 MiB
/// again.
const CHECKPOINT: u64 = 8 * 1024 * 1024;

/// The parts of one file.
pub(crate) struct Parts<'a> {
    pub(crate) attempt: &'a Attempt<'a>,
    pub(crate) source: &'a dyn ByteSource,
    pub(crate) file_id: i64,
    pub(crate) total: u32,
}

/// A part to be sent, or only to be read if it is confirmed already.
struct Planned {
    part: u32,
    length: usize,
    confirmed: bool,
}

/// A part that has its place in the window, and its bytes.
struct Ready {
    part: u32,
    bytes: Bytes,
    permit: Permit,
}

/// Whether a file of this length goes without an MD5.
pub(crate) fn is_big(length: u64) -> bool {
    length > BIG_FILE
}

/// Sends the parts that are not confirmed yet; all of them, under a new name, each time the account migrates meanwhile:
/// parts stay in the data centre that got them. After `stop` no further part is begun, and those in flight are waited
/// for.
pub(crate) async fn send_parts(
    attempt: &Attempt<'_>,
    source: &dyn ByteSource,
    resume: &mut Resume,
    reported: &mut u64,
    stop: &CancellationToken,
) -> Result<Option<String>> {
    loop {
        if attempt.begin_parts(resume) {
            attempt.progress.checkpoint(resume.to_state()).await?;
        }
        match send_all(attempt, source, resume, reported, stop).await {
            Err(error) if attempt.has_migrated() => {
                tracing::debug!(error = %error, "the account has migrated, sending the parts again");
            }
            ended => return ended,
        }
    }
}

/// Sends what is not confirmed yet and writes down how far that is. Gives the MD5 of a small file.
///
/// After `stop` no further part is begun, and those in flight are waited for.
async fn send_all(
    attempt: &Attempt<'_>,
    source: &dyn ByteSource,
    resume: &mut Resume,
    reported: &mut u64,
    stop: &CancellationToken,
) -> Result<Option<String>> {
    let parts = Parts { attempt, source, file_id: resume.file_id, total: resume.parts() };
    let digest = (!is_big(source.len())).then(Mutex::<Md5>::default);
    // A digest needs every byte; without one, confirmed parts need not even be read.
    let plan: Vec<_> = (0..parts.total)
        .map(|part| Planned { part, length: resume.part_length(part), confirmed: resume.is_confirmed(part) })
        .filter(|planned| digest.is_some() || !planned.confirmed)
        .collect();
    let mut ledger = Ledger { attempt, confirmed: resume.confirmed_bytes(), resume, reported, unwritten: 0 };
    ledger.report();
    if let Err(error) = parts.fly(plan, digest.as_ref(), &mut ledger, stop).await {
        if error.kind() == ErrorKind::SourceDamaged {
            // Only the end of a chunk tells that it is damaged, and parts of it may be confirmed by then.
            ledger.resume.restart(attempt.now());
        }
        // Keep what was confirmed for the next attempt; why this one ended matters more than whether that works.
        let _ = ledger.write().await;
        return Err(error);
    }
    let digest = digest.map(|digest| digest.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(digest.map(|digest| hex::encode(digest.finalize())))
}

/// What is confirmed, told and written down.
struct Ledger<'a> {
    attempt: &'a Attempt<'a>,
    resume: &'a mut Resume,
    confirmed: u64,
    /// What the listener knows of, in this attempt.
    reported: &'a mut u64,
    /// What was confirmed since the last checkpoint.
    unwritten: u64,
}

impl Ledger<'_> {
    async fn confirm(&mut self, part: u32) -> Result<()> {
        let length = self.resume.part_length(part) as u64;
        self.attempt.calls.reached();
        self.attempt.confirmed.notify_one();
        self.resume.confirm(part);
        self.confirmed += length;
        MTPROTO_BYTES.increment(length);
        self.unwritten += length;
        self.report();
        if self.unwritten < CHECKPOINT { Ok(()) } else { self.write().await }
    }

    /// Progress never goes back within one attempt, even if parts are sent once more.
    fn report(&mut self) {
        if self.confirmed > *self.reported {
            *self.reported = self.confirmed;
            self.attempt.progress.acknowledged(self.confirmed);
        }
    }

    async fn write(&mut self) -> Result<()> {
        self.unwritten = 0;
        self.attempt.progress.checkpoint(self.resume.to_state()).await
    }
}

impl Parts<'_> {
    /// Sends one part, whatever is known of it.
    pub(crate) async fn send_one(&self, part: u32, length: usize) -> Result<u32> {
        let ready = self.prepare(part, length).await?;
        self.send(ready).await
    }

    /// Reads parts one after the other while others fly.
    async fn fly(
        &self,
        plan: Vec<Planned>,
        digest: Option<&Mutex<Md5>>,
        ledger: &mut Ledger<'_>,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut plan = plan.into_iter();
        let mut reading: Option<BoxFuture<'_, _>> = None;
        let mut flying = FuturesUnordered::new();
        let mut stopped = false;
        loop {
            if stop.is_cancelled() {
                reading = None;
                if !std::mem::replace(&mut stopped, true) {
                    // Those in flight may take longer than the caller that stops this waits for.
                    ledger.write().await?;
                }
            } else if reading.is_none() && flying.len() < self.attempt.limits.window.max(1) {
                reading = plan.next().map(|planned| self.next(planned, digest).boxed());
            }
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopped && (reading.is_some() || !flying.is_empty()) => {}
                Some(part) = flying.next() => ledger.confirm(part?).await?,
                Some(ready) = OptionFuture::from(reading.as_mut()) => {
                    reading = None;
                    flying.extend(ready?.map(|ready| self.send(ready)));
                }
                else => return Ok(()),
            }
        }
    }

    /// Reads the next part, in order, into the digest; gives it if it is to be sent.
    async fn next(&self, planned: Planned, digest: Option<&Mutex<Md5>>) -> Result<Option<Ready>> {
        let Planned { part, length, confirmed } = planned;
        let (bytes, ready) = if confirmed {
            (self.read(part, length).await?, None)
        } else {
            let ready = self.prepare(part, length).await?;
            (ready.bytes.clone(), Some(ready))
        };
        if let Some(digest) = digest {
            digest.lock().unwrap_or_else(PoisonError::into_inner).update(&bytes);
        }
        Ok(ready)
    }

    async fn read(&self, part: u32, length: usize) -> Result<Bytes> {
        Ok(self.source.read_at(u64::from(part) * PART_SIZE as u64, length).await?)
    }

    async fn prepare(&self, part: u32, length: usize) -> Result<Ready> {
        // Read first: a source that is slow must not keep a place from the account's other uploads.
        let bytes = self.read(part, length).await?;
        let window = &self.attempt.window;
        loop {
            self.attempt.wait_for_parts().await?;
            let permit = window.enter().await;
            // Telegram may have asked to wait while this part waited for its place.
            if window.closed_until().is_none() {
                return Ok(Ready { part, bytes, permit });
            }
        }
    }

    /// Sends a part until Telegram has it. Its bytes are read again for that rather than kept.
    async fn send(&self, ready: Ready) -> Result<u32> {
        let _step = self.attempt.step();
        let (part, length) = (ready.part, ready.bytes.len());
        let mut failures = Failures::default();
        let mut ready = Some(ready);
        loop {
            let Ready { bytes, permit, .. } = match ready.take() {
                Some(ready) => ready,
                None => self.prepare(part, length).await?,
            };
            let body = self.body(part, &bytes);
            drop(bytes);
            let began = Instant::now();
            match self.attempt.call_part(part, body, permit).await {
                Ok(answer) if is_true(&answer) => {
                    // A short part is faster and says nothing of the others.
                    if length == PART_SIZE {
                        self.attempt.window.answered(began.elapsed());
                    }
                    return Ok(part);
                }
                Ok(_) => {
                    let error = CallError::not_sent(format!("Telegram did not keep part {part}"));
                    self.attempt.calls.recover(error, &mut failures).await?;
                }
                Err(error) => match error.remedy() {
                    Remedy::Wait(wait) => self.attempt.window.close_for(wait),
                    _ => self.attempt.calls.recover(error, &mut failures).await?,
                },
            }
        }
    }

    /// The call, written in one piece: `tl` would copy the bytes of the part one by one.
    fn body(&self, part: u32, bytes: &[u8]) -> Body {
        let mut body = Body::with_capacity(bytes.len() + 32);
        let big = is_big(self.source.len());
        let method = if big {
            tl::functions::upload::SaveBigFilePart::CONSTRUCTOR_ID
        } else {
            tl::functions::upload::SaveFilePart::CONSTRUCTOR_ID
        };
        body.put(&method.to_le_bytes());
        body.put(&self.file_id.to_le_bytes());
        body.put(&part.to_le_bytes());
        if big {
            body.put(&self.total.to_le_bytes());
        }
        body.put_tl_bytes(bytes);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_ten_mebibytes() {
        assert!(!is_big(10 * 1024 * 1024));
        assert!(is_big(10 * 1024 * 1024 + 1));
    }
}
