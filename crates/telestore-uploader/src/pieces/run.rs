//! Sending the pieces: one after the other, or side by side if there are several senders.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use telestore_types::{ResumeState, SendAs, Sender, SenderId, StoredFile};
use tokio_util::sync::CancellationToken;

use super::ledger::{Ledger, PieceSink};
use super::named::{piece_caption, piece_name};
use super::queue::Queue;
use super::range::RangeSource;
use super::state::{Piece, overlap};
use crate::{Error, ErrorKind, Result, TelegramUploader, UploadRequest};

/// Sends what is left of the file.
pub(super) async fn run(
    inner: &dyn TelegramUploader,
    request: &UploadRequest,
    ledger: &Arc<Ledger>,
) -> Result<StoredFile> {
    let all = senders(inner, request);
    give_up_for_gone(request, ledger, &all).await?;
    ledger.begin().await?;
    let pieces = ledger.pieces();
    let left = pieces.iter().enumerate().filter(|(_, piece)| piece.stored.is_none());
    let left: BTreeSet<usize> = left.map(|(index, _)| index).collect();
    let committed = pieces.iter().filter(|piece| piece.stored.is_none() && piece.committed);
    let committed: Vec<_> = committed.map(|piece| piece.sender.clone()).collect();
    let senders: Vec<_> = all.iter().filter(|sender| works(sender, request, &committed)).cloned().collect();
    let queue = Queue::new(left, senders.iter().map(name_of).collect());
    let stop = request.cancel.child_token();
    let lane = |sender: Option<Sender>| {
        let lane = Lane { inner, request, ledger, queue: &queue, stop: &stop, sender };
        async move { lane.run().await }
    };
    let mut lanes: FuturesUnordered<_> = senders.iter().cloned().map(lane).collect();
    let mut failed: Option<Error> = None;
    let mut made = Vec::new();
    while let Some(ended) = lanes.next().await {
        let Err(error) = ended else { continue };
        made.extend(error.made().to_vec());
        if !is_of_sender(error.kind()) || lanes.is_empty() {
            // Those that are under way come to their end: what they make is known then.
            stop.cancel();
        }
        if failed.as_ref().is_none_or(|before| matters_more(&error, before)) {
            failed = Some(error);
        }
    }
    match ledger.whole() {
        Some(stored) => Ok(stored),
        None => Err(failed.unwrap_or_else(Error::cancelled).with_made(made)),
    }
}

/// Gives the file up if a piece may be a message of a sender that is gone: nobody can tell, and another one would make a second
/// message. A session may be another one of the same account, which makes the same message, unless there is none any more.
async fn give_up_for_gone(
    request: &UploadRequest,
    ledger: &Arc<Ledger>,
    all: &[Option<Sender>],
) -> Result<()> {
    let has_session = all.iter().flatten().any(|sender| sender.session_string().is_some());
    let (count, mut failed) = (ledger.count(), None);
    for (index, piece) in ledger.pieces().into_iter().enumerate() {
        let may_exist = piece.committed && piece.stored.is_none();
        let Some(gone) = piece.sender.clone().filter(|_| may_exist) else { continue };
        if all.iter().any(|sender| name_of(sender).as_ref() == Some(&gone)) {
            continue;
        }
        if has_session && !gone.is_bot() {
            ledger.adopt(index, name_of(&request.sender));
            continue;
        }
        ledger.give_up(index).await?;
        let text = format!("{gone} was asked to send it, and is not among the bots any more");
        let name = piece_name(&request.file_name, index + 1);
        failed
            .get_or_insert_with(|| Error::new(ErrorKind::AnswerLost, text).of_piece(&name, index + 1, count));
    }
    failed.map_or(Ok(()), Err)
}

/// Whether `error` is the one to tell rather than the one that came before: what passes first decides when it is tried again.
fn matters_more(error: &Error, before: &Error) -> bool {
    match (before.retry_after(), error.retry_after()) {
        (Some(before), Some(wait)) => !wait.is_zero() && wait < before,
        // The others said it of themselves, and this one can send again.
        (None, Some(_)) => is_of_sender(before.kind()) || before.kind() == ErrorKind::Cancelled,
        _ => before.kind() == ErrorKind::Cancelled,
    }
}

/// Whether an error says something of who sends, and nothing of the file: another one may do.
fn is_of_sender(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotAuthorized
            | ErrorKind::ChannelUnresolved
            | ErrorKind::FloodWait(_)
            | ErrorKind::Unavailable
            | ErrorKind::LoginBusy
    )
}

