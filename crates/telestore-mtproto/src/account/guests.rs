//! Connections to data centres where the account is a guest: files are read where they lie. The account itself stays where it
//! is, and its uploads with it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use grammers_tl_types as tl;
use tokio::time::Instant;

use super::Account;
use super::data_centres::DataCentre;
use crate::addresses::address_of;
use crate::way::Target;
use crate::wire::Connection;
use crate::{Error, Remedy, Result};

/// How many data centres are remembered. Telegram has five; a server that is not Telegram may name any number.
const KEPT_MAX: usize = 8;

/// Where an account is a guest, by the numbers of data centres.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<HashMap<i32, Arc<tokio::sync::Mutex<Guest>>>>);

/// What an account has at one of them. It is locked while it connects, so that it does so once.
#[derive(Default)]
struct Guest {
    /// With a key that is signed in there.
    entered: Option<DataCentre>,
    connection: Option<Connection>,
    failed: Option<(Instant, Error)>,
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("entered", &self.entered).finish_non_exhaustive()
    }
}

impl Guests {
    fn at(&self, dc: i32) -> Arc<tokio::sync::Mutex<Guest>> {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if guests.len() >= KEPT_MAX && !guests.contains_key(&dc) {
            guests.retain(|_, guest| Arc::strong_count(guest) > 1);
        }
        Arc::clone(guests.entry(dc).or_default())
    }

    pub(super) async fn close(&self) {
        let guests: Vec<_> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for guest in guests {
            if let Some(connection) = guest.lock().await.connection.take() {
                connection.close().await;
            }
        }
    }
}

impl Account {
    /// The connection to a data centre where the account is a guest.
    pub(super) async fn guest(&self, dc: i32) -> Result<Connection> {
        let (asked, guest) = (Instant::now(), self.guests.at(dc));
        let mut guest = guest.lock().await;
        if let Some(connection) = guest.connection.as_ref().filter(|connection| connection.is_open()) {
            return Ok(connection.clone());
        }
        // A caller that waited for a try that failed shares its failure.
        if let Some((at, error)) = &guest.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        let opened = self.enter(&mut guest, dc).await;
        if opened.as_ref().is_err_and(|error| error.remedy() == Remedy::LogIn) {
            guest.entered = None;
        }
        guest.failed = opened.as_ref().err().map(|error| (Instant::now(), error.clone()));
        let connection = opened.map_err(|error| not_let_in(dc, error))?;
        guest.connection = Some(connection.clone());
        Ok(connection)
    }

    async fn enter(&self, guest: &mut Guest, dc: i32) -> Result<Connection> {
        if let Some(there) = &guest.entered {
            let options = self.main.lock().await.options.clone();
            let target = self.config.target((dc, there.test), there.address, &options)?;
            return self.greet_at(&target, there.auth_key).await;
        }
        let (home, _) = self.connection().await?;
        let here = self.location().data_centre;
        let options = self.main.lock().await.options.clone();
        let address = address_of(dc, &options, here.address);
        let address =
            address.ok_or_else(|| Error::not_sent(format!("no address of data centre {dc} is known")))?;
        let target = self.config.target((dc, here.test), address, &options)?;
        // What Telegram vouches for is good for a moment only, so the key comes first.
        let auth_key = self.config.make_key(dc, (&self.way, &target)).await?;
        let connection = self.greet_at(&target, auth_key).await?;
        let import = home.ask(&tl::functions::auth::ExportAuthorization { dc_id: dc }).await?;
        connection.ask(&import).await?;
        tracing::debug!(dc, "signed in as a guest of another data centre");
        guest.entered = Some(DataCentre { dc_id: dc, test: here.test, address, auth_key });
        Ok(connection)
    }

    /// Connects with a key that the data centre knows.
    async fn greet_at(&self, target: &Target, auth_key: [u8; 256]) -> Result<Connection> {
        let (connection, address) = self.dial(target, auth_key).await?;
        self.greet(&connection, target, address).await?;
        Ok(connection)
    }

    /// Leaves a data centre that does not know the guest any more: the next call is let in anew.
    pub(super) async fn leave(&self, dc: i32, error: Error) -> Error {
        let guest = self.guests.at(dc);
        let mut guest = guest.lock().await;
        guest.entered = None;
        if let Some(connection) = guest.connection.take() {
            connection.close().await;
        }
        not_let_in(dc, error)
    }
}

/// The login itself is good, whatever another data centre says: only what it was given there is not.
fn not_let_in(dc: i32, error: Error) -> Error {
    match error.remedy() {
        Remedy::LogIn => Error::not_sent(format!("data centre {dc} does not let the account in: {error}")),
        _ => error,
    }
}
