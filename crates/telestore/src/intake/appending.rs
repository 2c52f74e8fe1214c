//! A request whose bytes flow in behind those of an upload.

use bytes::Bytes;
use telestore_store::Spool;
use telestore_types::{ContentDigest, Upload, UploadId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::intake::inbox::{self, Incoming};
use crate::intake::streams::{Order, Place};
use crate::intake::{AppendReceipt, Intake};
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};

/// How many bytes are recorded at a time: so many are lost at most if a machine dies, and a file may be sent while they come.
const PIECE: u64 = 8 * 1024 * 1024;

/// In how many pieces a file of known length comes at most, if it comes in one request.
const MOST_PIECES: u64 = 5000;

/// After how many bytes the disk is looked at again.
const LOOK_AFTER: u64 = 1024 * 1024;

/// Bytes on their way to the end of an upload; made by [`Telestore::appending`](crate::Telestore::appending). They are
/// recorded piece by piece as they come, by a task of its own.
///
/// Dropped before [`finish`](Self::finish), as when a client goes away, it records what has come all the same, unless a
/// digest was to be compared: then none of it.
#[derive(Debug)]
pub struct Appending {
    incoming: inbox::Writer,
    ended: JoinHandle<Result<AppendReceipt>>,
}

impl Appending {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// Those of [`Telestore::append`](crate::Telestore::append); [`Conflict::TakenOver`]. Nothing more is taken then.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        match self.incoming.write(bytes).await {
            Ok(()) => Ok(()),
            Err(inbox::Closed) => Err(self.given_up().await),
        }
    }

    /// Waits until it takes no more, and says why: a client that sends nothing is told, too, that another request goes on
    /// with its upload. To be asked until it has answered, and not again.
    pub async fn given_up(&mut self) -> Error {
        match (&mut self.ended).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) => Error::Conflict(Conflict::TakenOver),
            Err(died) => Error::Storage(Box::new(died)),
        }
    }

    /// All of it has come. When this returns, it survives a crash.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`Error::OtherBytes`] if the bytes do not have the digest that was expected.
    pub async fn finish(self) -> Result<AppendReceipt> {
        self.incoming.end();
        // A task that has ended before says why.
        self.ended.await.map_err(|died| Error::Storage(Box::new(died)))?
    }

    /// No more comes. Returns once what has come is recorded.
    pub async fn cut(self) {
        drop(self.incoming);
        let _ = self.ended.await;
    }
}

/// What takes the bytes of one request.
struct Recorder {
    intake: Intake,
    id: UploadId,
    caller: Caller,
    /// Where the piece that is open begins.
    at: u64,
    size: Option<u64>,
    receipt: AppendReceipt,
    /// The most bytes of a piece.
    most: u64,
    expected: Vec<ContentDigest>,
    piece: Option<Piece>,
}

/// Bytes that are not recorded yet.
struct Piece {
    spool: Box<dyn Spool>,
    length: u64,
    look_at: u64,
}

impl Intake {
    /// Begins to append at `offset` what comes by one request. A request that has appended to the same upload until now is
    /// ended, unless the file ends elsewhere.
    pub(crate) async fn appending(
        &self,
        id: &UploadId,
        offset: u64,
        expected: Vec<ContentDigest>,
        caller: &Caller,
    ) -> Result<Appending> {
        let mut upload = self.next_is(id, offset, caller).await;
        let mut waited = false;
        let (upload, place, asked) = loop {
            let running = match &upload {
                Ok(found) => match self.streams.enter(&found.key) {
                    Ok((place, asked)) => break (found.clone(), place, asked),
                    Err(running) => Some(running),
                },
                Err(Error::Offset { .. }) if !waited => {
                    // What another request has taken and not recorded may end just there.
                    let found = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
                    if let Some(running) = self.streams.of(&found.key) {
                        running.record().await;
                    }
                    None
                }
                Err(_) => None,
            };
            match running {
                Some(running) if !running.stop().await => return Err(Conflict::TakenOver.into()),
                None if waited => {
                    upload?;
                    return Err(Conflict::TakenOver.into());
                }
                _ => {}
            }
            waited = true;
            upload = self.next_is(id, offset, caller).await;
        };
        // Whoever had the place may have recorded something in between.
        let upload = self.next_is(&upload.id, offset, caller).await?;
        let config = &self.base.config;
        let most = match upload.file_size {
            _ if !expected.is_empty() => config.max_chunk_bytes,
            Some(size) => PIECE.max(size / MOST_PIECES).min(config.max_chunk_bytes),
            None => PIECE.min(config.max_chunk_bytes),
        };
        let recorder = Recorder {
            intake: self.clone(),
            id: id.clone(),
            caller: caller.clone(),
            at: offset,
            size: upload.file_size,
            receipt: self.receipt(&upload),
            most: most.max(1),
            expected,
            piece: None,
        };
        let (incoming, inbox) = inbox::inbox(recorder.most);
        let ended = tokio::spawn(recorder.run(place, asked, inbox).in_current_span());
        Ok(Appending { incoming, ended })
    }

