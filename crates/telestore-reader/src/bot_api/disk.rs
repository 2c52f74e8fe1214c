//! Files of a Bot API server that was started with `--local`: it names them by their place on its disk, and serves none over HTTP.

use std::io::SeekFrom;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::answer::another_file;
use crate::{ByteStream, Error, ErrorKind, MessageBytes, Result};

/// How much is read at once.
const BLOCK: u64 = 256 * 1024;

/// Whether a path is a place on a disk: of this kind of machine or the other.
pub(super) fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':')
}

/// A file that the server has put there.
#[derive(Debug)]
pub(super) struct FileOnDisk {
    path: PathBuf,
    length: u64,
}

impl FileOnDisk {
    /// Finds a file below the folder that the server has its files in, if one is known.
    pub(super) async fn find(path: &str, folder: Option<&Path>, length: u64) -> Result<Self> {
        let folder = folder.ok_or_else(|| {
            let text = "the Bot API server runs with --local and keeps the file on its own disk: name the folder of its files to the \
                        worker, run the server without --local, or use a Telegram session, or a bot with an api_id and api_hash";
            Error::new(ErrorKind::Refused, text)
        })?;
        let failed = |error: std::io::Error| {
            let text = format!(
                "the file that the Bot API server keeps on its disk cannot be read from there ({}): is that folder mounted here, at the \
                 same path, and may the worker read it?",
                error.kind()
            );
            Error::new(ErrorKind::Refused, text)
        };
        let folder = fs::canonicalize(folder).await.map_err(failed)?;
        let path = fs::canonicalize(path).await.map_err(failed)?;
        if !path.starts_with(&folder) {
            let text = "the Bot API server names a file outside of the folder that is known for its files";
            return Err(Error::new(ErrorKind::Refused, text));
        }
        let there = fs::metadata(&path).await.map_err(failed)?;
        if !there.is_file() || there.len() != length {
            return Err(another_file());
        }
        Ok(Self { path, length })
    }
}

/// A range that is being read.
struct Reading {
    file: Option<File>,
    on_disk: Arc<FileOnDisk>,
    rest: Range<u64>,
}

impl MessageBytes for FileOnDisk {
    fn len(&self) -> u64 {
        self.length
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> ByteStream {
        let reading = Reading { file: None, on_disk: self, rest: range };
        stream::try_unfold(reading, async |mut reading| {
            let next = reading.next().await.map_err(|error| {
                let text =
                    format!("the Bot API server's file cannot be read from its disk: {}", error.kind());
                Error::new(ErrorKind::Unavailable, text)
            })?;
            Ok(next.map(|bytes| (bytes, reading)))
        })
        .boxed()
    }
}

impl Reading {
    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = File::open(&self.on_disk.path).await?;
                file.seek(SeekFrom::Start(self.rest.start)).await?;
                none.insert(file)
            }
        };
        // At most `BLOCK`, which is a usize.
        let length = (self.rest.end - self.rest.start).min(BLOCK) as usize;
        let mut bytes = BytesMut::zeroed(length);
        file.read_exact(&mut bytes).await?;
        self.rest.start += length as u64;
        Ok(Some(bytes.freeze()))
    }
}
