//! SIGKILL of the worker that has a file in hand, at each moment that `tests/api/crash.rs` names, and the other workers do
//! the rest: one message, the same bytes, one event, and nothing is left.
//!
//! All moments share one kill, since the others wait a minute until they take a worker for dead. Each has a user of its own,
//! whose calls alone its fault strikes.

use std::collections::BTreeSet;

use telestore_sandbox::{Fault, FaultAction, FaultId, SandboxUser};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::Person;
use crate::cluster::Cluster;
use crate::support::moments::{By, PART, moments};
use crate::support::{File, soon};

/// What is done with a file before its worker is killed.
enum Until {
    /// It is complete, and this strikes.
    Strikes(Fault),
    /// The same, and its message is in the channel.
    MessageWithoutAnswer(Fault),
    /// A chunk is half there.
    HalfAChunk,
    Init,
    OneChunk,
    /// One of them is recorded, and the others are on their way.
    ChunksSideBySide,
    AllChunks,
    Completion,
    Completed,
}

struct Moment {
    name: &'static str,
    by: By,
    until: Until,
}

/// Those of the table.
fn of_the_table() -> Vec<Moment> {
    macro_rules! list {
        ($($name:ident: $by:ident, $fault:expr;)*) => {
            vec![$(Moment { name: stringify!($name), by: By::$by, until: Until::Strikes($fault) }),*]
        };
    }
    moments!(list)
}

/// Those that `crash.rs` has a test of its own for.
fn of_their_own() -> Vec<Moment> {
    let silence = Fault::new("sendDocument", FaultAction::Silence);
    let moments = [
        ("killed_in_the_middle_of_a_chunk", By::BotApi, Until::HalfAChunk),
        ("killed_after_init", By::BotApi, Until::Init),
        ("killed_after_the_first_chunk", By::Mtproto, Until::OneChunk),
        ("killed_while_chunks_arrive_side_by_side", By::Mtproto, Until::ChunksSideBySide),
        ("killed_after_the_last_chunk", By::Mtproto, Until::AllChunks),
        ("killed_right_after_completion", By::Mtproto, Until::Completion),
        (
            "killed_after_a_bots_message_was_made_and_before_its_answer",
            By::BotApi,
            Until::MessageWithoutAnswer(silence),
        ),
        ("killed_right_after_the_end", By::Mtproto, Until::Completed),
    ];
    moments.map(|(name, by, until)| Moment { name, by, until }).into()
}

/// It has a test of its own here, too.
const AGAIN: &str = "killed_again_and_again";

#[test]
fn each_moment_of_one_worker_is_one_of_many() {
    let source = syn::parse_file(include_str!("../api/crash.rs")).expect("Rust");
    let written: BTreeSet<String> = source
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Fn(function) => Some(function.sig.ident.to_string()),
            _ => None,
        })
        .filter(|name| name.starts_with("killed_") && name != "killed_at")
        .collect();
    let here = of_their_own().iter().map(|moment| moment.name.to_owned()).chain([AGAIN.to_owned()]).collect();
    assert_eq!(written, here, "crash.rs and killed.rs name other moments");
}

/// A moment, the file that it is about, and whose that is.
struct Scene<'a> {
    moment: Moment,
    file: File,
    person: Person<'a>,
    fault: Option<FaultId>,
}

/// The one that is killed. The others start when all is in its hands.
const VICTIM: usize = 0;

impl<'a> Scene<'a> {
    fn new(cluster: &'a Cluster, moment: Moment) -> Self {
        // Telegram would cut a longer name.
        let name = moment.name.strip_prefix("killed_").expect("its beginning");
        let file = moment.by.file().named(&format!("{name}.bin"));
        let person = Person::new(cluster, cluster.user(moment.name));
        Self { moment, file, person, fault: None }
    }

    fn user(&self) -> &SandboxUser {
        &self.person.user
    }

    /// What this moment waits for takes its time, and ends by itself: it comes last.
    fn is_short(&self) -> bool {
        match &self.moment.until {
            // It is nobody's, and would strike others.
            Until::Strikes(fault) => {
                fault.at == "mtproto.connect" || matches!(fault.action, FaultAction::FloodWait(_))
            }
            Until::HalfAChunk | Until::ChunksSideBySide | Until::Completion => true,
            _ => false,
        }
    }

