use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grammers_tl_types as tl;
use telestore_types::ChatId;
use tokio::time::{Instant, timeout};

use super::MtprotoConfig;
use super::answers::{Ask, PART_ANSWER_MAX, SHORT, dc_options};
use super::connection::{Connection, Timing};
use super::home::{Home, Homes, Whereabouts};
use super::lines::Lines;
use super::packet::Body;
use super::rpc::{CallError, Remedy};
use super::search::Made;
use super::session::Session;
use super::window::{Permit, Window};

/// How many channels of one account are remembered.
const MAX_PEERS: usize = 1024;

/// One login. All of its uploads share one connection, since Telegram may end a login that it sees on two.
pub(crate) struct Account {
    pub(super) config: Arc<MtprotoConfig>,
    session: Session,
    api_id: i32,
    homes: Mutex<Homes>,
    /// Held while connecting and while moving, so that only one does.
    pub(super) link: tokio::sync::Mutex<Link>,
    /// Beside the connection of the link.
    pub(super) lines: Lines,
    window: Window,
    peers: Mutex<HashMap<String, Known>>,
    made: Made,
    /// The account in whose place this one came, as long as that may have a connection.
    predecessor: Mutex<Option<Arc<Account>>>,
}

/// A channel or group that was found.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) peer: tl::enums::InputPeer,
    /// The supergroup, where the chat of the credentials is a group that has become one.
    pub(crate) moved_to: Option<ChatId>,
    /// When it was seen last that the account may post there.
    pub(crate) posts: Option<Instant>,
}

