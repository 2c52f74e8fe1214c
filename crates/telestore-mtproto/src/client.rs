use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use telestore_types::{ApiId, LoginGuard};
use tokio::task::JoinSet;

use crate::account::{Account, Guard};
use crate::relay::Relay;
use crate::session::{self, Session, known_address};
use crate::way::{Target, Way};
use crate::{Error, MtprotoConfig, Result, key_exchange};

/// The data centre that everybody signs in at first, and that the way is tried to.
const FIRST: u8 = 2;

/// How many accounts are kept before those without a connection are forgotten.
const MAX_ACCOUNTS: usize = 1024;

/// An MTProto client: a configuration, and the accounts in use with their connections.
///
/// Accounts are kept by a digest of their key, so all callers that bring the same session share its one connection. A
/// session that comes with another address or application, such as a session string that was put right, takes the place of
/// the old one as soon as nobody uses that any more. Clones share all of it.
///
/// ```
/// use telestore_mtproto::{Client, MtprotoConfig, Session};
///
/// let client = Client::new(MtprotoConfig::default());
/// let given = format!("1ApWapzMBu{}", "A".repeat(342));
/// let account = client.account(Session::read(&given)?, Some(telestore_types::ApiId::new(2040)?))?;
/// assert_eq!(account.location().dc_id(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    config: Arc<MtprotoConfig>,
    accounts: Arc<Mutex<HashMap<[u8; 32], Arc<Account>>>>,
    pub(crate) guard: Guard,
    way: Way,
}

impl Client {
    /// A client without accounts. Nothing is connected yet.
    pub fn new(config: MtprotoConfig) -> Self {
        let way = Way::new(config.proxy.clone());
        Self { config: Arc::new(config), accounts: Arc::default(), guard: Guard::default(), way }
    }

    /// Asks `guard` before each connection from now on: for processes that share logins, since Telegram ends a login that it
    /// sees on two connections. Telegram itself is asked to end a connection by the time until which it may be used, so that
    /// another process can have the login even if this one was stopped or lost its network.
    ///
    /// A call that finds the login busy fails with [`ErrorKind::LoginBusy`](crate::ErrorKind::LoginBusy), and is not tried
    /// again.
    pub fn guard_logins(&self, guard: Arc<dyn LoginGuard>) {
        self.guard.set(guard);
    }

    /// Its configuration.
    pub fn config(&self) -> &MtprotoConfig {
        &self.config
    }

    /// The account of a session. It connects by itself when the first call is made. The application is `api_id`, or the one
    /// that the session string names, or [`MtprotoConfig::api_id`].
    ///
    /// # Errors
    /// [`ErrorKind::NoApiId`](crate::ErrorKind::NoApiId) if none of them names an application.
    pub fn account(&self, session: Session, api_id: Option<ApiId>) -> Result<Arc<Account>> {
        let api_id = api_id.or(session.api_id()).or(self.config.api_id).ok_or_else(Error::no_api_id)?;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MAX_ACCOUNTS {
            accounts.retain(|_, account| Arc::strong_count(account) > 1 || account.is_connected());
        }
        let digest = session.digest();
        let old = accounts.get(&digest);
        // Further handles are made here only, and the lock is held: what nobody else holds now stays unused.
        let keep = |old: &&Arc<Account>| old.is_for(&session, api_id) || Arc::strong_count(old) > 1;
        if let Some(account) = old.filter(keep) {
            return Ok(account.clone());
        }
        let predecessor = old.filter(|old| old.is_connected()).cloned();
        let shared = (self.config.clone(), self.guard.clone(), self.way.clone());
        let account = Arc::new(Account::new(shared, session, api_id, predecessor));
        accounts.insert(digest, account.clone());
        Ok(account)
    }

    /// The data centre that everybody signs in at first, and where it is: Telegram sends them home from there. Its address is
    /// [`MtprotoConfig::address`], if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::NotSent`](crate::ErrorKind::NotSent) if no address of it is known.
    pub fn first_data_centre(&self) -> Result<(u8, SocketAddr)> {
        let address = self.config().address.or_else(|| known_address(FIRST.into()));
        address
            .map(|address| (FIRST, address))
            .ok_or_else(|| Error::not_sent("no address of Telegram is known"))
    }

    /// A session that nobody has signed in with yet: a new key, made with the data centre `dc_id` at `address`, or at another of
    /// its addresses if that is blocked. Its account can make the calls that need no login, and those that sign in.
    ///
    /// # Errors
    /// Why there is no key; [`ErrorKind::NotAdmitted`](crate::ErrorKind::NotAdmitted) if the address is not an
    /// [allowed](MtprotoConfig::allowed) one.
    pub async fn new_session(&self, dc_id: u8, address: SocketAddr) -> Result<Session> {
        let target = self.config.target((dc_id.into(), false), address, &[])?;
        let auth_key = self.config.make_key(dc_id.into(), (&self.way, &target)).await?;
        Ok(Session::new(dc_id, address, auth_key))
    }

    /// Opens a door on this machine to the data centre `dc_id` at `address`, for a client that knows neither proxies nor further
    /// addresses: its packets take the way of all connections. It speaks the full transport, with a key that was made before.
    ///
    /// # Errors
    /// [`ErrorKind::NotAdmitted`](crate::ErrorKind::NotAdmitted) if the address is not an [allowed](MtprotoConfig::allowed) one;
    /// if there is no port.
    pub async fn relay(&self, dc_id: u8, address: SocketAddr) -> Result<Relay> {
        let target = self.config.target((dc_id.into(), false), address, &[])?;
        let opened = Relay::open(self.way.clone(), target, self.config.connect_timeout).await;
        opened.map_err(|error| Error::not_sent(format!("no port on this machine: {}", error.kind())))
    }

    /// Tries the way to Telegram, through the proxy if there is one, without any account: connects to a data centre and asks
    /// it for the beginning of a key, which it answers to everybody.
    ///
    /// # Errors
    /// [`ErrorKind::NotSent`](crate::ErrorKind::NotSent), with a text that names the hop at which the way ends: the proxy's
    /// name, the proxy, its user and password, Telegram behind it.
    pub async fn try_way(&self) -> Result<()> {
        let (known, patience) = (session::known(FIRST.into(), false), self.config.connect_timeout);
        let addresses = self.config.address.map_or(known, |address| vec![address]);
        let target = Target::new(FIRST.into(), false, false, addresses);
        let stream = self.way.open(&target, patience).await?;
        let knocked = key_exchange::knock(stream, patience).await;
        knocked.map_err(|why| {
            let doubt = self.way.doubt().map(|doubt| format!(": it is blocked on the way, {doubt}"));
            Error::not_sent(format!("Telegram does not answer ({why}){}", doubt.unwrap_or_default()))
        })
    }

    /// Closes the connections of all accounts, and returns once Telegram has seen that, or half a second has passed for
    /// each. Calls that are on their way fail; later ones connect again.
    pub async fn close(&self) {
        let accounts: Vec<_> =
            self.accounts.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let closing: JoinSet<()> =
            accounts.into_iter().map(|account| async move { account.close().await }).collect();
        closing.join_all().await;
    }
}
