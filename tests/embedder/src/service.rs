//! Puts the parts together. Which ones they are is a setting, so the parts stand behind `Arc<dyn …>`.

use std::path::Path;
use std::sync::Arc;

use telestore::Telestore;
use telestore::backend::{NoWebhook, StaticCredentialProvider};
use telestore::progress::{LocalProgressBus, ProgressBus};
use telestore::store::{ChunkStore, MemoryChunkStore, MemorySessionStore, SessionStore, SqliteSessionStore};
use telestore::uploader::TelegramUploader;

use crate::bus::{LineBus, hub};
use crate::counting::{Calls, CountingSessions};
use crate::folder::FolderUploader;
use crate::pack::PackChunkStore;

/// Where a service keeps what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In memory.
    Briefly,
    /// Rows in SQLite, chunks in the pack; progress is told to other processes, too.
    Safely,
}

/// What the engine is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The rows.
    pub sessions: Arc<dyn SessionStore>,
    /// The bytes.
    pub chunks: Arc<dyn ChunkStore>,
    /// Who hears.
    pub bus: Arc<dyn ProgressBus>,
    /// The way to the channel.
    pub uploader: Arc<dyn TelegramUploader>,
}

impl Parts {
    /// Opens them below `data`; files go to `channel`. What the session store is asked is counted in `calls`.
    ///
    /// # Errors
    /// If a part does not open.
    pub async fn open(
        kept: Kept,
        data: &Path,
        channel: &Path,
        calls: &Calls,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let sessions: Arc<dyn SessionStore> = match kept {
            Kept::Briefly => Arc::new(MemorySessionStore::new()),
            Kept::Safely => Arc::new(SqliteSessionStore::open(data.join("uploads.db")).await?),
        };
        let chunks: Arc<dyn ChunkStore> = match kept {
            Kept::Briefly => Arc::new(MemoryChunkStore::new()),
            Kept::Safely => Arc::new(PackChunkStore::open(data)?),
        };
        let bus: Arc<dyn ProgressBus> = match kept {
            Kept::Briefly => Arc::new(LocalProgressBus::new()),
            Kept::Safely => Arc::new(LineBus::connect(hub().await?).await?),
        };
        Ok(Self {
            sessions: Arc::new(CountingSessions::new(sessions, calls.clone())),
            chunks,
            bus,
            uploader: Arc::new(FolderUploader::new(channel)),
        })
    }

    /// An engine of them.
    ///
    /// # Errors
    /// If a part is missing.
    pub fn engine(self, users: StaticCredentialProvider) -> Result<Telestore, telestore::BuildError> {
        let builder = Telestore::builder().sessions(self.sessions).chunks(self.chunks).bus(self.bus);
        builder.uploader(self.uploader).credentials(users).webhooks(NoWebhook).build()
    }
}
