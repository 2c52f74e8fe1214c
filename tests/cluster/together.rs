//! Whichever worker is asked, the answer is the service's.

use serde_json::{Value, json};
use telestore_sandbox::{Fault, FaultId, SandboxUser, UserSpec};
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::support::moments::PART;
use crate::support::{CHUNK, File, MIB, soon};

/// A file that one of two workers sends, and where it is held.
struct Sending {
    user: SandboxUser,
    file: File,
    hold: FaultId,
    by: usize,
}

impl Sending {
    /// One of so many bytes, of which so many parts have gone.
    async fn until(cluster: &Cluster, bytes: usize, parts: u64) -> Self {
        let (file, user) = (File::new(bytes), cluster.sandbox.user());
        let hold = cluster.sandbox.faults().inject(Fault::hold(PART).skip(parts));
        cluster.chunks(0, &user, &file).await;
        cluster.complete(0, &user, &file.id).await;
        soon("parts", cluster.sandbox.faults().wait_fired(hold, 1)).await;
        let by = cluster.sender(&[0, 1]).await;
        Self { user, file, hold, by }
    }
}

/// Has three files of each user sent, each taken in by another of three workers. An account on two connections would lose its
/// login, and its files with it.
async fn send_by_turns(cluster: &Cluster, users: [&SandboxUser; 2]) {
    let mut sent = Vec::new();
    for round in 0..6 {
        let user = users[round % 2];
        let file = File::new(2 * MIB + round);
        cluster.chunk(round % 3, user, &file, 0).await;
        cluster.complete((round + 1) % 3, user, &file.id).await;
        sent.push(file);
    }
    for (round, file) in sent.iter().enumerate() {
        assert_eq!(cluster.end(round % 3, &file.id).await["status"], "completed");
    }
}

#[tokio::test]
async fn chunks_go_to_all_and_each_is_asked_about_it() {
    let cluster = Cluster::of(3).await;
    let (file, user) = (File::new(5 * CHUNK + 77), cluster.sandbox.user());
    let events = format!("/upload-events/{}", file.id);
    for index in 0..file.total() {
        cluster.chunk(index % 3, &user, &file, index).await;
    }
    let url = cluster.url(2, &format!("/upload-status/{}", file.id));
    let status: Value = cluster.client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(status["received_chunks"], file.total());
    cluster.complete(1, &user, &file.id).await;
    let stream = cluster.client.get(cluster.url(2, &events)).send().await.unwrap();
    let told = soon("the stream to end", stream.text()).await.unwrap();
    assert!(told.contains("\"completed\""), "{told}");
    for at in 0..3 {
        assert_eq!(cluster.end(at, &file.id).await["status"], "completed");
    }
    cluster.arrived(&user, &file);
    cluster.leaves_nothing(0).await;
}

#[tokio::test]
async fn a_cancel_at_one_stops_the_send_of_another_within_two_seconds() {
    let cluster = Cluster::of(2).await;
    let Sending { user, file, hold, by: sender } = Sending::until(&cluster, 3 * CHUNK, 4).await;
    let began = Instant::now();
    cluster.post(1 - sender, "/cancel-upload", &user, &file.id).await;
    soon("the send to stop", async { while cluster.sends(sender).await > 0 {} }).await;
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    cluster.sandbox.faults().release(hold);
    assert!(cluster.sandbox.messages_of(&user).is_empty());
}

#[tokio::test]
async fn a_worker_that_stops_hands_over_within_seconds() {
    let cluster = Cluster::of(2).await;
    let Sending { user, file, hold, by: sender } = Sending::until(&cluster, 6 * CHUNK, 20).await;
    let stopping = cluster.take(sender);
    let (began, before) = (Instant::now(), cluster.sandbox.stats().connections_accepted);
    assert!(stopping.stop().await.success());
    cluster.sandbox.faults().release(hold);
    // How long the file takes from there depends on the machine.
    soon("the other one", cluster.sandbox.wait_until(|stats| stats.connections_accepted > before)).await;
    assert!(began.elapsed().as_secs() < 20, "not when its leases have run out: {:?}", began.elapsed());
    assert_eq!(cluster.end(1 - sender, &file.id).await["status"], "completed");
    cluster.arrived(&user, &file);
}