/// Who sends, side by side. A backend that cannot repeat a piece sends one at a time: if the process ends meanwhile, it must be
/// known which message may exist.
pub(super) fn senders(inner: &dyn TelegramUploader, request: &UploadRequest) -> Vec<Option<Sender>> {
    let can = inner.capability();
    let chosen = request.sender.clone();
    if !can.idempotent {
        return vec![chosen];
    }
    let others = can.requirement.senders(&request.credentials).cloned();
    let others = others.filter(|other| chosen.as_ref().is_some_and(|chosen| chosen.id != other.id));
    std::iter::once(chosen.clone()).chain(others.map(Some)).collect()
}

/// Whether a sender takes part: the one that was chosen, those that can send now, and those of which alone it can be known whether
/// a piece is a message already.
fn works(sender: &Option<Sender>, request: &UploadRequest, committed: &[Option<SenderId>]) -> bool {
    let name = name_of(sender);
    name == name_of(&request.sender)
        || committed.contains(&name)
        || sender
            .as_ref()
            .is_none_or(|sender| request.pool.closure(sender, &request.credentials.chat_id).is_none())
}

pub(super) fn name_of(sender: &Option<Sender>) -> Option<SenderId> {
    sender.as_ref().map(|sender| sender.id.clone())
}

/// One sender, and the pieces that it takes.
struct Lane<'a> {
    inner: &'a dyn TelegramUploader,
    request: &'a UploadRequest,
    ledger: &'a Arc<Ledger>,
    queue: &'a Queue,
    stop: &'a CancellationToken,
    sender: Option<Sender>,
}

impl Lane<'_> {
    async fn run(&self) -> Result<()> {
        let name = name_of(&self.sender);
        let ended = self.send_all(&name).await;
        self.queue.ended(&name);
        ended
    }

    async fn send_all(&self, name: &Option<SenderId>) -> Result<()> {
        loop {
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Error::cancelled()),
                next = self.queue.next(name, || self.ledger.pieces()) => next,
            };
            let Some(index) = next else { return Ok(()) };
            let sent = self.send(index).await;
            self.queue.sent(index, sent.is_err());
            sent?;
        }
    }

    async fn send(&self, index: usize) -> Result<()> {
        let (count, number) = (self.ledger.count(), index + 1);
        let piece = self.ledger.piece(index);
        let request = of_piece(self.request, &piece, number, count, self.sender.clone(), self.inner.name());
        let (name, size) = (request.file_name.clone(), piece.size);
        let sink = self.ledger.sink(index, name_of(&self.sender));
        let request = request.stopped_by(self.stop.clone());
        let sent = self.upload(request, sink).await;
        let stored = sent.map_err(|error| {
            if error.kind() == ErrorKind::TooLarge {
                self.ledger.refused(index);
            }
            error.of_piece(&name, number, count)
        })?;
        let mut message = stored.first().clone().at(piece.offset);
        message.size = size;
        self.ledger.made(index, message).await
    }

    /// Sends a piece, and has the pool know of it. The caller has told it that the chosen sender sends.
    async fn upload(&self, piece: UploadRequest, sink: Arc<PieceSink>) -> Result<StoredFile> {
        let (pool, chat) = (&self.request.pool, &self.request.credentials.chat_id);
        let is_other = name_of(&self.sender) != name_of(&self.request.sender);
        let _sending = self.sender.as_ref().filter(|_| is_other).map(|sender| pool.begin(sender));
        let sent = self.inner.upload(piece, sink).await;
        if let Some(sender) = &self.sender {
            pool.note(sender, chat, sent.as_ref().err());
        }
        sent.map_err(|error| error.met_by(name_of(&self.sender)))
    }
}

/// The upload of one piece.
pub(super) fn of_piece(
    request: &UploadRequest,
    piece: &Piece,
    number: usize,
    count: usize,
    sender: Option<Sender>,
    backend: &str,
) -> UploadRequest {
    let resume = ResumeState::new(backend, piece.state.clone()).by(piece.sender.clone());
    let within = |changed| overlap(changed, &piece.range());
    let changed = request.changed.iter().filter_map(within);
    UploadRequest {
        file_name: piece_name(&request.file_name, number),
        caption: piece_caption(&request.caption, number, count),
        mime_type: "application/octet-stream".to_owned(),
        // A piece of a video is none.
        send_as: SendAs::Document,
        source: Arc::new(RangeSource::new(Arc::clone(&request.source), piece.offset, piece.size)),
        changed: changed.map(|range| range.start - piece.offset..range.end - piece.offset).collect(),
        resume: piece.is_begun().then_some(resume),
        sender,
        ..request.clone()
    }
}
