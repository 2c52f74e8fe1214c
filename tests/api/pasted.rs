//! What people paste for a session, a bot, a channel and an address: read if it can be, else named, before anybody is
//! asked.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};
use telestore_sandbox::{Fault, SandboxUser, UserSpec};

use crate::support::{File, MIB, Ran, Stage, program, soon};

/// Files over it go by MTProto.
const LIMIT: (&str, &str) = ("TELESTORE_BOT_API_MAX_BYTES", "1 MiB");

/// A session string without its mark: data centre, address, port and key.
fn session_bytes(user: &SandboxUser) -> Vec<u8> {
    URL_SAFE.decode(&user.telethon_session.as_deref().unwrap()[1..]).unwrap()
}

/// The same as GramJS writes it.
fn gramjs(user: &SandboxUser) -> String {
    let bytes = session_bytes(user);
    let host = b"127.0.0.1";
    let packed = [&bytes[..1], &[0, host.len() as u8], host, &bytes[5..]].concat();
    format!("1{}", STANDARD.encode(packed))
}

fn bare(user: &SandboxUser) -> &str {
    user.channel_id.strip_prefix("-100").unwrap()
}

/// The settings of stand-alone use.
fn stand_alone(stage: &mut Stage, changes: &[(&str, &str)]) {
    let user = stage.user.clone();
    let settings = [
        ("BACKEND_URL", ""),
        ("TELESTORE_BOT_TOKEN", &user.bot_token),
        ("TELESTORE_CHANNEL_ID", &user.channel_id),
        ("TELESTORE_TELEGRAM_SESSION", user.telethon_session.as_deref().unwrap()),
        ("TELESTORE_API_ID", &user.api_id.to_string()),
        ("TELESTORE_AUTH_TOKENS", &user.auth_token),
        LIMIT,
    ];
    for (name, value) in settings.iter().chain(changes) {
        stage.set(name, value);
    }
}

async fn stopped() -> Stage {
    let mut stage = Stage::recording(&[LIMIT]).await;
    assert!(stage.terminate().await.success());
    stage
}

impl Stage {
    /// The start and `check` both refuse, and say so of the same setting.
    async fn start_fails(&mut self, changes: &[(&str, &str)], words: &str) {
        stand_alone(self, changes);
        let started = self.command(&[]).await;
        assert!(!started.stdout.contains("listening"), "{started:?}");
        let checked = self.command(&["check"]).await;
        assert!(checked.stdout.contains("failed   configuration"), "{checked:?}");
        for (_, value) in changes.iter().filter(|(_, value)| value.len() > 20) {
            let hides = |ran: &Ran| !ran.stdout.contains(value) && !ran.stderr.contains(value);
            assert!(hides(&started) && hides(&checked), "{started:?} {checked:?}");
        }
        let (started, checked) = (started.error(), checked.stdout);
        assert!(started.contains(words) && checked.contains(words), "{started} {checked}");
    }

    /// A user of whom the backend says this beside what is right.
    async fn answering(&mut self, name: &str, change: impl FnOnce(&SandboxUser) -> Value) {
        self.user = self.sandbox.add_user(UserSpec::new(name));
        let user = &self.user;
        let mut answer = json!({
            "bot_token": user.bot_token, "channel_id": user.channel_id, "telegram_session": user.telethon_session,
            "telegram_api_id": user.api_id.to_string(), "telegram_api_hash": user.api_hash, "user_id": user.user_id,
        });
        let change = change(user);
        answer.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let fault = Fault::http_status("backend.credentials", 200, answer).user(user.user_id.clone());
        self.sandbox.faults().inject(fault);
    }
}

#[tokio::test]
async fn stand_alone_settings_are_taken_as_they_were_pasted() {
    let mut stage = stopped().await;
    let user = stage.user.clone();
    let session = user.telethon_session.as_deref().unwrap();
    let url = stage.sandbox.bot_api_url();
    stand_alone(
        &mut stage,
        &[
            ("TELESTORE_BOT_TOKEN", &format!("\"bot{}\"\n", user.bot_token)),
            ("TELESTORE_CHANNEL_ID", &format!("'https://t.me/c/{}/5'", bare(&user))),
            // Without its leading 1, and with a line break in it.
            ("TELESTORE_TELEGRAM_SESSION", &format!("'{}\n{}'", &session[1..100], &session[100..])),
            ("TELESTORE_API_ID", "\"12345\""),
            ("TELEGRAM_BOT_API_URL", &format!("\"{url}/bot{}/getMe\"", user.bot_token)),
        ],
    );
    let checked = stage.command(&["check"]).await.ok();
    assert!(checked.contains("ok       Bot API") && checked.contains("ok       MTProto"), "{checked}");
    let hint = "TELESTORE_CHANNEL_ID the 5 behind it names a message or a topic";
    assert!(checked.contains(&format!("warning  settings        {hint}")), "{checked}");
    stage.start().await;
    stage.logged(hint).await;
    let ready = stage.get("/ready").await.ok();
    assert_eq!(ready["checks"]["telegram"], json!({ "ok": true }), "{ready}");
    for length in [1000, 3 * MIB] {
        assert_eq!(stage.send(&File::new(length)).await["status"], "completed", "{length}");
    }
    assert_eq!(stage.sandbox.messages_of(&user).len(), 2);
}

