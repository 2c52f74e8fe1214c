//! The connection that somebody signs in over: grammers' client, with keys that `telestore-mtproto` made.
//!
//! grammers makes keys with Telegram's own servers only, since it knows no other RSA keys than theirs; a test server could not be
//! reached. So each key is made by the worker's own key exchange, and given to grammers' session. It is a new one each time, and
//! belongs to nobody until somebody has signed in with it. Nor does grammers know the ways of the worker, such as an MTProxy: it
//! connects to a door on this machine, and what goes through takes the way of all connections.

use std::sync::Arc;
use std::time::Duration;

use grammers_client::sender::{ConnectionParams, NoRetries, RpcError, SenderPool, SenderPoolHandle};
use grammers_client::{Client, InvocationError, tl};
use grammers_session::updates::UpdatesLike;
use telestore::types::Secret;
use telestore::uploader::{MtprotoConfig, User};
use telestore_mtproto::{Relay, Session, address_of};
use tl::Serializable;
use tl::enums::auth::Authorization;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::ask::say;
use super::failure::Failure;
use super::store::Store;

/// How often one call may be sent to another data centre, and how often it may meet a connection that is gone.
const MOVES_MAX: u32 = 3;
const TRIES_MAX: u32 = 3;

/// How long the connection may take to end.
const CLOSING: Duration = Duration::from_secs(2);

/// Which application signs in.
pub(super) struct Application {
    pub(super) api_id: i32,
    pub(super) api_hash: Secret,
}

/// How far a sign-in came.
pub(super) enum Entered {
    As(Box<User>),
    PasswordNeeded,
    NoAccount,
}

/// A key that nobody, or somebody, has signed in with, and the connection that it is for.
pub(super) struct Telegram {
    keys: telestore_mtproto::Client,
    pub(super) application: Application,
    store: Arc<Store>,
    /// The door to where it is.
    relay: Relay,
    client: Client,
    pool: SenderPoolHandle,
    running: JoinHandle<()>,
    updates: mpsc::Receiver<UpdatesLike>,
    here: Session,
}

impl Telegram {
    /// Makes a key with the first data centre. The connection itself is opened by the first call.
    pub(super) async fn connect(config: MtprotoConfig, application: Application) -> Result<Self, Failure> {
        let keys = telestore_mtproto::Client::new(config);
        let (first, address) = keys.first_data_centre().map_err(Failure::told)?;
        let here = keys.new_session(first, address).await.map_err(Failure::told)?;
        let relay = keys.relay(first, address).await.map_err(Failure::told)?;
        let store = Arc::new(Store::new(first.into(), relay.address(), *here.expose_key()));
        let config = keys.config();
        let params = ConnectionParams {
            device_model: config.device_model.clone(),
            system_version: config.system_version.clone(),
            app_version: config.app_version.clone(),
            system_lang_code: config.lang_code.clone(),
            lang_code: config.lang_code.clone(),
            retry_policy: Box::new(NoRetries),
            ..ConnectionParams::default()
        };
        let SenderPool { runner, handle, updates } =
            SenderPool::with_configuration(Arc::clone(&store), application.api_id, params);
        let (pool, running) = (handle.thin.clone(), tokio::spawn(runner.run()));
        Ok(Self {
            keys,
            application,
            store,
            relay,
            client: Client::new(handle),
            pool,
            running,
            updates,
            here,
        })
    }

    /// Makes a call, in the data centre that Telegram sends it to.
    ///
    /// # Errors
    /// [`Failure::Lost`] if it may have been carried out.
    pub(super) async fn call<R: tl::RemoteCall>(&mut self, call: &R) -> Result<R::Return, Failure> {
        let mut moves = 0;
        loop {
            match self.call_here(call).await {
                Err(Failure::Refused(error)) => match elsewhere(&error) {
                    Some(dc) if moves < MOVES_MAX => {
                        moves += 1;
                        self.move_to(dc).await?;
                    }
                    _ => return Err(Failure::Refused(error)),
                },
                ended => return ended,
            }
        }
    }

    async fn call_here<R: tl::RemoteCall>(&self, call: &R) -> Result<R::Return, Failure> {
        let patience = self.keys.config().call_timeout;
        let mut tries = 0;
        loop {
            let failure = match timeout(patience, self.client.invoke(call)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(InvocationError::Rpc(error))) => return Err(Failure::Refused(error)),
                // It was not sent: the connection had gone while nobody used it.
                Ok(Err(InvocationError::Dropped(_))) if tries < TRIES_MAX => {
                    tries += 1;
                    None
                }
                Ok(Err(error)) => Some(error.into()),
                Err(_) => {
                    let seconds = patience.as_secs();
                    Some(Failure::Lost(format!("Telegram did not answer in {seconds} s")))
                }
            };
            // The pool hands calls to a connection that has ended until it comes to see so, which takes long on a busy machine.
            self.pool.disconnect_from_dc(self.here.dc_id().into());
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
    }