    /// The upload, if the next byte that it takes of this caller is at `offset`.
    async fn next_is(&self, id: &UploadId, offset: u64, caller: &Caller) -> Result<Upload> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        upload.clone().append(offset, 0, self.base.now())?;
        self.access.claim(&upload, caller).await?;
        Ok(upload)
    }
}

impl Recorder {
    async fn run(
        mut self,
        place: Place,
        mut asked: mpsc::Receiver<Order>,
        mut inbox: inbox::Reader,
    ) -> Result<AppendReceipt> {
        let shutdown = self.intake.base.shutdown.clone();
        let ended = loop {
            let step = tokio::select! {
                biased;
                Some(order) = asked.recv() => match order {
                    Order::Stop => Err(Conflict::TakenOver.into()),
                    Order::Record(told) => {
                        let recorded = self.record_what_came(&mut inbox).await;
                        let _ = told.send(());
                        recorded
                    }
                },
                // What has come is kept, and another process takes the rest.
                () = shutdown.cancelled() => self.record_what_came(&mut inbox).await.and(Err(Error::ShuttingDown)),
                incoming = inbox.read() => match incoming {
                    Incoming::Bytes(pieces) => self.take_all(pieces).await,
                    Incoming::End => break self.record().await.map(|()| self.receipt),
                    Incoming::Cut => self.record_unless_expected().await.and(Err(Conflict::Cut.into())),
                },
            };
            if let Err(error) = step {
                break Err(error);
            }
        };
        // Others are told only now.
        drop(place);
        ended
    }

    async fn take_all(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        for piece in pieces {
            self.take(piece).await?;
        }
        Ok(())
    }

    async fn take(&mut self, mut bytes: Bytes) -> Result<()> {
        let held = self.piece.as_ref().map_or(0, |piece| piece.length);
        let received = (self.at + held).saturating_add(bytes.len() as u64);
        if let Some(declared) = self.size.filter(|declared| received > *declared) {
            return Err(Error::SizeMismatch { declared, received });
        }
        let limit = self.intake.base.config.max_file_bytes;
        if received > limit {
            return Err(Error::TooLarge { what: "file", limit });
        }
        while !bytes.is_empty() {
            let most = self.most;
            let piece = self.open().await?;
            if piece.length == most {
                // Others than the last one are recorded as soon as they are full.
                return Err(Error::TooLarge { what: "body with a digest", limit: most });
            }
            let room = usize::try_from(most - piece.length).unwrap_or(usize::MAX);
            let part = bytes.split_to(room.min(bytes.len()));
            piece.length += part.len() as u64;
            let (length, look) = (piece.length, piece.length >= piece.look_at);
            if look {
                piece.look_at = length + LOOK_AFTER;
            }
            if let Err(error) = piece.spool.write(part).await {
                // Nobody knows how much of it is there.
                self.piece = None;
                return Err(error.into());
            }
            if look {
                self.intake.bytes.check_space().await?;
            }
            // Whether the last one is all that the request has, is known at its end only.
            if length == most && self.expected.is_empty() && self.size != Some(self.at + length) {
                self.record().await?;
            }
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<&mut Piece> {
        if self.piece.is_none() {
            let mut spool = self.intake.spool().await?;
            for digest in &self.expected {
                spool.expect(*digest);
            }
            self.piece = Some(Piece { spool, length: 0, look_at: LOOK_AFTER });
        }
        self.piece.as_mut().ok_or(Error::NotFound)
    }

    async fn record_what_came(&mut self, inbox: &mut inbox::Reader) -> Result<()> {
        let taken = self.take_all(inbox.read_now()).await;
        let held = self.piece.as_ref().map_or(0, |piece| piece.length);
        if taken.is_err() && self.size == Some(self.at + held) {
            // It would be complete, and its client has sent more.
            return taken;
        }
        // What came before is good, whatever becomes of the rest.
        let recorded = self.record_unless_expected().await;
        taken.and(recorded)
    }

    /// With a digest it is known only at the end whether these are the bytes.
    async fn record_unless_expected(&mut self) -> Result<()> {
        if self.expected.is_empty() { self.record().await } else { Ok(()) }
    }

    async fn record(&mut self) -> Result<()> {
        if self.piece.is_none() && !self.expected.is_empty() {
            // Of no bytes, too, there is a digest.
            self.open().await?;
        }
        let Some(piece) = self.piece.take() else { return Ok(()) };
        let spooled = piece.spool.finish().await?;
        let recorded = self.intake.append(&self.id, self.at, spooled, &self.caller).await;
        self.receipt = recorded.map_err(|error| match error {
            // It ended here when this request began.
            Error::Offset { .. } => Conflict::TakenOver.into(),
            error => error,
        })?;
        (self.at, self.size) = (self.receipt.offset, self.receipt.size);
        Ok(())
    }
}
