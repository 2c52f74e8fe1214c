//! Several bots share the files of a channel.

use std::collections::BTreeMap;

use serde_json::json;
use telestore_sandbox::{Fault, Sandbox, SandboxUser, Standing, UserSpec, Via};

use crate::pieces;
use crate::support::{File, MIB, Stage, soon};

const PART: &str = "upload.saveBigFilePart";
const SMALL_PART: &str = "upload.saveFilePart";
const SEND: &str = "messages.sendMedia";
const DOCUMENT: &str = "sendDocument";

/// All files by MTProto.
const MTPROTO: [(&str, &str); 1] = [("TELESTORE_PREFER_MTPROTO", "on")];

/// A user with so many bots, whose owners are told, and a worker that records.
pub(crate) async fn pool(bots: usize, settings: &[(&str, &str)]) -> (Stage, Vec<SandboxUser>) {
    let (mut stage, owners) = before(bots, settings).await;
    stage.start().await;
    (stage, owners)
}

/// The same, with a worker that is still to be started.
async fn before(bots: usize, settings: &[(&str, &str)]) -> (Stage, Vec<SandboxUser>) {
    let sandbox = Sandbox::builder().default_user(false).start().await.expect("a sandbox");
    let mut others: Vec<SandboxUser> = Vec::new();
    for number in 2..=bots {
        let channel = others.first().map(|first| first.channel_id.clone());
        let spec = UserSpec::new(format!("bot {number}")).without_session().channel(channel.as_deref());
        others.push(sandbox.add_user(spec));
    }
    let channel = others[0].channel_id.clone();
    let user = UserSpec::new("botty").without_session().with_api_id().channel(Some(channel.as_str()));
    let user = sandbox.add_user(user.bot_tokens(others.iter().map(|other| other.bot_token.as_str())));
    let mut stage = Stage::before(sandbox, settings);
    stage.user = user.clone();
    let address = stage.sandbox.mtproto_addr().to_string();
    stage.set("TELESTORE_MTPROTO_DC", &address);
    stage.record();
    others.insert(0, user);
    (stage, others)
}

/// Has the next start serve without a backend, with these bots.
fn stand_alone(stage: &mut Stage, bots: &str) {
    let user = stage.user.clone();
    for (name, value) in [
        ("BACKEND_URL", ""),
        ("TELESTORE_BOT_TOKENS", bots),
        ("TELESTORE_API_ID", &*user.api_id.to_string()),
        ("TELESTORE_API_HASH", &*user.api_hash),
        ("TELESTORE_CHANNEL_ID", &*user.channel_id),
        ("TELESTORE_AUTH_TOKENS", &*user.auth_token),
    ] {
        stage.set(name, value);
    }
}

impl Stage {
    /// How many messages the bot of each of `owners` has made.
    fn shares(&self, owners: &[SandboxUser]) -> Vec<usize> {
        let mut shares = BTreeMap::new();
        for message in self.sandbox.messages_of(&self.user) {
            *shares.entry(message.user_id).or_insert(0) += 1;
        }
        owners.iter().map(|owner| shares.get(&owner.user_id).copied().unwrap_or(0)).collect()
    }

    /// Sends a file that arrives in one attempt, whoever sends it.
    async fn sends_once(&self, length: usize) {
        let before = self.sandbox.messages_of(&self.user).len();
        let file = File::new(length);
        let end = self.send(&file).await;
        assert_eq!((&end["status"], &end["attempt"]), (&"completed".into(), &1.into()), "{end}");
        let messages = self.sandbox.messages_of(&self.user);
        assert_eq!(messages.len(), before + 1, "one message");
        file.assert_is(messages.last().unwrap());
    }

    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let answer = self.client.get(self.url("/metrics")).send().await.expect("the worker answers");
        let text = answer.text().await.expect("text");
        let line =
            text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("{text}"));
        line.trim().parse().expect("a number")
    }

    /// Keeps the bot of this user waiting at a call, for as long as the sandbox lives.
    fn floods(&self, owner: &SandboxUser, call: &str) {
        self.sandbox.faults().inject(Fault::flood_wait(call, 300).user(&owner.user_id));
    }
}

