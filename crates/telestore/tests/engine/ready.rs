//! Whether the engine says of itself that it can work.

use std::time::Duration;

use telestore::Readiness;

use crate::support::{World, config};

/// The names of what is not well.
fn wrong(readiness: &Readiness) -> Vec<&'static str> {
    readiness.checks.iter().filter(|check| check.wrong.is_some()).map(|check| check.name).collect()
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_named_and_looked_at_again_later() {
    let world = World::new();
    world.sessions.hooks.fail("probe", 1);
    assert_eq!(wrong(&world.engine.readiness().await), ["database"]);
    assert_eq!(wrong(&world.engine.readiness().await), ["database"], "the last look counts for a while");
    world.clock.advance(Duration::from_secs(3));
    assert!(world.engine.readiness().await.is_ready());
}

#[tokio::test]
async fn chunks_that_stand_elsewhere_are_told_apart_from_a_disk() {
    let world = World::new();
    world.chunks.hooks.fail("probe", 1);
    let readiness = world.engine.readiness().await;
    let why = readiness.checks.iter().find_map(|check| check.wrong.clone());
    assert_eq!(why.as_deref(), Some("the hook cannot be reached"));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_is_waited_for_two_seconds() {
    let world = World::new();
    world.chunks.hooks.after("free_bytes", std::future::pending());
    let begin = tokio::time::Instant::now();
    assert_eq!(wrong(&world.engine.readiness().await), ["disk"]);
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stops_is_not_ready() {
    let world =
        World::with(|builder| builder.config(config().with(|config| config.max_concurrent_uploads = 1)));
    let running = world.engine.start().await.unwrap();
    assert!(world.engine.readiness().await.is_ready());
    running.shutdown().await;
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(wrong(&world.engine.readiness().await), ["engine"]);
}
