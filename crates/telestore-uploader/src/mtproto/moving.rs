//! Taking an account to the data centre that Telegram sends it to.

use std::net::SocketAddr;

use grammers_tl_types as tl;
use telestore_types::ByteSource;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::account::{Account, Link};
use super::attempt::Attempt;
use super::connection::Connection;
use super::home::{Home, Whereabouts, address_of};
use super::key_exchange::{DataCentre, ServerKey, make_key};
use super::parts;
use super::resume::Resume;
use super::rpc::{CallError, Remedy};
use crate::Result;

/// Sends the parts that are not confirmed yet; all of them, under a new name, each time the account moves meanwhile:
/// parts stay in the data centre that got them. After `stop` no further part is begun, and those in flight are waited
/// for.
pub(crate) async fn send_parts(
    attempt: &Attempt<'_>,
    source: &dyn ByteSource,
    resume: &mut Resume,
    reported: &mut u64,
    stop: &CancellationToken,
) -> Result<Option<String>> {
    loop {
        if attempt.settle(resume) {
            attempt.progress.checkpoint(resume.to_state()).await?;
        }
        match parts::send_all(attempt, source, resume, reported, stop).await {
            Err(error) if attempt.has_moved() => {
                tracing::debug!(error = %error, "the account has moved, sending the parts again");
            }
            ended => return ended,
        }
    }
}

impl Account {
    /// Goes to a data centre, unless the account is there already, and stays until Telegram sends it on.
    pub(crate) async fn move_to(&self, dc: i32) -> Result<(), CallError> {
        let asked = Instant::now();
        let mut link = self.link.lock().await;
        let from = self.here();
        if from.home.dc_id == dc {
            return Ok(());
        }
        // All parts in flight are sent away together; whoever waited for a try that failed shares its failure.
        if let Some((at, to, error)) = &link.stayed
            && (*at >= asked, *to) == (true, dc)
        {
            return Err(error.clone());
        }
        let moves = from.moves;
        let moved = self.relocate(&mut link, from, dc).await;
        link.stayed = moved.as_ref().err().map(|error| (Instant::now(), dc, error.clone()));
        match &moved {
            Ok(()) => tracing::info!(dc, "telegram sent the account to another data centre"),
            Err(error) => {
                tracing::warn!(dc, %error, "the account cannot go where telegram sends it");
                self.forsake_if_dead(moves, error);
            }
        }
        moved
    }

    /// Makes a key there, has the login vouched for here, and changes the connections. The old one is closed before the
    /// new one opens. Whatever fails, the account stays where it is.
    async fn relocate(&self, link: &mut Link, from: Whereabouts, dc: i32) -> Result<(), CallError> {
        if self.homes().go_back(dc) {
            return Ok(());
        }
        let address = self.find(link, &from, dc).await?;
        self.config.check_address(address)?;
        let keys = [ServerKey::telegram(), self.config.server_keys.clone()].concat();
        let auth_key = make_key(DataCentre { id: dc, address }, keys, self.config.connect_timeout).await?;
        // Only now, since it may have become idle meanwhile.
        let old = self.old_connection(link, &from).await?;
        let export = tl::functions::auth::ExportAuthorization { dc_id: dc };
        let import = old.ask(&export).await.map_err(|error| not_admitted(dc, error))?;
        let home = Home { dc_id: dc, address, auth_key };
        let new = self.open(link, &home, None).await.map_err(|error| not_known(dc, error))?;
        if let Err(error) = new.ask(&import).await {
            link.close().await;
            return Err(not_admitted(dc, not_known(dc, error)));
        }
        self.homes().settle(home);
        link.ready = Some(self.here().moves);
        Ok(())
    }

    /// The address of a data centre.
    async fn find(&self, link: &mut Link, from: &Whereabouts, dc: i32) -> Result<SocketAddr, CallError> {
        if link.options.is_empty() {
            // The greeting was answered with the order to go. Without an answer the known addresses have to do.
            let old = self.old_connection(link, from).await?;
            link.options = old.ask(&tl::functions::help::GetConfig {}).await.unwrap_or_default();
        }
        let address = address_of(dc, &link.options, from.home.address);
        address.ok_or_else(|| CallError::NotSent(nowhere(dc)))
    }

    /// The connection from which the account goes.
    async fn old_connection(&self, link: &mut Link, from: &Whereabouts) -> Result<Connection, CallError> {
        if let Some(connection) = link.usable(from.moves) {
            return Ok(connection);
        }
        match self.open(link, &from.home, Some(from.moves)).await {
            // It sends the account away as soon as it is greeted, but it listens.
            Err(error) if matches!(error.remedy(), Remedy::Move(_)) => link.usable(from.moves).ok_or(error),
            opened => opened,
        }
    }
}

fn nowhere(dc: i32) -> String {
    format!("Telegram sends the account to data centre {dc} and names no address of it")
}

/// A key that was just made is not the session's: where it is unknown, the session is not dead.
fn not_known(dc: i32, error: CallError) -> CallError {
    match error {
        CallError::UnknownKey => {
            CallError::NotSent(format!("data centre {dc} does not know the key that it just made"))
        }
        error => error,
    }
}

/// A refusal means that the login is not good there; anything else may pass.
fn not_admitted(dc: i32, error: CallError) -> CallError {
    match (error.remedy(), &error) {
        (Remedy::Wait(_) | Remedy::Again | Remedy::LogIn, _) => error,
        (_, CallError::Rpc(rpc)) => {
            CallError::NotAdmitted(format!("data centre {dc} does not let the account in: {rpc}"))
        }
        _ => error,
    }
}
