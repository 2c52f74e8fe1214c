//! One fetch.

use std::time::Duration;

use bytes::Bytes;
use telestore_fetch::{Ask, Error as FetchError, Fetched, Told};
use telestore_store::{FetchNote, Spool};
use telestore_types::{Outcome, Upload, UploadState, Verdict};
use tokio_util::sync::CancellationToken;

use super::Fetching;
use super::prefix::{OtherFile, Prefix};
use crate::shared::error::{Conflict, Error, Result};
use crate::shared::source::Source;

/// How many bytes are written down at a time.
const PIECE: u64 = 8 * 1024 * 1024;

/// How often it is tried without a byte more, and the pauses in between.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(5 * 60)];

/// How often it is looked whether somebody has cancelled it elsewhere.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How a fetch ends that does not bring the file.
enum End {
    /// It is not wanted any more, or another worker has it.
    Unwanted,
    /// It may go well later.
    Later { why: String, pause: Option<Duration> },
    /// It will not.
    Failed { why: String, outcome: Outcome },
}

fn refused(why: impl Into<String>) -> End {
    End::Failed { why: why.into(), outcome: Outcome::Refused }
}

impl From<FetchError> for End {
    fn from(error: FetchError) -> Self {
        match error.verdict() {
            Verdict::Temporary => Self::Later { why: error.to_string(), pause: error.retry_after() },
            _ => refused(error.to_string()),
        }
    }
}

impl From<OtherFile> for End {
    fn from(_: OtherFile) -> Self {
        refused(
            "the file at the address is another one than when the worker began to fetch it: ask for it again",
        )
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound | Error::Conflict(Conflict::Cancelled) => Self::Unwanted,
            // Somebody else has appended, such as a worker that was taken for dead.
            Error::Offset { .. } | Error::Conflict(_) => {
                Self::Later { why: error.to_string(), pause: Some(Duration::ZERO) }
            }
            Error::SizeMismatch { .. } => OtherFile.into(),
            Error::TooManyRequests { retry_after, .. } => {
                Self::Later { why: error.to_string(), pause: Some(retry_after) }
            }
            error if error.verdict() == Verdict::Temporary => {
                Self::Later { why: error.to_string(), pause: None }
            }
            error => refused(error.to_string()),
        }
    }
}

impl From<telestore_store::Error> for End {
    fn from(error: telestore_store::Error) -> Self {
        Error::from(error).into()
    }
}

/// Bytes on their way into the stores.
struct Piece {
    spool: Option<Box<dyn Spool>>,
    length: u64,
    /// Where they go.
    at: u64,
}

