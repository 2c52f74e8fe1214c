//! A client that writes what it likes onto the wire.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::support::{Stage, soon};

/// A connection to the worker.
pub(crate) struct Raw {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Raw {
    pub(crate) async fn connect(stage: &Stage) -> Self {
        let socket = TcpStream::connect(stage.address()).await.expect("the worker takes connections");
        let (read, write) = socket.into_split();
        Self { read, write }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.write.write_all(bytes.as_ref()).await.expect("the worker reads");
    }

    /// Sends all of it, or as much as the worker takes before it closes. A worker that neither reads nor closes is a
    /// failure.
    pub(crate) async fn push(&mut self, bytes: &[u8]) {
        let _ = soon("the worker to read or close", self.write.write_all(bytes)).await;
    }

    /// Says that nothing more will come.
    pub(crate) async fn finish(&mut self) {
        let _ = self.write.shutdown().await;
    }

    /// The next answer, while the connection stays open.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut got = Vec::new();
        let read = async {
            loop {
                if let Some((answer, _)) = parse(&got) {
                    return answer;
                }
                if self.read.read_buf(&mut got).await.unwrap_or(0) == 0 {
                    panic!("closed after {:?}", String::from_utf8_lossy(&got));
                }
            }
        };
        soon("an answer", read).await
    }

    /// The same, where no 100 may come before it.
    pub(crate) async fn answer_as_it_is(&mut self) -> Answer {
        let mut got = Vec::new();
        let read = async {
            loop {
                assert!(!got.starts_with(b"HTTP/1.1 100 "), "told to go on");
                match parse(&got) {
                    Some((answer, _)) => return answer,
                    None => assert!(self.read.read_buf(&mut got).await.unwrap_or(0) > 0, "closed"),
                }
            }
        };
        soon("an answer", read).await
    }

    /// The next head, also that of a 100.
    pub(crate) async fn head(&mut self) -> String {
        let mut got = Vec::new();
        let read = async {
            while !got.ends_with(b"\r\n\r\n") {
                got.push(self.read.read_u8().await.expect("a head"));
            }
            String::from_utf8_lossy(&got).into_owned()
        };
        soon("a head", read).await
    }

    /// All answers until the worker closes the connection.
    pub(crate) async fn answers(&mut self) -> Vec<Answer> {
        let got = soon("the worker to close", self.everything()).await;
        let (mut rest, mut answers) = (got.as_slice(), Vec::new());
        while let Some((answer, length)) = parse(rest) {
            answers.push(answer);
            rest = &rest[length..];
        }
        assert!(rest.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(rest));
        answers
    }

    /// Every byte until the worker closes the connection.
    pub(crate) async fn everything(&mut self) -> Vec<u8> {
        let mut got = Vec::new();
        while self.read.read_buf(&mut got).await.unwrap_or(0) > 0 {}
        got
    }

    /// Sends byte after byte of `bytes`, over and over, until the worker closes the connection; then its answers.
    pub(crate) async fn trickle(mut self, bytes: &[u8], pause: Duration) -> Vec<Answer> {
        let write = async {
            let mut ticks = tokio::time::interval(pause);
            for byte in bytes.iter().cycle() {
                ticks.tick().await;
                if self.write.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        let mut got = Vec::new();
        let read = async { while self.read.read_buf(&mut got).await.unwrap_or(0) > 0 {} };
        soon("the worker to close", async {
            tokio::select! { () = write => {} () = read => {} }
        })
        .await;
        parse(&got).map(|(answer, _)| answer).into_iter().collect()
    }
}

/// The first answer in `bytes` and its length, if it is all there. Answers with 100 are left out.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    if status == 100 {
        let (answer, length) = parse(&bytes[end..])?;
        return Some((answer, end + length));
    }
    let length = head.split("content-length: ").nth(1).map_or(0, |rest| {
        rest.split("\r\n").next().and_then(|length| length.trim().parse::<usize>().ok()).expect("a length")
    });
    let body = bytes.get(end..end + length)?.to_vec();
    Some((Answer { status, head, body }, end + length))
}

/// The worker lives, and nothing of what was sent to it is left.
pub(crate) async fn assert_unharmed(stage: &Stage) {
    stage.get("/").await.ok();
    stage.emptied(&["spool", "chunks"]).await;
}