    /// Makes a call that signs in. If its answer is lost, Telegram is asked who is signed in before it is made again: it may
    /// work once only.
    pub(super) async fn enter<R>(&mut self, call: &R) -> Result<Entered, Failure>
    where
        R: tl::RemoteCall<Return = Authorization>,
    {
        let mut tries = 0;
        loop {
            match self.call(call).await {
                Ok(answer) => return entered(answer),
                Err(failure) if failure.is("SESSION_PASSWORD_NEEDED") => return Ok(Entered::PasswordNeeded),
                Err(Failure::Lost(text)) if tries < TRIES_MAX => {
                    tries += 1;
                    say(&format!("{text}: trying again"));
                    match self.who().await {
                        Ok(user) => return Ok(Entered::As(Box::new(user))),
                        Err(failure) if failure.is("SESSION_PASSWORD_NEEDED") => {
                            return Ok(Entered::PasswordNeeded);
                        }
                        Err(failure) if failure.is("AUTH_KEY_UNREGISTERED") => {}
                        Err(Failure::Lost(_)) => {}
                        Err(failure) => return Err(failure),
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    pub(super) async fn sign_bot_in(&mut self, token: &str) -> Result<Entered, Failure> {
        let import = tl::functions::auth::ImportBotAuthorization {
            flags: 0,
            api_id: self.application.api_id,
            api_hash: self.application.api_hash.expose().to_owned(),
            bot_auth_token: token.to_owned(),
        };
        self.enter(&import).await
    }

    async fn who(&mut self) -> Result<User, Failure> {
        let own = tl::functions::users::GetUsers { id: vec![tl::enums::InputUser::UserSelf] };
        let found = self.call(&own).await?.into_iter().next();
        read(&found.ok_or_else(|| Failure::told("Telegram does not say who is signed in"))?)
    }

    /// Makes a key with another data centre, and goes on there.
    pub(super) async fn move_to(&mut self, dc: i32) -> Result<(), Failure> {
        say(&format!("Telegram keeps this account in data centre {dc}: going there."));
        let config = self.call_here(&tl::functions::help::GetConfig {}).await?;
        let tl::enums::Config::Config(config) = config;
        let named = config.dc_options.into_iter().map(|tl::enums::DcOption::Option(option)| option);
        let address = address_of(dc, &named.collect::<Vec<_>>(), self.here.address());
        let address =
            address.ok_or_else(|| Failure::told(format!("Telegram names no address of data centre {dc}")))?;
        let id = u8::try_from(dc).map_err(|_| Failure::told(format!("there is no data centre {dc}")))?;
        let there = self.keys.new_session(id, address).await.map_err(Failure::told)?;
        let relay = self.keys.relay(id, address).await.map_err(Failure::told)?;
        self.pool.disconnect_from_dc(self.here.dc_id().into());
        self.store.move_to(dc, relay.address(), *there.expose_key());
        (self.here, self.relay) = (there, relay);
        Ok(())
    }

    /// Returns when Telegram says that a QR code was scanned.
    pub(super) async fn scanned(&mut self) {
        while let Some(update) = self.updates.recv().await {
            if let UpdatesLike::Updates(updates) = update
                && is_scan(&updates)
            {
                return;
            }
        }
        std::future::pending().await
    }

    /// The login, as the user may keep it.
    pub(super) fn session(&self) -> Result<Session, Failure> {
        if self.store.key_was_replaced() {
            return Err(Failure::told(
                "Telegram did not keep the key that somebody signed in with: try again",
            ));
        }
        Ok(self.here.clone())
    }

    pub(super) async fn log_out(&mut self) -> Result<(), Failure> {
        self.call(&tl::functions::auth::LogOut {}).await.map(drop)
    }

    /// Ends the connection, and returns once that is done: a worker may use the login now, and Telegram may end a login that it
    /// sees on two connections.
    pub(super) async fn close(self) {
        self.pool.quit();
        let _ = timeout(CLOSING, self.running).await;
    }
}

/// The data centre that a call is sent to.
fn elsewhere(error: &RpcError) -> Option<i32> {
    let sends = matches!(error.name.as_str(), "PHONE_MIGRATE" | "NETWORK_MIGRATE" | "USER_MIGRATE");
    error.value.filter(|_| sends).and_then(|dc| i32::try_from(dc).ok())
}

fn is_scan(updates: &tl::enums::Updates) -> bool {
    let is = |update: &tl::enums::Update| matches!(update, tl::enums::Update::LoginToken);
    match updates {
        tl::enums::Updates::UpdateShort(short) => is(&short.update),
        tl::enums::Updates::Combined(all) => all.updates.iter().any(is),
        tl::enums::Updates::Updates(all) => all.updates.iter().any(is),
        _ => false,
    }
}

/// Who an answer says was signed in.
pub(super) fn entered(answer: Authorization) -> Result<Entered, Failure> {
    match answer {
        Authorization::Authorization(entered) => Ok(Entered::As(Box::new(read(&entered.user)?))),
        Authorization::SignUpRequired(_) => Ok(Entered::NoAccount),
    }
}

fn read(user: &tl::enums::User) -> Result<User, Failure> {
    let why = |why| Failure::told(format!("Telegram does not say who was signed in: {why}"));
    User::read(&user.to_bytes()).map_err(why)
}
