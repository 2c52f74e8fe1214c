//! The bus of one process against the contract of all.

use std::sync::Arc;

use telestore_progress::{LocalProgressBus, ProgressBus, testsuite};

#[tokio::test]
async fn the_local_bus_keeps_the_contract() {
    testsuite::progress_bus(async || {
        let bus = LocalProgressBus::new();
        (bus.clone(), bus)
    })
    .await;
}

#[tokio::test]
async fn what_holds_a_bus_keeps_the_contract() {
    testsuite::progress_bus(async || {
        let bus: Arc<dyn ProgressBus> = Arc::new(LocalProgressBus::new());
        (Arc::clone(&bus), Box::new(bus) as Box<dyn ProgressBus>)
    })
    .await;
}
