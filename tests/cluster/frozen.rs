//! A worker that stands still past its leases, and wakes up when others have done its work.

use telestore_sandbox::{Fault, FaultId};

use crate::client::Person;
use crate::cluster::{Cluster, needed};
use crate::support::moments::{By, PART};
use crate::support::{File, MIB, soon};

/// The one that stands still. The others start when all is in its hands.
const VICTIM: usize = 0;

/// Has a file sent by the victim until this strikes.
async fn held<'a>(
    cluster: &'a Cluster,
    name: &str,
    bytes: usize,
    hold: Fault,
) -> (Person<'a>, File, FaultId) {
    let person = Person::new(cluster, cluster.user(name));
    let file = File::new(bytes).named(&format!("{name}.bin"));
    let hold = cluster.sandbox.faults().inject(hold.user(&person.user.user_id));
    cluster.chunks(VICTIM, &person.user, &file).await;
    cluster.complete(VICTIM, &person.user, &file.id).await;
    soon(name, cluster.sandbox.faults().wait_fired(hold, 1)).await;
    (person, file, hold)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_wakes_up_does_no_harm() {
    let mut cluster = Cluster::before(&needed("TELESTORE_TEST_POSTGRES"), 3).await;
    cluster.set("TELESTORE_BOT_API_MAX_BYTES", By::LIMIT);
    cluster.start(VICTIM).await;
    let files = [
        held(&cluster, "in-parts", 21 * MIB, Fault::hold(PART).skip(9)).await,
        held(&cluster, "asked-for", 9 * MIB, Fault::hold("messages.sendMedia")).await,
        // More than the buffers of a connection hold, so that the bot's server does not have its end.
        held(&cluster, "by-a-bot", 8 * MIB, Fault::hold("sendDocument")).await,
    ];
    cluster.start(1).await;
    cluster.start(2).await;
    cluster.signal(VICTIM, "STOP").await;
    for (_, _, hold) in &files {
        cluster.sandbox.faults().release(*hold);
    }
    for (person, file, _) in &files {
        // At another one, since the victim takes connections and answers none.
        assert_eq!(cluster.end(1, &file.id).await["status"], "completed", "{}", file.name);
        cluster.arrived(&person.user, file);
    }
    cluster.signal(VICTIM, "CONT").await;
    soon("it to find its leases lost", async { while cluster.sends(VICTIM).await > 0 {} }).await;
    for (person, file, _) in &files {
        assert_eq!(cluster.sandbox.messages_of(&person.user).len(), 1, "{}", file.name);
    }
    // It is of use again.
    let (person, _, _) = &files[0];
    let next = File::new(9 * MIB).named("next.bin");
    cluster.chunks(VICTIM, &person.user, &next).await;
    cluster.complete(VICTIM, &person.user, &next.id).await;
    assert_eq!(cluster.end(VICTIM, &next.id).await["status"], "completed");
    cluster.arrived(&person.user, &next);
    cluster.leaves_nothing(0).await;
}
