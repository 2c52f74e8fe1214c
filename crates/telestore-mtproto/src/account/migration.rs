//! Data-centre migration: taking an account to the data centre that Telegram sends it to.
//!
//! <https://core.telegram.org/api/datacenter#user-migration>

use std::net::SocketAddr;

use grammers_tl_types as tl;
use tokio::time::Instant;

use super::data_centres::{DataCentre, Location};
use super::{Account, MainConnection};
use crate::addresses::address_of;
use crate::wire::Connection;
use crate::{Error, ErrorKind, Remedy, Result};

impl Account {
    /// Migrates to a data centre, unless the account is there already. It stays there until Telegram sends it on.
    ///
    /// # Errors
    /// Why it stays where it is.
    pub async fn migrate_to(&self, dc: i32) -> Result<()> {
        let asked = Instant::now();
        let mut main = self.main.lock().await;
        let from = self.location();
        if from.dc_id() == dc {
            return Ok(());
        }
        // All parts in flight are sent away together. A caller that waited for a try that failed shares its failure.
        if let Some((at, to, error)) = &main.stayed
            && (*at >= asked, *to) == (true, dc)
        {
            return Err(error.clone());
        }
        let migrations = from.migrations;
        let moved = self.migrate(&mut main, from, dc).await;
        main.stayed = moved.as_ref().err().map(|error| (Instant::now(), dc, error.clone()));
        match &moved {
            Ok(()) => tracing::info!(dc, "telegram sent the account to another data centre"),
            Err(error) => {
                tracing::warn!(dc, %error, "the account cannot go where telegram sends it");
                self.drop_dead_key(migrations, error);
            }
        }
        moved
    }

    /// Makes a key there, has the login vouched for here, and changes the connections. The old one is closed before the
    /// new one opens. Whatever fails, the account stays where it is.
    async fn migrate(&self, main: &mut MainConnection, from: Location, dc: i32) -> Result<()> {
        if self.data_centres().go_back_to(dc) {
            return Ok(());
        }
        let address = self.find(main, &from, dc).await?;
        let test = from.data_centre.test;
        let target = self.config.target((dc, test), address, &main.options)?;
        let auth_key = self.config.make_key(dc, (&self.way, &target)).await?;
        // Only now, since it may have become idle meanwhile.
        let old = self.old_connection(main, &from).await?;
        let export = tl::functions::auth::ExportAuthorization { dc_id: dc };
        let import = old.ask(&export).await.map_err(|error| not_admitted(dc, error))?;
        let to = DataCentre { dc_id: dc, test, address, auth_key };
        let new = self.open(main, &to, None).await.map_err(|error| not_known(dc, error))?;
        if let Err(error) = new.ask(&import).await {
            main.close().await;
            return Err(not_admitted(dc, not_known(dc, error)));
        }
        self.data_centres().enter(to);
        main.ready = Some(self.location().migrations());
        Ok(())
    }

    /// The address of a data centre.
    async fn find(&self, main: &mut MainConnection, from: &Location, dc: i32) -> Result<SocketAddr> {
        if main.options.is_empty() {
            // The greeting was answered with the order to go. Without an answer the known addresses have to do.
            let old = self.old_connection(main, from).await?;
            main.options = old.ask(&tl::functions::help::GetConfig {}).await.unwrap_or_default();
        }
        let address = address_of(dc, &main.options, from.data_centre.address);
        address.ok_or_else(|| Error::not_sent(nowhere(dc)))
    }

    /// The connection from which the account goes.
    async fn old_connection(&self, main: &mut MainConnection, from: &Location) -> Result<Connection> {
        if let Some(connection) = main.usable(from.migrations) {
            return Ok(connection);
        }
        match self.open(main, &from.data_centre, Some(from.migrations)).await {
            // It sends the account away as soon as it is greeted, but it listens.
            Err(error) if matches!(error.remedy(), Remedy::Migrate(_)) => {
                main.usable(from.migrations).ok_or(error)
            }
            opened => opened,
        }
    }
}

fn nowhere(dc: i32) -> String {
    format!("Telegram sends the account to data centre {dc} and names no address of it")
}

/// A key that was just made is not the session's: if it is unknown, the session is not dead.
fn not_known(dc: i32, error: Error) -> Error {
    match error.kind() {
        ErrorKind::UnknownKey => {
            Error::not_sent(format!("data centre {dc} does not know the key that it just made"))
        }
        _ => error,
    }
}

/// A refusal means that the login is not good there; anything else may pass.
fn not_admitted(dc: i32, error: Error) -> Error {
    match (error.remedy(), error.kind()) {
        (Remedy::Wait(_) | Remedy::Again | Remedy::LogIn, _) => error,
        (_, ErrorKind::Rpc(rpc)) => {
            Error::not_admitted(format!("data centre {dc} does not let the account in: {rpc}"))
        }
        _ => error,
    }
}
