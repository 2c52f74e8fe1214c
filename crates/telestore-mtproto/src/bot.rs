//! Signing a bot in: <https://core.telegram.org/method/auth.importBotAuthorization>.

use std::sync::Arc;

use grammers_tl_types as tl;
use telestore_types::{ApiId, LoginHold, Secret, SenderId};

use crate::addresses::address_of;
use crate::answers::{self, Ask, Repeat, SHORT, word};
use crate::{Account, Calls, Client, Error, ErrorKind, Remedy, Result, Session};

/// How often a sign-in may be sent to another data centre.
const MAX_MOVES: u32 = 3;

/// `auth.authorization`.
const AUTHORIZATION: u32 = <tl::types::auth::Authorization as tl::Identifiable>::CONSTRUCTOR_ID;

impl Ask for tl::functions::auth::ImportBotAuthorization {
    type Answer = ();

    const ANSWER_MAX: usize = SHORT;

    const REPEAT: Repeat = Repeat::Never;

    fn read(&self, mut answer: &[u8]) -> answers::Result<()> {
        if word(&mut answer)? == AUTHORIZATION { Ok(()) } else { Err("it lets nobody in".to_owned()) }
    }
}

impl Client {
    /// Signs a bot in with a new key, in the data centre where Telegram keeps it. It begins at
    /// [`MtprotoConfig::address`](crate::MtprotoConfig::address), or else at data centre 2.
    ///
    /// Telegram allows a few sign-ins of a bot, and then asks it to wait for a quarter of an hour and more: keep the session
    /// ([`Session::to_telethon`]), and sign in only if there is none.
    ///
    /// # Errors
    /// Why nobody was signed in: Telegram's error, such as `ACCESS_TOKEN_INVALID`, `API_ID_INVALID` or `FLOOD_WAIT`; and those of
    /// [`new_session`](Self::new_session).
    pub async fn sign_bot_in(&self, token: &Secret, api_id: ApiId, api_hash: &Secret) -> Result<Session> {
        let (mut dc, mut address) = self.first_data_centre()?;
        let call = tl::functions::auth::ImportBotAuthorization {
            flags: 0,
            api_id: api_id.get(),
            api_hash: api_hash.expose().to_owned(),
            bot_auth_token: token.expose().to_owned(),
        };
        for _ in 0..=MAX_MOVES {
            let session = self.new_session(dc, address).await?;
            let account = self.account(session.clone(), Some(api_id))?;
            let Err(error) = enter(&account, &call).await else { return Ok(session) };
            let options = account.call(&tl::functions::help::GetConfig {}).await;
            account.close().await;
            let Remedy::Migrate(home) = error.remedy() else { return Err(error) };
            let found = address_of(home, &options.unwrap_or_default(), address);
            let place = u8::try_from(home).ok().zip(found);
            (dc, address) = place.ok_or_else(|| {
                Error::not_sent(format!(
                    "Telegram sends the bot to data centre {home} and names no address of it"
                ))
            })?;
        }
        Err(Error::not_sent("Telegram sends the bot from one data centre to the next"))
    }

    /// The session of a bot that was kept as a session string. If it is at home where bots sign in first, it goes there by the
    /// address that holds now: an operator may have another relay.
    ///
    /// # Errors
    /// [`ErrorKind::BadSession`](crate::ErrorKind::BadSession) if it is none.
    pub fn kept_bot(&self, kept: &Secret) -> Result<Session> {
        let session = Session::read(kept.expose())?;
        let (first, address) = self.first_data_centre()?;
        if session.dc_id() != first {
            return Ok(session);
        }
        Ok(Session::new(first, address, *session.expose_key()))
    }

    /// Takes a login that no connection is open for yet, such as that of a bot that is to sign in, for as long as the answer
    /// lives; `None` if nobody else has it. See [`guard_logins`](Self::guard_logins).
    ///
    /// # Errors
    /// [`ErrorKind::LoginBusy`](crate::ErrorKind::LoginBusy)
    pub async fn take_login(&self, login: &SenderId) -> Result<Option<Box<dyn LoginHold>>> {
        self.guard.take(login).await
    }
}

/// Signs in. If the answer was lost, Telegram is asked who is signed in: each sign-in counts.
async fn enter(account: &Arc<Account>, call: &tl::functions::auth::ImportBotAuthorization) -> Result<()> {
    match account.call(call).await {
        Err(error) if *error.kind() == ErrorKind::Lost => {
            let is_in = Calls::new(Arc::clone(account), ()).own_user().await.is_ok();
            if is_in { Ok(()) } else { Err(error) }
        }
        entered => entered,
    }
}
