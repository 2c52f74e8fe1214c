use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use telestore::backend::{
    CachedCredentialProvider, HttpConfig, HttpCredentialProvider, HttpWebhookSender, StaticCredentialProvider,
};
use telestore::store::{LocalChunkStore, SqliteSessionStore};
use telestore::types::SystemClock;
use telestore::uploader::{BotApiConfig, BotApiUploader, MtprotoConfig, MtprotoUploader};
use telestore::{Sealer, Telestore, TelestoreBuilder};

use crate::config::{Access, Config};

/// Why the worker cannot run. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("data directory {dir}: {source}")]
    DataDir { dir: String, source: std::io::Error },
    #[error("data directory {dir} is in use by another worker: stop it, or set TELESTORE_DATA_DIR")]
    InUse { dir: String },
    #[error(transparent)]
    Store(#[from] telestore::store::Error),
    #[error(transparent)]
    Seal(#[from] telestore::SealError),
    #[error(transparent)]
    Backend(#[from] telestore::backend::Error),
    #[error(transparent)]
    Uploader(#[from] telestore::uploader::Error),
    #[error(transparent)]
    Build(#[from] telestore::BuildError),
}

/// The engine, and the lock that keeps other workers from its data.
pub(crate) struct Wired {
    pub(crate) engine: Telestore,
    pub(crate) lock: File,
}

/// Builds the engine that `config` describes.
pub(crate) async fn wire(config: &Config) -> Result<Wired, WireError> {
    let lock = lock(&config.data_dir)?;
    let sealer = match &config.secret_key {
        Some(secret) => Sealer::from_secret(secret),
        None => Sealer::from_file(&config.data_dir.join("secret.key"))?,
    };
    let builder = Telestore::builder()
        .sessions(
            SqliteSessionStore::open_durable(config.data_dir.join("telestore.db"), config.durability).await?,
        )
        .chunks(LocalChunkStore::open(&config.data_dir)?.durable(config.durability))
        .sealer(sealer)
        .uploader(BotApiUploader::new(bot_api(config))?)
        .uploader(MtprotoUploader::new(mtproto(config)))
        .config(config.engine.clone());
    Ok(Wired { engine: with_access(builder, config)?.build()?, lock })
}

/// Makes the directory and takes it for this process; the lock goes with the process, however it ends.
fn lock(dir: &Path) -> Result<File, WireError> {
    let name = || dir.display().to_string();
    let failed = |source| WireError::DataDir { dir: name(), source };
    fs::create_dir_all(dir).map_err(failed)?;
    let lock = File::options().create(true).append(true).open(dir.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(WireError::InUse { dir: name() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn with_access(builder: TelestoreBuilder, config: &Config) -> Result<TelestoreBuilder, WireError> {
    Ok(match &config.access {
        Access::Backend { url } => {
            let backend = HttpConfig::new(url);
            let asked = HttpCredentialProvider::new(&backend)?;
            let webhooks = HttpWebhookSender::new(&backend)?;
            let webhooks = match &config.webhook_secret {
                Some(secret) => webhooks.signed(secret.clone(), Arc::new(SystemClock)),
                None => webhooks,
            };
            builder
                .credentials(CachedCredentialProvider::new(asked, Arc::new(SystemClock)))
                .webhooks(webhooks)
        }
        Access::StandAlone { credentials, tokens } => {
            builder.credentials(StaticCredentialProvider::new(credentials, tokens.clone()))
        }
    })
}

fn bot_api(config: &Config) -> BotApiConfig {
    let default = BotApiConfig::default();
    BotApiConfig {
        base_url: config.bot_api_url.clone().unwrap_or(default.base_url),
        max_bytes: config.bot_api_max_bytes,
        ..default
    }
}

fn mtproto(config: &Config) -> MtprotoConfig {
    let server_keys = config.mtproto_server_key.iter().cloned().collect();
    let (address, connections) = (config.mtproto_dc, config.mtproto_connections);
    let allowed = config.mtproto_addresses.clone();
    MtprotoConfig { address, allowed, server_keys, connections, ..MtprotoConfig::default() }
}
