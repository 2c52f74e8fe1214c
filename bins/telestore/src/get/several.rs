//! Several files at a time.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::one;
use super::run::{Item, Run};
use crate::interrupt::{Stop, stopped};
use crate::show::End;
use crate::tasks;

/// Fetches them until all have ended or it is told to stop.
pub(super) async fn fetch(run: &Arc<Run>, items: Vec<Item>, parallel: usize, stop: &mut Stop) {
    let (places, mut tasks) = (Arc::new(Semaphore::new(parallel)), JoinSet::new());
    for item in items {
        let place = tokio::select! {
            biased;
            _ = stopped(stop) => None,
            place = Arc::clone(&places).acquire_owned() => place.ok(),
        };
        let Some(place) = place else {
            run.ended(&item.entry, &End::Stopped);
            continue;
        };
        if let Some((kind, text)) = run.ends.hopeless() {
            run.ended(&item.entry, &End::Failed { kind, text });
            continue;
        }
        let (run, mut stop) = (Arc::clone(run), stop.clone());
        tasks.spawn(async move {
            let end = one::get(&run, &item, &mut stop).await;
            run.ended(&item.entry, &end);
            drop(place);
        });
    }
    tasks::end(tasks).await;
}
