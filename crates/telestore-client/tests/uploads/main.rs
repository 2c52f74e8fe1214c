//! Uploads against a worker that is cut off at every place.

#[path = "../mock/mod.rs"]
#[allow(dead_code, reason = "the tests of the program use it, too")]
mod mock;

mod cuts;
mod ends;

use std::path::PathBuf;

use telestore_client::{Client, ClientBuilder, Delivered, Result, Source, UploadOptions, UploadUrl};

use self::mock::{Fault, Mock, content};

const MIB: usize = 1024 * 1024;

/// A worker, a client of it, and a file.
struct Scene {
    mock: Mock,
    client: Client,
    bytes: Vec<u8>,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Scene {
    async fn of(length: usize) -> Self {
        Self::with(length, |builder| builder).await
    }

    async fn with(length: usize, more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let mock = Mock::start().await;
        let client = mock.client(more);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film é.mkv");
        let bytes = content(0, length);
        std::fs::write(&path, &bytes).unwrap();
        Self { mock, client, bytes, path, _dir: dir }
    }

    fn source(&self) -> Source {
        Source::file(&self.path).unwrap()
    }

    /// Sends it in parts of a MiB.
    async fn send(&self) -> Result<Delivered> {
        self.client.upload(self.source(), UploadOptions::new().segment_bytes(MIB as u64)).await
    }

    /// An upload of it of which the worker has nothing.
    async fn begun(&self) -> UploadUrl {
        let before = self.mock.requests("PATCH /tus/").len();
        self.mock.fault("PATCH /tus/", &[Fault::Hang]);
        let upload = self.client.upload(self.source(), UploadOptions::new());
        self.mock.asked("PATCH /tus/", before + 1).await;
        upload.url().await.unwrap()
    }

    /// The file is in the channel, once.
    #[track_caller]
    fn arrived(&self) {
        let messages = self.mock.messages();
        assert_eq!(messages.len(), 1, "one message");
        assert_eq!(messages[0].0, "film é.mkv");
        assert!(messages[0].1 == self.bytes, "other bytes arrived");
    }
}
