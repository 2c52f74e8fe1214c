//! What each upload of an old data directory was, and how it has to end.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use telestore_sandbox::{Sandbox, SandboxMessage, SandboxUser, UserSpec};

use super::archive::{self, Case, Manifest};
use super::rows::{self, Parts};
use crate::support::{File, Stage, soon};

/// What those who made the directories set.
const BOT_API_MAX: &str = "8388608";

const MAYBE: &str = "may be in the channel already";

/// A worker on an old data directory, and a sandbox in place of the one of then.
pub(crate) struct Old {
    pub(crate) stage: Stage,
    manifest: Manifest,
    users: BTreeMap<String, SandboxUser>,
    /// What Telegram has of the files that were cut off in the middle.
    parts: Vec<Parts>,
}

impl Old {
    /// Telegram has the parts of then, unless it `forgot` them. The worker is still to be started.
    pub(crate) async fn open(archive: &str, forgot: bool) -> Self {
        let sandbox = Sandbox::builder().default_user(false).start().await.expect("the sandbox starts");
        let (manifest, files) = archive::read(archive);
        let users: BTreeMap<_, _> =
            manifest.users.iter().map(|(name, user)| (name.clone(), sandbox.readmit(user))).collect();
        let stage = Stage::before(sandbox, &[("TELESTORE_BOT_API_MAX_BYTES", BOT_API_MAX)]);
        archive::unpack(&files, &stage.data_dir());
        let parts = rows::as_of_a_minute_ago(&stage.data_dir(), &manifest).await;
        for parts in parts.iter().filter(|_| !forgot) {
            let case = manifest.case_of(&parts.upload_id);
            parts.put(&stage.sandbox, &users[&case.user], &case.content());
        }
        let mut old = Self { stage, manifest, users, parts };
        old.before_the_start().await;
        old
    }

    /// What of the old channels matters.
    async fn before_the_start(&mut self) {
        let sandbox = &self.stage.sandbox;
        if let Some(user) = self.users.get("withdrawal") {
            // The message to be taken back, and one of somebody else behind it.
            let wanted = self.manifest.withdrawn().expect("a message to take back");
            while sandbox
                .messages_of(user)
                .last()
                .is_none_or(|message| i64::from(message.message_id) <= wanted)
            {
                self.post(user).await;
            }
        }
        if let Some(user) = self.users.get("moved") {
            // Telegram tells nobody any more that the group has moved.
            let supergroup = archive::SUPERGROUP;
            sandbox.add_user(UserSpec::new("admin").channel(Some(supergroup)));
            sandbox.set_supergroup(supergroup, true);
            sandbox.join(supergroup, user);
        }
    }

    async fn post(&self, user: &SandboxUser) {
        let url = format!("{}/bot{}/sendMessage", self.stage.sandbox.bot_api_url(), user.bot_token);
        let message = json!({"chat_id": user.channel_id, "text": "of somebody else"});
        let answer = self.stage.client.post(url).json(&message).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
    }

