//! Several files at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::one;
use super::run::Run;
use crate::files::Item;
use crate::interrupt::{Stop, stopped};
use crate::show::{End, Entry};
use crate::tasks;

/// Files that are begun and have not ended, those at the worker included: each has a task.
const UNDER_WAY: usize = 64;

/// The places of one file: among those under way, and among those that go to the worker.
type Places = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// Sends them until all have ended or it is told to stop.
pub(super) async fn send(run: &Arc<Run>, entries: Vec<(Entry, Item)>, stop: &mut Stop) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    let mut tasks = JoinSet::new();
    for (entry, item) in entries {
        let places = async {
            // A place among all first, so that nobody holds one at the worker without using it.
            let all = Arc::clone(&under_way).acquire_owned().await.ok()?;
            Some((all, Arc::clone(&run.places).acquire_owned().await.ok()?))
        };
        let places: Option<Places> = tokio::select! {
            biased;
            _ = stopped(stop) => None,
            places = places => places,
        };
        let Some((all, place)) = places else {
            run.ended(&entry, End::Stopped);
            continue;
        };
        if let Some((kind, text)) = run.ends.hopeless() {
            run.ended(&entry, End::Failed { kind, text });
            continue;
        }
        let (run, mut stop) = (Arc::clone(run), stop.clone());
        tasks.spawn(async move {
            let end = one::send(&run, &entry, &item, place, &mut stop).await;
            run.ended(&entry, end);
            drop(all);
        });
    }
    tasks::end(tasks).await;
}
