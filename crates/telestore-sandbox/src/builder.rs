//! How a sandbox starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use crate::data_centres::HOME;
use crate::error::{Error, Result};
use crate::mtproto::Place;
use crate::sandbox::Sandbox;
use crate::shared::{Addresses, Rules, Shared};
use crate::users::UserSpec;

/// How a sandbox is to start.
#[derive(Debug)]
pub struct SandboxBuilder {
    dir: Option<PathBuf>,
    http_addr: SocketAddr,
    mtproto_addr: SocketAddr,
    default_user: bool,
    data_centres: Vec<i32>,
    rules: Rules,
}

impl Default for SandboxBuilder {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            dir: None,
            http_addr: loopback,
            mtproto_addr: loopback,
            default_user: true,
            data_centres: Vec::new(),
            rules: Rules {
                hash: true,
                keep: true,
                strict_time: false,
                clock_ahead: 0,
                single_connection: false,
                local_bot_api: false,
            },
        }
    }
}

impl SandboxBuilder {
    /// Where what was received lies; by default a fresh directory that goes with the sandbox.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Address of the HTTP server; `127.0.0.1:0` by default.
    pub fn http_addr(mut self, addr: SocketAddr) -> Self {
        self.http_addr = addr;
        self
    }

    /// Address of the MTProto server; `127.0.0.1:0` by default.
    pub fn mtproto_addr(mut self, addr: SocketAddr) -> Self {
        self.mtproto_addr = addr;
        self
    }

    /// Whether a user named `alice` exists from the start. She does by default.
    pub fn default_user(mut self, wanted: bool) -> Self {
        self.default_user = wanted;
        self
    }

    /// One more data centre, at a port of its own. Data centre 2 is always there.
    pub fn data_centre(mut self, id: i32) -> Self {
        self.data_centres.push(id);
        self
    }

    /// Whether received files are hashed when they are sent. Off saves a benchmark one pass over the bytes;
    /// the messages then carry an empty `sha256`.
    pub fn hash(mut self, wanted: bool) -> Self {
        self.rules.hash = wanted;
        self
    }

    /// Whether the bytes of parts are kept. Off saves a benchmark the disk; what arrives by MTProto then has the right
    /// length and holds zeros.
    pub fn keep_bytes(mut self, wanted: bool) -> Self {
        self.rules.keep = wanted;
        self
    }

    /// Refuses messages whose `msg_id` is over 300 s old or over 30 s in the future.
    pub fn strict_time(mut self, wanted: bool) -> Self {
        self.rules.strict_time = wanted;
        self
    }

    /// Sets the clock of the MTProto servers ahead of this machine's, as a client sees it whose clock is late.
    pub fn clock_ahead(mut self, seconds: i64) -> Self {
        self.rules.clock_ahead = seconds;
        self
    }

    /// Answers a second connection that sends at the main address for the same auth key with 406
    /// `AUTH_KEY_DUPLICATED` and revokes the session: every call with it answers so from then on.
    pub fn enforce_single_connection(mut self, wanted: bool) -> Self {
        self.rules.single_connection = wanted;
        self
    }

    /// Whether the Bot API server is one that was started with `--local`: `getFile` answers with the absolute path of the
    /// file and knows no limit, `sendDocument` takes 2000 MiB, and nothing is loaded over HTTP.
    pub fn local_bot_api(mut self, wanted: bool) -> Self {
        self.rules.local_bot_api = wanted;
        self
    }

    /// Binds the addresses and serves.
    pub async fn start(self) -> Result<Sandbox> {
        let temp = match &self.dir {
            None => Some(tempfile::Builder::new().prefix("telestore-sandbox-").tempdir()?),
            Some(dir) => std::fs::create_dir_all(dir).map(|()| None)?,
        };
        let dir = match (&temp, self.dir) {
            (Some(temp), _) => temp.path().to_owned(),
            (None, dir) => dir.unwrap_or_default(),
        };
        let http = listen(self.http_addr).await?;
        let mtproto = listen(self.mtproto_addr).await?;
        let media = TcpListener::bind((self.mtproto_addr.ip(), 0)).await?;
        let addresses = Addresses {
            http: http.local_addr()?,
            mtproto: mtproto.local_addr()?,
            media: media.local_addr()?,
        };
        let shared = Arc::new(Shared::new(dir, self.rules, addresses)?);
        if self.default_user {
            shared.add_user(&UserSpec::new("alice"));
        }
        for id in self.data_centres {
            shared.add_data_centre(id).await?;
        }
        let stop = shared.stop.clone();
        let serve = |listener, media| {
            crate::mtproto::serve(
                Arc::clone(&shared),
                listener,
                Place { dc: HOME, media },
                stop.child_token(),
            )
        };
        let servers = vec![
            tokio::spawn(crate::http::serve(Arc::clone(&shared), http, stop.child_token())),
            tokio::spawn(serve(mtproto, false)),
            tokio::spawn(serve(media, true)),
        ];
        tracing::info!(http = %addresses.http, mtproto = %addresses.mtproto, "sandbox is up");
        Ok(Sandbox { shared, servers: Mutex::new(servers), _temp: temp })
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}
