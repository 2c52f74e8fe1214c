//! What stands between the workers and a server, and does what networks and servers do on a bad day.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// It hands everything on.
    HandOn,
    /// No byte goes any way, on old connections and new ones. Those that wait go on later.
    Nothing,
    /// So many bytes a second go each way of a connection.
    Slowly(usize),
    /// Each request of HTTP is answered with 503; connections that stood before are cut.
    Refuse,
}

/// How many bytes go at once.
const PIECE: usize = 16 * 1024;

/// Stands before a server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: watch::Sender<(Does, SocketAddr)>,
    _task: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = watch::Sender::new((Does::HandOn, server));
        let (mut task, known) = (JoinSet::new(), state.subscribe());
        task.spawn(serve(listener, known));
        Self { address, state, _task: task }
    }

    pub(crate) fn set(&self, does: Does) {
        self.state.send_modify(|state| state.0 = does);
    }

    /// Stands before another server from now on; connections to the one before are cut.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        self.state.send_modify(|state| state.1 = server);
    }
}

type State = watch::Receiver<(Does, SocketAddr)>;

async fn serve(listener: TcpListener, state: State) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a connection");
        let mut state = state.clone();
        connections.spawn(async move {
            // A connection that breaks is what is to be seen.
            let _ = connection(client, &mut state).await;
        });
    }
}

async fn connection(mut client: TcpStream, state: &mut State) -> io::Result<()> {
    let (does, target) = *state.borrow();
    if does == Does::Refuse {
        return refuse(&mut client).await;
    }
    stands_still(state).await;
    let server = TcpStream::connect(target).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut up, mut down) = (state.clone(), state.clone());
    let is_cut = |(does, now): &(Does, SocketAddr)| *does == Does::Refuse || *now != target;
    tokio::select! {
        ended = hand_on(&mut from_client, &mut to_server, &mut up) => ended,
        ended = hand_on(&mut from_server, &mut to_client, &mut down) => ended,
        _ = state.wait_for(is_cut) => Ok(()),
    }
}

async fn stands_still(state: &mut State) {
    // The proxy lives as long as its connections.
    let _ = state.wait_for(|(does, _)| *does != Does::Nothing).await;
}

async fn hand_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    state: &mut State,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        stands_still(state).await;
        let does = state.borrow().0;
        if let Does::Slowly(bytes) = does {
            sleep(Duration::from_secs_f64(read as f64 / bytes as f64)).await;
        }
        match read {
            0 => return Ok(()),
            _ => to.write_all(&piece[..read]).await?,
        }
    }
}

/// Reads one request, and answers as a server that is too busy.
async fn refuse(client: &mut TcpStream) -> io::Result<()> {
    let mut read = Vec::new();
    let head = loop {
        if client.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut left = (head + length.unwrap_or(0)).saturating_sub(read.len());
    let mut piece = vec![0; PIECE];
    while left > 0 {
        left = left.saturating_sub(client.read(&mut piece).await?.max(1));
    }
    let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let answer = format!(
        "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    client.write_all(answer.as_bytes()).await
}
