//! What the engine asks of its stores, and what it does not ask.

use telestore::store::{MockChunkStore, MockSessionStore};
use telestore::{Caller, Error};

use crate::support::{World, id};

#[tokio::test]
async fn an_upload_that_is_not_there_costs_one_look_into_the_rows() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_get().withf(|id| id.as_str() == "a").times(3).returning(|_| Ok(None));
    // What is not expected panics: the bytes are asked nothing.
    let world = World::with(|builder| builder.sessions(sessions).chunks(MockChunkStore::new()));
    let (engine, id, nobody) = (&world.engine, id("a"), Caller::nobody());
    assert!(matches!(engine.progress(&id, &nobody).await, Err(Error::NotStarted)));
    assert!(matches!(engine.status(&id, &nobody).await, Err(Error::NotFound)));
    assert!(matches!(engine.complete(&id, &nobody).await, Err(Error::NotFound)));
}
