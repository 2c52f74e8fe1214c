//! A database that is away for half a minute, that cuts its connections, and that another one takes the place of.
//!
//! Each time files of all kinds are sent meanwhile, and some are under way before it begins. Nothing is lost, nothing is sent
//! twice, clients are told to come again and nothing worse, and what ran goes on.

use std::time::Duration;

use telestore_sandbox::{Fault, FaultId};
use tokio::time::sleep;

use crate::client::Person;
use crate::cluster::Cluster;
use crate::proxy::{Does, Proxy};
use crate::server::Server;
use crate::support::moments::PART;
use crate::support::{File, MIB, soon};
use crate::traffic::Traffic;

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

/// A file that is being sent, and where it is held.
struct UnderWay<'a> {
    person: Person<'a>,
    file: File,
    hold: FaultId,
}

impl<'a> UnderWay<'a> {
    async fn new(cluster: &'a Cluster, name: &str, bytes: usize, hold: Fault) -> Self {
        let person = Person::new(cluster, cluster.user(name));
        // In one chunk, so that nothing of it is sent before it is complete.
        let file = File::in_chunks(bytes, &[bytes]).named(&format!("{name}.bin"));
        let hold = cluster.sandbox.faults().inject(hold.user(&person.user.user_id));
        cluster.chunks(0, &person.user, &file).await;
        cluster.complete(1, &person.user, &file.id).await;
        soon(name, cluster.sandbox.faults().wait_fired(hold, 1)).await;
        Self { person, file, hold }
    }

    /// One with parts to send and a state to write down, one whose message is asked for, and one that a bot hands over.
    async fn of_all_kinds(cluster: &'a Cluster) -> [Self; 3] {
        [
            Self::new(cluster, "in-parts", 21 * MIB, Fault::hold(PART).skip(3)).await,
            Self::new(cluster, "asked-for", 2 * MIB, Fault::hold("messages.sendMedia")).await,
            Self::new(cluster, "by-a-bot", MIB / 2, Fault::hold("sendDocument")).await,
        ]
    }

    fn goes_on(&self) {
        self.person.cluster.sandbox.faults().release(self.hold);
    }

    /// It is in the channel once, by the attempt that was under way.
    async fn has_gone_on(&self) {
        assert!(self.person.sees_to_it(&self.file).await);
        let cluster = self.person.cluster;
        cluster.arrived(&self.person.user, &self.file);
        let attempt = format!("SELECT attempt::BIGINT FROM uploads WHERE id = '{}'", self.file.id);
        assert_eq!(cluster.number(&attempt).await, 1, "attempts of {}", self.file.name);
    }
}

/// Has files sent while something happens to the database. Gives how often clients were told to come again.
async fn goes_on_while(cluster: &Cluster, happens: impl Future<Output = ()>) -> usize {
    let traffic = Traffic::of(cluster);
    let (files, untold) = traffic.goes_on_while(happens).await;
    println!("{files} files, {} answers to come again", traffic.refused());
    assert_eq!(untold, 0, "no connection of a client ends, and each is told the end");
    traffic.refused()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_for_half_a_minute() {
    let (server, _proxy, cluster) = scene().await;
    let under_way = UnderWay::of_all_kinds(&cluster).await;
    let refused = goes_on_while(&cluster, async {
        server.stop();
        under_way.iter().for_each(UnderWay::goes_on);
        // Its message is made without a database: that it may be there was written down before.
        soon("a message", cluster.sandbox.wait_for_message(&under_way[1].person.user.channel_id, 1)).await;
        sleep(AWAY).await;
        server.start();
    })
    .await;
    assert!(refused > 0);
    for file in &under_way {
        file.has_gone_on().await;
    }
    cluster.leaves_nothing(refused * 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_for_half_a_minute() {
    let (_server, proxy, cluster) = scene().await;
    let under_way = UnderWay::of_all_kinds(&cluster).await;
    let refused = goes_on_while(&cluster, async {
        proxy.set(Does::Nothing);
        under_way.iter().for_each(UnderWay::goes_on);
        sleep(AWAY).await;
        proxy.set(Does::HandOn);
    })
    .await;
    for file in &under_way {
        file.has_gone_on().await;
    }
    cluster.leaves_nothing(refused * 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_again_and_again() {
    const CUT: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let (_server, _proxy, cluster) = scene().await;
    let under_way = UnderWay::of_all_kinds(&cluster).await;
    let refused = goes_on_while(&cluster, async {
        for round in 0..30 {
            cluster.number(CUT).await;
            if round == 5 {
                under_way.iter().for_each(UnderWay::goes_on);
            }
            sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
    for file in &under_way {
        file.has_gone_on().await;
    }
    cluster.leaves_nothing(refused * 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_takes_its_place() {
    let (server, proxy, cluster) = scene().await;
    let standby = server.standby();
    // What it has acknowledged the other one has.
    server.waits_for_its_standby().await;
    let under_way = UnderWay::of_all_kinds(&cluster).await;
    let refused = goes_on_while(&cluster, async {
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
    for file in &under_way {
        file.has_gone_on().await;
    }
    cluster.leaves_nothing(refused * 2).await;
}