#[tokio::test]
async fn files_are_spread_over_all_bots_by_both_ways() {
    for (settings, via) in [(&[][..], Via::BotApi), (&MTPROTO[..], Via::Mtproto)] {
        let (stage, bots) = pool(3, settings).await;
        for _ in 0..4 {
            stage.sends_once(1000).await;
        }
        assert_eq!(stage.shares(&bots), [2, 1, 1], "in turns");
        let files: Vec<File> = (0..6).map(|_| File::new(1000)).collect();
        for file in &files {
            stage.queue(file).await;
        }
        for file in &files {
            assert_eq!(stage.end(&file.id).await["status"], "completed");
        }
        let shares = stage.shares(&bots);
        assert!(shares.iter().sum::<usize>() == 10 && shares.iter().all(|share| *share >= 2), "{shares:?}");
        assert!(stage.sandbox.messages_of(&stage.user).iter().all(|message| message.via == via));
        stage.logged(&format!("sender=bot:{} of=3", bots[1].bot_user_id)).await;
    }
}

#[tokio::test]
async fn a_bot_that_must_wait_has_another_one_send_at_once() {
    for (settings, call) in [(&[][..], DOCUMENT), (&MTPROTO[..], SMALL_PART), (&MTPROTO[..], SEND)] {
        let (stage, bots) = pool(2, settings).await;
        stage.floods(&bots[0], call);
        for sent in 1..=3 {
            stage.sends_once(1000).await;
            assert_eq!(stage.shares(&bots), [0, sent]);
        }
        assert_eq!(
            stage.metric("telestore_sender_changes_total{reason=\"flood\"}").await,
            1.0,
            "it is known then"
        );
        assert_eq!(stage.metric("telestore_bots{state=\"waiting\"}").await, 1.0);
        assert_eq!(stage.metric("telestore_bots{state=\"free\"}").await, 1.0);
        let log = stage.logged("Another one takes over").await;
        let ids = bots.iter().map(|bot| format!("bot:{}", bot.bot_user_id)).collect::<Vec<_>>();
        assert!(log.contains(&format!("from=\"{}\" to=\"{}\" why=\"flood\"", ids[0], ids[1])), "{log}");
    }
}

#[tokio::test]
async fn a_file_waits_for_the_first_bot_if_all_must_wait() {
    let (stage, bots) = pool(2, &[]).await;
    stage.sandbox.faults().inject(Fault::flood_wait(DOCUMENT, 300).user(&bots[0].user_id));
    stage.sandbox.faults().inject(Fault::flood_wait(DOCUMENT, 2).user(&bots[1].user_id).once());
    stage.sends_once(1000).await;
    assert_eq!(stage.shares(&bots), [0, 1], "the wait of the second one was over first");
}

#[tokio::test]
async fn a_bot_that_is_kicked_in_the_middle_of_a_file_has_another_one_send_it() {
    let (stage, bots) = pool(2, &MTPROTO).await;
    let hold = stage.sandbox.faults().inject(Fault::hold(PART).skip(5).once());
    let file = File::new(12 * MIB);
    stage.queue(&file).await;
    soon("the middle", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.sandbox.set_standing_of_bot(&stage.user.channel_id, &bots[0], Standing::Kicked);
    stage.sandbox.faults().release(hold);
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    assert_eq!(stage.shares(&bots), [0, 1]);
}

#[tokio::test]
async fn a_bot_that_is_kicked_between_files_has_another_one_send_the_next() {
    let (stage, bots) = pool(2, &[]).await;
    stage.sends_once(1000).await;
    stage.sends_once(1000).await;
    // Its rights are believed for a minute, so that the server finds it out once it has the file.
    stage.sandbox.set_standing_of_bot(&stage.user.channel_id, &bots[0], Standing::Kicked);
    stage.sends_once(1000).await;
    assert_eq!(stage.shares(&bots), [1, 2]);
    stage.sandbox.set_standing_of_bot(&stage.user.channel_id, &bots[1], Standing::Kicked);
    let end = stage.send(&File::new(1000)).await;
    assert_eq!(end["status"], "failed", "nobody is left: {end}");
    assert!(end["error"].as_str().unwrap().starts_with("Could not resolve channel ID"), "{end}");
}

/// A file whose message the first bot was asked for when its worker was killed. It is in the channel.
async fn committed() -> (Stage, Vec<SandboxUser>, File) {
    let (mut stage, bots) = pool(2, &MTPROTO).await;
    let hold = stage.sandbox.faults().inject(Fault::hold(SEND).once());
    let file = File::new(1000);
    stage.killed_at(hold, &file).await;
    soon("the message", stage.sandbox.wait_for_message(stage.user.channel_id.as_str(), 1)).await;
    (stage, bots, file)
}

#[tokio::test]
async fn a_file_whose_message_may_exist_stays_with_its_bot() {
    let (mut stage, bots, file) = committed().await;
    stage.start().await;
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    assert_eq!(stage.shares(&bots), [1, 0]);

    let (mut stage, bots, file) = committed().await;
    stage.floods(&bots[0], SEND);
    stage.start().await;
    let wait = soon("the wait", async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            ticks.tick().await;
            let progress = stage.progress(&file.id).await.ok();
            assert_eq!(
                progress["status"], "uploading",
                "another bot would make a second message: {progress}"
            );
            if let Some(wait) = progress["retryAfter"].as_u64() {
                return wait;
            }
        }
    });
    assert!(wait.await > 200);
    assert_eq!(stage.shares(&bots), [1, 0], "no second message, however long that takes");

    let (mut stage, bots, file) = committed().await;
    stage.sandbox.set_standing_of_bot(&stage.user.channel_id, &bots[0], Standing::Kicked);
    stage.start().await;
    assert_eq!(stage.end(&file.id).await["status"], "failed");
    assert_eq!(stage.shares(&bots), [1, 0]);
}

