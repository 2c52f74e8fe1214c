//! SIGKILL of one sender after the other.

use telestore_sandbox::Fault;

use crate::client::Person;
use crate::cluster::Cluster;
use crate::support::moments::{By, PART};
use crate::support::soon;

#[tokio::test]
async fn killed_again_and_again() {
    let mut cluster = Cluster::before(&crate::cluster::needed("TELESTORE_TEST_POSTGRES"), 3).await;
    cluster.set("TELESTORE_EAGER", "off");
    cluster.start_all().await;
    let person = Person::new(&cluster, cluster.user("again"));
    let file = By::Mtproto.file().named("again.bin");
    cluster.chunks(0, &person.user, &file).await;
    let mut left = vec![0, 1, 2];
    for skip in [9, 20] {
        let hold = cluster.sandbox.faults().inject(Fault::hold(PART).skip(skip));
        person.complete(&file).await;
        soon("the moment", cluster.sandbox.faults().wait_fired(hold, 1)).await;
        let sender = cluster.sender(&left).await;
        cluster.kill(sender).await;
        left.retain(|at| *at != sender);
        cluster.sandbox.faults().clear();
    }
    assert!(person.sees_to_it(&file).await);
    cluster.arrived(&person.user, &file);
    assert!(cluster.told().await.contains(&file.name));
    cluster.leaves_nothing(0).await;
}
