//! The end of a body goes to the connection only after it was written down that the message may exist.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{ResumeState, Stage};
use telestore_uploader::testsuite::bytes;
use telestore_uploader::{
    BotApiConfig, BotApiUploader, Error, ErrorKind, ProgressSink, Result, TelegramUploader, Verdict,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::LENGTH;
use super::common::World;

const SOON: Duration = Duration::from_secs(10);

/// What a server has seen of a request's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    announced: usize,
    /// What comes last, and what a server needs to have a whole request.
    end: usize,
    received: usize,
    over: bool,
}

impl Seen {
    fn whole(self) -> bool {
        self.announced > 0 && self.received == self.announced
    }

    fn all_but_the_end(self) -> bool {
        self.announced > 0 && self.received == self.announced - self.end
    }
}

/// Takes one file, tells how much of it is there, and answers nothing. Of chats and members it knows nothing.
struct Server {
    url: String,
    seen: watch::Receiver<Seen>,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, seen) = watch::channel(Seen::default());
        let serving = tokio::spawn(async move {
            while !serve(listener.accept().await.unwrap().0, &tell).await {}
            tell.send_modify(|seen| seen.over = true);
            std::future::pending().await
        });
        Self { url, seen, serving }
    }

    async fn until(&self, enough: impl Fn(Seen) -> bool) -> Seen {
        let mut seen = self.seen.clone();
        *timeout(SOON, seen.wait_for(|seen| enough(*seen))).await.expect("the server sees it").unwrap()
    }

    fn uploader(&self, change: impl FnOnce(&mut BotApiConfig)) -> BotApiUploader {
        BotApiUploader::new(BotApiConfig::at(self.url.clone()).with(change)).unwrap()
    }
}

/// Says whether it was a file.
async fn serve(mut stream: TcpStream, tell: &watch::Sender<Seen>) -> bool {
    let (mut taken, mut in_body) = (Vec::new(), false);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let Ok(read @ 1..) = stream.read(&mut piece).await else { return true };
        if in_body {
            tell.send_modify(|seen| seen.received += read);
        } else {
            taken.extend_from_slice(&piece[..read]);
            let Some(end) = taken.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&taken[..end]).to_ascii_lowercase();
            if !text.contains("boundary=") {
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
                return false;
            }
            let after = |name: &str| text.split(name).nth(1).unwrap().lines().next().unwrap().to_owned();
            let announced = after("content-length: ").parse().unwrap();
            // CR LF -- boundary -- CR LF
            let end_of_body = after("boundary=").len() + 8;
            let received = taken.len() - end - 4;
            tell.send_replace(Seen { announced, end: end_of_body, received, over: false });
            in_body = true;
        }
        let seen = *tell.borrow();
        if seen.whole() {
            // It is not asked what it thinks of it.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        }
    }
}

/// A sink whose commit waits for its answer.
#[derive(Debug)]
struct Gate {
    begun: watch::Sender<bool>,
    answer: Mutex<Option<oneshot::Receiver<Result<()>>>>,
}

impl Gate {
    fn new() -> (Arc<Self>, oneshot::Sender<Result<()>>) {
        let (tell, answer) = oneshot::channel();
        (Arc::new(Self { begun: watch::Sender::new(false), answer: Mutex::new(Some(answer)) }), tell)
    }

    async fn begun(&self) {
        let mut begun = self.begun.subscribe();
        timeout(SOON, begun.wait_for(|begun| *begun)).await.expect("it commits").unwrap();
    }
}

#[async_trait]
impl ProgressSink for Gate {
    fn stage(&self, _: Stage) {}
    fn acknowledged(&self, _: u64) {}
    fn flood_wait(&self, _: Duration) {}
    async fn checkpoint(&self, _: ResumeState) -> Result<()> {
        unreachable!("nothing can be resumed")
    }
    async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
        assert_eq!(resume, None, "nobody could repeat it");
        let answer = self.answer.lock().unwrap().take().expect("one request commits once");
        self.begun.send_replace(true);
        answer.await.unwrap_or(Ok(()))
    }
}

#[tokio::test]
async fn the_server_has_the_last_byte_only_after_the_commit() {
    let world = World::new().await;
    for length in [1, 100_000, LENGTH] {
        let server = Server::start().await;
        let (gate, answer) = Gate::new();
        let (uploader, request) = (server.uploader(|_| {}), world.request(&bytes(1, length)));
        let sink = gate.clone();
        let sending = tokio::spawn(async move { uploader.upload(request, sink).await });
        gate.begun().await;
        let before = server.until(Seen::all_but_the_end).await;
        assert!(before.received > length, "{before:?}");
        answer.send(Ok(())).unwrap();
        server.until(Seen::whole).await;
        let error = timeout(SOON, sending).await.unwrap().unwrap().unwrap_err();
        assert_eq!(error.verdict(), Verdict::Ambiguous, "the answer names no message");
    }
}

#[tokio::test]
async fn without_a_commit_the_server_never_has_the_whole_body() {
    let world = World::new().await;
    for kind in [ErrorKind::Cancelled, ErrorKind::Storage] {
        let server = Server::start().await;
        let (gate, answer) = Gate::new();
        answer.send(Err(Error::new(kind, "not written"))).unwrap();
        let sending = server.uploader(|_| {}).upload(world.request(&bytes(1, 100_000)), gate).await;
        let error = sending.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, "not written"));
        let seen = server.until(|seen| seen.over).await;
        assert!(!seen.whole(), "{seen:?}");
    }
}

#[tokio::test]
async fn a_commit_that_hangs_is_given_up_and_nothing_is_sent_when_it_returns() {
    let world = World::new().await;
    for cancelled in [true, false] {
        let server = Server::start().await;
        let (gate, answer) = Gate::new();
        let uploader = server.uploader(|config| {
            if !cancelled {
                config.idle_timeout = Duration::from_millis(200);
            }
        });
        let request = world.request(&bytes(1, 100_000));
        let (cancel, sink) = (request.cancel.clone(), gate.clone());
        let sending = tokio::spawn(async move { uploader.upload(request, sink).await });
        gate.begun().await;
        if cancelled {
            cancel.cancel();
        }
        let ended = timeout(Duration::from_secs(5), sending).await.expect("it ends").unwrap();
        let expected = if cancelled { ErrorKind::Cancelled } else { ErrorKind::Storage };
        assert_eq!(ended.unwrap_err().kind(), expected);
        // The connection may have taken the commit with it.
        let _ = answer.send(Ok(()));
        let seen = server.until(|seen| seen.over).await;
        assert!(!seen.whole(), "{seen:?}");
    }
}
