//! What a refusal of a file that still arrives has for consequences: the same as of one that is complete.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore::types::StoredFile;
use telestore::uploader::{
    Capability, Error, ErrorKind, ProgressSink, Requirement, Result, TelegramUploader, UploadRequest,
};
use tokio::sync::watch;

use crate::support::{TOKEN, World, file, send_chunk};
use crate::uploader::Scripted;

/// Takes files early, or refuses each of them. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    name: &'static str,
    refusal: Option<ErrorKind>,
    calls: Arc<watch::Sender<usize>>,
}

impl Way {
    pub(crate) fn new(name: &'static str, refusal: Option<ErrorKind>) -> Self {
        Self { name, refusal, calls: Arc::default() }
    }

    pub(crate) async fn called(&self) {
        let mut calls = self.calls.subscribe();
        let called = calls.wait_for(|calls| *calls > 0);
        tokio::time::timeout(Duration::from_secs(60), called).await.expect("comes soon").unwrap();
    }
}

#[async_trait]
impl TelegramUploader for Way {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capability(&self) -> Capability {
        let whole = Capability::new(1_000, Requirement::Nothing);
        whole.in_parts(4).resumable().idempotent().early_from(8)
    }

    async fn upload(&self, _: UploadRequest, _: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        Err(Error::cancelled())
    }

    async fn send_early(&self, request: UploadRequest, _: Arc<dyn ProgressSink>) -> Result<()> {
        self.calls.send_modify(|calls| *calls += 1);
        match self.refusal {
            Some(kind) => Err(Error::new(kind, "no")),
            None => {
                request.cancel.cancelled().await;
                Ok(())
            }
        }
    }
}

#[tokio::test]
async fn a_file_too_large_for_one_way_goes_early_by_the_next() {
    let (small, large) = (Way::new("small", Some(ErrorKind::TooLarge)), Way::new("large", None));
    let ways = (small.clone(), large.clone());
    let world = World::sending_with(Scripted::new(), |builder| builder.uploader(ways.0).uploader(ways.1));
    let running = world.engine.start().await.unwrap();
    send_chunk(&world.engine, &file("a", 24, 3), 0, &[1; 8]).await.unwrap();
    large.called().await;
    assert_eq!(*small.calls.borrow(), 1);
    running.shutdown().await;
}

#[tokio::test]
async fn credentials_that_telegram_refuses_for_an_early_send_are_asked_for_anew() {
    let way = Way::new("way", Some(ErrorKind::NotAuthorized));
    let uploader = way.clone();
    let world = World::sending_with(Scripted::new(), |builder| builder.uploader(uploader));
    let running = world.engine.start().await.unwrap();
    send_chunk(&world.engine, &file("a", 24, 3), 0, &[1; 8]).await.unwrap();
    way.called().await;
    // The session has ended when nothing of it is left to wait for.
    running.shutdown().await;
    assert_eq!(*world.forgotten.lock().unwrap(), [TOKEN]);
}
