//! Whose upload it is, and what is kept of a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use telestore::backend::MockCredentialProvider;
use telestore::store::{LocalChunkStore, More, SqliteSessionStore};
use telestore::types::{ManualClock, Outcome, UploadState, UserId};
use telestore::uploader::ErrorKind;
use telestore::{Auth, Caller, Error, Sealer};

use crate::support::{
    BODY, Forgotten, NOW, TOKEN, World, chunk_of, config, credentials, engine_on, file, id, queue, spooled,
    token,
};
use crate::uploader::Scripted;

#[tokio::test]
async fn another_users_token_is_refused_everywhere() {
    let world = World::new();
    world.queue("a").await;
    let (engine, a) = (&world.engine, id("a"));
    let stranger = &Caller::from(token("mallory-1"));
    let chunk = spooled(engine, BODY).await;
    let same = file("a", BODY.len() as u64, 1);
    let other = file("a", 1, 1);
    let results = [
        engine.init(&same, stranger).await.err(),
        engine.init(&other, stranger).await.err(),
        engine.write_chunk(&chunk_of(other, 0), chunk, stranger).await.err(),
        engine.complete(&a, stranger).await.err(),
        engine.status(&a, stranger).await.err(),
        engine.progress(&a, stranger).await.err(),
        engine.cancel(&a, stranger).await.err(),
    ];
    for (call, result) in results.iter().enumerate() {
        assert!(matches!(result, Some(Error::Forbidden)), "call {call}: {result:?}");
    }
    world.drain().await;
    assert_eq!(world.uploader.request(0).credentials.user_id.as_str(), "alice");
}

#[tokio::test]
async fn a_token_of_nobody_is_refused_and_changes_nothing() {
    let world = World::new();
    let chunk = spooled(&world.engine, BODY).await;
    let info = file("a", BODY.len() as u64, 1);
    for bad in [Some(token("bad-1")), None] {
        let chunk_again = spooled(&world.engine, BODY).await;
        let refused = world
            .engine
            .write_chunk(&chunk_of(info.clone(), 0), chunk_again, &Caller::new(bad.clone(), None))
            .await;
        match bad {
            Some(_) => assert!(matches!(refused, Err(Error::InvalidToken(_))), "{refused:?}"),
            None => assert!(matches!(refused, Err(Error::Unauthorized(_))), "{refused:?}"),
        }
    }
    drop(chunk);
    assert!(matches!(world.engine.status(&id("a"), &Caller::nobody()).await, Err(Error::NotFound)));
    assert_eq!(world.chunks.inner.blobs(), 0);
}

#[tokio::test]
async fn in_strict_mode_every_call_needs_a_valid_token_before_it_hears_anything() {
    let world = World::with(|builder| builder.config(config().with(|config| config.auth = Auth::Strict)));
    let engine = &world.engine;
    let owner = token(TOKEN);
    let there = file("there", BODY.len() as u64, 2);
    let chunk = spooled(engine, BODY).await;
    engine.write_chunk(&chunk_of(there.clone(), 0), chunk, &Caller::from(&owner)).await.unwrap();
    for name in ["there", "nowhere"] {
        let (info, name) = (file(name, BODY.len() as u64, 2), id(name));
        for bad in [None, Some(token("bad-1"))] {
            let caller = &Caller::new(bad.clone(), None);
            let chunk = spooled(engine, BODY).await;
            let direct = spooled(engine, BODY).await;
            let results = [
                engine.init(&info, caller).await.err(),
                engine.init(&file("empty", 0, 0), caller).await.err(),
                engine.write_chunk(&chunk_of(info.clone(), 1), chunk, caller).await.err(),
                engine.upload(info.file_name.clone(), None, direct, caller).await.err(),
                engine.complete(&name, caller).await.err(),
                engine.status(&name, caller).await.err(),
                engine.progress(&name, caller).await.err(),
                engine.cancel(&name, caller).await.err(),
                engine.caller(bad.clone(), None).await.err(),
            ];
            for (call, result) in results.iter().enumerate() {
                match bad {
                    None => {
                        assert!(matches!(result, Some(Error::Unauthorized(_))), "call {call}: {result:?}")
                    }
                    Some(_) => {
                        assert!(matches!(result, Some(Error::InvalidToken(_))), "call {call}: {result:?}")
                    }
                }
            }
        }
    }
    let stranger = token("mallory-1");
    assert!(matches!(engine.status(&id("there"), &Caller::from(&stranger)).await, Err(Error::Forbidden)));
    assert!(matches!(engine.status(&id("nowhere"), &Caller::from(&owner)).await, Err(Error::NotFound)));
    assert_eq!(engine.status(&id("there"), &Caller::from(&owner)).await.unwrap().received, [0]);
    assert_eq!(engine.cancel(&id("there"), &Caller::from(&owner)).await.unwrap(), None);
}

