//! A database that is away for half a minute, that cuts its connections, and that another one takes the place of.
//!
//! Each time files of all kinds are sent meanwhile, and some are under way before it begins. Nothing is lost, nothing is sent
//! twice, clients are told to come again and nothing worse, and what ran goes on.

use std::time::Duration;

use telestore_sandbox::Fault;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::proxy::{Does, Proxy};
use crate::server::Server;
use crate::support::moments::PART;
use crate::support::{MIB, soon};
use crate::traffic::Traffic;
use crate::under_way::UnderWay;

/// How long it is away.
const AWAY: Duration = Duration::from_secs(30);

/// Three workers on a server of their own, behind a proxy.
async fn scene() -> (Server, Proxy, Cluster) {
    let server = Server::new();
    let proxy = Proxy::before(server.address).await;
    let cluster = Cluster::before(&format!("postgres://postgres@{}", proxy.address), 3).await;
    cluster.start_all().await;
    (server, proxy, cluster)
}

/// One with parts to send and a state to write down, one whose message is asked for, and one that a bot hands over.
async fn of_all_kinds(cluster: &Cluster) -> [UnderWay<'_>; 3] {
    let by = [0, 1];
    [
        UnderWay::new(cluster, by, "in-parts", 21 * MIB, Fault::hold(PART).skip(3)).await,
        UnderWay::new(cluster, by, "asked-for", 2 * MIB, Fault::hold("messages.sendMedia")).await,
        UnderWay::new(cluster, by, "by-a-bot", MIB / 2, Fault::hold("sendDocument")).await,
    ]
}

/// Has files sent while something happens to the database. Looks that those that were `under_way` have gone on, and that
/// nothing is left. Gives how often clients were told to come again.
async fn goes_on_while(
    cluster: &Cluster,
    under_way: &[UnderWay<'_>],
    happens: impl Future<Output = ()>,
) -> usize {
    let traffic = Traffic::of(cluster);
    let (files, untold) = traffic.goes_on_while(happens).await;
    let refused = traffic.refused();
    println!("{files} files, {refused} answers to come again");
    assert_eq!(untold, 0, "no connection of a client ends, and each is told the end");
    for file in under_way {
        file.has_gone_on().await;
    }
    cluster.leaves_nothing(refused * 2).await;
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_for_half_a_minute() {
    let (server, _proxy, cluster) = scene().await;
    let under_way = of_all_kinds(&cluster).await;
    let refused = goes_on_while(&cluster, &under_way, async {
        server.stop();
        under_way.iter().for_each(UnderWay::goes_on);
        // Its message is made without a database: that it may be there was written down before.
        soon("a message", cluster.sandbox.wait_for_message(&under_way[1].person.user.channel_id, 1)).await;
        sleep(AWAY).await;
        server.start();
    })
    .await;
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_for_half_a_minute() {
    let (_server, proxy, cluster) = scene().await;
    let under_way = of_all_kinds(&cluster).await;
    goes_on_while(&cluster, &under_way, async {
        proxy.set(Does::Nothing);
        under_way.iter().for_each(UnderWay::goes_on);
        sleep(AWAY).await;
        proxy.set(Does::HandOn);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_again_and_again() {
    const CUT: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let (_server, _proxy, cluster) = scene().await;
    let under_way = of_all_kinds(&cluster).await;
    goes_on_while(&cluster, &under_way, async {
        for round in 0..30 {
            cluster.number(CUT).await;
            if round == 5 {
                under_way.iter().for_each(UnderWay::goes_on);
            }
            sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_takes_its_place() {
    let (server, proxy, cluster) = scene().await;
    let standby = server.standby();
    // What it has acknowledged the other one has.
    server.waits_for_its_standby().await;
    let under_way = of_all_kinds(&cluster).await;
    goes_on_while(&cluster, &under_way, async {
        under_way.iter().for_each(UnderWay::goes_on);
        sleep(Duration::from_secs(3)).await;
        server.stop();
        // Somebody has to find out first.
        sleep(Duration::from_secs(5)).await;
        standby.promote();
        proxy.lead_to(standby.address);
        sleep(Duration::from_secs(3)).await;
    })
    .await;
}
