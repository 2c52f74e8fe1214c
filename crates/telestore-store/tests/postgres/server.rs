use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use telestore_store::{PostgresOptions, PostgresSessionStore};

/// What the database's clock shows, in the words of SQL, where `callers` is what the caller's does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The time.
    Time,
    /// What the caller's clock shows, so that a check may let hours pass.
    Callers,
    /// An hour more than that.
    AnHourMore,
}

/// The address of a server, of the form `postgres://user@host:port`.
pub(crate) fn server() -> String {
    setting("TELESTORE_TEST_POSTGRES")
}

/// The same, of a `PgBouncer` in transaction mode before it.
pub(crate) fn bouncer() -> String {
    setting("TELESTORE_TEST_PGBOUNCER")
}

fn setting(name: &str) -> String {
    let url = std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run .ci/postgres"));
    url.trim_end_matches('/').to_owned()
}

/// A database of its own, on this server or on what stands before it.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) name: String,
}

impl Database {
    /// One without tables.
    pub(crate) async fn bare() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        run(&server(), "postgres", format!("CREATE DATABASE {name}")).await;
        Self { name }
    }

    /// One with tables, and a clock.
    pub(crate) async fn new(shows: Shows) -> Self {
        let database = Self::bare().await;
        database.open().await.close().await;
        let shown = match shows {
            Shows::Time => return database,
            Shows::Callers => "callers",
            Shows::AnHourMore => "callers + 3600000",
        };
        let clock = format!(
            "CREATE OR REPLACE FUNCTION telestore_now(callers BIGINT) RETURNS BIGINT LANGUAGE SQL VOLATILE AS 'SELECT {shown}'"
        );
        database.run(clock).await;
        database
    }

    /// Its address at this server, or at what stands before it.
    pub(crate) fn at(&self, server: &str) -> String {
        format!("{server}/{}", self.name)
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(&self.at(&server())).unwrap().with_max_connections(5)
    }

    /// One more worker's handle.
    pub(crate) async fn open(&self) -> PostgresSessionStore {
        PostgresSessionStore::connect(&self.options()).await.unwrap()
    }

    /// Two workers' handles.
    pub(crate) async fn twice(&self) -> (PostgresSessionStore, PostgresSessionStore) {
        (self.open().await, self.open().await)
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        connect(&server(), &self.name).await
    }

    pub(crate) async fn run(&self, statement: impl Into<String>) {
        run(&server(), &self.name, statement.into()).await;
    }

    /// A number that the server tells.
    pub(crate) async fn number(&self, question: &'static str) -> i64 {
        let mut connection = self.connect().await;
        let number = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    }
}

async fn connect(server: &str, database: &str) -> PgConnection {
    let options: PgConnectOptions = format!("{server}/{database}").parse().unwrap();
    options.connect().await.unwrap()
}

async fn run(server: &str, database: &str, statement: String) {
    let mut connection = connect(server, database).await;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