#[tokio::test]
async fn settings_that_can_never_do_end_the_start() {
    let mut stage = stopped().await;
    let user = stage.user.clone();
    let session = user.telethon_session.as_deref().unwrap();
    let cut = &session[..session.trim_end_matches('=').len() - 12];
    for (name, value, words) in [
        ("TELESTORE_BOT_TOKEN", "a", "TELESTORE_BOT_TOKEN: the bot token is wrong: it has no colon"),
        (
            "TELESTORE_BOT_TOKEN",
            "@my_bot",
            "TELESTORE_BOT_TOKEN: the bot token is wrong: it is the bot's name",
        ),
        ("TELESTORE_CHANNEL_ID", bare(&user), &format!("did you mean {}?", user.channel_id)),
        (
            "TELESTORE_CHANNEL_ID",
            "https://t.me/+AbCdEf",
            "TELESTORE_CHANNEL_ID: channel id must not be an invite link",
        ),
        ("TELESTORE_CHANNEL_ID", "files", "did you mean @files?"),
        (
            "TELESTORE_TELEGRAM_SESSION",
            cut,
            "TELESTORE_TELEGRAM_SESSION: the session string is cut off: 12 characters",
        ),
        (
            "TELESTORE_TELEGRAM_SESSION",
            "+49 151 2345678",
            "TELESTORE_TELEGRAM_SESSION: a phone number stands in the place",
        ),
        (
            "TELESTORE_TELEGRAM_SESSION",
            &user.bot_token,
            "TELESTORE_TELEGRAM_SESSION: a bot token stands in the place",
        ),
        ("TELESTORE_API_ID", &user.api_hash, "TELESTORE_API_ID: the api_id is a number; this is an api_hash"),
        ("TELESTORE_API_HASH", "12", "TELESTORE_API_HASH: the api_hash has 32 characters"),
        ("TELEGRAM_BOT_API_URL", "localhost:8081", "did you mean http://localhost:8081?"),
    ] {
        stage.start_fails(&[(name, value)], words).await;
        // The last setting of a name counts.
        let url = stage.sandbox.bot_api_url();
        stand_alone(&mut stage, &[("TELESTORE_API_HASH", ""), ("TELEGRAM_BOT_API_URL", &url)]);
    }
    assert_eq!(stage.sandbox.stats().calls("getMe"), 0, "nobody is asked");
}

#[tokio::test]
async fn what_only_telegram_can_judge_is_told_at_the_start() {
    let mut stage = stopped().await;
    let token = stage.user.bot_token.clone();
    let wrong_token = format!("{}{}", &token[..token.len() - 4], "AAAA");
    let none = "-1009999999999";
    for (changes, by, words) in [
        (
            vec![("TELESTORE_BOT_TOKEN", wrong_token.as_str())],
            "Bot API",
            "Telegram does not know this bot token",
        ),
        (vec![("TELESTORE_CHANNEL_ID", none)], "MTProto", "Could not resolve channel ID"),
    ] {
        stand_alone(&mut stage, &changes);
        stage.start().await;
        // Until the first look is over, it is ready.
        let log = stage.logged(words).await;
        let answer = stage.get("/ready").await;
        assert_eq!(answer.body["checks"]["telegram"]["ok"], false, "{}", answer.body);
        let error = answer.error(503);
        assert!(
            error.contains(&format!("telegram: {by}: ")) || error.contains(&format!("; {by}: ")),
            "{error}"
        );
        assert!(log.contains("no file can be sent this way until that is put right"), "{log}");
        assert!(!log.contains(&wrong_token) && !error.contains(none), "{error}");
        // It serves all the same: the fault may pass.
        stage.get("/health").await.ok();
        assert!(stage.terminate().await.success());
    }
}

#[tokio::test]
async fn a_dead_session_is_told_at_the_start_and_a_bot_alone_is_well() {
    let mut stage = stopped().await;
    stage.sandbox.revoke_session(&stage.user);
    stand_alone(&mut stage, &[]);
    stage.start().await;
    stage.logged("Telegram session not authorized").await;
    let error = stage.get("/ready").await.error(503);
    assert_eq!(error, "telegram: MTProto: Telegram does not take the credentials; the log says why");
    assert!(stage.terminate().await.success());
    stage.set("TELESTORE_TELEGRAM_SESSION", "");
    stage.start().await;
    stage.get("/ready").await.ok();
}

#[tokio::test]
async fn a_basic_groups_number_may_be_right_and_the_error_names_the_channel() {
    let mut stage = stopped().await;
    let channel = stage.user.channel_id.clone();
    let group = format!("-{}", bare(&stage.user));
    stand_alone(&mut stage, &[("TELESTORE_CHANNEL_ID", &group)]);
    stage.start().await;
    for length in [1000, 3 * MIB] {
        let end = stage.send(&File::new(length)).await;
        let error = end["error"].as_str().unwrap_or_default();
        assert!(error.starts_with("Could not resolve channel ID"), "{end}");
        assert!(error.ends_with(&format!("did you mean {channel}?")), "{end}");
    }
}