/// The connection of an account, and what became of the last tries.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) connection: Option<Connection>,
    /// How often the account had moved when the connection became ready for calls. One whose opener went away before
    /// never is.
    pub(super) ready: Option<u32>,
    /// The addresses that Telegram named last.
    pub(super) options: Vec<tl::types::DcOption>,
    pub(super) failed: Option<(Instant, CallError)>,
    pub(super) stayed: Option<(Instant, i32, CallError)>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Account {
    /// An account without a connection. That of its `predecessor` is closed before it opens its own.
    pub(super) fn new(
        config: Arc<MtprotoConfig>,
        session: Session,
        api_id: i32,
        window: Window,
        predecessor: Option<Arc<Self>>,
    ) -> Self {
        let homes = Mutex::new(Homes::new(&session, config.address));
        let link = tokio::sync::Mutex::default();
        let lines = Lines::new(config.connections.saturating_sub(1));
        let (peers, made, predecessor) = (Mutex::default(), Made::default(), Mutex::new(predecessor));
        Self { config, session, api_id, homes, link, lines, window, peers, made, predecessor }
    }

    pub(super) fn is_for(&self, session: &Session, api_id: i32) -> bool {
        (&self.session, self.api_id) == (session, api_id)
    }

    /// Where the account is.
    pub(crate) fn here(&self) -> Whereabouts {
        self.homes().here()
    }

    pub(super) fn homes(&self) -> MutexGuard<'_, Homes> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// The messages that it made.
    pub(crate) fn made(&self) -> &Made {
        &self.made
    }

    /// What time it is at Telegram, in seconds since 1970.
    pub(crate) async fn time(&self) -> Result<i64, CallError> {
        self.connection().await.map(|(connection, _)| connection.time())
    }

    /// Connects, unless that is done already.
    pub(crate) async fn connect(&self) -> Result<(), CallError> {
        self.connection().await.map(drop)
    }

    /// Calls `request`, wherever the account is. It ends, well or not, after the times of the configuration.
    pub(crate) async fn call<R: Ask>(&self, request: &R) -> Result<R::Answer, CallError> {
        let (connection, moves) = self.connection().await?;
        self.ask(&connection, moves, request).await
    }

    /// Calls what makes sense only where the account was after so many moves; [`CallError::Moved`] where it has gone.
    pub(crate) async fn call_at<R: Ask>(&self, moves: u32, request: &R) -> Result<R::Answer, CallError> {
        let connection = self.connection_at(moves).await?;
        self.ask(&connection, moves, request).await
    }

    /// The same for a part, by any of the connections.
    pub(crate) async fn call_part_at(
        &self,
        moves: u32,
        part: u32,
        body: Body,
        permit: Permit,
    ) -> Result<Vec<u8>, CallError> {
        let first = self.connection_at(moves).await?;
        let connection = self.line_for(part, first, moves).await?;
        let answer = connection.call(body, PART_ANSWER_MAX, Some(permit)).await;
        self.heed(&connection, moves, answer).await
    }

    async fn connection_at(&self, moves: u32) -> Result<Connection, CallError> {
        let (connection, now) = self.connection().await?;
        if now == moves { Ok(connection) } else { Err(CallError::Moved) }
    }

    async fn ask<R: Ask>(
        &self,
        connection: &Connection,
        moves: u32,
        request: &R,
    ) -> Result<R::Answer, CallError> {
        let answer = connection.ask(request).await;
        self.heed(connection, moves, answer).await
    }

    /// Leaves a connection over which the login is called dead.
    async fn heed<T>(
        &self,
        connection: &Connection,
        moves: u32,
        answer: Result<T, CallError>,
    ) -> Result<T, CallError> {
        if let Err(error) = &answer
            && self.forsake_if_dead(moves, error)
        {
            connection.close().await;
        }
        answer
    }

    /// Leaves a place for the session's where `error` says that the login is dead; says whether it is.
    pub(super) fn forsake_if_dead(&self, moves: u32, error: &CallError) -> bool {
        let dead = error.remedy() == Remedy::LogIn;
        if dead {
            self.homes().forsake(moves);
        }
        dead
    }

    async fn connection(&self) -> Result<(Connection, u32), CallError> {
        let asked = Instant::now();
        let mut link = self.link.lock().await;
        let Whereabouts { home, moves } = self.here();
        if let Some(connection) = link.usable(moves) {
            return Ok((connection, moves));
        }
        // Whoever waited for a try that failed shares its failure, rather than making the same try again at once.
        if let Some((at, error)) = &link.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        let opened = self.open(&mut link, &home, Some(moves)).await;
        if let Err(error) = &opened {
            self.forsake_if_dead(moves, error);
        }
        link.failed = opened.as_ref().err().map(|error| (Instant::now(), error.clone()));
        opened.map(|connection| (connection, moves))
    }

    /// Opens a connection in place of the one that is there, which is closed first.
    pub(super) async fn open(
        &self,
        link: &mut Link,
        home: &Home,
        moves: Option<u32>,
    ) -> Result<Connection, CallError> {
        link.close().await;
        self.close_predecessor().await;
        let config = &self.config;
        config.check_address(home.address)?;
        let connection = Connection::open(home.address, home.auth_key, self.timing()).await?;
        // Where this caller goes away now, the next one ends the connection before it opens another.
        link.connection = Some(connection.clone());
        let greeted = timeout(config.connect_timeout, connection.call(self.greeting(), SHORT, None)).await;
        let silent = |_| Err(CallError::NotSent(silent_greeting(config.connect_timeout)));
        match greeted.unwrap_or_else(silent) {
            Ok(answer) => {
                link.ready = moves;
                link.options = dc_options(&answer).unwrap_or_else(|_| std::mem::take(&mut link.options));
                tracing::debug!(dc = home.dc_id, "connected to telegram");
                Ok(connection)
            }
            // It knows who speaks, and the login for the other data centre is asked for over this connection.
            Err(error) if matches!(error.remedy(), Remedy::Move(_)) => {
                link.ready = moves;
                Err(error)
            }
            Err(error) => {
                link.close().await;
                Err(unanswered_greeting(error))
            }
        }
    }

    /// Telegram may end a login that it sees on two connections.
    async fn close_predecessor(&self) {
        let predecessor = || self.predecessor.lock().unwrap_or_else(PoisonError::into_inner);
        let old = predecessor().clone();
        if let Some(old) = old {
            old.link.lock().await.close().await;
            old.lines.close().await;
            *predecessor() = None;
        }
    }

    pub(super) fn timing(&self) -> Timing {
        Timing {
            connect: self.config.connect_timeout,
            call: self.config.call_timeout,
            idle: self.config.idle_timeout,
            ping: self.config.ping_interval,
            lost: self.config.lost_after,
        }
    }

    /// The first call of a connection: it tells Telegram who speaks, and which version of the schema.
    pub(super) fn greeting(&self) -> Body {
        Body::of(&tl::functions::InvokeWithLayer {
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
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        // Where somebody holds the lock, the account is in use.
        self.link.try_lock().map_or(true, |link| link.connection.as_ref().is_some_and(Connection::is_open))
    }

    /// What is remembered of a chat.
    pub(crate) fn known_peer(&self, chat: &str) -> Option<Known> {
        self.peers().get(chat).cloned()
    }

    pub(crate) fn remember_peer(&self, chat: &str, known: Known) {
        let mut peers = self.peers();
        if peers.len() >= MAX_PEERS {
            peers.clear();
        }
        peers.insert(chat.to_owned(), known);
    }

    pub(crate) fn forget_peer(&self, chat: &str) {
        self.peers().remove(chat);
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// The connection, where it is open and belongs to where the account is after so many moves.
    pub(super) fn usable(&self, moves: u32) -> Option<Connection> {
        let ready = self.ready == Some(moves);
        self.connection.clone().filter(|connection| ready && connection.is_open())
    }

    pub(super) async fn close(&mut self) {
        self.ready = None;
        if let Some(connection) = &self.connection {
            connection.close().await;
        }
        self.connection = None;
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
