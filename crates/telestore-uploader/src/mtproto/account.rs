use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grammers_tl_types::{self as tl, Deserializable, RemoteCall, Serializable};
use tokio::time::{Instant, timeout};

use super::MtprotoConfig;
use super::connection::{Connection, Timing};
use super::rpc::{CallError, Remedy};
use super::session::Session;
use super::window::{Permit, Window};

/// How many accounts are kept before those without a connection are forgotten.
const MAX_ACCOUNTS: usize = 1024;

/// How many channels of one account are remembered.
const MAX_PEERS: usize = 1024;

/// The accounts in use, by a digest of their key: whoever brings the same session shares its one connection.
#[derive(Debug)]
pub(crate) struct AccountPool {
    config: Arc<MtprotoConfig>,
    accounts: Mutex<HashMap<[u8; 32], Arc<Account>>>,
}

/// One login. All of its uploads share one connection, since Telegram may end a login that it sees on two.
pub(crate) struct Account {
    config: Arc<MtprotoConfig>,
    session: Session,
    api_id: i32,
    /// Held while connecting, so that only one does.
    link: tokio::sync::Mutex<Link>,
    window: Window,
    peers: Mutex<HashMap<String, tl::enums::InputPeer>>,
}

/// The connection of an account, and what became of the last try where there is none.
#[derive(Debug, Default)]
struct Link {
    connection: Option<Connection>,
    /// Whether the connection is ready for calls. One whose opener went away meanwhile never is.
    greeted: bool,
    failed: Option<(Instant, CallError)>,
}

impl AccountPool {
    pub(crate) fn new(config: Arc<MtprotoConfig>) -> Self {
        Self { config, accounts: Mutex::default() }
    }

    /// The account of a session. It connects by itself when the first call is made.
    pub(crate) fn account(&self, session: Session, api_id: i32) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MAX_ACCOUNTS {
            accounts.retain(|_, account| Arc::strong_count(account) > 1 || account.is_connected());
        }
        let new = || Arc::new(Account::new(self.config.clone(), session.clone(), api_id));
        accounts.entry(session.digest()).or_insert_with(new).clone()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Account {
    fn new(config: Arc<MtprotoConfig>, session: Session, api_id: i32) -> Self {
        let window = Window::new(config.window);
        Self { config, session, api_id, link: tokio::sync::Mutex::default(), window, peers: Mutex::default() }
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Connects, unless that is done already.
    pub(crate) async fn connect(&self) -> Result<(), CallError> {
        self.connection().await.map(drop)
    }

    /// Calls `request`. It ends, well or not, after the times of the configuration.
    pub(crate) async fn call<R: RemoteCall>(&self, request: &R) -> Result<R::Return, CallError> {
        let answer = self.call_bytes(request.to_bytes(), None).await?;
        R::Return::from_bytes(&answer)
            .map_err(|error| CallError::Lost(format!("an answer cannot be read: {error}")))
    }

    /// Calls with the bytes of a request, which are moved and not copied.
    pub(crate) async fn call_bytes(
        &self,
        body: Vec<u8>,
        permit: Option<Permit>,
    ) -> Result<Vec<u8>, CallError> {
        let connection = self.connection().await?;
        let answer = connection.call(body, permit).await;
        if answer.as_ref().is_err_and(|error| error.remedy() == Remedy::LogIn) {
            connection.close().await;
        }
        answer
    }

    async fn connection(&self) -> Result<Connection, CallError> {
        let asked = Instant::now();
        let mut link = self.link.lock().await;
        match &link.connection {
            Some(connection) if connection.is_open() && link.greeted => return Ok(connection.clone()),
            Some(connection) => connection.close().await,
            None => {}
        }
        link.connection = None;
        // Whoever waited for a try that failed shares its failure, rather than making the same try again at once.
        if let Some((at, error)) = &link.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        let opened = self.open(&mut link).await;
        link.failed = opened.as_ref().err().map(|error| (Instant::now(), error.clone()));
        opened
    }

    async fn open(&self, link: &mut Link) -> Result<Connection, CallError> {
        let config = &self.config;
        let timing = Timing {
            connect: config.connect_timeout,
            call: config.call_timeout,
            idle: config.idle_timeout,
            ping: config.ping_interval,
        };
        let connection = Connection::open(self.address(), self.session.auth_key, timing).await?;
        // Where this caller goes away now, the next one ends the connection before it opens another.
        (link.connection, link.greeted) = (Some(connection.clone()), false);
        match timeout(config.connect_timeout, connection.call(self.greeting(), None)).await {
            Ok(Ok(_)) => {
                link.greeted = true;
                tracing::debug!(dc = self.session.dc_id, "connected to telegram");
                Ok(connection)
            }
            Ok(Err(error)) => {
                connection.close().await;
                Err(unanswered_greeting(error))
            }
            Err(_) => {
                connection.close().await;
                Err(CallError::NotSent(silent_greeting(config.connect_timeout)))
            }
        }
    }

    fn address(&self) -> SocketAddr {
        let configured = self.config.address.filter(|_| !self.session.names_address);
        configured.unwrap_or(self.session.address)
    }

    /// The first call of a connection: it tells Telegram who speaks, and which version of the schema.
    fn greeting(&self) -> Vec<u8> {
        tl::functions::InvokeWithLayer {
            layer: tl::LAYER,
            query: tl::functions::InitConnection {
                api_id: self.api_id,
                device_model: self.config.device_model.clone(),
                system_version: self.config.system_version.clone(),
                app_version: self.config.app_version.clone(),
                system_lang_code: self.config.lang_code.clone(),
                lang_pack: String::new(),
                lang_code: self.config.lang_code.clone(),
                proxy: None,
                params: None,
                query: tl::functions::help::GetConfig {},
            },
        }
        .to_bytes()
    }

    fn is_connected(&self) -> bool {
        // Where somebody holds the lock, the account is in use.
        self.link.try_lock().map_or(true, |link| link.connection.as_ref().is_some_and(Connection::is_open))
    }

    /// A name for the account that says nothing about its key.
    pub(crate) fn fingerprint(&self) -> String {
        self.session.digest()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn known_peer(&self, chat: &str) -> Option<tl::enums::InputPeer> {
        self.peers().get(chat).cloned()
    }

    pub(crate) fn remember_peer(&self, chat: &str, peer: tl::enums::InputPeer) {
        let mut peers = self.peers();
        if peers.len() >= MAX_PEERS {
            peers.clear();
        }
        peers.insert(chat.to_owned(), peer);
    }

    pub(crate) fn forget_peer(&self, chat: &str) {
        self.peers().remove(chat);
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<String, tl::enums::InputPeer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The greeting changes nothing, so whatever happened to it nothing was carried out.
fn unanswered_greeting(error: CallError) -> CallError {
    match error {
        CallError::Lost(why) => CallError::NotSent(why),
        other => other,
    }
}

fn silent_greeting(waited: Duration) -> String {
    let seconds = waited.as_secs_f32();
    format!(
        "Telegram did not answer the first call in {seconds} s; if this goes on, the clock of this machine may be wrong"
    )
}
