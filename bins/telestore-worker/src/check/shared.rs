//! What many workers share: tried with objects of nobody, which go again. The database is looked at, and not changed.

use telestore::store::{PostgresOptions, PostgresSessionStore, Schema, SessionStore};

use super::report::Report;
use crate::config::Config;
use crate::stores;

/// The database, if it is PostgreSQL; says whether it is.
pub(super) async fn database(config: &Config, report: &mut Report) -> bool {
    const CHECK: &str = "database";
    match stores::postgres(&config.settings.data) {
        Ok(None) => return false,
        Ok(Some(options)) => match look(config, &options, report).await {
            Ok(found) => report.ok(CHECK, format!("PostgreSQL answers, and takes writes; {found}")),
            Err(error) => report.failed(CHECK, error),
        },
        Err(error) => report.failed(CHECK, format!("TELESTORE_DATABASE_URL: {error}")),
    }
    true
}

async fn look(
    config: &Config,
    options: &PostgresOptions,
    report: &mut Report,
) -> Result<&'static str, String> {
    let text = |error: telestore::store::Error| error.to_string();
    let found = match PostgresSessionStore::schema(options).await.map_err(text)? {
        // Both are known to work once the first worker makes the tables.
        Schema::Missing => return Ok("no tables yet; they are made at the first start"),
        Schema::Older => {
            return Ok("tables of an older version; the next start updates them: back them up first");
        }
        Schema::Newer => "tables of a newer version, which other workers have",
        Schema::Current => "tables of this version",
    };
    let store = PostgresSessionStore::attach(options).await.map_err(text)?;
    store.probe().await.map_err(text)?;
    if let Some(secret) = &config.settings.users.secret_key {
        match stores::has_key(&store, secret).await {
            Ok(true) => report.ok("secret key", "is the one that all workers have"),
            Ok(false) => report.failed(
                "secret key",
                "TELESTORE_SECRET_KEY is not the one that the workers on this database have: set the same",
            ),
            Err(error) => report.failed("secret key", error),
        }
    }
    store.close().await;
    Ok(found)
}

/// The object store, if chunks are in one; says whether they are.
pub(super) async fn chunks(config: &Config, report: &mut Report) -> bool {
    const CHECK: &str = "chunks";
    match stores::objects(&config.settings.data) {
        Ok(None) => return false,
        Ok(Some(objects)) => match objects.try_out().await {
            Ok(()) => report.ok(CHECK, "an object could be written, read, listed and deleted"),
            Err(error) => report.failed(CHECK, error),
        },
        Err(error) => report.failed(CHECK, format!("TELESTORE_CHUNKS_URL: {error}")),
    }
    true
}
