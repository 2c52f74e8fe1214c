//! What workers on one database have to agree on.

use std::time::Duration;

use telestore_store::{Expiry, Limits, Listing, PostgresSessionStore, Schema, SessionStore};
use telestore_types::{Clock, Outcome, SystemClock, Timestamp, Upload, UploadState, UserId};

use crate::server::{Database, Shows};
use crate::words::{owned, queued, unowned, worker};

const HELD: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn the_first_worker_says_what_all_have_alike() {
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    assert!(one.check_value("key", b"a").await.unwrap());
    for (store, value, same) in [(&two, b"a", true), (&two, b"b", false), (&one, b"a", true)] {
        assert_eq!(store.check_value("key", value).await.unwrap(), same);
    }
    assert!(two.check_value("other", b"b").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_start_at_once_make_the_tables_once() {
    let database = Database::bare().await;
    let options = database.options();
    assert_eq!(PostgresSessionStore::schema(&options).await.unwrap(), Schema::Missing);
    assert!(PostgresSessionStore::attach(&options).await.is_err());
    let (one, two, three) = tokio::join!(database.open(), database.open(), database.open());
    assert_eq!(PostgresSessionStore::schema(&options).await.unwrap(), Schema::Current);
    for store in [one, two, three, PostgresSessionStore::attach(&options).await.unwrap()] {
        store.probe().await.unwrap();
    }
    // A worker of a newer version has added a step.
    database.run("INSERT INTO _sqlx_migrations VALUES (9999, 'newer', now(), true, 'x', 1)").await;
    assert_eq!(PostgresSessionStore::schema(&options).await.unwrap(), Schema::Newer);
    database.open().await.probe().await.unwrap();
}

/// PostgreSQL takes no U+0000 in a text; some come from others.
#[tokio::test(flavor = "multi_thread")]
async fn any_text_is_kept() {
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    let user = "a\0b\u{1}c";
    let upload = queued(&one, user, "nul").await;
    let now = SystemClock.now();
    let except = [UserId::new(user)];
    assert_eq!(two.lease(&worker("two"), now, now + HELD, &except).await.unwrap(), None);
    let held = two.lease(&worker("two"), now, now + HELD, &[]).await.unwrap().unwrap();
    assert!(two.fail(&held, "said \0", Outcome::GaveUp, now).await.unwrap());
    let found = one.get(&upload.id).await.unwrap().unwrap();
    assert_eq!((found.user_id, found.error.as_deref()), (Some(UserId::new(user)), Some("said \0")));
    let listing = Listing::first(9).of_user(UserId::new(user));
    assert_eq!(two.list(&listing).await.unwrap().len(), 1);
}

/// A worker whose clock is an hour ahead, or late, takes nothing before its time, keeps nothing beyond it, and reads
/// every moment as its own clock would have shown it.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_harmless() {
    for ahead in [true, false] {
        let database = Database::new(Shows::Time).await;
        let (right, wrong) = database.twice().await;
        let clock = || if ahead { SystemClock.now() + HOUR } else { SystemClock.now() - HOUR };
        let near = |one: Timestamp, other: Timestamp| one.since(other).max(other.since(one)) < HELD / 3;
        let upload = queued(&right, "u", "first").await;
        let (now, its) = (SystemClock.now(), clock());
        let held = right.lease(&worker("right"), now, now + HELD, &[]).await.unwrap().unwrap();
        assert_eq!(held.until, now + HELD);
        assert_eq!(wrong.lease(&worker("wrong"), its, its + HELD, &[]).await.unwrap(), None, "it is held");
        assert!(!wrong.hold_account(&UserId::new("u"), &worker("wrong"), its, its + HELD).await.unwrap());
        let due = wrong.next_due(&worker("wrong")).await.unwrap().unwrap();
        assert!(near(due, its + HELD), "{due} is not about {its}");
        let read = wrong.get(&upload.id).await.unwrap().unwrap();
        assert!(near(read.created_at, its), "{} is not about {its}", read.created_at);

        wrong.beat(&worker("wrong"), clock() + HELD).await.unwrap();
        assert_eq!(right.living(SystemClock.now(), None, 9).await.unwrap(), [worker("wrong")]);
        assert!(right.release_gone(&worker("right"), SystemClock.now(), 9).await.unwrap().is_empty());

        // What it puts off and what it makes is about now for the others.
        let mine = unowned("second");
        let mine = Upload { created_at: clock(), updated_at: clock(), ..mine };
        wrong.create(&mine, false, &Limits::NONE).await.unwrap();
        wrong.claim(&mine.id, &mine.key, &owned("v"), &Limits::NONE).await.unwrap();
        let read = right.get(&mine.id).await.unwrap().unwrap();
        assert!(near(read.created_at, SystemClock.now()), "{} is not now", read.created_at);
        assert!(right.retry_later(&held, SystemClock.now() + HELD, true, SystemClock.now()).await.unwrap());
        right.leave_account(&UserId::new("u"), &worker("right")).await.unwrap();
        assert_eq!(
            wrong.lease(&worker("wrong"), clock(), clock() + HELD, &[]).await.unwrap(),
            None,
            "not yet"
        );
        let old = Expiry::new([UploadState::Receiving, UploadState::Queued], clock() - HELD, 9);
        assert!(wrong.expire(&old).await.unwrap().is_empty(), "nothing is that old");
    }
}
