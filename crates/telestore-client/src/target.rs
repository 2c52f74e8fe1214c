use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::error::{Error, ErrorKind, Result};

/// How much is written at once.
const BLOCK: usize = 256 * 1024;

/// How long bytes wait for more to be written with them: what is not written is lost with the process.
const GATHER: Duration = Duration::from_secs(1);

/// Where the bytes of a download go.
///
/// A file can be gone on with in another process, and begun anew. A stream can only go on, as long as its process lives.
pub struct Target(Inner);

enum Inner {
    File(OpenFile),
    Stream { writer: Box<dyn AsyncWrite + Send + Unpin>, at: u64 },
}

/// A file, and what is to be written behind what it has.
struct OpenFile {
    file: Arc<Mutex<File>>,
    /// How much of it is there.
    at: u64,
    gathered: Vec<u8>,
    since: Instant,
}

impl Target {
    /// A file that was opened for reading and writing. What it holds counts only if
    /// [`DownloadOptions::version`](crate::DownloadOptions::version) says what it is of; else it is replaced once the worker sends bytes.
    /// Nothing else may write to it.
    pub fn file(file: File) -> Self {
        let file = Arc::new(Mutex::new(file));
        Self(Inner::File(OpenFile { file, at: 0, gathered: Vec::new(), since: Instant::now() }))
    }

    /// Whatever can be written to.
    pub fn stream(writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Inner::Stream { writer: Box::new(writer), at: 0 })
    }

    /// Goes behind what is there, with a digest of it if one is wanted. A stream has nothing.
    pub(crate) async fn go_on(&mut self, digest: bool) -> Result<(u64, Sha256)> {
        let Inner::File(file) = &mut self.0 else { return Ok((0, Sha256::new())) };
        let (length, digest) = file.blocking(move |file| file_so_far(file, digest)).await?;
        file.at = length;
        Ok((length, digest))
    }

    /// Throws away what is there. `false` if it cannot be taken back.
    pub(crate) async fn begin_anew(&mut self) -> Result<bool> {
        match &mut self.0 {
            Inner::File(file) => {
                file.gathered.clear();
                file.at = 0;
                file.blocking(|file| file.set_len(0)).await?;
                Ok(true)
            }
            Inner::Stream { at, .. } => Ok(*at == 0),
        }
    }

    /// Takes the next bytes. They may wait for more until [`flush`](Self::flush).
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.0 {
            Inner::File(file) => {
                file.gathered.extend_from_slice(bytes);
                if file.gathered.len() >= BLOCK || file.since.elapsed() >= GATHER {
                    file.flush().await?;
                }
                Ok(())
            }
            Inner::Stream { writer, at } => {
                *at += bytes.len() as u64;
                writer.write_all(bytes).await.map_err(failed)
            }
        }
    }

    /// Hands on all that was taken.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        match &mut self.0 {
            Inner::File(file) => file.flush().await,
            Inner::Stream { writer, .. } => writer.flush().await.map_err(failed),
        }
    }

    /// Puts a file on the disk.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        self.flush().await?;
        match &mut self.0 {
            Inner::File(file) => file.blocking(|file| file.sync_all()).await,
            Inner::Stream { .. } => Ok(()),
        }
    }
}

impl OpenFile {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut File) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let file = Arc::clone(&self.file);
        let ran = tokio::task::spawn_blocking(move || {
            work(&mut file.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
        });
        ran.await.map_err(io::Error::other).and_then(|ran| ran).map_err(failed)
    }

    async fn flush(&mut self) -> Result<()> {
        self.since = Instant::now();
        if self.gathered.is_empty() {
            return Ok(());
        }
        let (at, bytes) = (self.at, std::mem::take(&mut self.gathered));
        let bytes = self
            .blocking(move |file| {
                file.seek(SeekFrom::Start(at))?;
                file.write_all(&bytes)?;
                Ok(bytes)
            })
            .await?;
        self.at += bytes.len() as u64;
        // Its memory is used again.
        self.gathered = bytes;
        self.gathered.clear();
        Ok(())
    }
}

fn file_so_far(file: &mut File, wanted: bool) -> io::Result<(u64, Sha256)> {
    let (mut digest, mut block) = (Sha256::new(), vec![0; BLOCK]);
    let mut length = file.metadata()?.len();
    if wanted {
        (length, _) = (0, file.seek(SeekFrom::Start(0))?);
        loop {
            match file.read(&mut block) {
                Ok(0) => break,
                Ok(read) => {
                    digest.update(&block[..read]);
                    length += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok((length, digest))
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Target, format!("cannot write what comes: {error}"))
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Inner::File(_) => "Target::file",
            Inner::Stream { .. } => "Target::stream",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8]) -> (tempfile::NamedTempFile, Target) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let target = Target::file(file.reopen().unwrap());
        (file, target)
    }

    #[tokio::test]
    async fn bytes_go_behind_those_that_are_there() {
        let (file, mut target) = opened(b"here");
        let (at, digest) = target.go_on(true).await.unwrap();
        assert_eq!((at, digest.finalize()), (4, Sha256::digest(b"here")));
        target.write(b", and more").await.unwrap();
        target.settle().await.unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), b"here, and more");
        assert!(target.begin_anew().await.unwrap());
        target.write(b"new").await.unwrap();
        target.flush().await.unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), b"new");
    }

    #[tokio::test]
    async fn what_went_into_a_stream_is_not_taken_back() {
        let mut target = Target::stream(tokio::io::sink());
        assert_eq!(target.go_on(true).await.unwrap().0, 0);
        assert!(target.begin_anew().await.unwrap());
        target.write(b"gone").await.unwrap();
        assert!(!target.begin_anew().await.unwrap());
    }
}