    fn case(&self, name: &str) -> &Case {
        self.manifest.cases.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}"))
    }

    fn has(&self, name: &str) -> bool {
        self.manifest.cases.iter().any(|case| case.name == name)
    }

    /// The messages of a case in its channel.
    fn messages(&self, case: &Case) -> Vec<SandboxMessage> {
        let all = self.stage.sandbox.messages_of(&self.users[&case.user]);
        all.into_iter().filter(|message| message.sent_name == case.file_name).collect()
    }

    /// It is completed, and its file is in the channel once.
    async fn arrives(&self, name: &str) {
        let case = self.case(name);
        let end = self.stage.end(&case.upload_id).await;
        assert_eq!(end["status"], "completed", "{name}: {end}");
        let messages = self.messages(case);
        assert_eq!(messages.len(), 1, "{name}: {messages:?}");
        case.file().assert_is(&messages[0]);
        assert_eq!(end["messageId"], messages[0].message_id, "{name}");
    }

    /// It has failed, for this reason, and its channel is empty; its client completes it again.
    async fn has_failed(&self, name: &str, why: &str) {
        let case = self.case(name);
        let end = self.stage.end(&case.upload_id).await;
        assert_eq!(end["status"], "failed", "{name}: {end}");
        let error = end["error"].as_str().unwrap_or_default();
        assert!(error.contains(why), "{name}: {error}");
        assert!(self.messages(case).is_empty(), "{name} was sent again by itself");
    }

    async fn completes_again(&self, name: &str) {
        self.stage.complete(&self.case(name).upload_id).await.ok();
        self.arrives(name).await;
    }

    /// Its client sends what is missing, and completes it.
    async fn client_goes_on(&self, name: &str) {
        let (case, user) = (self.case(name), &self.users[&self.case(name).user]);
        let file = case.file();
        let status = self.stage.get(&format!("/upload-status/{}", file.id)).await.ok();
        assert_eq!(status["received_chunk_indices"], json!(case.received), "{name}");
        for index in (0..file.total()).filter(|index| !case.received.contains(index)) {
            self.stage.form("/upload-chunk", file.chunk(index, &user.auth_token)).await.ok();
        }
        self.completes_again(name).await;
    }

    /// The webhooks that were delivered for a file: their event ids, once each, and their bodies.
    fn delivered(&self, case: &Case) -> BTreeMap<String, Vec<Value>> {
        let mut delivered = BTreeMap::<_, Vec<_>>::new();
        for call in self.stage.sandbox.webhooks() {
            if call.status == 200 && call.body["fileName"] == case.file_name {
                let id = call.headers.iter().find(|(name, _)| name == "x-telestore-event-id");
                delivered.entry(id.expect("an event id").1.clone()).or_default().push(call.body);
            }
        }
        delivered
    }

    async fn webhook_of(&self, name: &str) -> (String, Value) {
        let case = self.case(name);
        let delivered = soon("a webhook", async {
            let mut wanted = 1;
            while self.delivered(case).is_empty() {
                wanted = 1 + self.stage.sandbox.wait_for_webhooks(wanted).await.len();
            }
            self.delivered(case)
        });
        let mut delivered = delivered.await.into_iter();
        let (id, bodies) = delivered.next().expect("a webhook");
        assert!(delivered.next().is_none() && bodies.len() == 1, "{name}: one webhook, once");
        (id, bodies[0].clone())
    }
}

/// What was completed then is a file of its user.
async fn completed_uploads_are_files(old: &Old) {
    for name in ["delivered", "delivered-mtproto", "undelivered"].into_iter().filter(|name| old.has(name)) {
        let case = old.case(name);
        let list = old.stage.client.get(old.stage.url("/files?q=DELIVERED"));
        let list = list.bearer_auth(&old.users[&case.user].auth_token).send().await.expect("an answer");
        let listed: Value = list.json().await.expect("a page");
        let files = listed["files"].as_array().expect("files");
        let file = files.iter().find(|file| file["uploadId"] == case.upload_id).expect("it is there");
        assert_eq!(
            (&file["fileName"], &file["messages"][0]["messageId"]),
            (&json!(case.file_name), &case.progress["messageId"]),
            "{name}"
        );
    }
}

/// What is over stays over, and is told as before.
async fn what_is_over_stays_over(old: &Old) {
    for name in ["delivered", "delivered-mtproto", "undelivered", "moved", "cancelled", "withdrawal"] {
        if !old.has(name) {
            continue;
        }
        let case = old.case(name);
        let now = old.stage.progress(&case.upload_id).await;
        match &case.progress {
            Value::Null => assert_eq!(now.status, 404, "{name}: {now:?}"),
            then => {
                let mut now = now.ok();
                // The file that it is in the index now, which was not told of then.
                let file = now.as_object_mut().expect("an object").remove("file");
                assert_eq!(file.is_some(), now["status"] == "completed", "{name}");
                assert_eq!(&now, then, "{name}");
            }
        }
        assert!(old.messages(case).is_empty(), "{name} was sent again");
    }
    for name in ["delivered", "delivered-mtproto"] {
        assert!(old.delivered(old.case(name)).is_empty(), "{name} was told of again");
    }
    let listed =
        old.stage.command(&["uploads", "--json", "list", "--state", "completed", "--limit", "1000"]).await;
    let listed = listed.json().to_string();
    assert!(listed.contains(&old.case("delivered").upload_id), "{listed}");
    // Its row says what the webhook is called, and it has that name here, too.
    let (id, body) = old.webhook_of("undelivered").await;
    let event = old.manifest.outbox.iter().find(|event| event.upload_id == old.case("undelivered").upload_id);
    let event = event.expect("an event");
    assert_eq!((id, body), (event.event_id.clone(), serde_json::from_str(&event.body).expect("JSON")));
}

