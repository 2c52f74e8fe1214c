//! Files that one worker has sent are read from the others.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use telestore_sandbox::{Fault, SandboxUser};

use crate::cluster::{Cluster, needed};
use crate::support::{File, MIB, soon};

const GET: &str = "upload.getFile";

/// A file as a client fetches it, who goes on from what has come at whichever worker gives more.
struct Reading<'a> {
    cluster: &'a Cluster,
    user: &'a SandboxUser,
    id: String,
    file: &'a File,
}

impl<'a> Reading<'a> {
    /// The newest file of a user, by what this worker knows.
    async fn of(cluster: &'a Cluster, at: usize, user: &'a SandboxUser, file: &'a File) -> Self {
        let listed = cluster.client.get(cluster.url(at, "/files?limit=1")).bearer_auth(&user.auth_token);
        let listed: Value = listed.send().await.unwrap().json().await.unwrap();
        let newest = &listed["files"][0];
        assert_eq!(
            (&newest["fileName"], &newest["size"]),
            (&file.name.as_str().into(), &file.bytes.len().into())
        );
        Self { cluster, user, id: newest["id"].as_str().expect("an id").to_owned(), file }
    }

    /// Takes what a worker gives of the rest. One that does not run gives nothing, and one that cannot now says so.
    async fn more(&self, at: usize, came: &mut Vec<u8>) {
        let Some(base) = self.cluster.base(at) else { return };
        let request = self.cluster.client.get(format!("{base}/files/{}/content", self.id));
        let request =
            request.bearer_auth(&self.user.auth_token).header("Range", format!("bytes={}-", came.len()));
        let Ok(answer) = request.send().await else { return };
        if answer.status() == 503 {
            assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
            return;
        }
        assert_eq!(answer.status(), 206, "{}", answer.text().await.unwrap_or_default());
        let mut body = answer.bytes_stream();
        while let Some(Ok(piece)) = body.next().await {
            came.extend_from_slice(&piece);
        }
    }

    /// Asks these workers in turn until all has come, behind what is there.
    async fn rest(&self, among: &[usize], mut came: Vec<u8>) {
        let all = async {
            for at in among.iter().cycle() {
                self.more(*at, &mut came).await;
                if came.len() >= self.file.bytes.len() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        soon("all of the file", all).await;
        assert!(came == self.file.bytes, "other bytes came from {among:?}");
    }
}

/// Three workers, of which the first one alone has sent a file.
async fn sent_by_the_first(size: usize) -> (Cluster, SandboxUser, File) {
    let mut cluster = Cluster::before(&needed("TELESTORE_TEST_POSTGRES"), 3).await;
    // The bot, too, reads by MTProto: the account may be in use at another worker.
    let address = cluster.sandbox.mtproto_addr().to_string();
    cluster.set("TELESTORE_MTPROTO_DC", &address);
    cluster.start(0).await;
    let (user, file) = (cluster.user("reader"), File::new(size).named("read.bin"));
    cluster.chunks(0, &user, &file).await;
    cluster.complete(0, &user, &file.id).await;
    assert_eq!(cluster.end(0, &file.id).await["status"], "completed");
    cluster.arrived(&user, &file);
    cluster.start(1).await;
    cluster.start(2).await;
    (cluster, user, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_worker_has_sent_is_read_from_another() {
    // By the Bot API, and by MTProto.
    for size in [600_000, 12 * MIB] {
        let (cluster, user, file) = sent_by_the_first(size).await;
        for at in [1, 2, 0] {
            Reading::of(&cluster, at, &user, &file).await.rest(&[at], Vec::new()).await;
        }
        // The one that has sent it is not needed.
        cluster.kill(0).await;
        Reading::of(&cluster, 1, &user, &file).await.rest(&[1], Vec::new()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_goes_on_at_another_worker_when_its_own_is_killed() {
    let (cluster, user, file) = sent_by_the_first(12 * MIB).await;
    let reading = Reading::of(&cluster, 1, &user, &file).await;
    let faults = cluster.sandbox.faults();
    let held = faults.inject(Fault::hold(GET).user(&user.user_id).offset(6 * MIB as i64));
    let killed = async {
        soon("the block in the middle", faults.wait_fired(held, 1)).await;
        cluster.kill(1).await;
        faults.release(held);
    };
    let mut came = Vec::new();
    let reads = async {
        while cluster.base(1).is_some() {
            reading.more(1, &mut came).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the kill", async { tokio::join!(reads, killed) }).await;
    assert!(!came.is_empty() && came.len() < file.bytes.len(), "{} bytes", came.len());
    assert!(came == file.bytes[..came.len()], "what came is right");
    reading.rest(&[1, 2, 0], came).await;
}
