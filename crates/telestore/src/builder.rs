use std::sync::Arc;

use telestore_backend::{CredentialProvider, NoWebhook, WebhookSender};
use telestore_fetch::Fetcher;
use telestore_progress::{LocalProgressBus, ProgressBus};
use telestore_reader::TelegramReader;
use telestore_store::{ChunkStore, SessionStore, WorkerInfo};
use telestore_types::{Clock, KeyStore, SteadyClock, TelegramCredentials, WorkerId};
use telestore_uploader::{Pool, TelegramUploader};

use crate::engine::{Rooms, Shared, Telestore};
use crate::shared::access::Access;
use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::config::EngineConfig;
use crate::shared::events::Events;
use crate::shared::fetches::Fetches;
use crate::shared::keys::SealedKeys;
use crate::shared::logins::Logins;
use crate::shared::metrics::completed_of;
use crate::shared::seal::Sealer;
use crate::shared::sends::Sends;
use crate::watching::standing::Standing;

/// What a [`TelestoreBuilder`] still lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine needs {0}")]
pub struct BuildError(&'static str);

/// Puts an engine together.
#[derive(Debug, Default)]
#[must_use]
pub struct TelestoreBuilder {
    sessions: Option<Arc<dyn SessionStore>>,
    chunks: Option<Arc<dyn ChunkStore>>,
    credentials: Option<Arc<dyn CredentialProvider>>,
    webhooks: Option<Arc<dyn WebhookSender>>,
    uploaders: Vec<Arc<dyn TelegramUploader>>,
    readers: Vec<Arc<dyn TelegramReader>>,
    bus: Option<Arc<dyn ProgressBus>>,
    fetcher: Option<Arc<dyn Fetcher>>,
    clock: Option<Arc<dyn Clock>>,
    sealer: Option<Sealer>,
    standing: Option<TelegramCredentials>,
    worker: Option<WorkerId>,
    info: Option<WorkerInfo>,
    config: EngineConfig,
}

impl TelestoreBuilder {
    /// Where uploads, leases and the outbox are kept. Required.
    pub fn sessions(mut self, sessions: impl SessionStore) -> Self {
        self.sessions = Some(Arc::new(sessions));
        self
    }

    /// Where chunks are kept. Required.
    pub fn chunks(mut self, chunks: impl ChunkStore) -> Self {
        self.chunks = Some(Arc::new(chunks));
        self
    }

    /// Who tokens belong to. Required.
    pub fn credentials(mut self, credentials: impl CredentialProvider) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }

    /// Who is told of finished uploads; nobody unless set.
    pub fn webhooks(mut self, webhooks: impl WebhookSender) -> Self {
        self.webhooks = Some(Arc::new(webhooks));
        self
    }

    /// Adds a way to Telegram. The first that fits a file by size and credentials takes it. At least one is required.
    pub fn uploader(mut self, uploader: impl TelegramUploader) -> Self {
        self.uploaders.push(Arc::new(uploader));
        self
    }

    /// Adds a way to read files back. The first that can read a file is used; without any, files are listed and cannot be read.
    pub fn reader(mut self, reader: impl TelegramReader) -> Self {
        self.readers.push(Arc::new(reader));
        self
    }

    /// What fetches files from where users say; nothing is fetched unless set.
    pub fn fetcher(mut self, fetcher: impl Fetcher) -> Self {
        self.fetcher = Some(Arc::new(fetcher));
        self
    }

    /// What carries events to listeners; one within the process unless set.
    pub fn bus(mut self, bus: impl ProgressBus) -> Self {
        self.bus = Some(Arc::new(bus));
        self
    }

    /// The clock for ages, due times and leases; a [`SteadyClock`] unless set. It should not step: with one that does,
    /// such as [`SystemClock`](telestore_types::SystemClock), uploads may be swept before their time.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// What seals tokens. Unless set, a key that is lost with the process, so that unfinished uploads need their token
    /// again after a restart.
    pub fn sealer(mut self, sealer: Sealer) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// Says that all uploads go with these credentials, which they are tried for when the engine starts: the log and
    /// [`Telestore::readiness`] tell what Telegram has against them, and it is tried again until that is put right. Unset,
    /// nobody's credentials are tried before their first file.
    pub fn standing_credentials(mut self, credentials: TelegramCredentials) -> Self {
        self.standing = Some(credentials);
        self
    }

    /// The name of this engine among those on the same stores; a random one unless set. No two that run at the same time
    /// may have the same. An engine that starts under the name of one that is dead takes up at once what that one had in
    /// hand; one with another name does so when the leases of the dead one have run out. So give an engine that is alone
    /// on its stores the same name each time.
    pub fn worker(mut self, worker: WorkerId) -> Self {
        self.worker = Some(worker);
        self
    }

    /// What the operator is told of this engine ([`Operator::workers`](crate::Operator::workers)): the version of its program,
    /// and where it runs. That of this crate unless set, and nowhere.
    pub fn worker_info(mut self, info: WorkerInfo) -> Self {
        self.info = Some(info);
        self
    }

    /// Limits and times.
    pub fn config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// Makes the engine. Nothing runs until [`Telestore::start`].
    ///
    /// # Errors
    /// [`BuildError`] names what is missing.
    pub fn build(self) -> Result<Telestore, BuildError> {
        if self.uploaders.is_empty() {
            return Err(BuildError("an uploader"));
        }
        for user in &self.config.measured_users {
            completed_of(user, 0, 0);
        }
        let worker = self.worker.unwrap_or_else(|| WorkerId::from_random(rand::random()));
        let info = self.info.unwrap_or_else(|| WorkerInfo::of_version(env!("CARGO_PKG_VERSION")));
        let base = Arc::new(Base::new(
            self.sessions.ok_or(BuildError("a session store"))?,
            self.clock.unwrap_or_else(|| Arc::new(SteadyClock::new())),
            self.config,
            (worker, info),
        ));
        let bus = self.bus.unwrap_or_else(|| Arc::new(LocalProgressBus::new()));
        let logins = Logins::new(Arc::clone(&base));
        if !base.config.alone {
            for uploader in &self.uploaders {
                uploader.guard_logins(Arc::new(logins.clone()));
            }
        }
        let sealer = self.sealer.unwrap_or_else(Sealer::ephemeral);
        let keys = Arc::new(SealedKeys::new(Arc::clone(&base.sessions), sealer.clone()));
        for uploader in &self.uploaders {
            uploader.keep_keys(Arc::clone(&keys) as Arc<dyn KeyStore>);
        }
        let backends = Arc::new(Backends {
            pool: Pool::new(base.config.sender_patience),
            base: Arc::clone(&base),
            logins,
            uploaders: self.uploaders,
            readers: self.readers,
            credentials: self.credentials.ok_or(BuildError("a credential provider"))?,
            sealer,
        });
        let standing = self.standing.map(|credentials| {
            Arc::new(Standing::new(Arc::clone(&base), Arc::clone(&backends), credentials))
        });
        let shared = Shared {
            access: Arc::new(Access { base: Arc::clone(&base), backends: Arc::clone(&backends) }),
            bytes: Arc::new(Bytes::new(Arc::clone(&base), self.chunks.ok_or(BuildError("a chunk store"))?)),
            events: Arc::new(Events::new(Arc::clone(&base), bus)),
            sends: Arc::new(Sends::new(Arc::clone(&base))),
            fetches: Arc::new(Fetches::new(self.fetcher)),
            base,
            backends,
        };
        let webhooks = self.webhooks.unwrap_or_else(|| Arc::new(NoWebhook));
        Ok(Telestore(Arc::new(Rooms::new(shared, webhooks, standing))))
    }
}
