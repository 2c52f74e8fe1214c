//! The one contract of all stores.

use telestore_store::{Durability, PostgresOptions, PostgresSessionStore, testsuite};

use crate::server::{Database, Shows, bouncer, server};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_keep_the_contract() {
    testsuite::session_store(|| async { Database::new(Shows::Callers).await.twice().await }).await;
}

/// All times that are handed in and out are those of the caller, whatever the database's clock shows.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_keep_the_contract_by_another_clock() {
    testsuite::session_store(|| async { Database::new(Shows::AnHourMore).await.twice().await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_keep_the_contract_without_waiting_for_the_disk() {
    testsuite::session_store(|| async {
        let database = Database::new(Shows::Callers).await;
        let options = database.options().with_durability(Durability::Process);
        let open = async || PostgresSessionStore::connect(&options).await.unwrap();
        (open().await, open().await)
    })
    .await;
}

/// Connections are not the store's own from one transaction to the next.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_keep_the_contract_through_a_pooler() {
    testsuite::session_store(|| async {
        let database = Database::new(Shows::Callers).await;
        let options = PostgresOptions::new(&database.at(&bouncer())).unwrap();
        let options = options.with_listen_url(&database.at(&server())).unwrap();
        let open = async || PostgresSessionStore::connect(&options).await.unwrap();
        (open().await, open().await)
    })
    .await;
}
