use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::{Durability, Error, Result};

/// How long a call waits for a connection, and a connection for its server.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Where a PostgreSQL database is, and how it is used.
///
/// ```
/// use telestore_store::{Durability, PostgresOptions};
///
/// let options = PostgresOptions::new("postgres://worker:secret@pgbouncer.internal:6432/telestore")?
///     .with_listen_url("postgres://worker:secret@postgres.internal/telestore")?
///     .with_max_connections(20)
///     .with_durability(Durability::Disk);
/// assert!(!format!("{options:?}").contains("secret"));
/// # Ok::<(), telestore_store::Error>(())
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    pub(super) calls: PgConnectOptions,
    pub(super) direct: PgConnectOptions,
    /// Whether calls go through a pooler, which gives each transaction another connection.
    pub(super) pooled: bool,
    pub(super) max_connections: u32,
    pub(super) durability: Durability,
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("host", &self.calls.get_host())
            .field("database", &self.calls.get_database())
            .field("max_connections", &self.max_connections)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// The database at `url`, as libpq writes it: `postgres://user:password@host:5432/name?sslmode=verify-full`. What it
    /// does not say is taken from PostgreSQL's environment (`PGHOST`, `PGPASSWORD`, `PGSSLMODE`, …).
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it is no such URL. The text holds nothing of it but names of parameters.
    pub fn new(url: &str) -> Result<Self> {
        let calls = parse(url)?;
        let direct = calls.clone();
        Ok(Self { calls, direct, pooled: false, max_connections: 10, durability: Durability::Disk })
    }

    /// The same, with another address for what needs a connection of its own: the migrations, and the listener. Needed
    /// if the first one is a `PgBouncer` in transaction mode.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_listen_url(mut self, url: &str) -> Result<Self> {
        self.direct = parse(url)?;
        self.pooled = true;
        Ok(self)
    }

    /// Where it is, without the user and the password: `host:5432/name`.
    pub fn place(&self) -> String {
        let name = self.calls.get_database().unwrap_or("");
        format!("{}:{}/{name}", self.calls.get_host(), self.calls.get_port())
    }

    /// The same, with at most so many connections for calls (10 at first, at least 2). Each worker has as many, and one for
    /// the listener.
    #[must_use]
    pub fn with_max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections.max(2);
        self
    }

    /// The same, with what an acknowledged write is to survive.
    ///
    /// [`Durability::Disk`] is the default here, since the server may stand far away: each commit waits as the server's
    /// `synchronous_commit` says. With [`Durability::Process`] it does not wait if a power cut of the server may take
    /// back the last writes; the contract of [`SessionStore`](crate::SessionStore) names those that wait all the same.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How a pool of so many connections is made.
    pub(super) fn pool(connections: u32) -> PgPoolOptions {
        // Whether a connection is still there shows when a transaction begins, so it is not asked for before.
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(CONNECT_WITHIN)
            .test_before_acquire(false)
    }
}

/// The parameters that a URL may have.
const KNOWN: [&str; 15] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "application_name",
];

fn parse(url: &str) -> Result<PgConnectOptions> {
    let unfit = |why: String| Error::unavailable("session database", why);
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        // sqlx would log it with its value, which may be a secret.
        if !(KNOWN.contains(&name) || name == "password" || name == "options") {
            return Err(unfit(format!("its address has a parameter that is not known: {name:?}")));
        }
    }
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(unfit("its address does not begin with postgres://".to_owned()));
    }
    // What the parser says may quote the URL.
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        unfit("its address is not of the form postgres://user:password@host:5432/name".to_owned())
    })?;
    // A connection pooler refuses parameters that it does not know, and no number here is a float.
    Ok(options.extra_float_digits(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_without_being_told() {
        for bad in [
            "mysql://u:geheim@h/d",
            "postgres://u:geheim@h:port/d",
            "postgres://u@h/d?sslmode=geheim",
            "postgres://u@h/d?sslpasswd=geheim",
            "geheim",
        ] {
            let error = PostgresOptions::new(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
        }
    }

    #[test]
    fn a_password_is_shown_to_nobody() {
        let options = PostgresOptions::new("postgres://u:geheim@h/d?password=geheim").unwrap();
        assert!(!format!("{options:?}").contains("geheim"), "{options:?}");
        assert_eq!(options.place(), "h:5432/d");
    }
}
