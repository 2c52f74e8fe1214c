//! A worker that stands still past its leases, and wakes up when others have done its work.

use telestore_sandbox::Fault;

use crate::cluster::{Cluster, needed};
use crate::support::moments::{By, PART};
use crate::support::{File, MIB, soon};
use crate::under_way::UnderWay;

/// The one that stands still. The others start when all is in its hands.
const VICTIM: usize = 0;
const BY: [usize; 2] = [VICTIM; 2];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_wakes_up_does_no_harm() {
    let mut cluster = Cluster::before(&needed("TELESTORE_TEST_POSTGRES"), 3).await;
    cluster.set("TELESTORE_BOT_API_MAX_BYTES", By::LIMIT);
    cluster.start(VICTIM).await;
    let files = [
        UnderWay::new(&cluster, BY, "in-parts", 21 * MIB, Fault::hold(PART).skip(9)).await,
        UnderWay::new(&cluster, BY, "asked-for", 9 * MIB, Fault::hold("messages.sendMedia")).await,
        // More than the buffers of a connection hold, so that the bot's server does not have its end.
        UnderWay::new(&cluster, BY, "by-a-bot", 8 * MIB, Fault::hold("sendDocument")).await,
    ];
    cluster.start(1).await;
    cluster.start(2).await;
    cluster.signal(VICTIM, "STOP").await;
    files.iter().for_each(UnderWay::goes_on);
    for UnderWay { person, file, .. } in &files {
        // At another one, since the victim takes connections and answers none.
        assert_eq!(cluster.end(1, &file.id).await["status"], "completed", "{}", file.name);
        cluster.arrived(&person.user, file);
    }
    cluster.signal(VICTIM, "CONT").await;
    soon("it to find its leases lost", async { while cluster.sends(VICTIM).await > 0 {} }).await;
    for UnderWay { person, file, .. } in &files {
        assert_eq!(cluster.sandbox.messages_of(&person.user).len(), 1, "{}", file.name);
    }
    // It is of use again.
    let person = &files[0].person;
    let next = File::new(9 * MIB).named("next.bin");
    cluster.chunks(VICTIM, &person.user, &next).await;
    cluster.complete(VICTIM, &person.user, &next.id).await;
    assert_eq!(cluster.end(VICTIM, &next.id).await["status"], "completed");
    cluster.arrived(&person.user, &next);
    cluster.leaves_nothing(0).await;
}