#[tokio::test]
async fn a_worker_that_is_killed_behind_a_change_of_bots_makes_one_message() {
    for at in [SMALL_PART, SEND] {
        let (mut stage, bots) = pool(2, &MTPROTO).await;
        stage.floods(&bots[0], SEND);
        let hold = stage.sandbox.faults().inject(Fault::hold(at).user(&bots[1].user_id).once());
        let file = File::new(1000);
        stage.killed_at(hold, &file).await;
        stage.start().await;
        assert_eq!(stage.end(&file.id).await["status"], "completed", "{at}");
        stage.arrived(&file);
        assert_eq!(stage.shares(&bots), [0, 1], "{at}");
    }
}

#[tokio::test]
async fn nobody_sends_again_what_a_bot_may_have_sent_that_is_gone_unless_a_person_says_so() {
    let (mut stage, bots) = before(2, &MTPROTO).await;
    stand_alone(&mut stage, &format!("{},{}", bots[0].bot_token, bots[1].bot_token));
    stage.start().await;
    let hold = stage.sandbox.faults().inject(Fault::hold(SEND).user(&bots[0].user_id).once());
    let file = File::new(1000);
    stage.killed_at(hold, &file).await;
    stand_alone(&mut stage, &bots[1].bot_token);
    stage.start().await;
    let end = stage.end(&file.id).await;
    let error = end["error"].as_str().unwrap_or_default();
    assert!(end["status"] == "failed" && error.contains("The file may be in the channel already"), "{end}");
    assert!(error.starts_with(&format!("bot:{} was asked to send the file", bots[0].bot_user_id)), "{error}");
    assert_eq!(stage.shares(&bots), [1, 0]);
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    assert_eq!(stage.shares(&bots), [1, 1]);
}

#[tokio::test]
async fn a_piece_that_a_bot_may_have_sent_that_is_gone_is_named_and_sent_again_if_a_person_says_so() {
    let settings = [MTPROTO[0], ("TELESTORE_PIECE_BYTES", "12 MiB"), ("TELESTORE_EAGER", "off")];
    let (mut stage, bots) = before(2, &settings).await;
    stand_alone(&mut stage, &format!("{},{}", bots[0].bot_token, bots[1].bot_token));
    stage.start().await;
    let hold = stage.sandbox.faults().inject(Fault::hold(SEND).user(&bots[0].user_id).once());
    let file = File::new(30 * MIB);
    stage.killed_at(hold, &file).await;
    soon("its message", stage.sandbox.wait_until(|_| stage.shares(&bots)[0] == 1)).await;
    stand_alone(&mut stage, &bots[1].bot_token);
    stage.start().await;
    let end = stage.end(&file.id).await;
    let error = end["error"].as_str().unwrap_or_default();
    assert!(end["status"] == "failed" && error.contains("The file may be in the channel already"), "{end}");
    assert!(error.starts_with("piece ") && error.contains(" of 3 ("), "{error}");
    assert!(error.contains(&format!("bot:{} was asked to send it", bots[0].bot_user_id)), "{error}");
    stage.complete(&file.id).await.ok();
    let end = stage.end(&file.id).await;
    assert_eq!((&end["status"], end["messages"].as_array().map(Vec::len)), (&json!("completed"), Some(3)));
    assert_eq!(stage.shares(&bots), [1, 3], "by their word");
}

