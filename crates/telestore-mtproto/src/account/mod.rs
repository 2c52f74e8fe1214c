//! One login: its connections, the data centre that it is in, and what is remembered of it.

mod allowance;
mod data_centres;
mod file_connections;
mod guard;
mod guests;
mod migration;
mod peers;
mod reading;
mod sent_messages;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grammers_tl_types as tl;
use telestore_types::ApiId;
use tokio::time::{Instant, timeout};

use crate::answers::{Ask, BULK_ANSWER_MAX, SHORT, dc_options};
use crate::session::Session;
use crate::way::{Target, Way};
use crate::wire::{Body, Connection, Hold, Timing};
use crate::{Error, ErrorKind, MtprotoConfig, Remedy, Result};
use data_centres::{DataCentre, DataCentres};
use file_connections::FileConnections;
pub(crate) use guard::Guard;
use guests::Guests;

pub use allowance::Allowance;
pub(crate) use allowance::{ClientNumbers, Kind};
pub use data_centres::Location;
pub use peers::Chat;
pub(crate) use peers::{Peers, access_hash};
pub use sent_messages::SentMessages;

/// One login. All that is done for it shares one connection, since Telegram may end a login that it sees on two.
///
/// A [`Client`](crate::Client) makes accounts. The connection is opened by the first call and closed if nothing is called
/// for [`idle_timeout`](MtprotoConfig::idle_timeout).
pub struct Account {
    config: Arc<MtprotoConfig>,
    guard: Guard,
    way: Way,
    session: Session,
    api_id: ApiId,
    data_centres: Mutex<DataCentres>,
    /// Held while connecting and while migrating, so that only one does.
    main: tokio::sync::Mutex<MainConnection>,
    further: FileConnections,
    guests: Guests,
    peers: Peers,
    sent: SentMessages,
    allowance: allowance::Known,
    /// The account in whose place this one came, as long as that may have a connection.
    predecessor: Mutex<Option<Arc<Account>>>,
}

/// The connection of an account, and what became of the last tries.
#[derive(Debug, Default)]
struct MainConnection {
    connection: Option<Connection>,
    /// How often the account had migrated when the connection became ready for calls. `None` if its first call was never
    /// answered, since the caller that opened it went away.
    ready: Option<u32>,
    /// The addresses that Telegram named last.
    options: Vec<tl::types::DcOption>,
    failed: Option<(Instant, Error)>,
    stayed: Option<(Instant, i32, Error)>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Account {
    /// An account without a connection. That of its `predecessor` is closed before it opens its own.
    pub(crate) fn new(
        (config, guard, way): (Arc<MtprotoConfig>, Guard, Way),
        session: Session,
        api_id: ApiId,
        predecessor: Option<Arc<Self>>,
    ) -> Self {
        let data_centres = Mutex::new(DataCentres::new(&session, config.address));
        let further = FileConnections::new(config.connections.saturating_sub(1));
        Self {
            config,
            guard,
            way,
            session,
            api_id,
            data_centres,
            main: tokio::sync::Mutex::default(),
            further,
            guests: Guests::default(),
            peers: Peers::default(),
            sent: SentMessages::default(),
            allowance: allowance::Known::default(),
            predecessor: Mutex::new(predecessor),
        }
    }

    pub(crate) fn is_for(&self, session: &Session, api_id: ApiId) -> bool {
        (&self.session, self.api_id) == (session, api_id)
    }

    /// The configuration of its client.
    pub fn config(&self) -> &MtprotoConfig {
        &self.config
    }

    /// Where the account is now.
    pub fn location(&self) -> Location {
        self.data_centres().here()
    }

    /// The login as it is now: another one than the account was made with if Telegram has sent it to another data centre.
    pub fn session(&self) -> Session {
        let DataCentre { dc_id, address, auth_key, .. } = self.location().data_centre;
        match u8::try_from(dc_id) {
            Ok(dc) if auth_key != self.session.auth_key => Session::new(dc, address, auth_key),
            _ => self.session.clone(),
        }
    }

    /// The login that the account was made with.
    pub fn first_session(&self) -> &Session {
        &self.session
    }

    fn data_centres(&self) -> MutexGuard<'_, DataCentres> {
        self.data_centres.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channels and groups that it has found.
    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// The messages that it made last.
    pub fn sent_messages(&self) -> &SentMessages {
        &self.sent
    }

    pub(crate) fn known_allowance(&self) -> &allowance::Known {
        &self.allowance
    }

    /// What time it is at Telegram, in seconds since 1970, as its last packet told. Connects for that.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn time(&self) -> Result<i64> {
        self.connection().await.map(|(connection, _)| connection.time())
    }

