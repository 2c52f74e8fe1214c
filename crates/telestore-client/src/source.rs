use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use telestore_types::{FileDigest, Shown};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result};

/// How long bytes of a stream wait for more to go with them.
const GATHER: Duration = Duration::from_secs(5);

/// How much is read at once for a digest.
const BLOCK: usize = 256 * 1024;

/// Where the bytes of an upload come from.
///
/// Files and bytes can be resumed anywhere. A stream has no second time: it is resumed only as long as its process lives, from what it
/// keeps in memory until the worker has it.
pub struct Source(pub(crate) Inner);

pub(crate) enum Inner {
    File(OpenFile),
    Bytes(Bytes),
    Stream(Stream),
}

/// A file, as it was when it was opened.
#[derive(Clone)]
pub(crate) struct OpenFile {
    file: Arc<Mutex<File>>,
    stamp: Stamp,
    shown: String,
    pub(crate) name: Option<String>,
}

/// What tells a file that was changed from one that was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

/// A stream, with what the worker does not have of it yet.
pub(crate) struct Stream {
    /// In a mutex that is never locked: what is behind it needs to be `Send` only.
    reader: Mutex<Box<dyn AsyncRead + Send + Unpin>>,
    /// Where `held` begins.
    at: u64,
    held: Bytes,
    ended: bool,
}

impl Source {
    /// A file on this machine.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if it cannot be opened, or is no file: pipes and devices are [streams](Self::stream).
    pub fn file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let shown = Shown(&path.to_string_lossy()).to_string();
        let failed = |error: io::Error| Error::new(ErrorKind::Source, format!("{shown}: {error}"));
        // Before it is opened: opening a pipe waits for its writer.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(Error::new(ErrorKind::Source, format!("{shown} is not a file")));
        }
        let file = File::open(path).map_err(failed)?;
        let stamp = Stamp::of(&file.metadata().map_err(failed)?);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self(Inner::File(OpenFile { file: Arc::new(Mutex::new(file)), stamp, shown, name })))
    }

    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self(Inner::Bytes(bytes.into()))
    }

    /// Whatever can be read, of unknown length.
    pub fn stream(reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self(Inner::Stream(Stream {
            reader: Mutex::new(Box::new(reader)),
            at: 0,
            held: Bytes::new(),
            ended: false,
        }))
    }

    /// How many bytes there are, where that can be known before the end.
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Inner::File(file) => Some(file.stamp.length),
            Inner::Bytes(bytes) => Some(bytes.len() as u64),
            Inner::Stream(_) => None,
        }
    }

    /// When the file was last changed before it was opened.
    pub fn modified(&self) -> Option<SystemTime> {
        match &self.0 {
            Inner::File(file) => file.stamp.modified,
            _ => None,
        }
    }

    /// The SHA-256 of the whole. Not of a stream.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if it cannot be read, [`ErrorKind::Changed`] if it changed meanwhile.
    pub async fn digest(&self) -> Result<Option<[u8; 32]>> {
        match &self.0 {
            Inner::File(file) => file.digest().await.map(|digest| Some(*digest.bytes())),
            Inner::Bytes(bytes) => Ok(Some(Sha256::digest(bytes).into())),
            Inner::Stream(_) => Ok(None),
        }
    }

    /// The next bytes from an offset on, at most so many, and whether the end of all is the end of them.
    pub(crate) async fn read(&mut self, offset: u64, most: u64) -> Result<(Bytes, bool)> {
        match &mut self.0 {
            Inner::File(file) => file.read(offset, most).await,
            Inner::Bytes(bytes) => {
                let length = bytes.len() as u64;
                let end = length.min(offset.saturating_add(most));
                let (from, to) = (at(offset.min(end)), at(end));
                Ok((bytes.slice(from..to), end == length))
            }
            Inner::Stream(stream) => stream.read(offset, most).await,
        }
    }

    /// Whether the bytes are still those that they were.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`].
    pub(crate) async fn unchanged(&self) -> Result<()> {
        match &self.0 {
            Inner::File(file) => file.blocking(|file, _| file.metadata().map(|_| ())).await,
            _ => Ok(()),
        }
    }
}

