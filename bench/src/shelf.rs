//! A worker whose files are read.

use std::ops::Range;
use std::time::Duration;

use crate::file::File;
use crate::http::{Head, Http};
use crate::stage::{NOT_EAGER, Stage, Worker};
use crate::{MIB, Result, flow};

/// A file that is in the channel.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    id: String,
    pub(crate) message_id: i32,
    pub(crate) size: usize,
}

/// A worker with files that can be read.
pub(crate) struct Shelf<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) worker: Worker,
    pub(crate) files: Vec<Stored>,
}

impl<'a> Shelf<'a> {
    /// One with a file of so many bytes.
    pub(crate) fn new(stage: &'a Stage, size: usize) -> Result<Self> {
        stage.set_round_trip(0)?;
        let worker = stage.worker(NOT_EAGER, size)?;
        let mut shelf = Self { stage, worker, files: Vec::new() };
        shelf.put(1, size)?;
        Ok(shelf)
    }

    /// Uploads more files, each of so many bytes.
    pub(crate) fn put(&mut self, count: usize, size: usize) -> Result<()> {
        let (token, mut http) = (&self.stage.user.auth_token, self.worker.http()?);
        for _ in 0..count {
            let file = File::new(token, size);
            flow::send_chunks(&self.worker, &file, 4)?;
            flow::complete(&mut http, &file)?;
            flow::wait(&mut http, &file, Duration::from_millis(20))?;
            let sent = http.get(&format!("/upload-progress/{}", file.id))?.ok()?;
            let message_id = sent["messageId"].as_i64().ok_or("no message")?.try_into()?;
            let head = format!(
                "GET /files?limit=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept-Encoding: identity\r\n\r\n"
            );
            let listed = http.exchange(&[head.as_bytes()])?.ok()?;
            let id = listed["files"][0]["id"].as_str().ok_or("the file is not listed")?.to_owned();
            self.files.push(Stored { id, message_id, size });
        }
        Ok(())
    }

    /// Asks for a range of a file. Its body is still to be read.
    pub(crate) fn ask(&self, http: &mut Http, file: &Stored, range: Range<usize>) -> Result<()> {
        let head = format!(
            "GET /files/{}/content HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nRange: bytes={}-{}\r\n\r\n",
            file.id,
            self.stage.user.auth_token,
            range.start,
            range.end - 1
        );
        match http.ask(&[head.as_bytes()])? {
            Head { status: 206, length, .. } if length == range.len() => Ok(()),
            Head { status, length, .. } => Err(format!("a range: status {status}, {length} bytes").into()),
        }
    }

    /// Reads a range of a file into nothing.
    pub(crate) fn drain(&self, http: &mut Http, file: &Stored, range: Range<usize>) -> Result<()> {
        let (mut left, mut some) = (range.len(), vec![0; MIB]);
        self.ask(http, file, range)?;
        while left > 0 {
            let most = some.len().min(left);
            left -= http.some(&mut some[..most])?;
        }
        Ok(())
    }
}