#[tokio::test]
async fn an_upload_without_an_owner_belongs_to_the_first_token() {
    let world = World::new();
    let info = file("a", BODY.len() as u64, 1);
    world.engine.init(&info, &Caller::nobody()).await.unwrap();
    let refused = spooled(&world.engine, BODY).await;
    let refused = world.engine.write_chunk(&chunk_of(info.clone(), 0), refused, &Caller::nobody()).await;
    assert!(matches!(refused, Err(Error::Unauthorized(_))));
    queue(&world.engine, "a").await;
    assert_eq!(world.stored("a").await.user_id.unwrap().as_str(), "alice");
    let stranger = world.engine.init(&info, &Caller::from(token("mallory-1"))).await;
    assert!(matches!(stranger, Err(Error::Forbidden)));
}

#[tokio::test]
async fn the_newest_token_of_the_owner_is_the_one_that_counts() {
    let world = World::new();
    world.uploader.then_fail(ErrorKind::NotAuthorized, "no");
    world.uploader.then_fail(ErrorKind::NotAuthorized, "no");
    world.queue("a").await;
    world.drain().await;
    world.engine.complete(&id("a"), &Caller::from(token("alice-2"))).await.unwrap();
    world.drain().await;
    assert_eq!(*world.forgotten.lock().unwrap(), [TOKEN, "alice-2"]);
}

#[tokio::test]
async fn secrets_go_when_an_upload_is_over() {
    let world = World::new();
    world.queue("done").await;
    world.drain().await;
    world.queue("cancelled").await;
    world.engine.cancel(&id("cancelled"), &Caller::nobody()).await.unwrap();
    for name in ["done", "cancelled"] {
        assert_eq!(world.stored(name).await.sealed_token, None);
        world.engine.complete(&id(name), &Caller::from(token("alice-2"))).await.ok();
        assert_eq!(world.stored(name).await.sealed_token, None, "and do not come back");
    }
}

#[tokio::test]
async fn tokens_on_the_disk_are_sealed_and_need_their_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("telestore.db");
    let token_text = "alice-a-token-that-must-not-be-seen";
    let open = async |key: &str| {
        let sessions = SqliteSessionStore::open(&path).await.unwrap();
        let chunks = LocalChunkStore::open(dir.path()).unwrap();
        let uploader = Scripted::new();
        let engine = engine_on(sessions, chunks, &ManualClock::new(NOW), &Forgotten::default())
            .uploader(uploader.clone())
            .sealer(Sealer::from_secret(&key.into()))
            .build()
            .unwrap();
        engine.recover().await.unwrap();
        (engine, uploader)
    };
    let (engine, _) = open("key").await;
    for name in ["a", "b"] {
        let chunk = chunk_of(file(name, BODY.len() as u64, 1), 0);
        let spooled = spooled(&engine, BODY).await;
        engine.write_chunk(&chunk, spooled, &Caller::from(token(token_text))).await.unwrap();
        engine.complete(&id(name), &Caller::nobody()).await.unwrap();
    }
    drop(engine);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            let bytes = std::fs::read(&file).unwrap();
            let seen = bytes.windows(token_text.len()).any(|window| window == token_text.as_bytes());
            assert!(!seen, "{} shows the token", file.display());
        }
    }

    let (engine, uploader) = open("another key").await;
    assert!(engine.step().await.unwrap());
    let failed = engine.progress(&id("a"), &Caller::nobody()).await.unwrap();
    let expected = "auth token is no longer known to the worker: complete the upload again with it";
    assert_eq!(failed.error.as_deref(), Some(expected));
    assert_eq!(failed.outcome, Some(Outcome::TokenLost));
    assert_eq!(uploader.attempts(), 0);
    engine.complete(&id("a"), &Caller::from(token("alice-1"))).await.unwrap();
    drop(engine);

    let (engine, uploader) = open("key").await;
    while engine.step().await.unwrap() {}
    assert_eq!(uploader.attempts(), 1, "b, whose token the right key opens");
    assert_eq!(engine.progress(&id("b"), &Caller::nobody()).await.unwrap().message_id(), Some(1));
}

