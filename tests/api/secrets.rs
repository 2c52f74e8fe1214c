//! No secret is ever seen: not in a log line, whatever is logged, not in an answer, not in a metric or a span, and not on
//! disk.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use reqwest::RequestBuilder;
use serde_json::json;
use telestore_sandbox::{Fault, SandboxUser, UserSpec};

use crate::collector::{Collector, holds};
use crate::support::{File, MIB, Stage, files_below, soon};

/// Settings that are secrets.
const SETTINGS: [(&str, &str); 3] = [
    ("TELESTORE_WEBHOOK_SECRET", "webhooks are signed with this"),
    ("TELESTORE_SECRET_KEY", "tokens are sealed with this"),
    ("TELESTORE_METRICS_TOKEN", "metrics-are-shown-for-this"),
];

/// Tokens of nobody: a user's token with a mistake in it is a secret, too.
const GUESSES: [&str; 3] = ["a-token-in-a-form", "a-token-in-a-header", "a-token-in-a-query"];

/// What somebody who looks for `secret` would find it by.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let percent = secret.iter().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    let listed = format!("{secret:?}");
    let texts = [
        percent.collect(),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        hex::encode(secret),
        listed.trim_matches(['[', ']']).to_owned(),
    ];
    texts.into_iter().map(String::into_bytes).chain([secret.to_vec()]).collect()
}

/// The secrets of a run, each with a name for the reader of a failed test.
struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    fn new() -> Self {
        let texts = SETTINGS.into_iter().chain(GUESSES.map(|guess| ("a guessed token", guess)));
        Self(texts.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect())
    }

    fn of(mut self, user: &SandboxUser) -> Self {
        let mut add =
            |name: &str, secret: &[u8]| self.0.push((format!("{name} of {}", user.name), secret.to_vec()));
        add("auth token", user.auth_token.as_bytes());
        add("bot token", user.bot_token.as_bytes());
        add("secret half of the bot token", user.bot_token.split(':').nth(1).unwrap().as_bytes());
        add("api hash", user.api_hash.as_bytes());
        add("key of the session", &user.auth_key_bytes());
        for session in user.telethon_session.iter().chain(&user.pyrogram_session) {
            add("session", session.as_bytes());
        }
        self
    }

    #[track_caller]
    fn assert_none_in(&self, place: &str, bytes: &[u8]) {
        for (name, secret) in &self.0 {
            let found = forms(secret).iter().any(|form| holds(bytes, form));
            let shown = if bytes.len() < 20_000 { String::from_utf8_lossy(bytes) } else { "…".into() };
            assert!(!found, "{name} is in {place}: {shown}");
        }
    }
}

/// A stage, and everything that it was answered.
struct Run {
    stage: Stage,
    answers: Vec<u8>,
}

impl Run {
    async fn ask(&mut self, request: RequestBuilder) -> u16 {
        let answer = request.send().await.expect("the worker answers");
        let status = answer.status().as_u16();
        self.answers.extend(format!("{:?}", answer.headers()).into_bytes());
        self.answers.extend(answer.bytes().await.expect("a body"));
        status
    }

    async fn get(&mut self, path: &str) -> u16 {
        self.ask(self.stage.client.get(self.stage.url(path))).await
    }

    async fn direct(&mut self, token: &str) -> u16 {
        let form = File::new(100).direct(token);
        self.ask(self.stage.client.post(self.stage.url("/upload")).multipart(form)).await
    }

    /// Sends a file in chunks as `user`, and says how it ended.
    async fn send(&mut self, user: &SandboxUser, file: &File) -> String {
        self.stage.user = user.clone();
        for index in 0..file.total() {
            let form = file.chunk(index, &user.auth_token);
            let request = self.stage.client.post(self.stage.url("/upload-chunk")).multipart(form);
            assert_eq!(self.ask(request).await, 200);
        }
        let complete = json!({ "uploadId": file.id, "authToken": user.auth_token });
        self.ask(self.stage.client.post(self.stage.url("/complete-upload")).json(&complete)).await;
        let end = self.stage.end(&file.id).await;
        self.answers.extend(end.to_string().into_bytes());
        end["status"].as_str().unwrap().to_owned()
    }

    /// What goes well.
    async fn all_ways(&mut self, user: &SandboxUser) {
        self.stage.sandbox.faults().inject(Fault::http_status("backend.webhook", 500, json!({})).once());
        self.stage.sandbox.faults().inject(Fault::flood_wait("sendDocument", 1).once());
        assert_eq!(self.send(user, &File::new(100)).await, "completed");
        assert_eq!(self.send(user, &File::in_chunks(3 * MIB, &[MIB])).await, "completed");
        assert_eq!(self.direct(&user.auth_token).await, 200);
    }

    /// Failures on every way.
    async fn all_failures(&mut self, user: &SandboxUser, other: &SandboxUser) {
        let refusal = |code: u16, text: &str| {
            let body = json!({ "ok": false, "error_code": code, "description": text });
            Fault::http_status("sendDocument", code, body).once()
        };
        for (fault, end) in [
            (refusal(400, "Bad Request: wrong file"), "failed"),
            (refusal(401, "Unauthorized"), "failed"),
            (Fault::lose_answer("sendDocument").once(), "completed"),
        ] {
            self.stage.sandbox.faults().inject(fault);
            assert_eq!(self.send(user, &File::new(100)).await, end);
        }
        // Whether it was lost before or behind the file is the network's choice.
        self.stage.sandbox.faults().inject(Fault::drop_connection("sendDocument").once());
        self.send(user, &File::new(100)).await;
        self.stage.sandbox.revoke_session(other);
        assert_eq!(self.send(other, &File::new(3 * MIB)).await, "failed");
        self.stage.sandbox.faults().inject(Fault::http_status("backend.credentials", 500, json!({})).once());
        assert_eq!(self.direct("a-token-while-the-backend-is-down").await, 503);
    }

