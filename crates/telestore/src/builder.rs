use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use telestore_backend::{CredentialProvider, NoWebhook, WebhookSender};
use telestore_progress::{LocalProgressBus, ProgressBus};
use telestore_store::{ChunkStore, SessionStore};
use telestore_types::{Clock, SteadyClock, StorageKey, TelegramCredentials, Timestamp};
use telestore_uploader::TelegramUploader;
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::sending::early::Early;
use crate::shared::config::EngineConfig;
use crate::shared::metrics::completed_of;
use crate::shared::seal::Sealer;
use crate::shared::sends::Sending;
use crate::shared::space::Look;
use crate::shared::tasks::Tasks;
use crate::watching::ready::LastLook;
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
    bus: Option<Arc<dyn ProgressBus>>,
    clock: Option<Arc<dyn Clock>>,
    sealer: Option<Sealer>,
    standing: Option<TelegramCredentials>,
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
        let early = Early::new(&self.uploaders, &self.config);
        for user in &self.config.measured_users {
            completed_of(user, 0, 0);
        }
        Ok(Telestore(Arc::new(Inner {
            early,
            sessions: self.sessions.ok_or(BuildError("a session store"))?,
            chunks: self.chunks.ok_or(BuildError("a chunk store"))?,
            credentials: self.credentials.ok_or(BuildError("a credential provider"))?,
            webhooks: self.webhooks.unwrap_or_else(|| Arc::new(NoWebhook)),
            uploaders: self.uploaders,
            bus: self.bus.unwrap_or_else(|| Arc::new(LocalProgressBus::new())),
            clock: self.clock.unwrap_or_else(|| Arc::new(SteadyClock::new())),
            sealer: self.sealer.unwrap_or_else(Sealer::ephemeral),
            config: self.config,
            running: Mutex::default(),
            unwritten: watch::Sender::new(0),
            space: Mutex::default(),
            ready: LastLook::default(),
            standing: self.standing.map(Standing::new),
            tasks: Tasks::default(),
            measured: AsyncMutex::default(),
            work: Notify::new(),
            outbox: Notify::new(),
            shutdown: CancellationToken::new(),
        })))
    }
}

/// The engine's handle. Clones are the same engine.
#[derive(Clone)]
pub struct Telestore(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) chunks: Arc<dyn ChunkStore>,
    pub(crate) credentials: Arc<dyn CredentialProvider>,
    pub(crate) webhooks: Arc<dyn WebhookSender>,
    pub(crate) uploaders: Vec<Arc<dyn TelegramUploader>>,
    pub(crate) bus: Arc<dyn ProgressBus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sealer: Sealer,
    pub(crate) config: EngineConfig,
    /// How to stop the sends of this process; the truth about who sends is the lease in the session store.
    pub(crate) running: Mutex<HashMap<StorageKey, Sending>>,
    /// What is sent while it still arrives.
    pub(crate) early: Early,
    /// How many attempts of this process have ended without the store taking note yet.
    pub(crate) unwritten: watch::Sender<usize>,
    /// The last look at the data disk.
    pub(crate) space: Mutex<Option<Look>>,
    /// The tasks that must live.
    pub(crate) tasks: Tasks,
    /// The last look at everything that the engine needs.
    pub(crate) ready: LastLook,
    /// The credentials of all uploads, if they are the same.
    pub(crate) standing: Option<Standing>,
    /// When the metrics were brought up to date last.
    pub(crate) measured: AsyncMutex<Option<Timestamp>>,
    /// Wakes a runner.
    pub(crate) work: Notify,
    /// Wakes the outbox.
    pub(crate) outbox: Notify,
    pub(crate) shutdown: CancellationToken,
}

impl fmt::Debug for Telestore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telestore").field("uploaders", &self.0.uploaders).finish_non_exhaustive()
    }
}

impl Telestore {
    /// Begins an engine.
    pub fn builder() -> TelestoreBuilder {
        TelestoreBuilder::default()
    }

    /// Its limits and times.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}