#[tokio::test]
async fn pieces_of_one_file_go_by_two_bots_side_by_side() {
    let settings = [("TELESTORE_BOT_API_MAX_BYTES", "1 MiB"), ("TELESTORE_PIECE_BYTES", "11 MiB")];
    let (stage, bots) = pool(2, &settings).await;
    let file = File::new(60 * MIB);
    // One sends two whole pieces while the other is in the middle of its first, and then the other way round.
    let faults = stage.sandbox.faults();
    let first = faults.inject(Fault::hold(PART).user(&bots[0].user_id));
    let second = faults.inject(Fault::hold(PART).user(&bots[1].user_id).skip(2 * 22));
    let side_by_side = async {
        for (hold, bot) in [(first, 1), (second, 0)] {
            soon("two messages", stage.sandbox.wait_until(|_| stage.shares(&bots)[bot] >= 2)).await;
            assert!(faults.fired(hold) > 0, "the other one is in the middle of a piece");
            faults.release(hold);
        }
    };
    let (end, ()) = tokio::join!(stage.send(&file), side_by_side);
    assert_eq!(end["status"], "completed", "{end}");
    assert_eq!(pieces::arrived(&stage, &file, &end).len(), 6);
    let shares = stage.shares(&bots);
    assert!(shares.iter().all(|share| *share >= 2), "{shares:?}");

    // One that must wait in the middle leaves its pieces to the other.
    let (stage, bots) = pool(2, &settings).await;
    stage.sandbox.faults().inject(Fault::flood_wait(PART, 300).user(&bots[0].user_id).skip(30));
    let end = stage.send(&file).await;
    assert_eq!(end["status"], "completed", "{end}");
    assert_eq!(pieces::arrived(&stage, &file, &end).len(), 6);
    let shares = stage.shares(&bots);
    assert!(shares[0] <= 1 && shares[1] >= 5, "{shares:?}");
    assert_eq!(stage.metric("telestore_bots{state=\"waiting\"}").await, 1.0, "it is known for the next file");
}

#[tokio::test]
async fn a_worker_that_is_killed_while_each_of_two_bots_sends_a_piece_makes_each_piece_once() {
    let settings = [MTPROTO[0], ("TELESTORE_PIECE_BYTES", "12 MiB"), ("TELESTORE_EAGER", "off")];
    let (mut stage, bots) = pool(2, &settings).await;
    let file = File::new(90 * MIB);
    stage.chunks(&file).await;
    let mut most = 0;
    for (bot, at, skip) in [(0, PART, 10), (1, PART, 10), (0, SEND, 0), (1, SEND, 0)] {
        let fault = Fault::hold(at).user(&bots[bot].user_id).skip(skip).once();
        let hold = stage.sandbox.faults().inject(fault);
        stage.complete(&file.id).await.ok();
        soon("a piece of this bot", stage.sandbox.faults().wait_fired(hold, 1)).await;
        most = most.max(stage.memory());
        stage.kill().await;
        stage.sandbox.faults().release(hold);
        stage.start().await;
    }
    let end = stage.end(&file.id).await;
    assert_eq!(end["status"], "completed", "{end}");
    assert_eq!(pieces::arrived(&stage, &file, &end).len(), 8);
    assert!(stage.shares(&bots).iter().all(|share| *share > 0), "{:?}", stage.shares(&bots));
    let most = most.max(stage.memory());
    assert!(most < 160 * MIB as u64, "{most} bytes, of a build that is not optimised");
}

#[tokio::test]
async fn pieces_by_the_bot_api_go_on_with_another_bot() {
    let settings = [("TELESTORE_BOT_API_MAX_BYTES", "6 MiB"), ("TELESTORE_EAGER", "off")];
    let (mut stage, bots) = before(2, &settings).await;
    // Without an application there is the Bot API only.
    let user = UserSpec::new("poor").without_session().channel(Some(bots[0].channel_id.as_str()));
    stage.user = stage.sandbox.add_user(user.bot_tokens(bots.iter().map(|bot| bot.bot_token.as_str())));
    stage.start().await;
    let owners = [stage.user.clone(), bots[0].clone(), bots[1].clone()];
    stage.sandbox.faults().inject(Fault::flood_wait(DOCUMENT, 300).user(&stage.user.user_id).skip(1));
    let file = File::new(20 * MIB);
    let end = stage.send(&file).await;
    assert_eq!(end["status"], "completed", "{end}");
    assert_eq!(pieces::arrived(&stage, &file, &end).len(), 4);
    assert_eq!(stage.shares(&owners), [1, 3, 0]);
}