    /// Tokens that are no good, and where they do not belong.
    async fn all_guesses(&mut self, user: &SandboxUser) {
        let [form, header, query] = GUESSES;
        assert_eq!(self.direct(form).await, 401);
        let url = self.stage.url("/upload");
        let request = self.stage.client.post(&url).bearer_auth(header).multipart(File::new(10).direct(form));
        assert_eq!(self.ask(request).await, 401);
        let id = File::new(1).id;
        for path in ["/upload-progress/", "/upload-events/", "/ws/upload-progress/", "/no-such-path/"] {
            for token in [query, &user.auth_token] {
                assert!(self.get(&format!("{path}{id}?token={token}")).await >= 400);
            }
        }
        let metrics = self.stage.client.get(self.stage.url("/metrics"));
        assert_eq!(self.ask(metrics.try_clone().unwrap()).await, 401);
        assert_eq!(self.ask(metrics.bearer_auth(SETTINGS[2].1)).await, 200);
        for path in ["/", "/health", "/ready", "/openapi.json"] {
            assert_eq!(self.get(path).await, 200);
        }
    }

    fn assert_none(&self, secrets: &Secrets, log: &str) {
        secrets.assert_none_in("an answer", &self.answers);
        secrets.assert_none_in("the log", log.as_bytes());
        for path in files_below(&self.stage.data_dir()) {
            secrets.assert_none_in(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

async fn nothing_is_seen(format: &str, level: &str) {
    let collector = Collector::new().await;
    let url = collector.url();
    let mut settings = SETTINGS.to_vec();
    settings.extend([
        ("TELESTORE_LOG_FORMAT", format),
        ("TELESTORE_LOG", level),
        ("TELESTORE_BOT_API_MAX_BYTES", "2 MiB"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
    ]);
    let stage = Stage::recording(&settings).await;
    let (user, other) = (stage.user.clone(), stage.sandbox.add_user(UserSpec::new("other")));
    let mut run = Run { stage, answers: Vec::new() };
    run.all_ways(&user).await;
    run.all_failures(&user, &other).await;
    run.all_guesses(&user).await;
    // Left in the middle, for the files of a worker that was killed, and of one that was stopped.
    let form = File::new(6 * MIB).chunk(0, &user.auth_token);
    run.ask(run.stage.client.post(run.stage.url("/upload-chunk")).multipart(form)).await;
    run.stage.kill().await;
    let secrets = Secrets::new().of(&user).of(&other);
    let log = run.stage.logged("Upload failed").await;
    run.assert_none(&secrets, &log);
    run.stage.start().await;
    assert_eq!(run.send(&user, &File::new(100)).await, "completed");
    soon("the webhooks", run.stage.sandbox.wait_for_webhooks(5)).await;
    assert!(run.stage.terminate().await.success());
    let log = run.stage.logged("stopping").await;
    run.assert_none(&secrets, &log);
    for heard in collector.heard() {
        secrets.assert_none_in("a span", &heard.body);
    }
}

#[tokio::test]
async fn no_secret_is_seen_by_default() {
    nothing_is_seen("human", "").await;
}

#[tokio::test]
async fn no_secret_is_seen_where_everything_is_logged() {
    nothing_is_seen("json", "trace").await;
}

#[tokio::test]
async fn no_secret_of_stand_alone_use_is_seen() {
    let sandbox = telestore_sandbox::Sandbox::start().await.unwrap();
    let user = sandbox.user();
    drop(sandbox);
    let tokens = format!("{},{}", user.auth_token, GUESSES[0]);
    let mut settings = SETTINGS.to_vec();
    settings.extend([
        ("TELESTORE_LOG", "trace"),
        ("BACKEND_URL", ""),
        ("TELESTORE_BOT_TOKEN", user.bot_token.as_str()),
        ("TELESTORE_CHANNEL_ID", "-1001"),
        ("TELESTORE_TELEGRAM_SESSION", user.telethon_session.as_deref().unwrap()),
        ("TELESTORE_API_ID", "12345"),
        ("TELESTORE_API_HASH", user.api_hash.as_str()),
        ("TELESTORE_AUTH_TOKENS", tokens.as_str()),
    ]);
    let stage = Stage::recording(&settings).await;
    let mut run = Run { stage, answers: Vec::new() };
    let file = File::new(100);
    assert_eq!(run.send(&user, &file).await, "failed");
    assert_eq!(run.direct(GUESSES[1]).await, 401);
    let log = run.stage.logged("Upload failed").await;
    run.assert_none(&Secrets::new().of(&user), &log);
}

#[tokio::test]
async fn no_secret_is_seen_in_strict_mode() {
    let mut settings = SETTINGS.to_vec();
    settings.extend([("TELESTORE_AUTH", "strict"), ("TELESTORE_LOG", "trace")]);
    let stage = Stage::recording(&settings).await;
    let user = stage.user.clone();
    let mut run = Run { stage, answers: Vec::new() };
    let upload = run.stage.client.post(run.stage.url("/upload")).multipart(File::new(100).direct(""));
    assert_eq!(run.ask(upload.bearer_auth(&user.auth_token)).await, 200);
    run.all_guesses(&user).await;
    assert!(run.stage.terminate().await.success());
    let log = run.stage.logged("Upload completed successfully").await;
    run.assert_none(&Secrets::new().of(&user), &log);
}
