//! Two whole bodies of one file never reach the Bot API, which has no key by which it would know a repetition: whatever
//! ends or stops the worker while an answer is outstanding, and however often. Whoever can look into the channel finds the
//! message; a token alone cannot.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use telestore_sandbox::{Fault, FaultAction, UserSpec};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{File, Stage, soon};

const SEND: &str = "sendDocument";

/// What the error of an upload says whose file may be in the channel.
const LOOK_THERE: &str = "may be in the channel already";

/// What it says after too many ends of the worker without getting further.
const TOO_OFTEN: &str = "The file is not in the channel; complete the upload again";

/// The same while its message was looked for.
const LOOKED_TOO_OFTEN: &str = "while it looked for the message of this file";

/// How often the worker is killed, at least.
const KILLS: usize = 100;

/// How often that many times, until enough files got through.
const ROUNDS: usize = 8;

/// A file of ten bytes with a name of its own, by which the sandbox counts it.
fn small(number: usize) -> File {
    File::new(10).named(&format!("file-{number}.bin"))
}

/// A user who has nothing but a bot's token.
async fn of_token(settings: &[(&str, &str)]) -> Stage {
    Stage::of(UserSpec::new("bob").without_session(), settings).await
}

async fn begin(stage: &Stage, file: &File) {
    stage.queue(file).await;
}

/// Sends a file whose message is made and whose answer never comes.
async fn without_an_answer(stage: &Stage) -> File {
    let file = small(0);
    stage.sandbox.faults().inject(Fault::new(SEND, FaultAction::Silence).once());
    begin(stage, &file).await;
    soon("the message", stage.sandbox.wait_for_message(&stage.user.channel_id, 1)).await;
    file
}

/// The upload ended as one whose file may be in the channel, and nothing was sent a second time.
async fn tells_where_to_look(stage: &Stage, file: &File) {
    let end = stage.end(&file.id).await;
    assert_eq!(stage.sandbox.stats().documents(&file.name), 1, "the whole file went out again: {end}");
    assert_eq!(end["status"], "failed", "{end}");
    assert!(end["error"].as_str().unwrap().contains(LOOK_THERE), "{end}");
    stage.arrived(file);
    // Everybody else goes on.
    let next = small(1);
    assert_eq!(stage.send(&next).await["status"], "completed");
    assert_eq!(stage.sandbox.stats().documents(&next.name), 1);
}

#[tokio::test]
async fn a_stop_that_does_not_wait_for_the_answer_sends_nothing_again() {
    let mut stage = of_token(&[("TELESTORE_SHUTDOWN_GRACE", "1s")]).await;
    let file = without_an_answer(&stage).await;
    assert!(stage.terminate().await.success());
    stage.start().await;
    tells_where_to_look(&stage, &file).await;
}

#[tokio::test]
async fn a_kill_with_the_answer_outstanding_sends_nothing_again() {
    let mut stage = of_token(&[]).await;
    let file = without_an_answer(&stage).await;
    stage.kill().await;
    stage.start().await;
    tells_where_to_look(&stage, &file).await;
    // Nor does the next one, which finds it as it is.
    stage.kill().await;
    stage.start().await;
    assert_eq!(stage.end(&file.id).await["status"], "failed");
    assert_eq!(stage.sandbox.stats().documents(&file.name), 1);
}

#[tokio::test]
async fn a_person_who_has_looked_can_have_it_sent_again() {
    let mut stage = of_token(&[]).await;
    let file = without_an_answer(&stage).await;
    stage.kill().await;
    stage.start().await;
    tells_where_to_look(&stage, &file).await;
    let refused = stage.command(&["uploads", "retry", &file.id]).await.error();
    assert!(refused.contains(LOOK_THERE), "{refused}");
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    assert_eq!(stage.sandbox.stats().documents(&file.name), 2, "by their word");
}

#[tokio::test]
async fn a_worker_that_was_frozen_sends_nothing_again() {
    // More than one, since each of them has its own chance to be taken for abandoned.
    const FROZEN: usize = 6;
    let stage = Stage::with(&[("TELESTORE_MAX_CONCURRENT_UPLOADS", "8")]).await;
    let hold = stage.sandbox.faults().inject(Fault::hold(SEND).times(FROZEN as u64));
    let files: Vec<File> = (0..FROZEN).map(small).collect();
    for file in &files {
        begin(&stage, file).await;
    }
    soon("the sends", stage.sandbox.faults().wait_fired(hold, FROZEN as u64)).await;
    stage.signal("STOP").await;
    // Whatever is kept alive by a sign of life each few seconds has had none for a minute.
    sleep(Duration::from_secs(60)).await;
    stage.signal("CONT").await;
    // Each file that goes out wakes the task that looks for work.
    for number in 0..2 {
        assert_eq!(stage.send(&small(FROZEN + number)).await["status"], "completed");
    }
    stage.sandbox.faults().release(hold);
    for file in &files {
        let end = stage.end(&file.id).await;
        assert!(stage.sandbox.stats().documents(&file.name) <= 1, "{end}");
        assert_eq!(end["status"], "completed", "{end}");
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), FROZEN + 2);
}

/// What a client knows of a file that it sends. Its worker may be gone at any moment.
struct Client<'a> {
    stage: &'a Stage,
    /// Those whose completion was not acknowledged.
    pending: Vec<File>,
    /// All others.
    queued: Vec<File>,
}