impl Fetching {
    /// Fetches an upload, and writes down how that ended.
    pub(super) async fn fetch(&self, upload: &Upload, stop: &CancellationToken) {
        let Some(mut source) = Source::open(&self.backends.sealer, upload) else {
            let why = "the address of the file cannot be read any more, since the secret key of the worker has changed: ask for it again";
            return self
                .end(upload, FetchNote::Failed { error: why.to_owned(), outcome: Outcome::Refused })
                .await;
        };
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = self.unwanted(upload) => Err(End::Unwanted),
            ended = self.bring(upload, &mut source) => ended,
        };
        match ended {
            Ok(()) => {}
            Err(End::Unwanted) => {
                tracing::info!("[{}] Fetch ended, which nobody wants any more here", upload.id);
                // Another worker tells of it, or has told of its end.
                self.events.forget(&upload.id);
            }
            Err(End::Failed { why, outcome }) => self.give_up(upload, why, outcome).await,
            Err(End::Later { why, pause }) => self.put_off(upload, source, why, pause).await,
        }
    }

    /// Waits until the upload is cancelled, or has become another worker's, without this process hearing of it.
    async fn unwanted(&self, upload: &Upload) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // If the store does not say, the next piece tells.
            if let Ok(now) = self.base.sessions.get(&upload.id).await
                && !now.is_some_and(|now| now.key == upload.key && now.is_fetched_by(&self.base.worker))
            {
                return;
            }
        }
    }

    async fn bring(&self, upload: &Upload, source: &mut Source) -> Result<(), End> {
        let fetcher = self.fetches.fetcher.as_ref().ok_or(Error::FetchesNothing)?;
        let there = upload.received_bytes;
        if there > 0 && upload.file_size == Some(there) {
            // All has come already, and nothing is left to be asked for.
            return Ok(self.filling.complete(upload).await?);
        }
        let ask = Ask::new(source.address());
        let ask = match &source.version {
            Some(version) if there > 0 => ask.going_on(there, version.clone()),
            _ => ask,
        };
        let mut fetched = fetcher.fetch(ask).await?;
        let told = fetched.told().clone();
        if told.length == Some(0) {
            return Err(refused("the file at the address is empty"));
        }
        let mut prefix = match told.from {
            0 if there > 0 => Prefix::of(&self.base.file_chunks(&upload.key).await?),
            _ => Prefix::none(),
        };
        // What is there may be of another version, until all of it has come again.
        source.version = told.version.clone().filter(|_| prefix.is_through());
        self.goes_on(upload, source, &told).await?;
        if let Some(length) = told.length {
            self.filling.declare(upload, length).await?;
        }
        let filled = self.fill(upload, fetched.as_mut(), &mut prefix).await;
        if prefix.is_through() {
            source.version.clone_from(&told.version);
        }
        let length = filled?;
        prefix.end()?;
        if length == 0 {
            return Err(refused("the file at the address is empty"));
        }
        self.filling.declare(upload, length).await?;
        Ok(self.filling.complete(upload).await?)
    }

    /// Takes in what is new, and says how long the whole file is.
    async fn fill(
        &self,
        upload: &Upload,
        fetched: &mut dyn Fetched,
        prefix: &mut Prefix,
    ) -> Result<u64, End> {
        let mut upload = upload.clone();
        let mut piece = Piece { spool: None, length: 0, at: upload.received_bytes };
        loop {
            let next = fetched.next().await;
            if let Ok(Some(bytes)) = next {
                let new = prefix.pass(bytes)?;
                self.add(&mut piece, new).await?;
                if piece.length >= PIECE {
                    self.write_down(&mut upload, &mut piece).await?;
                }
                continue;
            }
            // Also what came before it broke.
            self.write_down(&mut upload, &mut piece).await?;
            next?;
            return Ok(piece.at);
        }
    }

    async fn add(&self, piece: &mut Piece, bytes: Bytes) -> Result<(), End> {
        if bytes.is_empty() {
            return Ok(());
        }
        let spool = match &mut piece.spool {
            Some(spool) => spool,
            None => piece.spool.insert(self.filling.spool().await?),
        };
        piece.length += bytes.len() as u64;
        Ok(spool.write(bytes).await?)
    }

    async fn write_down(&self, upload: &mut Upload, piece: &mut Piece) -> Result<(), End> {
        let Some(spool) = piece.spool.take() else { return Ok(()) };
        let spooled = spool.finish().await?;
        let (at, length) = (piece.at, spooled.length);
        self.filling.append(upload, at, spooled).await?;
        (piece.at, piece.length) = (at + length, 0);
        let now = self.base.sessions.get(&upload.id).await?;
        let Some(now) = now.filter(|now| now.key == upload.key && now.state == UploadState::Receiving) else {
            return Err(End::Unwanted);
        };
        self.events.publish(&now);
        *upload = now;
        Ok(())
    }

    async fn goes_on(&self, upload: &Upload, source: &Source, told: &Told) -> Result<(), End> {
        let note = FetchNote::GoesOn {
            source: source.seal(&self.backends.sealer, &upload.key).map_err(Error::from)?,
            file_name: told.file_name.clone().filter(|_| !source.named),
            mime_type: told.mime_type.clone(),
        };
        if self.note(upload, &note).await? { Ok(()) } else { Err(End::Unwanted) }
    }

    async fn note(&self, upload: &Upload, note: &FetchNote) -> Result<bool> {
        let (now, worker) = (self.base.now(), &self.base.worker);
        let noted = self.base.sessions.note_fetch(&upload.id, &upload.key, worker, note, now).await?;
        let Some(blobs) = noted else { return Ok(false) };
        if !blobs.is_empty() {
            self.sends.early.forget(&upload.key);
        }
        self.bytes.delete_of(upload, &blobs).await;
        Ok(true)
    }

    /// Writes an end down, at once or as soon as that is possible.
    async fn end(&self, upload: &Upload, note: FetchNote) {
        loop {
            let ended = self.ended(upload, &note).await;
            if self.base.is_to_ask_again(&ended).await {
                continue;
            }
            if let Err(error) = ended {
                tracing::warn!(upload = %upload.id, %error, "could not write down how a fetch ended; trying again");
                self.fetches.write_later(upload.clone(), note);
            }
            return;
        }
    }

    pub(super) async fn ended(&self, upload: &Upload, note: &FetchNote) -> Result<()> {
        if !self.note(upload, note).await? {
            // It is another worker's, or over.
            self.events.forget(&upload.id);
            return Ok(());
        }
        match self.base.sessions.get(&upload.id).await {
            Ok(Some(now)) => self.events.publish(&now),
            // Listeners look for themselves then.
            _ => self.events.forget(&upload.id),
        }
        Ok(())
    }

    async fn give_up(&self, upload: &Upload, error: String, outcome: Outcome) {
        tracing::warn!("[{}] Upload failed: {error}", upload.id);
        self.end(upload, FetchNote::Failed { error, outcome }).await;
    }

    async fn put_off(&self, upload: &Upload, mut source: Source, why: String, pause: Option<Duration>) {
        let before = upload.received_bytes;
        let further = match self.base.sessions.get(&upload.id).await {
            Ok(now) => now.is_some_and(|now| now.key == upload.key && now.received_bytes > before),
            Err(_) => false,
        };
        if further {
            source.failures = 0;
        }
        let note = self.failed_once_more(upload, source, &why, pause);
        self.end(upload, note).await;
    }

    /// What is to be written down after one more failure in a row: that it comes later, or has come to its end.
    pub(super) fn failed_once_more(
        &self,
        upload: &Upload,
        mut source: Source,
        why: &str,
        pause: Option<Duration>,
    ) -> FetchNote {
        source.failures = source.failures.saturating_add(1);
        let (tries, now) = (usize::try_from(source.failures).unwrap_or(usize::MAX), self.base.now());
        let age = now.since(upload.created_at);
        let given_up = |error: String| {
            tracing::warn!("[{}] Upload failed: {error}", upload.id);
            FetchNote::Failed { error, outcome: Outcome::GaveUp }
        };
        let Some(grown) = PAUSES.get(tries - 1).filter(|_| age < self.base.config.retry_max_age) else {
            return given_up(format!(
                "{why}. The worker has tried {tries} times in a row; ask for the file again to try once more"
            ));
        };
        let pause = pause.unwrap_or_default().max(*grown).min(self.base.config.retry_max_age);
        tracing::info!(upload = %upload.id, why, pause = pause.as_secs(), "a fetch is put off");
        match source.seal(&self.backends.sealer, &upload.key) {
            Ok(source) => FetchNote::Later { source, at: now + pause },
            Err(error) => given_up(error.to_string()),
        }
    }
}
