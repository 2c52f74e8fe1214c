use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a proxy before the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Does {
    /// It hands everything on.
    HandOn,
    /// It cuts every connection at the first byte.
    Cut,
    /// The next COMMIT reaches the server, and its answer nobody; then it hands on again.
    LoseTheAnswer,
    /// The next COMMIT reaches nobody; then it hands on again.
    LoseTheCommit,
    /// The next COMMIT is kept for ever, as by a worker that is frozen; then it hands on again.
    FreezeBeforeCommit,
}

const ALL: [Does; 5] =
    [Does::HandOn, Does::Cut, Does::LoseTheAnswer, Does::LoseTheCommit, Does::FreezeBeforeCommit];

/// Stands between a worker and its server.
pub(crate) struct Proxy {
    /// Its address, as a server's.
    pub(crate) url: String,
    does: Arc<AtomicU8>,
    _task: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (user, at) = server.rsplit_once('@').unwrap();
        let url = format!("{user}@{}", listener.local_addr().unwrap());
        let (at, does) = (at.to_owned(), Arc::new(AtomicU8::new(Does::HandOn as u8)));
        let mut task = JoinSet::new();
        task.spawn(serve(listener, at, Arc::clone(&does)));
        Self { url, does, _task: task }
    }

    pub(crate) fn set(&self, does: Does) {
        self.does.store(does as u8, Ordering::SeqCst);
    }

    /// Whether what it was set to do has happened.
    pub(crate) fn has_done(&self) -> bool {
        self.does.load(Ordering::SeqCst) == Does::HandOn as u8
    }
}

async fn serve(listener: TcpListener, at: String, does: Arc<AtomicU8>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (at, does) = (at.clone(), Arc::clone(&does));
        connections.spawn(async move {
            if let Ok(server) = TcpStream::connect(at).await {
                // A cut connection is what this is for.
                let _ = hand_on(client, server, &does).await;
            }
        });
    }
}

/// What it does with these bytes of the client. A COMMIT is the end of a message.
fn take(does: &AtomicU8, bytes: &[u8]) -> Does {
    let now = ALL[usize::from(does.load(Ordering::SeqCst))];
    let once = !matches!(now, Does::HandOn | Does::Cut);
    if once && !bytes.ends_with(b"COMMIT\0") {
        return Does::HandOn;
    }
    if once {
        does.store(Does::HandOn as u8, Ordering::SeqCst);
    }
    now
}

async fn hand_on(mut client: TcpStream, mut server: TcpStream, does: &AtomicU8) -> std::io::Result<()> {
    let (mut from_client, mut from_server) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let bytes = &from_client[..read?];
                match take(does, bytes) {
                    _ if bytes.is_empty() => return Ok(()),
                    Does::HandOn => server.write_all(bytes).await?,
                    Does::Cut | Does::LoseTheCommit => return Ok(()),
                    Does::LoseTheAnswer => {
                        server.write_all(bytes).await?;
                        // The server has done it when it answers.
                        server.read_u8().await?;
                        return Ok(());
                    }
                    Does::FreezeBeforeCommit => std::future::pending().await,
                }
            }
            read = server.read(&mut from_server) => match read? {
                0 => return Ok(()),
                read => client.write_all(&from_server[..read]).await?,
            },
        }
    }
}
