//! A small HTTP server that keeps what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::soon;

/// A request: the lines of its head, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// It answers everything with an empty 200.
pub(crate) struct Collector {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Collector {
    pub(crate) async fn new() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, heard) =
            (socket.local_addr().expect("an address"), Arc::<Mutex<Vec<Heard>>>::default());
        let keep = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&keep)));
            }
        });
        Self { address, heard }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until the bodies that came hold `what`, and gives them all.
    pub(crate) async fn hears(&self, what: &str) -> Vec<u8> {
        let listen = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                let bodies: Vec<u8> = self.heard().into_iter().flat_map(|heard| heard.body).collect();
                if holds(&bodies, what.as_bytes()) {
                    return bodies;
                }
            }
        };
        soon(what, listen).await
    }
}

/// Whether `bytes` hold `what`.
pub(crate) fn holds(bytes: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(bytes, what).is_some()
}

async fn serve(stream: TcpStream, keep: Arc<Mutex<Vec<Heard>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await.ok()?;
        keep.lock().unwrap().push(Heard { head, body });
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok()?;
    }
}
