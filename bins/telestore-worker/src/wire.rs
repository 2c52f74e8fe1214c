use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use telestore::backend::{
    CachedCredentialProvider, HttpConfig, HttpCredentialProvider, HttpWebhookSender, StaticCredentialProvider,
};
use telestore::fetch::HttpFetcher;
use telestore::reader::{BotApiReader, MtprotoReader};
use telestore::store::PostgresSessionStore;
use telestore::types::{ChatId, Secret, SystemClock, TelegramCredentials, UserId};
use telestore::uploader::{BotApiConfig, BotApiUploader, MtprotoUploader, PiecesUploader};
use telestore::{Sealer, Telestore, TelestoreBuilder};

use crate::config::{Access, Config, Token};
use crate::data_files::{DATABASE, LOCK, SECRET_KEY};
use crate::disks::{self, Objection};
use crate::moved::{Gone, Moved};
use crate::settings::{DataSettings, Settings};
use crate::stores::{self, Stores};
use crate::{private, worker_id, worker_info};

/// Why the worker cannot run. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("data directory {dir}: {source}")]
    DataDir { dir: String, source: std::io::Error },
    #[error("data directory {dir} is in use by another worker: stop it, or set TELESTORE_DATA_DIR")]
    InUse { dir: String },
    #[error(
        "no worker's data in {dir}: set TELESTORE_DATA_DIR, or give --data-dir before the subcommand, as for the worker"
    )]
    NoData { dir: String },
    #[error("data directory {0}")]
    FileSystem(String),
    #[error("data directory {dir}: {source}")]
    Gone { dir: String, source: Gone },
    #[error(
        "TELESTORE_SECRET_KEY is not the one that the workers on this database have: set the same, or give this worker another database"
    )]
    OtherKey,
    #[error(transparent)]
    Value(#[from] telestore::Error),
    #[error(transparent)]
    Store(#[from] telestore::store::Error),
    #[error(transparent)]
    Seal(#[from] telestore::SealError),
    #[error(transparent)]
    Backend(#[from] telestore::backend::Error),
    #[error(transparent)]
    Fetch(#[from] telestore::fetch::Error),
    #[error(transparent)]
    Uploader(#[from] telestore::uploader::Error),
    #[error(transparent)]
    Reader(#[from] telestore::reader::Error),
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
    let Settings { data, storage, users, .. } = &config.settings;
    let dir = &data.data_dir;
    match disks::objection(dir) {
        Some(Objection::Refused(why)) => return Err(WireError::FileSystem(why)),
        Some(Objection::Doubt(why)) => tracing::warn!("data directory {why}"),
        None => {}
    }
    let lock = lock(dir).await?;
    is_not_gone(data)?;
    let name = |source| WireError::DataDir { dir: dir.display().to_string(), source };
    let worker = worker_id::kept_in(dir).map_err(name)?;
    let sealer = match &users.secret_key {
        Some(secret) => Sealer::from_secret(secret),
        None => Sealer::from_file(&dir.join(SECRET_KEY))?,
    };
    let database = shared_database(data, users.secret_key.as_ref()).await?;
    let Stores { sessions, chunks } = Stores::open(data, storage.disk_bytes, database).await?;
    let piece_bytes = config.settings.sending.piece_bytes;
    // Nothing may go past a proxy that cannot carry it.
    let bot_api = Some(config.bot_api()).filter(BotApiConfig::has_way);
    let reads_as_bot = bot_api.clone().map(BotApiReader::new).transpose()?;
    let bot_api = bot_api.map(BotApiUploader::new).transpose()?.map(Arc::new);
    let builder = Telestore::builder().sessions(sessions).chunks(chunks).sealer(sealer);
    let mtproto = MtprotoUploader::new(config.mtproto());
    let builder = builder.reader(MtprotoReader::new(mtproto.logins()));
    // Slower, and not for all files.
    let builder = reads_as_bot.into_iter().fold(builder, TelestoreBuilder::reader);
    let mtproto = PiecesUploader::new(mtproto).with_piece_bytes(piece_bytes);
    let builder = match &bot_api {
        // Clients download small files by the `fileId` of the Bot API, unless the operator says that they do not.
        Some(bot_api) if !config.settings.sending.prefer_mtproto => {
            builder.uploader(Arc::clone(bot_api)).uploader(mtproto)
        }
        Some(bot_api) => builder.uploader(mtproto).uploader(Arc::clone(bot_api)),
        None => builder.uploader(mtproto),
    };
    let builder = match bot_api {
        // Only for those who have nothing but a bot.
        Some(bot_api) => builder.uploader(PiecesUploader::new(bot_api).with_piece_bytes(piece_bytes)),
        None => builder,
    };
    let builder = builder.worker(worker).worker_info(worker_info::of_this()).config(config.engine.clone());
    let fetched = config.settings.fetching.config(config.engine.max_file_bytes);
    let builder = match fetched.map(HttpFetcher::new).transpose()? {
        Some(fetcher) => builder.fetcher(fetcher),
        None => builder,
    };
    Ok(Wired { engine: with_access(builder, config)?.build()?, lock })
}

/// Whether the uploads of the directory are still to be worked on here.
fn is_not_gone(data: &DataSettings) -> Result<(), WireError> {
    let gone = |source| WireError::Gone { dir: data.data_dir.display().to_string(), source };
    Moved::refuse(&data.data_dir, data.is_shared()).map_err(gone)
}

/// The database of many workers, if uploads are there. What one of them has sealed the others must be able to open.
async fn shared_database(
    data: &DataSettings,
    secret: Option<&Secret>,
) -> Result<Option<PostgresSessionStore>, WireError> {
    let Some(options) = stores::postgres(data)? else { return Ok(None) };
    let database = PostgresSessionStore::connect(&options).await?;
    match secret {
        Some(secret) if !stores::has_key(&database, secret).await? => Err(WireError::OtherKey),
        _ => Ok(Some(database)),
    }
}

/// Makes the directory and takes it for this process; the lock goes with the process, however it ends.
pub(crate) async fn lock(dir: &Path) -> Result<File, WireError> {
    let name = || dir.display().to_string();
    let failed = |source| WireError::DataDir { dir: name(), source };
    private::make_directory(dir).map_err(failed)?;
    let lock =
        telestore::store::private::file().create(true).append(true).open(dir.join(LOCK)).map_err(failed)?;
    let mut looks = 0;
    loop {
        match lock.try_lock() {
            Ok(()) => {
                private::tighten(dir);
                return Ok(lock);
            }
            // An operator's command that asks whether a worker runs holds it for a moment.
            Err(TryLockError::WouldBlock) if looks < 10 => looks += 1,
            Err(TryLockError::WouldBlock) => return Err(WireError::InUse { dir: name() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a worker runs on this data directory.
pub(crate) fn is_running(dir: &Path) -> bool {
    let lock = File::options().append(true).open(dir.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// An engine for an operator's commands, which may run beside the worker: it takes no lock, sends nothing, and cannot
/// read a token.
pub(crate) async fn operator_engine(data: &DataSettings) -> Result<Telestore, WireError> {
    if !data.is_shared() && !data.data_dir.join(DATABASE).exists() {
        return Err(WireError::NoData { dir: data.data_dir.display().to_string() });
    }
    is_not_gone(data)?;
    let chat = ChatId::new("@nobody").map_err(telestore::Error::from)?;
    let nobody = TelegramCredentials::new(UserId::new(""), chat);
    let Stores { sessions, chunks } = Stores::attach(data).await?;
    let engine = Telestore::builder()
        .sessions(sessions)
        .chunks(chunks)
        .credentials(StaticCredentialProvider::new(&nobody, []))
        .uploader(BotApiUploader::new(BotApiConfig::default())?)
        .build()?;
    Ok(engine)
}

fn with_access(builder: TelestoreBuilder, config: &Config) -> Result<TelestoreBuilder, WireError> {
    Ok(match &config.access {
        Access::Backend { url } => {
            let backend = HttpConfig::new(url);
            let asked = HttpCredentialProvider::new(&backend)?;
            let webhooks = HttpWebhookSender::new(&backend)?;
            let webhooks = match &config.settings.users.webhook_secret {
                Some(secret) => webhooks.signed(secret.clone(), Arc::new(SystemClock)),
                None => webhooks,
            };
            builder
                .credentials(CachedCredentialProvider::new(asked, Arc::new(SystemClock)))
                .webhooks(webhooks)
        }
        Access::StandAlone { credentials, tokens } => {
            let provider = StaticCredentialProvider::new(credentials, []);
            let with = |provider: StaticCredentialProvider, token: &Token| {
                provider.with(token.user.clone(), &token.secret)
            };
            let builder = builder.standing_credentials((**credentials).clone());
            builder.credentials(tokens.iter().fold(provider, with))
        }
    })
}