    /// Has the victim come to the moment; what runs on meanwhile is put into `running`.
    async fn comes(&mut self, running: &mut JoinSet<()>) {
        let (cluster, file, user) = (self.person.cluster, &self.file, self.person.user.clone());
        match &self.moment.until {
            Until::Strikes(fault) | Until::MessageWithoutAnswer(fault) => {
                let of_all = fault.at == "mtproto.connect";
                let fault = if of_all { fault.clone() } else { fault.clone().user(&user.user_id) };
                cluster.chunks(VICTIM, &user, file).await;
                self.fault = Some(cluster.sandbox.faults().inject(fault));
                cluster.complete(VICTIM, &user, &file.id).await;
            }
            Until::HalfAChunk => half_a_chunk(cluster, file, running).await,
            Until::Init => {
                let init = serde_json::json!({
                    "uploadId": file.id, "fileName": file.name, "totalChunks": file.total(), "fileSize": file.bytes.len(),
                });
                let answer =
                    cluster.client.post(cluster.url(VICTIM, "/init-upload")).json(&init).send().await;
                assert_eq!(answer.unwrap().status(), 200);
            }
            Until::OneChunk => cluster.chunk(VICTIM, &user, file, 0).await,
            Until::ChunksSideBySide => {
                for index in 0..file.total() {
                    let request = cluster.client.post(cluster.url(VICTIM, "/upload-chunk"));
                    let request = request.multipart(file.chunk(index, &user.auth_token));
                    // Some are answered, the others lose their connection; both are fine.
                    running.spawn(async move { drop(request.send().await) });
                }
                let recorded =
                    format!("SELECT received_chunks::BIGINT FROM uploads WHERE id = '{}'", file.id);
                let exists = format!("SELECT COALESCE(({recorded}), 0)");
                soon("a chunk of them", async { while cluster.number(&exists).await == 0 {} }).await;
            }
            Until::AllChunks => cluster.chunks(VICTIM, &user, file).await,
            Until::Completion | Until::Completed => {
                cluster.chunks(VICTIM, &user, file).await;
                cluster.complete(VICTIM, &user, &file.id).await;
                if matches!(self.moment.until, Until::Completed) {
                    assert_eq!(cluster.end(VICTIM, &file.id).await["status"], "completed");
                }
            }
        }
    }

    /// Returns when the moment is there.
    async fn is_there(&self) {
        let sandbox = &self.person.cluster.sandbox;
        if let Some(fault) = self.fault {
            soon(self.moment.name, sandbox.faults().wait_fired(fault, 1)).await;
        }
        if matches!(self.moment.until, Until::MessageWithoutAnswer(_)) {
            soon(self.moment.name, sandbox.wait_for_message(&self.user().channel_id, 1)).await;
        }
    }

    /// Goes on as the browser does, at the workers that are left.
    async fn goes_on(&self) {
        self.person.missing_chunks(&self.file).await;
        self.person.complete(&self.file).await;
        // Also of a message whose answer the killed worker waited for: another one finds it in the channel.
        assert!(self.person.sees_to_it(&self.file).await, "{}", self.moment.name);
        self.person.cluster.arrived(self.user(), &self.file);
        assert_eq!(self.person.cluster.sandbox.messages_of(self.user()).len(), 1, "{}", self.moment.name);
    }
}

/// Sends the beginning of a chunk, until a piece of it is in the bucket, and keeps the connection.
async fn half_a_chunk(cluster: &Cluster, file: &File, running: &mut JoinSet<()>) {
    let before = cluster.objects().await.len();
    let address = cluster.url(VICTIM, "").strip_prefix("http://").expect("http").to_owned();
    let mut socket = TcpStream::connect(address).await.expect("connects");
    let head = "POST /upload-chunk HTTP/1.1\r\nHost: x\r\nContent-Length: 6000000\r\n\
                Content-Type: multipart/form-data; boundary=X\r\n\r\n--X\r\n\
                Content-Disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\n\r\n";
    socket.write_all(head.as_bytes()).await.expect("writes");
    socket.write_all(&file.bytes[..5_000_000]).await.expect("writes");
    soon("a piece in the bucket", async { while cluster.objects().await.len() == before {} }).await;
    running.spawn(async move {
        let _socket = socket;
        std::future::pending().await
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_moment_another_worker_does_the_rest() {
    let mut cluster = Cluster::before(&crate::cluster::needed("TELESTORE_TEST_POSTGRES"), 3).await;
    cluster.set("TELESTORE_BOT_API_MAX_BYTES", By::LIMIT);
    cluster.set("TELESTORE_EAGER", "off");
    // Each moment has its slot.
    cluster.set("TELESTORE_MAX_CONCURRENT_UPLOADS", "64");
    cluster.start(VICTIM).await;
    let all = of_the_table().into_iter().chain(of_their_own());
    let mut scenes: Vec<Scene> = all.map(|moment| Scene::new(&cluster, moment)).collect();
    scenes.sort_by_key(Scene::is_short);
    let mut running = JoinSet::new();
    for scene in &mut scenes {
        scene.comes(&mut running).await;
        scene.is_there().await;
    }
    cluster.start(1).await;
    cluster.start(2).await;
    cluster.kill(VICTIM).await;
    cluster.sandbox.faults().clear();
    running.abort_all();
    futures_util::future::join_all(scenes.iter().map(Scene::goes_on)).await;
    let told = cluster.told().await;
    for scene in &scenes {
        assert!(told.contains(&scene.file.name), "{}", scene.moment.name);
    }
    drop(scenes);
    // Half a chunk, and the five that came side by side, none of more than two pieces.
    cluster.leaves_nothing(12).await;
}