#[tokio::test]
async fn a_token_that_died_while_the_upload_waited_fails_it() {
    let world = World::new();
    world.queue("a").await;
    let mut upload = world.stored("a").await;
    let bad = Sealer::from_secret(&"the key of these tests".into()).seal(&upload.key, &token("bad-1"));
    let owner = telestore::store::Owner::new(upload.user_id.take().unwrap(), bad.unwrap());
    telestore::store::SessionStore::claim(
        &world.sessions,
        &upload.id,
        &upload.key,
        &owner,
        &telestore::store::Limits::NONE,
    )
    .await
    .unwrap();
    world.drain().await;
    let failed = world.stored("a").await;
    assert_eq!(failed.state, UploadState::Failed);
    assert_eq!(failed.error.as_deref(), Some("auth token is no longer valid: sign in again"));
    assert_eq!(failed.outcome, Some(Outcome::TokenInvalid));
}

/// Counts the questions, and what is only looked up.
fn counting(asked: &Arc<AtomicUsize>, looked_up: &Arc<AtomicUsize>) -> MockCredentialProvider {
    let mut provider = MockCredentialProvider::new();
    let (asked, looked_up) = (Arc::clone(asked), Arc::clone(looked_up));
    provider.expect_credentials().returning(move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(credentials("alice")))
    });
    provider.expect_known().returning(move |_| {
        looked_up.fetch_add(1, Ordering::SeqCst);
        None
    });
    provider
}

#[tokio::test]
async fn whose_a_token_is_is_asked_once_for_each_chunk() {
    for auth in [Auth::Documented, Auth::Strict] {
        let (asked, looked_up) = (Arc::default(), Arc::default());
        let world = World::with(|builder| {
            let config = config().with(|config| config.auth = auth);
            builder.config(config).credentials(counting(&asked, &looked_up))
        });
        let (engine, length) = (&world.engine, BODY.len() as u64);
        // The first one creates the upload, the second one finds it with this token, the third with another one.
        for (index, text) in [(0, "alice-1"), (1, "alice-1"), (2, "alice-2")] {
            let caller = engine.caller(Some(token(text)), None).await.unwrap();
            engine.authenticate(&caller).await.unwrap();
            assert_eq!(caller.user().map(UserId::as_str), Some("alice"));
            engine.known(&caller).await.unwrap();
            engine.check_quotas(&caller, &More::default().with_bytes(length)).await.unwrap();
            engine.check_sendable(&caller, length).await.unwrap();
            let bytes = spooled(engine, BODY).await;
            let chunk = chunk_of(file("a", 3 * length, 3), index);
            engine.write_chunk(&chunk, bytes, &caller).await.unwrap();
            assert_eq!(asked.swap(0, Ordering::SeqCst), 1, "chunk {index}, {auth:?}");
        }
        assert_eq!(looked_up.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_caller_whose_completion_is_refused_does_not_own_the_upload() {
    let world = World::new();
    world.engine.init(&file("a", 20, 2), &Caller::nobody()).await.unwrap();
    let refused = world.engine.complete(&id("a"), &Caller::from(token("mallory-1"))).await;
    assert!(matches!(refused, Err(Error::MissingChunks { received: 0, total: 2 })), "{refused:?}");
    assert_eq!(world.stored("a").await.user_id, None);
}
