//! The index of files.

use std::time::Duration;

use telestore::Caller;
use telestore::store::FileListing;
use telestore::types::{Clock, ManualClock, Timestamp};

use crate::support::{HOUR, NOW, TOKEN, World, token};

/// A clock that is late, as the engine's own is after a long time without a process.
#[derive(Debug)]
struct Late(ManualClock, Duration);

impl Clock for Late {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn wall(&self) -> Timestamp {
        self.0.now() + self.1
    }
}

#[tokio::test]
async fn a_file_came_when_the_machines_clock_says_and_pages_say_what_is_behind_them() {
    let (clock, caller) = (ManualClock::new(NOW), Caller::from(token(TOKEN)));
    let world = World::with(|builder| builder.clock(Late(clock.clone(), HOUR)));
    for name in ["one", "two", "three"] {
        world.queue(name).await;
        clock.advance(Duration::from_secs(1));
        world.drain().await;
    }
    let page = world.engine.files(&FileListing::first(2), &caller).await.unwrap();
    let names = |files: &[telestore::types::IndexedFile]| -> Vec<_> {
        files.iter().map(|file| file.upload_id.to_string()).collect()
    };
    assert_eq!(names(&page.files), ["three", "two"]);
    let second = Duration::from_secs(1);
    assert_eq!(page.files[0].created_at, NOW + HOUR + second * 3, "people's time");
    assert_eq!(world.stored("three").await.updated_at, NOW + second * 3, "the engine's time");
    let behind = page.next.expect("there is one more");
    let last = world.engine.files(&FileListing::first(u32::MAX).before(behind), &caller).await.unwrap();
    assert_eq!((names(&last.files), last.next), (vec!["one".to_owned()], None));
    let none = world.engine.files(&FileListing::first(0).named("nothing"), &caller).await.unwrap();
    assert_eq!((none.files.len(), none.next), (0, None));
}
