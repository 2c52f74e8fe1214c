//! Bots that send by MTProto: each signs in once, and its key is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use telestore_mtproto::{Account, Client, Error as Failed, ErrorKind as Kind, Remedy, Session};
use telestore_types::telegram::{AccountFault, application_fault, wait_words};
use telestore_types::{KeyStore, Secret, Sender};
use tokio::time::Instant;

use super::error::failed_call;
use crate::{Error, ErrorKind, Result};

/// How long Telegram may say that it does not know a key (-404) until that is believed: its servers say so in passing, too.
const UNKNOWN: Duration = Duration::from_secs(60);

/// How long a key must live that took the place of a dead one: if it ends sooner, something else is wrong, and the bot does not
/// sign in again and again.
const YOUNG: Duration = Duration::from_secs(10 * 60);

/// How many bots are remembered before those that nobody uses are forgotten.
const MAX_BOTS: usize = 1024;

/// The bots of a client.
#[derive(Debug, Default)]
pub(super) struct Bots {
    keys: Mutex<Option<Arc<dyn KeyStore>>>,
    /// By a digest of the token.
    known: Mutex<HashMap<[u8; 32], Arc<tokio::sync::Mutex<Bot>>>>,
}

/// What is known of a bot. It is locked while the bot signs in, so that it does so once.
#[derive(Debug, Default)]
struct Bot {
    session: Option<Session>,
    /// When its key was dead last.
    ended: Option<Instant>,
    /// What is in the store, as far as is known.
    kept: Option<Session>,
    /// A session that Telegram has ended. The store may still have it.
    dead: Option<Session>,
    /// Since when Telegram does not know the key.
    unknown: Option<Instant>,
    /// Until when Telegram wants no sign-in.
    flooded: Option<Instant>,
}

impl Bots {
    pub(super) fn keep_in(&self, keys: Arc<dyn KeyStore>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
    }

