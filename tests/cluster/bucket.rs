//! An object store that answers 503, that is slow, and that does not answer at all, for half a minute.

use std::time::Duration;

use tokio::time::sleep;

use crate::cluster::{Cluster, needed};
use crate::proxy::{Does, Proxy};
use crate::traffic::Traffic;

/// How long that goes on.
const AWHILE: Duration = Duration::from_secs(30);

/// Has files of all kinds sent meanwhile: each is in its channel once, and clients are told to come again and nothing worse.
async fn goes_on_while(does: Does) {
    let server = needed("TELESTORE_TEST_MOTO");
    let address = server.strip_prefix("http://").expect("http").parse().expect("an address");
    let proxy = Proxy::before(address).await;
    let mut cluster = Cluster::before(&needed("TELESTORE_TEST_POSTGRES"), 3).await;
    cluster.set("AWS_ENDPOINT_URL", &format!("http://{}", proxy.address));
    cluster.start_all().await;
    let traffic = Traffic::of(&cluster);
    let happens = async {
        // Some files are under way by then.
        sleep(Duration::from_secs(3)).await;
        proxy.set(does);
        sleep(AWHILE).await;
        proxy.set(Does::HandOn);
    };
    let (files, untold) = traffic.goes_on_while(happens).await;
    let refused = traffic.refused();
    println!("{does:?}: {files} files, {refused} answers to come again");
    assert_eq!(untold, 0, "no connection of a client ends, and each is told the end");
    drop(traffic);
    // What was being written when nobody answered, and what could not be deleted then.
    cluster.leaves_nothing(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_503() {
    goes_on_while(Does::Refuse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_slow() {
    goes_on_while(Does::Slowly(100 * 1024)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_answer() {
    goes_on_while(Does::Nothing).await;
}
