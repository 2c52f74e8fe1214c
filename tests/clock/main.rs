//! The real program under a clock that somebody moves, by libfaketime. `.ci/clock` runs this; without it nothing here is
//! run, so that the tests need nothing but Rust. Time that passes (`CLOCK_MONOTONIC`) is left alone, as on a machine whose
//! clock is set.

#[path = "../api/support.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "shared with the other black-box tests")]
mod support;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use telestore_sandbox::{Fault, UserSpec};
use tokio::time::sleep;

use crate::support::{File, Stage, soon};

const SEND: &str = "sendDocument";
const WEBHOOK: &str = "backend.webhook";

/// Longer than from one look at what is past its time to the next.
const A_SWEEP: Duration = Duration::from_secs(70);

const RIGHT: &str = "+0";

/// A worker whose clock can be moved, and where it is read from.
struct Scene {
    stage: Stage,
    clock: PathBuf,
}

impl Scene {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let library = std::env::var("FAKETIME_LIBRARY").expect("run .ci/clock, which sets FAKETIME_LIBRARY");
        let mut stage = Stage::recording(settings).await;
        stage.kill().await;
        let clock = stage.dir.path().join("clock");
        for (name, value) in [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", clock.to_str().expect("a path in Unicode")),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ] {
            stage.set(name, value);
        }
        let scene = Self { stage, clock };
        scene.set(RIGHT);
        scene.restarted().await
    }

    /// Moves the clock so far from the right time. The program reads it at each look at the clock, so never half of it.
    fn set(&self, offset: &str) {
        let new = self.clock.with_extension("new");
        std::fs::write(&new, offset).expect("a file");
        std::fs::rename(&new, &self.clock).expect("a file");
    }

    async fn restarted(mut self) -> Self {
        self.stage.start().await;
        self
    }

    async fn begin(&self, file: &File) {
        self.stage.chunks(file).await;
        self.stage.complete(&file.id).await.ok();
    }

    async fn completes(&self, file: &File) {
        let end = self.stage.end(&file.id).await;
        assert_eq!(end["status"], "completed", "{end}");
        assert_eq!(self.stage.sandbox.stats().documents(&file.name), 1, "{}", file.name);
    }

    async fn received(&self, file: &File) -> serde_json::Value {
        self.stage.get(&format!("/upload-status/{}", file.id)).await.ok()["received_chunk_indices"].clone()
    }

    /// How many webhooks the backend has taken.
    fn told(&self) -> usize {
        self.stage.sandbox.webhooks().iter().filter(|call| call.status == 200).count()
    }

    async fn until_told(&self, count: usize) {
        soon("the webhooks", async {
            while self.told() < count {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
}

fn named(name: &str) -> File {
    File::in_chunks(20, &[10]).named(name)
}

/// The year of a line of the log.
fn year(line: &str) -> u32 {
    line.get(..4).and_then(|year| year.parse().ok()).unwrap_or_else(|| panic!("no time in {line:?}"))
}

#[tokio::test]
async fn the_clock_of_the_worker_really_moves() {
    let scene = Scene::new(&[]).await;
    // Three, since two years of 365 days can be one year later and its last day.
    scene.set("+3y");
    let file = named("file");
    scene.begin(&file).await;
    scene.completes(&file).await;
    scene.set(RIGHT);
    let log = scene.stage.logged("Upload completed").await;
    let sent = log.lines().find(|line| line.contains("Upload completed")).map(year);
    assert!(sent > log.lines().next().map(|line| year(line) + 1), "{log}");
}

/// Moves the clock while answers are outstanding: nobody may take the uploads for abandoned.
async fn a_step_sends_nothing_twice(step: &str) {
    // More than one, since each of them has its own chance to be taken for abandoned.
    const OPEN: usize = 6;
    let scene = Scene::new(&[("TELESTORE_MAX_CONCURRENT_UPLOADS", "8")]).await;
    let stage = &scene.stage;
    let hold = stage.sandbox.faults().inject(Fault::hold(SEND).times(OPEN as u64));
    let files: Vec<File> = (0..OPEN).map(|number| named(&format!("open-{number}"))).collect();
    for file in &files {
        scene.begin(file).await;
    }
    soon("the sends", stage.sandbox.faults().wait_fired(hold, OPEN as u64)).await;
    scene.set(step);
    // Each file that goes out wakes the task that looks for work.
    for number in 0..2 {
        let file = named(&format!("next-{number}"));
        scene.begin(&file).await;
        scene.completes(&file).await;
    }
    scene.set(RIGHT);
    let last = named("last");
    scene.begin(&last).await;
    scene.completes(&last).await;
    stage.sandbox.faults().release(hold);
    for file in &files {
        scene.completes(file).await;
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), OPEN + 3);
}

#[tokio::test]
async fn a_step_of_an_hour_ahead_sends_nothing_twice() {
    a_step_sends_nothing_twice("+1h").await;
}

#[tokio::test]
async fn a_step_of_an_hour_back_sends_nothing_twice() {
    a_step_sends_nothing_twice("-1h").await;
}

/// Uploads of each kind, a wrong clock for a minute, and nothing is lost and nothing stands still.
async fn a_wrong_clock_harms_nothing(offset: &str, at_the_start: bool) {
    let mut scene = Scene::new(&[]).await;
    let bob = scene.stage.sandbox.add_user(UserSpec::new("bob"));
    // There before: a result, a chunk of an upload that goes on later, and one that Telegram has put off.
    let (done, half, waiting) = (named("done"), named("half"), named("waiting"));
    scene.begin(&done).await;
    scene.completes(&done).await;
    scene.until_told(1).await;
    scene.stage.chunk(&half, 0).await.ok();
    let later = Fault::flood_wait(SEND, 10).user(&scene.stage.user.user_id);
    let later = scene.stage.sandbox.faults().inject(later);
    scene.begin(&waiting).await;
    soon("an attempt", scene.stage.sandbox.faults().wait_fired(later, 1)).await;

    if at_the_start {
        assert!(scene.stage.terminate().await.success());
        scene.set(offset);
        scene = scene.restarted().await;
    } else {
        scene.set(offset);
    }
    // What comes while it is wrong: the same again, and a webhook that is put off.
    let (young, late, told) = (named("young"), named("late"), named("told"));
    let faults = scene.stage.sandbox.faults();
    scene.stage.chunk(&young, 0).await.ok();
    let fired = faults.fired(later);
    scene.begin(&late).await;
    let deaf = faults.inject(Fault::drop_connection(WEBHOOK));
    for index in 0..told.total() {
        scene.stage.form("/upload-chunk", told.chunk(index, &bob.auth_token)).await.ok();
    }
    scene.stage.complete(&told.id).await.ok();
    scene.completes(&told).await;
    soon("a webhook", faults.wait_fired(deaf, 1)).await;
    soon("an attempt", faults.wait_fired(later, fired + 1)).await;
    sleep(A_SWEEP).await;

    scene.set(RIGHT);
    sleep(A_SWEEP).await;
    faults.release(later);
    faults.release(deaf);
    for file in [&half, &young] {
        assert_eq!(scene.received(file).await, json!([0]), "an acknowledged chunk of {} is gone", file.name);
        scene.stage.chunk(file, 1).await.ok();
        scene.stage.complete(&file.id).await.ok();
    }
    for file in [&done, &half, &young, &waiting, &late, &told] {
        scene.completes(file).await;
    }
    scene.until_told(6).await;
}

#[tokio::test]
async fn a_clock_that_goes_a_year_ahead_for_a_minute_harms_nothing() {
    a_wrong_clock_harms_nothing("+1y", false).await;
}

#[tokio::test]
async fn a_clock_that_goes_a_year_back_for_a_minute_harms_nothing() {
    a_wrong_clock_harms_nothing("-1y", false).await;
}

#[tokio::test]
async fn a_start_with_a_clock_a_year_ahead_harms_nothing() {
    a_wrong_clock_harms_nothing("+1y", true).await;
}

#[tokio::test]
async fn a_start_with_a_clock_a_year_behind_harms_nothing() {
    a_wrong_clock_harms_nothing("-1y", true).await;
}
