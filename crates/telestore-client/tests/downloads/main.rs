//! Files that are fetched from a worker that is cut off at every place.

#[path = "../mock/mod.rs"]
#[allow(dead_code, reason = "the tests of uploads and of the program use it, too")]
mod mock;

mod fetches;
mod goes_on;
mod index;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use telestore_client::{Client, ClientBuilder, Download, DownloadOptions, Downloaded, Result, Target};

use self::mock::{Mock, TOKEN, content};

const MIB: usize = 1024 * 1024;

/// A worker with a file, a client of it, and where the file is to go.
struct Scene {
    mock: Mock,
    client: Client,
    id: String,
    bytes: Vec<u8>,
    path: PathBuf,
    /// The versions that downloads began with.
    versions: Arc<Mutex<Vec<Option<String>>>>,
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
        let bytes = content(0, length);
        let id = mock.has("film é.mkv", &bytes);
        let path = dir.path().join("film.part");
        Self { mock, client, id, bytes, path, versions: Arc::default(), _dir: dir }
    }

    fn target(&self) -> Target {
        let options =
            fs::File::options().create(true).truncate(false).read(true).write(true).open(&self.path);
        Target::file(options.unwrap())
    }

    fn options(&self) -> DownloadOptions {
        let versions = Arc::clone(&self.versions);
        DownloadOptions::new().began(move |version| {
            versions.lock().unwrap().push(version.map(str::to_owned));
            Ok(())
        })
    }

    async fn begin(&self, options: DownloadOptions) -> Download {
        let file = self.client.file(&self.id).await.unwrap();
        self.client.download(&file, self.target(), options)
    }

    async fn fetch(&self) -> Result<Downloaded> {
        self.begin(self.options()).await.await
    }

    /// Goes on with so many bytes, which are of the version of the worker's file.
    async fn go_on(&self, bytes: &[u8]) -> Result<Downloaded> {
        fs::write(&self.path, bytes).unwrap();
        let version = self.mock.files()[0].tag.clone();
        self.begin(self.options().version(version)).await.await
    }

    /// What was asked for: where each range begins, or nothing.
    fn ranges(&self) -> Vec<Option<String>> {
        let requests = self.mock.requests(&format!("GET /files/{}/content", self.id));
        requests.iter().map(|request| request.header("range").map(str::to_owned)).collect()
    }

    #[track_caller]
    fn arrived(&self) {
        assert!(fs::read(&self.path).unwrap() == self.bytes, "other bytes arrived");
    }
}
