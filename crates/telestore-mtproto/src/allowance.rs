//! Asks what an account may send, and remembers it for a while.

use std::time::Duration;

use grammers_tl_types as tl;

use crate::account::{Allowance, ClientNumbers, Kind};
use crate::{Calls, Error, Remedy};

/// How long the numbers of Telegram's configuration are believed.
const NUMBERS_MAX_AGE: Duration = Duration::from_secs(3600);

impl Calls<'_> {
    /// What the account may send. Whether it has Premium is asked unless that is known for less than `max_age`: it can end at
    /// any time. The numbers of both kinds are asked for once an hour; bots, which cannot ask for them, have those of accounts
    /// without Premium.
    ///
    /// # Errors
    /// Those of a call.
    pub async fn allowance(&self, max_age: Duration) -> crate::Result<Allowance> {
        let known = self.account().known_allowance();
        let kind = match known.kind(max_age) {
            Some(kind) => kind,
            None => {
                let user = self.own_user().await?;
                let kind = if user.bot { Kind::Bot } else { Kind::Person { premium: user.premium } };
                known.learn_kind(kind);
                kind
            }
        };
        match kind {
            Kind::Bot => Ok(ClientNumbers::default().of(false)),
            Kind::Person { premium } => Ok(self.client_numbers().await?.of(premium)),
        }
    }

    /// Forgets what the account may send, since Telegram has refused it.
    pub fn forget_allowance(&self) {
        self.account().known_allowance().forget();
    }

    async fn client_numbers(&self) -> crate::Result<ClientNumbers> {
        let known = self.account().known_allowance();
        if let Some(numbers) = known.numbers(NUMBERS_MAX_AGE) {
            return Ok(numbers);
        }
        let numbers = match self.call(&tl::functions::help::GetAppConfig { hash: 0 }).await {
            Err(error) if is_refused(&error) => {
                tracing::debug!(%error, "Telegram does not tell its configuration for clients");
                ClientNumbers::default()
            }
            numbers => numbers?,
        };
        known.learn_numbers(numbers);
        Ok(numbers)
    }
}

/// Whether the account cannot ask this at all.
fn is_refused(error: &Error) -> bool {
    error.rpc().is_some() && error.remedy() == Remedy::GiveUp
}
