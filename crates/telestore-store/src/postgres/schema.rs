use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use super::options::CONNECT_WITHIN;
use super::{PostgresOptions, PostgresSessionStore, database, fault, files, sql};
use crate::{Error, Result, Schema};

/// The tables, step by step.
fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!("./migrations/postgres");
    // A worker of an older version may start beside newer ones: steps only add, and are not taken back.
    migrations.set_ignore_missing(true);
    migrations
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let connected = tokio::time::timeout(CONNECT_WITHIN, options.connect()).await;
    connected.map_err(|_| fault::late())?.map_err(database)
}

/// Brings the tables up to date. sqlx locks the database for it, on this connection.
pub(super) async fn migrate(options: &PgConnectOptions) -> Result<()> {
    let mut connection = connect(options).await?;
    migrations().run(&mut connection).await.map_err(database)?;
    files::fold(&mut connection).await?;
    // It has done its work.
    let _ = connection.close().await;
    Ok(())
}

impl PostgresSessionStore {
    /// Looks at the tables of a database, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it cannot be reached, or read.
    pub async fn schema(options: &PostgresOptions) -> Result<Schema> {
        let mut connection = connect(&options.direct).await?;
        let found = look(&mut connection).await;
        let _ = connection.close().await;
        found
    }

    /// Connects to a database that is up to date, or newer. Makes and changes no tables.
    ///
    /// # Errors
    /// [`Error::Missing`] if there are no tables, [`Error::Unavailable`] if they are of an older version, or if it
    /// cannot be reached.
    pub async fn attach(options: &PostgresOptions) -> Result<Self> {
        match Self::schema(options).await? {
            Schema::Current | Schema::Newer => Self::open(options).await,
            Schema::Missing => Err(Error::Missing),
            Schema::Older => {
                Err(database("it was written by an older version: start the worker once, which updates it"))
            }
        }
    }
}

async fn look(on: &mut PgConnection) -> Result<Schema> {
    let kept = sql("SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS kept").fetch_one(&mut *on).await;
    if !kept.and_then(|row| row.try_get("kept")).map_err(database)? {
        return Ok(Schema::Missing);
    }
    let rows = sql("SELECT version, checksum FROM _sqlx_migrations").fetch_all(on).await.map_err(database)?;
    let known = migrations();
    let mut newer = false;
    for row in &rows {
        let (version, checksum): (i64, Vec<u8>) =
            (row.try_get("version").map_err(database)?, row.try_get("checksum").map_err(database)?);
        newer |= !known.iter().any(|known| known.version == version && *known.checksum == *checksum);
    }
    Ok(match rows.len() {
        _ if newer => Schema::Newer,
        0 => Schema::Missing,
        done if done < known.iter().count() => Schema::Older,
        _ => Schema::Current,
    })
}