#[tokio::test]
async fn an_operator_sees_the_workers_and_what_each_has_in_hand() {
    let cluster = Cluster::of(2).await;
    let Sending { user, file, hold, by: sender } = Sending::until(&cluster, 3 * CHUNK, 4).await;
    let seen = async |args: &[&str]| {
        let said = cluster.program(9).arg("workers").args(args).output().await.unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    };
    let workers: Value = serde_json::from_str(&seen(&["--json"]).await).unwrap();
    let name = |at: usize| std::fs::read_to_string(cluster.data_dir(at).join("worker-id")).unwrap();
    for at in 0..2 {
        let workers = workers["workers"].as_array().unwrap();
        let worker = workers.iter().find(|worker| worker["id"] == name(at).trim()).expect("each is told of");
        assert_eq!(worker["state"], "alive", "{worker}");
        assert!(worker["version"].is_string() && worker["since"].is_string(), "{worker}");
        let accounts = worker["accounts"].as_array().unwrap();
        assert_eq!(accounts.contains(&json!(user.user_id)), at == sender, "{worker}");
        let uploads = if at == sender { json!([file.id]) } else { json!([]) };
        let held: Vec<_> =
            worker["uploads"].as_array().unwrap().iter().map(|held| held["uploadId"].clone()).collect();
        assert_eq!(Value::from(held), uploads);
    }
    let table = seen(&[]).await;
    assert!(table.contains(&format!("sending {}", file.id)) && table.starts_with("WORKER "), "{table}");
    // One that ends itself is not shown.
    let gone = name(1 - sender);
    assert!(cluster.take(1 - sender).stop().await.success());
    assert!(!seen(&[]).await.contains(gone.trim()));
    cluster.sandbox.faults().release(hold);
    assert_eq!(cluster.end(sender, &file.id).await["status"], "completed");
}

#[tokio::test]
async fn two_users_at_once_use_each_account_in_one_place() {
    let cluster = Cluster::of(3).await;
    let users = [cluster.sandbox.user(), cluster.user("second")];
    send_by_turns(&cluster, [&users[0], &users[1]]).await;
    for user in &users {
        assert_eq!(cluster.sandbox.messages_of(user).len(), 3);
    }
}

#[tokio::test]
async fn another_key_is_refused_and_a_check_tries_both_ends() {
    let mut cluster = Cluster::of(1).await;
    let check = cluster.program(1).args(["check", "--json"]).output().await.unwrap();
    let told = String::from_utf8(check.stdout).unwrap();
    assert!(check.status.success() && told.contains("PostgreSQL answers"), "{told}");
    assert!(told.contains("an object could be written, read, listed and deleted"), "{told}");
    cluster.set("TELESTORE_SECRET_KEY", "not-the-same");
    let refused = cluster.program(1).output().await.unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.contains("TELESTORE_SECRET_KEY is not the one"), "{told}");
    assert!(!told.contains("not-the-same"), "{told}");
    let ready = cluster.client.get(cluster.url(0, "/ready")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
}

/// Two accounts of the backend that have one session string: each would be sent for by another worker.
#[tokio::test]
async fn a_login_of_two_users_is_used_by_one_worker_at_a_time() {
    let cluster = Cluster::of(3).await;
    let first = cluster.sandbox.user();
    let second =
        cluster.sandbox.add_user(UserSpec::new("second").session_of(&first).channel(Some(&first.channel_id)));
    send_by_turns(&cluster, [&first, &second]).await;
    cluster.leaves_nothing(0).await;
}
