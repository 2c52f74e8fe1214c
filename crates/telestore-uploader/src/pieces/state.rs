//! How far the pieces of a file are, as it is written down.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use telestore_types::{ResumeState, SenderId, StoredMessage};

use crate::UploadRequest;

/// The version of the layout below. A state of another version is ignored.
const VERSION: u32 = 1;

/// How far the pieces of a file are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// The version; no other state has a field of this name.
    pieces: u32,
    length: u64,
    /// The chat that the pieces go to, and the supergroup that it has become.
    chat: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) moved_to: Option<String>,
    pub(super) each: Vec<Piece>,
}

/// One piece.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) size: u64,
    /// Who sends it, or sent it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sender: Option<SenderId>,
    /// Whether its message may exist already, made by that sender.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) committed: bool,
    /// What the backend wrote of it.
    #[serde(default, with = "hex", skip_serializing_if = "Vec::is_empty")]
    pub(super) state: Vec<u8>,
    /// Its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stored: Option<StoredMessage>,
}

impl Piece {
    /// Whether somebody has sent something of it.
    pub(super) fn is_begun(&self) -> bool {
        !self.state.is_empty()
    }

    /// Where it lies in the file.
    pub(super) fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.size
    }
}

impl State {
    /// A file of which nothing was sent, in pieces of so many bytes.
    pub(super) fn new(request: &UploadRequest, piece: u64) -> Self {
        let length = request.source.len();
        let chat = request.credentials.chat_id.as_str().to_owned();
        Self { pieces: VERSION, length, chat, moved_to: None, each: cut(0, length, piece).collect() }
    }

    /// Goes on from what an earlier attempt wrote down, if it is of this file and for this chat: the pieces stay as they are,
    /// however large they would be made now.
    pub(super) fn go_on(state: Option<&ResumeState>, backend: &str, request: &UploadRequest) -> Option<Self> {
        let mut read = Self::read(state, backend)?;
        let chat = request.credentials.chat_id.as_str();
        let fits = read.pieces == VERSION && read.length == request.source.len();
        if !fits || read.chat != chat && read.moved_to.as_deref() != Some(chat) {
            return None;
        }
        for piece in &mut read.each {
            // A message of bytes that are others now is none of this file.
            if request.changed.iter().any(|changed| overlap(changed, &piece.range()).is_some()) {
                piece.stored = None;
            }
        }
        Some(read)
    }

    /// Splits the pieces that are no messages and have more than `most` bytes; says whether there were any. What was sent of
    /// them is forgotten. Those that stay must lie in front, since pieces are named by their order.
    pub(super) fn split(&mut self, most: u64) -> bool {
        let is_large = |piece: &Piece| piece.stored.is_none() && piece.size > most;
        let Some(first) = self.each.iter().position(is_large) else { return false };
        if self.each[first..].iter().any(|piece| piece.stored.is_some() || piece.committed) {
            return false;
        }
        let start = self.each[first].offset;
        self.each.truncate(first);
        self.each.extend(cut(start, self.length, most));
        true
    }

    /// Whether it was written of pieces, if not of these.
    pub(super) fn is_one(state: Option<&ResumeState>, backend: &str) -> bool {
        Self::read(state, backend).is_some()
    }

    pub(super) fn read(state: Option<&ResumeState>, backend: &str) -> Option<Self> {
        serde_json::from_slice(state?.of(backend)?).ok()
    }

    pub(super) fn to_resume(&self, backend: &str) -> ResumeState {
        // Numbers, texts and hexadecimal digits always make JSON.
        ResumeState::new(backend, serde_json::to_vec(self).unwrap_or_default()).with_made(self.made())
    }

    /// The messages that are there.
    pub(super) fn made(&self) -> Vec<StoredMessage> {
        self.each.iter().filter_map(|piece| piece.stored.clone()).collect()
    }

    /// How many pieces are no messages yet.
    pub(super) fn left(&self) -> usize {
        self.each.iter().filter(|piece| piece.stored.is_none()).count()
    }
}

/// Pieces of `most` bytes from `start` on.
fn cut(start: u64, end: u64, most: u64) -> impl Iterator<Item = Piece> {
    let most = most.max(1);
    (0..(end - start).div_ceil(most)).map(move |index| {
        let offset = start + index * most;
        Piece { offset, size: most.min(end - offset), ..Piece::default() }
    })
}

/// What two ranges have in common.
pub(super) fn overlap(a: &Range<u64>, b: &Range<u64>) -> Option<Range<u64>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (both.start < both.end).then_some(both)
}
