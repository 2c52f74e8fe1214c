//! `telestore-worker login`: signs in to Telegram, and gives the session string.

use crate::cli::LoginArgs;
use crate::settings::Written;

#[cfg(not(feature = "login"))]
pub(crate) async fn login(_: &Written, _: LoginArgs) -> Result<(), String> {
    Err("this build cannot sign in: build with the feature `login`".to_owned())
}

#[cfg(feature = "login")]
pub(crate) use self::with_login::login;

#[cfg(feature = "login")]
mod ask;
#[cfg(feature = "login")]
mod code;
#[cfg(feature = "login")]
mod failure;
#[cfg(feature = "login")]
mod output;
#[cfg(feature = "login")]
mod password;
#[cfg(feature = "login")]
mod qr;
#[cfg(feature = "login")]
mod store;
#[cfg(feature = "login")]
mod telegram;

#[cfg(feature = "login")]
mod with_login {
    use telestore::types::{Secret, Shown, pasted};
    use telestore::uploader::{AllowedAddresses, User};

    use super::ask::{Asker, say};
    use super::failure::{Failure, NO_ACCOUNT};
    use super::output::Output;
    use super::telegram::{Application, Entered, Telegram};
    use super::{LoginArgs, Written, code, password, qr};
    use crate::settings::{SendingSettings, StandAloneSettings};

    /// Signs in as the arguments say, and prints the session string or writes it to a file. All else goes to standard error.
    pub(crate) async fn login(written: &Written, args: LoginArgs) -> Result<(), String> {
        tokio::select! {
            biased;
            stopped = tokio::signal::ctrl_c() => Err(stopped.map_or_else(|error| error.to_string(), |()| "stopped".to_owned())),
            ended = sign_in(written, args) => ended,
        }
    }

    async fn sign_in(written: &Written, args: LoginArgs) -> Result<(), String> {
        let text = |error: crate::settings::ConfigError| error.to_string();
        let sending = written.read::<SendingSettings>().map_err(text)?.0;
        let own = written.read::<StandAloneSettings>().map_err(text)?.0;
        sending.read_proxy().map_err(|fault| format!("TELESTORE_TELEGRAM_PROXY: {fault}"))?;
        // Before anybody signs in: a login that nobody has the string of is of no use.
        let output = Output::prepare(args.out.clone(), args.force)?;
        let mut asker = Asker::default();
        let application = application(&args, &own, &mut asker).await?;
        // Who signs in chose the servers.
        let mut telegram = Telegram::connect(sending.mtproto(AllowedAddresses::any()), application)
            .await
            .map_err(|failure| failure.to_string())?;
        let entered = enter(&mut telegram, &mut asker, &args, own.bot_token).await;
        let kept = match entered {
            Ok(user) => keep(&mut telegram, &output, &user).await,
            Err(failure) => Err(failure.to_string()),
        };
        telegram.close().await;
        kept
    }

    /// `api_id` and `api_hash`, asked for unless they are given.
    async fn application(
        args: &LoginArgs,
        own: &StandAloneSettings,
        asker: &mut Asker,
    ) -> Result<Application, String> {
        let (given_id, given_hash) = (args.api_id.clone().or(own.api_id.clone()), args.api_hash.as_ref());
        if given_id.is_none() {
            say(
                "Telegram wants to know which application signs in: make one on https://my.telegram.org, \"API development tools\".",
            );
        }
        let id = match given_id {
            Some(id) => id,
            None => asker.line("api_id").await?,
        };
        let hash = match given_hash.or(own.api_hash.as_ref()) {
            Some(hash) => hash.clone(),
            None => Secret::new(asker.line("api_hash").await?),
        };
        let api_id = pasted::api_id(&id).map_err(|fault| fault.to_string())?;
        let api_hash = pasted::api_hash(hash.expose()).map_err(|fault| fault.to_string())?;
        Ok(Application { api_id: api_id.get(), api_hash })
    }

    /// Signs in, one way or another.
    async fn enter(
        telegram: &mut Telegram,
        asker: &mut Asker,
        args: &LoginArgs,
        bot_token: Option<Secret>,
    ) -> Result<User, Failure> {
        let entered = if args.bot {
            let token = match bot_token {
                Some(token) => token,
                None => asker.secret("Bot token, from @BotFather").await?,
            };
            let token = pasted::bot_token(token.expose()).map_err(Failure::told)?;
            telegram.sign_bot_in(token).await?
        } else if args.qr {
            qr::sign_in(telegram).await?
        } else {
            code::sign_in(telegram, asker, args.phone.clone()).await?
        };
        match entered {
            Entered::As(user) => Ok(*user),
            Entered::PasswordNeeded => password::sign_in(telegram, asker).await,
            Entered::NoAccount => Err(Failure::told(NO_ACCOUNT)),
        }
    }

    /// Gives the session string away. A login whose string nobody got is ended again.
    async fn keep(telegram: &mut Telegram, output: &Output, user: &User) -> Result<(), String> {
        let kept = match telegram.session() {
            Ok(session) => output.write(&session.to_telethon()),
            Err(failure) => Err(failure.to_string()),
        };
        if let Err(error) = kept {
            let after = match telegram.log_out().await {
                Ok(()) => "signed out again",
                Err(_) => "end the device \"TeleStore Worker\" in Telegram, Settings, Devices",
            };
            return Err(format!("{error}; {after}"));
        }
        say(&format!("Signed in as {}.", Shown(&user.to_string())));
        say(&output.what_next());
        Ok(())
    }
}
