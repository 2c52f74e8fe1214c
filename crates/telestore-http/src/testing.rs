//! An engine in memory whose progress a test tells.

use telestore::backend::{CredentialProvider, StaticCredentialProvider};
use telestore::progress::{LocalProgressBus, ProgressBus};
use telestore::store::{MemoryChunkStore, MemorySessionStore};
use telestore::types::{
    ChatId, FileName, Stage, TelegramCredentials, UploadEvent, UploadId, UploadStatus, UserId,
};
use telestore::uploader::{MtprotoConfig, MtprotoUploader};
use telestore::{Caller, FileInfo, Telestore};

pub(crate) const ID: &str = "a";

pub(crate) struct Told {
    pub(crate) engine: Telestore,
    bus: LocalProgressBus,
}

impl Told {
    /// With one upload that nobody sends.
    pub(crate) async fn new() -> Self {
        let chat = ChatId::new("-1001234567890").unwrap();
        let credentials = TelegramCredentials::new(UserId::new("alice"), chat);
        Self::by(StaticCredentialProvider::new(&credentials, vec!["token".into()])).await
    }

    /// The same, by tokens that `credentials` knows.
    pub(crate) async fn by(credentials: impl CredentialProvider) -> Self {
        let bus = LocalProgressBus::new();
        let engine = Telestore::builder()
            .sessions(MemorySessionStore::new())
            .chunks(MemoryChunkStore::new())
            .credentials(credentials)
            .uploader(MtprotoUploader::new(MtprotoConfig::default()))
            .bus(bus.clone())
            .build()
            .unwrap();
        let (id, name) = (UploadId::new(ID).unwrap(), FileName::new("film.mp4").unwrap());
        let file = FileInfo::new(id, name, 1000, 1);
        engine.init(&file, &Caller::nobody()).await.unwrap();
        Self { engine, bus }
    }

    /// Tells that so many bytes are sent.
    pub(crate) fn tell(&self, bytes_sent: u64) {
        self.publish(UploadStatus::Uploading, bytes_sent);
    }

    pub(crate) fn end(&self) {
        self.publish(UploadStatus::Completed, 1000);
    }

    fn publish(&self, status: UploadStatus, bytes_sent: u64) {
        let mut event = UploadEvent::new(UploadId::new(ID).unwrap(), status, Stage::Sending, 1000);
        (event.progress, event.bytes_sent) = (50, bytes_sent);
        self.bus.publish(event);
    }
}