    /// Connects, unless that is done already.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(&self) -> Result<()> {
        self.connection().await.map(drop)
    }

    /// Makes a call once, wherever the account is. It ends, well or not, after the times of the configuration.
    /// [`Calls::call`](crate::Calls::call) waits and tries again.
    ///
    /// # Errors
    /// Why there is no answer. After [`ErrorKind::Lost`](crate::ErrorKind::Lost) the call may have been carried out.
    pub async fn call<R: Ask>(&self, request: &R) -> Result<R::Answer> {
        let (connection, migrations) = self.connection().await?;
        self.ask(&connection, migrations, request).await
    }

    /// Makes a call that makes sense only where the account was after so many migrations, see [`Location::migrations`].
    ///
    /// # Errors
    /// As [`call`](Self::call); [`ErrorKind::Migrated`](crate::ErrorKind::Migrated) if the account is elsewhere now.
    pub async fn call_at<R: Ask>(&self, migrations: u32, request: &R) -> Result<R::Answer> {
        let connection = self.connection_at(migrations).await?;
        self.ask(&connection, migrations, request).await
    }

    /// Makes a call of much data, which may be carried out twice, such as a part of a file: the answer is the bytes of its
    /// result, at most 4 KiB. With several [`connections`](MtprotoConfig::connections), `turn` says which one it goes over;
    /// count it up. `hold` is dropped when the call is answered, failed or given up.
    ///
    /// # Errors
    /// As [`call_at`](Self::call_at).
    pub async fn call_bulk_at(
        &self,
        migrations: u32,
        turn: u32,
        body: Body,
        hold: impl Send + 'static,
    ) -> Result<Vec<u8>> {
        let first = self.connection_at(migrations).await?;
        let connection = self.connection_for(turn, first, migrations).await?;
        let answer = connection.call(body, BULK_ANSWER_MAX, Some(Hold::new(hold))).await;
        self.heed(&connection, migrations, answer).await
    }

    async fn connection_at(&self, migrations: u32) -> Result<Connection> {
        let (connection, now) = self.connection().await?;
        if now == migrations { Ok(connection) } else { Err(Error::migrated()) }
    }

    async fn ask<R: Ask>(&self, connection: &Connection, migrations: u32, request: &R) -> Result<R::Answer> {
        let answer = connection.ask(request).await;
        self.heed(connection, migrations, answer).await
    }

    /// Closes a connection over which Telegram says that the login is dead.
    async fn heed<T>(&self, connection: &Connection, migrations: u32, answer: Result<T>) -> Result<T> {
        if let Err(error) = &answer
            && self.drop_dead_key(migrations, error)
        {
            connection.close().await;
        }
        answer
    }

    /// Forgets the key of the data centre if `error` says that the login is dead; says whether it is.
    fn drop_dead_key(&self, migrations: u32, error: &Error) -> bool {
        let dead = error.remedy() == Remedy::LogIn;
        if dead {
            self.data_centres().drop_key(migrations);
        }
        dead
    }

    async fn connection(&self) -> Result<(Connection, u32)> {
        let asked = Instant::now();
        let mut main = self.main.lock().await;
        let Location { data_centre, migrations } = self.location();
        if let Some(connection) = main.usable(migrations) {
            return Ok((connection, migrations));
        }
        // A caller that waited for a try that failed shares its failure: it does not make the same try again at once.
        if let Some((at, error)) = &main.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        let opened = self.open(&mut main, &data_centre, Some(migrations)).await;
        if let Err(error) = &opened {
            self.drop_dead_key(migrations, error);
        }
        main.failed = opened.as_ref().err().map(|error| (Instant::now(), error.clone()));
        opened.map(|connection| (connection, migrations))
    }

    /// Opens a connection in place of the one that is there, which is closed first.
    async fn open(
        &self,
        main: &mut MainConnection,
        dc: &DataCentre,
        migrations: Option<u32>,
    ) -> Result<Connection> {
        main.close().await;
        self.close_predecessor().await;
        let config = &self.config;
        let target = config.target((dc.dc_id, dc.test), dc.address, &main.options)?;
        let (connection, address) = self.dial(&target, dc.auth_key).await?;
        // If this caller goes away now, the next one ends the connection before it opens another.
        main.connection = Some(connection.clone());
        let greeted = timeout(config.connect_timeout, connection.call(self.greeting(), SHORT, None)).await;
        let silent = |_| Err(Error::not_sent(silent_greeting(config.connect_timeout)));
        let greeted = greeted.unwrap_or_else(silent);
        let unanswered =
            matches!(&greeted, Err(error) if matches!(error.kind(), ErrorKind::NotSent | ErrorKind::Lost));
        self.way.answered(&target, address, !unanswered);
        match greeted {
            Ok(answer) => {
                main.ready = migrations;
                main.options = dc_options(&answer).unwrap_or_else(|_| std::mem::take(&mut main.options));
                tracing::debug!(dc = dc.dc_id, "connected to telegram");
                Ok(connection)
            }
            // It knows who speaks, and the login for the other data centre is asked for over this connection.
            Err(error) if matches!(error.remedy(), Remedy::Migrate(_)) => {
                main.ready = migrations;
                Err(error)
            }
            Err(error) => {
                main.close().await;
                Err(unanswered_greeting(error, self.way.doubt()))
            }
        }
    }

    /// Connects to a data centre, once nobody else uses the login. Nothing is said yet.
    async fn dial(&self, target: &Target, auth_key: [u8; 256]) -> Result<(Connection, SocketAddr)> {
        let hold = self.guard.take(&self.session.sender_id()).await?;
        let stream = self.way.open(target, self.config.connect_timeout).await?;
        let address = stream.address();
        Ok((Connection::over(stream, auth_key, self.timing(), hold), address))
    }

    /// Makes the first call of a connection that is beside the account's own.
    async fn greet(&self, connection: &Connection, target: &Target, address: SocketAddr) -> Result<()> {
        let limit = self.config.connect_timeout;
        let greeted = match timeout(limit, connection.call(self.greeting(), SHORT, None)).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(Error::not_sent(format!("{address} did not answer in {} s", limit.as_secs_f32()))),
        };
        self.way.answered(target, address, greeted.is_ok());
        greeted
    }

    /// Closes its connections. The next call opens another.
    pub async fn close(&self) {
        self.close_own().await;
        self.close_predecessor().await;
    }

    async fn close_own(&self) {
        self.main.lock().await.close().await;
        self.further.close().await;
        self.guests.close().await;
    }

    /// Telegram may end a login that it sees on two connections.
    async fn close_predecessor(&self) {
        let predecessor = || self.predecessor.lock().unwrap_or_else(PoisonError::into_inner);
        let old = predecessor().clone();
        if let Some(old) = old {
            old.close_own().await;
            *predecessor() = None;
        }
    }

    fn timing(&self) -> Timing {
        Timing {
            call: self.config.call_timeout,
            idle: self.config.idle_timeout,
            ping: self.config.ping_interval,
            lost: self.config.lost_after,
        }
    }

    /// The first call of a connection: it tells Telegram who speaks, and which version of the schema.
    fn greeting(&self) -> Body {
        Body::of(&tl::functions::InvokeWithLayer {
            layer: tl::LAYER,
            query: tl::functions::InitConnection {
                api_id: self.api_id.get(),
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
        })
    }

    pub(crate) fn is_connected(&self) -> bool {
        // If somebody holds the lock, the account is in use.
        self.main.try_lock().map_or(true, |main| main.connection.as_ref().is_some_and(Connection::is_open))
    }
}

impl MainConnection {
    /// The connection, if it is open and belongs to where the account is after so many migrations.
    fn usable(&self, migrations: u32) -> Option<Connection> {
        let ready = self.ready == Some(migrations);
        self.connection.clone().filter(|connection| ready && connection.is_open())
    }

    async fn close(&mut self) {
        self.ready = None;
        if let Some(connection) = &self.connection {
            connection.close().await;
        }
        self.connection = None;
    }
}

/// The greeting changes nothing, so whatever happened to it nothing was carried out.
fn unanswered_greeting(error: Error, doubt: Option<String>) -> Error {
    match (error.kind(), doubt) {
        (ErrorKind::Lost | ErrorKind::NotSent, Some(doubt)) => Error::not_sent(format!("{error}; {doubt}")),
        (ErrorKind::Lost, None) => Error::not_sent(error.to_string()),
        _ => error,
    }
}

fn silent_greeting(waited: Duration) -> String {
    let seconds = waited.as_secs_f32();
    format!(
        "Telegram did not answer the first call in {seconds} s; if this goes on, the clock of this machine may be wrong"
    )
}