/// What was on its way goes on by itself, and what may be in the channel does not.
async fn sends_go_on(old: &Old, body_may_be_sent: bool) {
    let by_themselves = [
        "queued",
        "waiting",
        "later",
        "direct-waiting",
        "kept",
        "sending-message",
        "sending-parts",
        "direct-sending",
    ];
    for name in by_themselves.into_iter().filter(|name| old.has(name)) {
        old.arrives(name).await;
        old.webhook_of(name).await;
    }
    old.has_failed("sending-committed", MAYBE).await;
    if body_may_be_sent {
        old.has_failed("sending-body", MAYBE).await;
        old.completes_again("sending-body").await;
    } else {
        old.arrives("sending-body").await;
    }
    old.completes_again("sending-committed").await;
}

/// Failures are told as before, and go on when somebody says so.
async fn failures_wait_for_a_word(old: &Old) {
    for name in ["failed", "failed-maybe"] {
        let then = old.case(name).progress["error"].as_str().expect("a reason");
        old.has_failed(name, then).await;
    }
    let maybe = &old.case("failed-maybe").upload_id;
    let refused = old.stage.command(&["uploads", "retry", maybe]).await.error();
    assert!(refused.contains(MAYBE), "{refused}");
    old.stage.command(&["uploads", "retry", &old.case("failed").upload_id]).await.ok();
    old.arrives("failed").await;
    old.completes_again("failed-maybe").await;
}

/// Parts that Telegram has are not sent again.
fn parts_were_not_sent_again(old: &Old) {
    for name in ["early", "sending-parts"] {
        let id = &old.case(name).upload_id;
        assert!(old.parts.iter().any(|parts| parts.upload_id == *id), "{name} was cut off in the middle");
    }
    let stats = old.stage.sandbox.stats();
    for parts in &old.parts {
        let user = &old.users[&old.manifest.case_of(&parts.upload_id).user];
        for (file_id, sent) in stats.parts.iter().filter(|(_, sent)| sent.user_id == user.user_id) {
            assert_eq!(*file_id, parts.file_id, "{} started over", parts.upload_id);
            let again: Vec<_> =
                parts.confirmed.iter().filter(|part| sent.per_index.contains_key(part)).collect();
            assert!(again.is_empty(), "{again:?} of {} went again", parts.upload_id);
        }
    }
}

/// Every upload of the directory, whose worker was started, comes to its right end.
pub(crate) async fn everything_goes_on(old: &Old, body_may_be_sent: bool, forgot: bool) {
    what_is_over_stays_over(old).await;
    completed_uploads_are_files(old).await;
    for name in ["unowned", "begun", "half", "whole", "early"] {
        old.client_goes_on(name).await;
        old.webhook_of(name).await;
    }
    sends_go_on(old, body_may_be_sent).await;
    failures_wait_for_a_word(old).await;
    if !forgot {
        parts_were_not_sent_again(old);
    }
    if let Some(user) = old.users.get("withdrawal") {
        let taken_back = async {
            let wanted = old.manifest.withdrawn().expect("a message");
            let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
            loop {
                ticks.tick().await;
                let left = old.stage.sandbox.messages_of(user);
                if left.iter().all(|message| i64::from(message.message_id) != wanted) {
                    return left;
                }
            }
        };
        let left = soon("the message to be taken back", taken_back).await;
        assert!(!left.is_empty(), "messages of others stay");
    }
    if let Some(user) = old.users.get("moved") {
        let file = File::new(1000);
        old.stage.form("/upload-chunk", file.chunk(0, &user.auth_token)).await.ok();
        old.stage.complete(&file.id).await.ok();
        assert_eq!(old.stage.end(&file.id).await["status"], "completed");
        file.assert_is(&old.stage.sandbox.messages(archive::SUPERGROUP)[0]);
    }
}