impl OpenFile {
    /// Does something with the file where it may block, and looks whether it is still what it was, before and after.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut File, u64) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (file, stamp) = (Arc::clone(&self.file), self.stamp);
        let ran = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let done = work(&mut file, stamp.length)?;
            Ok((done, Stamp::of(&file.metadata()?)))
        });
        let changed = || {
            Error::new(
                ErrorKind::Changed,
                format!("{} changed while it was sent: send it once nothing writes to it", self.shown),
            )
        };
        match ran.await.map_err(io::Error::other).and_then(|ran| ran) {
            Ok((done, now)) if now == self.stamp => Ok(done),
            Ok(_) => Err(changed()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(changed()),
            Err(error) => {
                Err(Error::new(ErrorKind::Source, format!("cannot read the file {}: {error}", self.shown)))
            }
        }
    }

    async fn read(&self, offset: u64, most: u64) -> Result<(Bytes, bool)> {
        self.blocking(move |file, length| {
            let end = length.min(offset.saturating_add(most));
            let mut bytes = BytesMut::zeroed(at(end.saturating_sub(offset)));
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut bytes)?;
            Ok((bytes.freeze(), end == length))
        })
        .await
    }

    async fn digest(&self) -> Result<FileDigest> {
        self.blocking(|file, _| {
            let (mut digest, mut block) = (Sha256::new(), vec![0; BLOCK]);
            file.seek(SeekFrom::Start(0))?;
            loop {
                match file.read(&mut block) {
                    Ok(0) => break,
                    Ok(read) => digest.update(&block[..read]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(FileDigest::from(<[u8; 32]>::from(digest.finalize())))
        })
        .await
    }
}

impl Stamp {
    fn of(about: &Metadata) -> Self {
        Self { length: about.len(), modified: about.modified().ok() }
    }
}

impl Stream {
    async fn read(&mut self, offset: u64, most: u64) -> Result<(Bytes, bool)> {
        let taken = offset.checked_sub(self.at).filter(|taken| *taken <= self.held.len() as u64);
        let Some(taken) = taken else {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!(
                    "the worker asks for byte {offset} of a stream, which is gone: {} is the first at hand",
                    self.at
                ),
            ));
        };
        let _ = self.held.split_to(at(taken));
        self.at = offset;
        if self.held.is_empty() && !self.ended {
            self.held = self.gather(at(most)).await?;
        }
        let part = self.held.slice(..self.held.len().min(at(most)));
        let last = self.ended && part.len() == self.held.len();
        Ok((part, last))
    }

    /// As much as comes: up to `most`, and no longer than a while after the first byte.
    async fn gather(&mut self, most: usize) -> Result<Bytes> {
        let (mut bytes, mut until) = (BytesMut::new(), None);
        let reader = self.reader.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        while bytes.len() < most {
            let room = (most - bytes.len()).min(BLOCK);
            bytes.reserve(room);
            let mut limited = reader.take(room as u64);
            let read = limited.read_buf(&mut bytes);
            let read = match until {
                None => read.await,
                Some(until) => match timeout_at(until, read).await {
                    Ok(read) => read,
                    Err(_) => break,
                },
            };
            let read = read
                .map_err(|error| Error::new(ErrorKind::Source, format!("cannot read the stream: {error}")))?;
            if read == 0 {
                self.ended = true;
                break;
            }
            until.get_or_insert_with(|| Instant::now() + GATHER);
        }
        Ok(bytes.freeze())
    }
}

/// A number of bytes that are in memory.
fn at(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::File(file) => write!(f, "Source::file({:?})", file.shown),
            Inner::Bytes(bytes) => write!(f, "Source::bytes({})", bytes.len()),
            Inner::Stream(_) => f.write_str("Source::stream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_changes_is_noticed_wherever_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [7; 1000]).unwrap();
        let mut source = Source::file(&path).unwrap();
        assert_eq!(source.read(900, 500).await.unwrap(), (Bytes::from(vec![7; 100]), true));
        assert!(!source.read(0, 500).await.unwrap().1);
        std::fs::File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
        for error in
            [source.read(0, 500).await.err(), source.digest().await.err(), source.unchanged().await.err()]
        {
            assert_eq!(error.unwrap().kind(), ErrorKind::Changed);
        }
    }

    #[tokio::test]
    async fn a_stream_gives_again_what_the_worker_does_not_have() {
        let mut source = Source::stream(&b"0123456789"[..]);
        assert_eq!(source.read(0, 4).await.unwrap(), (Bytes::from("0123"), false));
        assert_eq!(source.read(0, 4).await.unwrap(), (Bytes::from("0123"), false), "nothing of it came");
        assert_eq!(source.read(3, 4).await.unwrap(), (Bytes::from("3"), false), "most of it came");
        assert_eq!(source.read(4, 40).await.unwrap(), (Bytes::from("456789"), true));
        assert_eq!(source.read(10, 4).await.unwrap(), (Bytes::new(), true));
        assert_eq!(source.read(2, 4).await.unwrap_err().kind(), ErrorKind::Protocol);
    }
}
