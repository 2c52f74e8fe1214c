//! Credentials that all uploads go with are tried from the start on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use telestore::types::{ChatId, Secret, StoredFile, TelegramCredentials};
use telestore::uploader::{
    Capability, Error, ErrorKind, ProgressSink, Requirement, Result, TelegramUploader, UploadRequest,
};

use crate::support::{World, credentials};
use crate::uploader::Scripted;

/// How a check ends, by how often it was asked before; `None` if it never does.
type Answer = fn(usize) -> Option<Result<()>>;

/// A way to Telegram that is asked for nothing but checks.
#[derive(Clone)]
struct Way {
    answer: Answer,
    asked: Arc<AtomicUsize>,
    /// The supergroup that the chat has become, as far as it knows.
    moved_to: Option<&'static str>,
}

impl Way {
    fn new(answer: Answer) -> Self {
        Self { answer, asked: Arc::default(), moved_to: None }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}

#[async_trait]
impl TelegramUploader for Way {
    fn name(&self) -> &'static str {
        "Bot API"
    }

    fn capability(&self) -> Capability {
        Scripted::with("", u64::MAX, Requirement::BotToken).capability()
    }

    async fn upload(&self, _: UploadRequest, _: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        Err(Error::cancelled())
    }

    async fn check(&self, _: &TelegramCredentials) -> Result<()> {
        match (self.answer)(self.asked.fetch_add(1, Ordering::Relaxed)) {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn moved_to(&self, _: &TelegramCredentials) -> Result<Option<ChatId>> {
        Ok(self.moved_to.and_then(|chat| ChatId::new(chat).ok()))
    }
}

fn world(way: &Way, credentials: TelegramCredentials) -> World {
    let way = way.clone();
    World::sending_with(Scripted::new(), |builder| builder.uploader(way).standing_credentials(credentials))
}

async fn telegram(world: &World) -> Option<String> {
    // The last look serves for seconds.
    world.clock.advance(Duration::from_secs(10));
    let readiness = world.engine.readiness().await;
    readiness.checks.into_iter().find(|check| check.name == "telegram").expect("it is looked at").wrong
}

#[tokio::test(start_paused = true)]
async fn wrong_ones_are_told_and_tried_again_until_they_are_put_right() {
    let way = Way::new(|times| Some(if times < 2 { Err(Error::channel_unresolved()) } else { Ok(()) }));
    let world = world(&way, credentials("alice"));
    let running = world.engine.start().await.unwrap();
    let wrong = telegram(&world).await.expect("it is wrong");
    assert!(wrong.starts_with("Bot API: the channel cannot be found"), "{wrong}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((telegram(&world).await, way.asked()), (None, 3));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(way.asked(), 3, "what is well is not asked again");
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn trouble_that_may_pass_is_not_held_against_them() {
    let way = Way::new(|times| {
        Some(Err(match times {
            0 => Error::new(ErrorKind::Unavailable, "no connection"),
            _ => Error::not_authorized(),
        }))
    });
    let world = world(&way, credentials("alice"));
    let running = world.engine.start().await.unwrap();
    assert_eq!(telegram(&world).await, None);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(way.asked() >= 2);
    assert!(telegram(&world).await.is_some_and(|wrong| wrong.contains("does not take the credentials")));
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_wrong_without_asking() {
    let way = Way::new(|_| Some(Ok(())));
    let alice = credentials("alice");
    let unreadable = TelegramCredentials::new(alice.user_id, alice.chat_id).with_bot(Secret::new("a"));
    let world = world(&way, unreadable);
    let running = world.engine.start().await.unwrap();
    assert!(telegram(&world).await.is_some());
    assert_eq!(way.asked(), 0);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_holds_up_neither_readiness_nor_the_stop() {
    let way = Way::new(|_| None);
    let world = world(&way, credentials("alice"));
    let running = world.engine.start().await.unwrap();
    assert_eq!(telegram(&world).await, None);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_moved_is_wrong_only_where_nobody_knows_the_new_one() {
    let upgraded: Answer = |times| {
        let error = Error::new(ErrorKind::GroupUpgraded, "the group became a supergroup");
        Some(if times == 0 { Err(error) } else { Ok(()) })
    };
    for moved_to in [None, Some("-1001555555555")] {
        let way = Way { moved_to, ..Way::new(upgraded) };
        let world = world(&way, credentials("alice"));
        let running = world.engine.start().await.unwrap();
        assert_eq!(telegram(&world).await.is_none(), moved_to.is_some());
        running.shutdown().await;
    }
}