    /// The account of a bot, which is signed in if no key of it was kept.
    pub(super) async fn account(self: &Arc<Self>, client: &Client, bot: &Sender) -> Result<Arc<Account>> {
        let (bots, client, bot) = (Arc::clone(self), client.clone(), bot.clone());
        // In a task of its own: whoever asks may go away, and a sign-in that is not kept is one for nothing.
        let entering = tokio::spawn(async move {
            let entry = bots.entry(&bot);
            let mut known = entry.lock().await;
            bots.enter(&client, &bot, &mut known).await
        });
        entering
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, "the bot could not sign in")))
    }

    async fn enter(&self, client: &Client, bot: &Sender, known: &mut Bot) -> Result<Arc<Account>> {
        let session = match &known.session {
            Some(session) => session.clone(),
            None => self.find(client, bot, known).await?,
        };
        known.session = Some(session.clone());
        let account = client.account(session, bot.api_id())?;
        self.keep(bot, known, &account).await;
        Ok(account)
    }

    /// The session that was kept, or else a new one.
    async fn find(&self, client: &Client, bot: &Sender, known: &mut Bot) -> Result<Session> {
        if let Some(session) = self.kept(client, bot, known).await? {
            return Ok(session);
        }
        if let Some(until) = known.flooded.filter(|until| *until > Instant::now()) {
            return Err(flooded(until - Instant::now()));
        }
        // Another process may sign it in now: what that one keeps is for all.
        let _hold = client.take_login(&bot.id).await?;
        if let Some(session) = self.kept(client, bot, known).await? {
            return Ok(session);
        }
        let (Some(token), Some((api_id, api_hash))) = (bot.bot_token(), bot.application()) else {
            return Err(Error::not_authorized());
        };
        let signed_in = client.sign_bot_in(token, api_id, api_hash).await;
        let session = signed_in.map_err(|failed| {
            if let Remedy::Wait(wait) = failed.remedy() {
                known.flooded = Some(Instant::now() + wait);
                tracing::warn!(bot = %bot.id, seconds = wait.as_secs(), "Telegram asks to wait before the bot signs in");
                return flooded(wait).with_source(failed);
            }
            refused(failed)
        })?;
        tracing::info!(bot = %bot.id, dc = session.dc_id(), "the bot has signed in by MTProto");
        (known.unknown, known.flooded) = (None, None);
        // Before the login is let go.
        self.save(bot, known, session.clone()).await;
        Ok(session)
    }

    /// What the store has, unless Telegram has ended it.
    async fn kept(&self, client: &Client, bot: &Sender, known: &mut Bot) -> Result<Option<Session>> {
        let Some(keys) = self.store() else { return Ok(None) };
        let kept = keys.load(bot).await.map_err(|error| {
            let text = format!("the key of the bot cannot be read now: {error}");
            Error::new(ErrorKind::Storage, text).with_source(error)
        })?;
        let Some(session) = kept.and_then(|kept| client.kept_bot(&kept).ok()) else { return Ok(None) };
        known.kept = Some(session.clone());
        Ok(Some(session).filter(|session| known.dead.as_ref().is_none_or(|dead| !is_same(dead, session))))
    }

    /// Keeps where the bot is now: Telegram may have sent it to another data centre. A failure costs a sign-in at most, and it is
    /// tried again.
    async fn keep(&self, bot: &Sender, known: &mut Bot, account: &Account) {
        let now = account.session();
        if known.kept.as_ref().is_none_or(|kept| !is_same(kept, &now)) {
            self.save(bot, known, now).await;
        }
    }

    async fn save(&self, bot: &Sender, known: &mut Bot, session: Session) {
        let Some(keys) = self.store() else { return };
        match keys.save(bot, &session.to_telethon()).await {
            Ok(()) => known.kept = Some(session),
            Err(error) => tracing::warn!(bot = %bot.id, %error, "the key of the bot could not be kept"),
        }
    }

    /// Notes how work of a bot has ended. If its key is dead, the next attempt signs in anew.
    pub(super) async fn ended<T>(&self, bot: &Sender, account: &Account, ended: Result<T>) -> Result<T> {
        let entry = self.entry(bot);
        let mut known = entry.lock().await;
        let error = match ended {
            Ok(done) => {
                known.unknown = None;
                self.keep(bot, &mut known, account).await;
                return Ok(done);
            }
            Err(error) => error,
        };
        let Some(failed) = login_fault(&error) else { return Err(error) };
        let is_now = known.session.as_ref().is_some_and(|session| is_same(session, account.first_session()));
        if is_now && *failed.kind() == Kind::UnknownKey {
            let since = *known.unknown.get_or_insert_with(Instant::now);
            if since.elapsed() < UNKNOWN {
                return Err(again(&error, "Telegram does not know the bot's key at the moment"));
            }
        }
        if is_now {
            let before = known.ended.replace(Instant::now());
            if before.is_some_and(|before| before.elapsed() < YOUNG) {
                return Err(error);
            }
            tracing::warn!(bot = %bot.id, %failed, "Telegram has ended the bot's login; it signs in anew");
            (known.dead, known.unknown) = (known.session.take(), None);
        }
        Err(again(&error, "Telegram has ended the bot's login, and the bot signs in anew"))
    }

    fn store(&self) -> Option<Arc<dyn KeyStore>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn entry(&self, bot: &Sender) -> Arc<tokio::sync::Mutex<Bot>> {
        let token = bot.bot_token().map(Secret::expose).unwrap_or_default();
        let digest = Sha256::digest(token).into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_BOTS {
            known.retain(|_, bot| Arc::strong_count(bot) > 1);
        }
        known.entry(digest).or_default().clone()
    }
}

fn is_same(one: &Session, other: &Session) -> bool {
    one.expose_key() == other.expose_key()
}

fn flooded(wait: Duration) -> Error {
    let text = format!("{}: the bot has signed in too often", wait_words(wait));
    Error::new(ErrorKind::FloodWait(wait), text)
}

fn again(error: &Error, text: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{text} ({error})"))
}

/// What Telegram has against the login, if that is what went wrong. After it, there is certainly no message.
fn login_fault(error: &Error) -> Option<Failed> {
    let failed = failed_call(error)?;
    let ends = |name| AccountFault::of_name(name).is_some_and(AccountFault::ends_login);
    let is_dead = failed.rpc().is_some_and(|rpc| rpc.code() == 401 || ends(rpc.name()));
    let at_login =
        error.kind() == ErrorKind::NotAuthorized && (is_dead || *failed.kind() == Kind::UnknownKey);
    at_login.then(|| failed.clone())
}

/// Why a bot is not let in, in words for the person whose bot it is.
fn refused(failed: Failed) -> Error {
    let Some(name) = failed.rpc().map(|rpc| rpc.name().to_owned()) else { return failed.into() };
    let unknown = matches!(&*name, "ACCESS_TOKEN_INVALID" | "ACCESS_TOKEN_EXPIRED")
        .then_some("Telegram does not know this bot token, or it was revoked: copy it from @BotFather anew");
    let Some(words) = unknown.or_else(|| application_fault(&name)) else { return failed.into() };
    Error::new(ErrorKind::NotAuthorized, format!("the bot cannot sign in: {words} ({name})"))
        .with_source(failed)
}