#[tokio::test]
async fn a_file_that_still_arrives_is_begun_anew_by_another_bot() {
    let (stage, bots) = pool(2, &[("TELESTORE_BOT_API_MAX_BYTES", "1 MiB")]).await;
    stage.floods(&bots[0], PART);
    let file = File::in_chunks(25 * MIB, &[5 * MIB]);
    let last = file.total() - 1;
    for index in 0..last {
        stage.chunk(&file, index).await.ok();
    }
    let early = stage.sandbox.wait_until(|stats| stats.parts_total() >= 30);
    soon("the parts of what is there", early).await;
    stage.chunk(&file, last).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    assert_eq!(stage.shares(&bots), [0, 1]);
}

#[tokio::test]
async fn a_wrong_token_among_others_costs_nothing_but_a_line_in_the_log() {
    for settings in [&[][..], &MTPROTO[..]] {
        let (stage, bots) = pool(3, settings).await;
        stage.sandbox.revoke_bot(&bots[1]);
        for _ in 0..6 {
            stage.sends_once(1000).await;
        }
        assert_eq!(stage.shares(&bots), [3, 0, 3], "{settings:?}");
        assert_eq!(stage.metric("telestore_bots{state=\"refused\"}").await, 1.0);
        let log = stage.logged("why=\"login\"").await;
        let secrets = bots.iter().map(|bot| bot.bot_token.split_once(':').unwrap().1);
        assert!(secrets.into_iter().all(|secret| !log.contains(secret)), "{log}");
    }
}

#[tokio::test]
async fn a_cancelled_files_message_is_taken_back_by_the_bot_that_made_it() {
    let (stage, bots) = pool(2, &MTPROTO).await;
    stage.sends_once(1000).await;
    let hold = stage.sandbox.faults().inject(Fault::hold("messages.sendMedia:claimed").once());
    let file = File::new(1000);
    stage.queue(&file).await;
    soon("the call", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.post("/cancel-upload", serde_json::json!({ "uploadId": file.id })).await.ok();
    stage.sandbox.faults().release(hold);
    let deleted = stage.sandbox.wait_until(|_| stage.shares(&bots) == [1, 0]);
    soon("the message to go", deleted).await;
    stage.logged("Message of a cancelled upload deleted").await;
}

#[tokio::test]
async fn check_tries_each_bot_and_is_not_ended_by_one() {
    let (mut stage, bots) = before(3, &[]).await;
    stand_alone(&mut stage, &format!("{}, nonsense,\n{}", bots[1].bot_token, bots[2].bot_token));
    for (name, value) in
        [("TELESTORE_BOT_TOKEN", &*bots[0].bot_token), ("TELESTORE_API_ID", ""), ("TELESTORE_API_HASH", "")]
    {
        stage.set(name, value);
    }
    let well = stage.command(&["check"]).await.ok();
    let line = |said: &str, number: usize, words: &str| {
        let of = format!("bot {number} of 3 (bot:{}): {words}", bots[number - 1].bot_user_id);
        assert!(said.lines().any(|line| line.contains(&of)), "{of} in {said}");
    };
    for number in 1..=3 {
        line(&well, number, "signed in, and -100");
        line(&well, number, "is @");
    }
    assert!(well.contains("TELESTORE_BOT_TOKENS entry 2: the bot token is wrong"), "{well}");
    stage.sandbox.set_standing_of_bot(&stage.user.channel_id, &bots[1], Standing::AdministratorWithoutPosts);
    let ran = stage.command(&["check"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    line(&ran.stdout, 1, "signed in");
    line(&ran.stdout, 2, "Could not resolve channel ID: the account may not post in it");
    line(&ran.stdout, 3, "signed in");
    for bot in &bots {
        assert!(!ran.stdout.contains(bot.bot_token.split_once(':').unwrap().1), "no secret");
    }

    // The worker starts, is ready, and sends by the others.
    stage.start().await;
    stage.get("/ready").await.ok();
    for _ in 0..4 {
        stage.sends_once(1000).await;
    }
    assert_eq!(stage.shares(&bots), [2, 0, 2]);
    stage.logged("the others send in its place").await;
}
