//! The files that tests send.

use rand::TryRng;
use rand::rngs::SysRng;
use reqwest::multipart::{Form, Part};
use sha2::{Digest, Sha256};
use telestore_sandbox::SandboxMessage;

use super::CHUNK;

/// Random bytes. From the system: a generator of this process would take longer over them than the worker over the file,
/// as these tests are compiled.
pub(crate) fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SysRng.try_fill_bytes(&mut bytes).unwrap();
    bytes
}

/// Lines of a log: text that gains by compression, and is nowhere the same.
pub(crate) fn text(length: usize) -> Vec<u8> {
    let mut line = *b"00000000 127.0.0.1 GET /files/0000 200\n";
    let mut text = Vec::with_capacity(length + line.len());
    // No formatting: hundreds of megabytes are made, by code that is not optimised.
    for dice in random(length.div_ceil(line.len()) * 6).chunks_exact(6) {
        for (digit, at) in (0..8).chain(30..34).enumerate() {
            line[at] = b"0123456789abcdef"[usize::from(dice[digit / 2] >> (digit % 2 * 4)) & 15];
        }
        text.extend_from_slice(&line);
    }
    text.truncate(length);
    text
}

/// A file on its way.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Where each chunk ends.
    pub(crate) ends: Vec<usize>,
}

impl File {
    /// `length` random bytes in chunks of 5 MiB.
    pub(crate) fn new(length: usize) -> Self {
        Self::in_chunks(length, &[CHUNK])
    }

    /// With chunks of these sizes; the last one is repeated.
    pub(crate) fn in_chunks(length: usize, sizes: &[usize]) -> Self {
        Self::of(random(length), sizes)
    }

    /// The same of these bytes.
    pub(crate) fn of(bytes: Vec<u8>, sizes: &[usize]) -> Self {
        let length = bytes.len();
        let mut ends = Vec::new();
        let mut sizes = sizes.iter().copied().peekable();
        while ends.last().copied().unwrap_or(0) < length {
            let size = sizes.peek().copied().unwrap_or(CHUNK);
            ends.push(length.min(ends.last().copied().unwrap_or(0) + size));
            if sizes.len() > 1 {
                sizes.next();
            }
        }
        // The browser's ids look like this.
        let id = format!("1763790000000_{:08x}", rand::random::<u32>());
        Self { id, name: "video.bin".to_owned(), bytes, ends }
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub(crate) fn total(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn piece(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// The fields of a chunk, in the browser's order, without the bytes.
    pub(crate) fn fields(&self, index: usize, token: &str) -> Vec<(&'static str, String)> {
        vec![
            ("uploadId", self.id.clone()),
            ("chunkIndex", index.to_string()),
            ("totalChunks", self.total().to_string()),
            ("fileName", self.name.clone()),
            ("fileSize", self.bytes.len().to_string()),
            ("authToken", token.to_owned()),
        ]
    }

    /// A chunk as the browser sends it: the bytes first, as a `blob`.
    pub(crate) fn chunk(&self, index: usize, token: &str) -> Form {
        chunk_form(self.piece(index).to_vec(), self.fields(index, token))
    }

    pub(crate) fn direct(&self, token: &str) -> Form {
        Form::new()
            .part("file", Part::bytes(self.bytes.clone()).file_name(self.name.clone()))
            .text("userId", "somebody-else")
            .text("authToken", token.to_owned())
            .text("fileName", self.name.clone())
    }

    #[track_caller]
    pub(crate) fn assert_is(&self, message: &SandboxMessage) {
        assert_eq!(message.size, self.bytes.len() as u64);
        assert_eq!(message.sha256, hex::encode(Sha256::digest(&self.bytes)), "other bytes arrived");
        assert_eq!(message.sent_name, self.name);
        assert_eq!(message.caption, format!("Uploaded: {}", self.name));
        assert!(message.force_file, "files are sent as documents");
    }
}

pub(crate) fn chunk_form(bytes: Vec<u8>, fields: Vec<(&'static str, String)>) -> Form {
    let form = Form::new().part("chunk", Part::bytes(bytes).file_name("blob"));
    fields.into_iter().fold(form, |form, (name, value)| form.text(name, value))
}
