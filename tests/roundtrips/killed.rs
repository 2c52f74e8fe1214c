//! A worker that is killed at any moment while it sends encrypted files.

use std::time::{Duration, Instant};

use rand::RngExt as _;
use telestore_sandbox::Via;

use crate::support::{CHUNK, File, MIB, soon};
use crate::{Form, Scene, bytes};

/// How often it is killed while it sends. Further kills find it before or behind that. By the Bot API the whole file goes again each time, as
/// if nothing of it had gone, so that few kills show what many do. `.ci/run` has fewer, too.
fn kills_amid(via: Via) -> usize {
    let many = std::env::var("ROUNDTRIPS_KILLS").map_or(50, |text| text.parse().expect("a number"));
    if via == Via::Mtproto { many } else { many.min(15) }
}

/// After how many kills nothing is sent any more of files that still arrive: of most of them little is left to send when they are complete.
const EARLY: usize = 10;

/// How often at most, until that many did.
const ROUNDS: usize = 8;

/// The calls that bring bytes to Telegram.
fn calls(via: Via) -> &'static [&'static str] {
    match via {
        Via::Mtproto => &["upload.saveFilePart", "upload.saveBigFilePart"],
        _ => &["sendDocument"],
    }
}

/// What Telegram has seen of the files.
#[derive(Clone, Copy)]
struct Seen {
    calls: u64,
    messages: usize,
}

impl Seen {
    fn of(scene: &Scene, via: Via) -> Self {
        let stats = scene.stage.sandbox.stats();
        let calls = calls(via).iter().map(|call| stats.calls(call)).sum();
        Self { calls, messages: scene.stage.sandbox.messages_of(&scene.stage.user).len() }
    }

    /// Waits until so many more calls came, or the message is there.
    async fn and_then(self, calls: u64, scene: &Scene, via: Via) {
        let come = async {
            loop {
                let now = Self::of(scene, via);
                if now.calls >= self.calls + calls || now.messages > self.messages {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon("so many calls", come).await;
    }

    /// Whether a file is on its way since then, and not there.
    fn is_amid(self, scene: &Scene, via: Via) -> bool {
        let now = Self::of(scene, via);
        now.calls > self.calls && now.messages == self.messages
    }
}

async fn killed(form: Form, via: Via, settings: &[(&str, &str)]) {
    let mut scene = Scene::new(form, settings).await;
    // How many calls one takes that nobody disturbs, and how long one of them.
    let (first, before) = (a_file(via), Seen::of(&scene, via));
    scene.stage.queue(&first).await;
    before.and_then(1, &scene, via).await;
    let began = Instant::now();
    before.and_then(u64::from(u32::MAX), &scene, via).await;
    let sent = began.elapsed();
    assert_eq!(scene.stage.end(&first.id).await["status"], "completed");
    let calls = Seen::of(&scene, via).calls - before.calls;
    let each = sent.max(Duration::from_millis(50)).div_f64(calls as f64);
    let kept = scene.newest().await;
    assert!(calls > 0 && scene.messages(&kept).iter().all(|message| message.via == via));
    let (mut kills, mut amid, wanted) = (0, 0, kills_amid(via));
    while amid < wanted {
        kills += 1;
        assert!(kills <= wanted * ROUNDS, "{amid} of {kills} kills came while it was sending");
        let (file, before) = (a_file(via), Seen::of(&scene, via));
        scene.stage.queue(&file).await;
        // At any moment behind a call, and now and then before the first one.
        let call = if rand::rng().random_bool(0.1) { 0 } else { rand::rng().random_range(1..=calls) };
        before.and_then(call, &scene, via).await;
        tokio::time::sleep(each.mul_f64(rand::rng().random::<f64>())).await;
        scene.stage.kill().await;
        amid += usize::from(before.is_amid(&scene, via));
        if kills == EARLY {
            scene.stage.set("TELESTORE_EAGER", "off");
        }
        scene.stage.start().await;
        let end = scene.stage.end(&file.id).await;
        assert_eq!(end["status"], "completed", "kill {kills}: {end}");
        let kept = scene.newest().await;
        assert_eq!(kept["uploadId"], file.id.as_str());
        assert!(scene.opened_by_hand(&kept).await == file.bytes, "kill {kills}");
    }
    println!("{form:?}, {via:?}: {kills} kills, {amid} of them while it was sending");
    assert_eq!(Seen::of(&scene, via).messages, kills + 1, "each is one message");
}

/// One that goes that way, by MTProto as a large one.
fn a_file(via: Via) -> File {
    let length = if via == Via::Mtproto { 12 * MIB } else { 4 * MIB };
    File::of(bytes(length), &[CHUNK]).named("access.log")
}

#[tokio::test]
async fn encrypted_files_are_whole_after_any_kill() {
    killed(Form::Age, Via::Mtproto, &[("TELESTORE_PREFER_MTPROTO", "on")]).await;
}

#[tokio::test]
async fn compressed_and_encrypted_files_are_whole_after_any_kill() {
    killed(Form::Both, Via::Mtproto, &[("TELESTORE_PREFER_MTPROTO", "on")]).await;
}

#[tokio::test]
async fn encrypted_files_that_go_by_the_bot_api_are_whole_after_any_kill() {
    killed(Form::Age, Via::BotApi, &[]).await;
}

#[tokio::test]
async fn compressed_and_encrypted_files_that_go_by_the_bot_api_are_whole_after_any_kill() {
    killed(Form::Both, Via::BotApi, &[]).await;
}