impl Client<'_> {
    /// Goes on with what is pending, and then with new files, for ever.
    async fn work(&mut self) {
        loop {
            if self.pending.is_empty() {
                self.pending.push(small(self.queued.len()));
            }
            while let Some(file) = self.pending.last() {
                if self.push(file).await.is_none() {
                    // The worker is gone, or going.
                    return std::future::pending().await;
                }
                self.queued.extend(self.pending.pop());
            }
            // Slowly enough that the worker can follow.
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Brings a file to where it is queued, sent, or failed. `None` if the worker does not answer.
    async fn push(&self, file: &File) -> Option<()> {
        // Completing one that failed means that somebody has looked into the channel; nobody has.
        let known =
            self.call(self.stage.client.get(self.url(&format!("/upload-progress/{}", file.id)))).await?;
        if known.0 == 200 {
            return Some(());
        }
        let chunk = self.stage.client.post(self.url("/upload-chunk"));
        let (status, body) = self.call(chunk.multipart(file.chunk(0, &self.stage.user.auth_token))).await?;
        assert_eq!(status, 200, "{body}");
        let complete = self.stage.client.post(self.url("/complete-upload"));
        let (status, body) = self.call(complete.json(&json!({ "uploadId": file.id }))).await?;
        assert_eq!(status, 200, "{body}");
        Some(())
    }

    fn url(&self, path: &str) -> String {
        self.stage.url(path)
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
        let answer = request.send().await.ok()?;
        Some((answer.status().as_u16(), answer.json().await.ok()?))
    }
}

#[tokio::test]
async fn a_hundred_kills_send_no_small_file_twice() {
    let (queued, failed) = a_hundred_kills(of_token(&[]).await).await;
    println!("{failed} of {queued} failed and say where to look");
}

#[tokio::test]
async fn a_hundred_kills_lose_no_small_file_whose_message_can_be_looked_for() {
    let stage = Stage::of(UserSpec::new("bob"), &[]).await;
    let (queued, failed) = a_hundred_kills(stage).await;
    assert_eq!(failed, 0, "of {queued}");
}

/// Kills the worker in the middle of what it does, and then lets it have the rest. Adds the files.
async fn killed_again_and_again(stage: &mut Stage, random: &mut StdRng, queued: &mut Vec<File>) {
    let (mut pending, before, begin) = (Vec::new(), queued.len(), Instant::now());
    let mut kills = 0;
    // Answers take their time, so that kills find some of them outstanding.
    stage.sandbox.faults().inject(Fault::new(SEND, FaultAction::Delay(Duration::from_millis(40))));
    // On a slow machine most lives are too short for a file.
    while kills < KILLS || queued.len() - before < KILLS / 2 {
        kills += 1;
        let mut client = Client { stage, pending, queued: std::mem::take(queued) };
        let life = Duration::from_millis(random.random_range(1..250));
        let _ = timeout(life, client.work()).await;
        (pending, *queued) = (client.pending, client.queued);
        stage.kill().await;
        stage.start().await;
    }
    println!("{kills} kills and {} files in {:.0?}", queued.len() - before, begin.elapsed());
    stage.sandbox.faults().clear();
    let client = Client { stage, pending: Vec::new(), queued: Vec::new() };
    for file in &pending {
        soon("the last files", client.push(file)).await.expect("nobody kills it now");
    }
    queued.append(&mut pending);
}

/// Kills the worker again and again while it sends small files. Gives how many there were, and how many of them failed.
async fn a_hundred_kills(mut stage: Stage) -> (usize, usize) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut queued, mut twice, mut completed, mut failed) = (Vec::new(), Vec::new(), 0, 0);
    // On a slow machine nearly every kill finds an answer outstanding, so that little is left that can show anything.
    for _ in 0..ROUNDS {
        let before = queued.len();
        killed_again_and_again(&mut stage, &mut random, &mut queued).await;
        for file in &queued[before..] {
            let (end, messages) = ended(&stage, file).await;
            if messages > 1 {
                twice.push((file.name.clone(), messages));
            }
            if end["status"] == "completed" {
                assert_eq!(messages, 1, "{end}");
                completed += 1;
                continue;
            }
            let error = end["error"].as_str().unwrap_or_default();
            assert!(error.contains(LOOK_THERE), "{end}");
            // On a slow machine five lives in a row may be too short for a look, too.
            if !error.contains(LOOKED_TOO_OFTEN) {
                failed += 1;
            }
        }
        if completed > KILLS / 4 {
            break;
        }
    }
    println!("{completed} completed, {failed} failed and say where to look");
    assert!(twice.is_empty(), "{} of {} files went out more than once: {twice:?}", twice.len(), queued.len());
    assert!(completed > KILLS / 4, "too few files to show anything");
    (queued.len(), failed)
}

/// How a file has ended, and how many messages it has.
async fn ended(stage: &Stage, file: &File) -> (Value, usize) {
    let mut end = stage.end(&file.id).await;
    // On a slow machine each life of the worker may be too short for a file.
    while end["error"].as_str().is_some_and(|error| error.contains(TOO_OFTEN)) {
        stage.complete(&file.id).await.ok();
        end = stage.end(&file.id).await;
    }
    let messages = stage.sandbox.messages_of(&stage.user);
    let messages = messages.iter().filter(|message| message.file_name == file.name).count();
    if messages > 1 {
        let log = stage.logged("").await;
        log.lines().filter(|line| line.contains(&file.id)).for_each(|line| println!("{line}"));
    }
    (end, messages)
}
