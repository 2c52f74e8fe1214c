//! Workers that share their stores: who sends a file early, and what the others ask the stores meanwhile.

use telestore::store::{MemoryChunkStore, MemorySessionStore};
use telestore::types::{ManualClock, WorkerId};
use telestore::{Caller, Running, Telestore};

use crate::early_refusals::Way;
use crate::hooks::{Hooked, Hooks};
use crate::support::{Forgotten, NOW, TOKEN, config, engine_on, file, id, send_chunk, token};

/// One worker that sends early, and another one that takes chunks in, too.
struct Workers {
    sending: (Telestore, Running),
    way: Way,
    other: (Telestore, Running),
    /// Of the other one's uploads.
    hooks: Hooks,
}

impl Workers {
    async fn new() -> Self {
        let (rows, chunks, clock) =
            (MemorySessionStore::new(), MemoryChunkStore::new(), ManualClock::new(NOW));
        let worker = async |name: &str, sessions: Hooked<MemorySessionStore>, way: Way| {
            let engine = engine_on(sessions, chunks.clone(), &clock, &Forgotten::default())
                .config(config().with(|config| config.alone = false))
                .worker(WorkerId::new(name).unwrap())
                .uploader(way)
                .build()
                .unwrap();
            let running = engine.start().await.unwrap();
            (engine, running)
        };
        let (way, sessions) = (Way::new("way", None), Hooked::new(rows.clone()));
        let hooks = sessions.hooks.clone();
        let sending = worker("sending", Hooked::new(rows), way.clone()).await;
        Self { sending, way, other: worker("other", sessions, Way::new("other way", None)).await, hooks }
    }

    /// Has the first of three chunks of a file taken in by the one that sends it from there on.
    async fn begin(&self, name: &str) {
        send_chunk(&self.sending.0, &file(name, 24, 3), 0, &[1; 8]).await.unwrap();
        self.way.called().await;
    }

    /// Has a chunk taken in by the other one.
    async fn chunk(&self, name: &str, index: u32) {
        send_chunk(&self.other.0, &file(name, 24, 3), index, &[1; 8]).await.unwrap();
    }
}

#[tokio::test]
async fn chunks_of_a_file_that_another_worker_sends_ask_for_nothing() {
    let workers = Workers::new().await;
    workers.begin("a").await;
    workers.chunk("a", 1).await;
    workers.chunk("a", 2).await;
    assert_eq!(workers.hooks.calls("begin_early"), 0);
    workers.sending.1.shutdown().await;
    workers.other.1.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_may_not_send_early_asks_once_and_forgets_what_ended_elsewhere() {
    let workers = Workers::new().await;
    // The account of the user of both files is used by the worker that sends the first.
    workers.begin("a").await;
    let (asked, go_on) = workers.hooks.halt("begin_early");
    workers.chunk("b", 0).await;
    asked.notified().await;
    go_on.notify_one();
    workers.chunk("b", 1).await;
    workers.chunk("b", 2).await;
    assert_eq!(workers.hooks.calls("begin_early"), 1);

    let Workers { sending: (sending, running), other: (other, others), hooks, .. } = workers;
    others.shutdown().await;
    sending.cancel(&id("b"), &Caller::from(&token(TOKEN))).await.unwrap();
    let looks = async || {
        let before = hooks.calls("get");
        other.sweep().await.unwrap();
        hooks.calls("get") - before
    };
    assert_eq!((looks().await, looks().await), (1, 0), "it is looked for until it has ended");
    running.shutdown().await;
}