#[tokio::test]
async fn what_users_gave_a_backend_is_taken() {
    let mut stage = Stage::with(&[LIMIT]).await;
    for (form, change) in [
        (
            "as a number",
            (|user| json!({ "channel_id": user.channel_id.parse::<i64>().unwrap() }))
                as fn(&SandboxUser) -> Value,
        ),
        ("with quotes", |user: &SandboxUser| json!({ "channel_id": format!("\"{}\"", user.channel_id) })),
        ("with another dash", |user| json!({ "channel_id": user.channel_id.replace('-', "\u{2212}") })),
        ("without its minus", |user| json!({ "channel_id": user.channel_id.trim_start_matches('-') })),
        ("with a topic", |user| json!({ "channel_id": format!("{}:5", user.channel_id) })),
        ("as a link", |user| json!({ "channel_id": format!("https://t.me/c/{}/5", bare(user)) })),
        ("bot in front", |user| json!({ "bot_token": format!("'bot{}'", user.bot_token) })),
        (
            "in an address",
            |user| json!({ "bot_token": format!("https://api.telegram.org/bot{}/getMe", user.bot_token) }),
        ),
        ("GramJS's", |user| json!({ "telegram_session": gramjs(user) })),
        (
            "without its 1",
            |user| json!({ "telegram_session": user.telethon_session.as_deref().unwrap()[1..].to_owned() }),
        ),
        (
            "in the other alphabet",
            |user| json!({ "telegram_session": format!("1{}", STANDARD.encode(session_bytes(user))) }),
        ),
        (
            "id and hash changed over",
            |user| json!({ "telegram_api_id": user.api_hash, "telegram_api_hash": user.api_id.to_string() }),
        ),
    ] {
        stage.answering(form, change).await;
        for length in [1000, 2 * MIB] {
            let end = stage.send(&File::new(length)).await;
            assert_eq!(end["status"], "completed", "{form}: {end}");
        }
        assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 2, "{form}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_at_once_and_nobody_is_dialled() {
    let mut stage = Stage::with(&[LIMIT]).await;
    for (name, session, words) in [
        ("cut", None, "the session string is cut off: 12 characters are missing at its end"),
        ("phone", Some("+49 151 2345678"), "a phone number stands in the place of the session string"),
        ("tdata", Some("C:\\Telegram\\tdata"), "tdata of Telegram Desktop stands in the place"),
        ("masked", Some("1BVtsOK…"), "shortened or masked"),
    ] {
        stage
            .answering(name, |user| {
                let whole = user.telethon_session.as_deref().unwrap().trim_end_matches('=');
                json!({ "telegram_session": session.unwrap_or(&whole[..whole.len() - 12]) })
            })
            .await;
        let large = File::new(2 * MIB);
        let init = json!({
            "uploadId": large.id, "fileName": large.name, "totalChunks": 1, "fileSize": large.bytes.len(),
            "authToken": stage.user.auth_token,
        });
        for refused in
            [stage.post("/init-upload", init).await, stage.chunk(&large, 0).await, stage.direct(&large).await]
        {
            let error = refused.error(400);
            assert!(
                error.starts_with("Telegram session not authorized: ") && error.contains(words),
                "{error}"
            );
            assert!(!error.contains("later"), "{error}");
        }
        // What needs no session goes all the same.
        assert_eq!(stage.send(&File::new(1000)).await["status"], "completed");
    }
    assert_eq!(stage.sandbox.stats().connections_accepted, 0);
    stage.answering("bot", |_| json!({ "bot_token": "a", "telegram_session": null })).await;
    let error = stage.direct(&File::new(1000)).await.error(400);
    assert!(error.contains("the bot token is wrong: it has no colon"), "{error}");
}

#[tokio::test]
async fn a_channel_that_names_none_is_told_to_the_client() {
    let mut stage = Stage::new().await;
    stage.answering("bare", |user| json!({ "channel_id": bare(user) })).await;
    let meant = format!("did you mean {}?", stage.user.channel_id);
    let error = stage.chunk(&File::new(1000), 0).await.error(400);
    assert!(error.ends_with(&meant), "{error}");
    stage.answering("title", |_| json!({ "channel_id": "my files" })).await;
    let error = stage.direct(&File::new(1000)).await.error(400);
    assert!(error.ends_with("my files looks like a title"), "{error}");
}

#[tokio::test]
async fn a_backends_address_without_a_scheme_is_asked_back() {
    for (url, meant) in
        [("localhost:8000", "http://localhost:8000"), ("backend.example", "https://backend.example")]
    {
        let ended = soon("the program", program().env("BACKEND_URL", url).output()).await.unwrap();
        let words = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(
            words.contains("BACKEND_URL: ") && words.contains(&format!("did you mean {meant}?")),
            "{words}"
        );
    }
}
