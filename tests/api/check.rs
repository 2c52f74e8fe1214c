//! `telestore-worker check`: each thing that can be wrong is found and named, and no secret is shown.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use telestore_sandbox::Standing;

use crate::support::{File, Ran, Stage};

impl Stage {
    /// What `check` says of each thing, with the user's token, as `result: text`.
    async fn check(&self, args: &[&str]) -> (bool, Vec<(String, String)>) {
        let token = self.user.auth_token.as_str();
        let ran = self.command(&[&["check", "--json", "--token", token], args].concat()).await;
        self.hides_secrets(&ran);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
        assert_eq!(report["ok"] == true, ran.code == Some(0), "{ran:?}");
        let checks = report["checks"].as_array().unwrap().iter().map(|check| {
            let text = |name: &str| check[name].as_str().unwrap().to_owned();
            (text("check"), format!("{}: {}", text("result"), text("message")))
        });
        (report["ok"] == true, checks.collect())
    }

    fn hides_secrets(&self, ran: &Ran) {
        let user = &self.user;
        let session = user.telethon_session.as_deref().unwrap_or("-");
        for secret in [user.auth_token.as_str(), &user.bot_token, session, &user.api_hash] {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{}", ran.stdout);
        }
    }

    /// The one check that has failed.
    async fn fails(&self, what: &str, words: &str) {
        let (ok, checks) = self.check(&[]).await;
        let failed: Vec<_> = checks.iter().filter(|(_, text)| text.starts_with("failed")).collect();
        assert!(!ok && failed.len() == 1, "{checks:#?}");
        assert!(failed[0].0 == what && failed[0].1.contains(words), "{failed:?}");
    }
}

fn found<'a>(checks: &'a [(String, String)], what: &str) -> &'a str {
    checks.iter().find(|(name, _)| name == what).map_or("", |(_, text)| text)
}

#[tokio::test]
async fn all_is_well_before_during_and_after_a_worker() {
    let mut stage = Stage::new().await;
    stage.send(&File::new(10)).await;
    let (ok, checks) = stage.check(&[]).await;
    assert!(ok, "{checks:#?}");
    assert_eq!(found(&checks, "worker"), "ok: one runs on this data directory");
    assert!(found(&checks, "MTProto").starts_with("skipped: not checked while a worker runs"), "{checks:#?}");
    let (ok, checks) = stage.check(&["--force"]).await;
    assert!(ok && found(&checks, "MTProto").starts_with("ok"), "{checks:#?}");
    assert_eq!(stage.send(&File::new(10)).await["status"], "completed", "the worker goes on");

    assert!(stage.terminate().await.success());
    let (ok, checks) = stage.check(&[]).await;
    assert!(ok && checks.iter().all(|(_, text)| text.starts_with("ok")), "{checks:#?}");
    assert!(checks.len() > 9, "{checks:#?}");
    let lines = stage.command(&["check"]).await.ok();
    assert!(lines.lines().any(|line| line.starts_with("ok       backend         answers")), "{lines}");
    assert!(lines.contains("give --token"), "{lines}");

    std::fs::remove_dir_all(stage.data_dir()).unwrap();
    let (ok, checks) = stage.check(&[]).await;
    assert!(ok && found(&checks, "data directory").contains("will be made"), "{checks:#?}");
    assert!(!stage.data_dir().exists(), "a check makes nothing");
}

#[tokio::test]
async fn what_telegram_refuses_is_named() {
    let mut stage = Stage::new().await;
    assert!(stage.terminate().await.success());
    let (sandbox, user) = (&stage.sandbox, &stage.user);
    sandbox.revoke_session(user);
    stage.fails("MTProto", "Telegram session not authorized; sign in to Telegram again").await;
    sandbox.restore_session(user);
    let channel = user.channel_id.as_str();
    sandbox.set_standing_of_bot(channel, user, Standing::AdministratorWithoutPosts);
    stage.fails("Bot API", "the account may not post in it; make it an administrator of the channel").await;
    sandbox.set_standing_of_bot(channel, user, Standing::Administrator);
    sandbox.set_standing_of_account(channel, user, Standing::Member);
    stage.fails("MTProto", "the account may not post in it; make it an administrator of the channel").await;
    sandbox.set_standing_of_account(channel, user, Standing::Creator);
    sandbox.remove_bot(channel, user);
    stage.fails("Bot API", "Could not resolve channel ID; the channel must exist").await;
    sandbox.join(channel, user);
    sandbox.remove_account(user.channel_id.as_str(), user);
    let (ok, checks) = stage.check(&[]).await;
    assert!(!ok && found(&checks, "MTProto").contains("Could not resolve channel ID"), "{checks:#?}");
    sandbox.revoke_token(user);
    stage.fails("token", "the backend does not know it").await;
}

#[tokio::test]
async fn a_wrong_bot_token_is_named_for_stand_alone_use() {
    let mut stage = Stage::new().await;
    assert!(stage.terminate().await.success());
    for (name, value) in [
        ("BACKEND_URL", ""),
        ("TELESTORE_BOT_TOKEN", "12345:wrong-bot-token"),
        ("TELESTORE_CHANNEL_ID", &*stage.user.channel_id.clone()),
        ("TELESTORE_AUTH_TOKENS", &*stage.user.auth_token.clone()),
    ] {
        stage.set(name, value);
    }
    stage.fails("Bot API", "Telegram does not know this bot token").await;
    let ran = stage.command(&["check"]).await;
    assert!(!ran.stdout.contains("wrong-bot-token") && !ran.stderr.contains("wrong-bot-token"), "{ran:?}");
    assert!(ran.stdout.contains("warning  MTProto"), "files over the limit cannot be sent: {ran:?}");
}

#[tokio::test]
async fn what_is_wrong_on_this_machine_is_named() {
    let mut stage = Stage::new().await;
    assert!(stage.terminate().await.success());
    let key = stage.data_dir().join("secret.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let (ok, checks) = stage.check(&[]).await;
    assert!(ok && checks.iter().any(|(_, text)| text.contains("chmod 600")), "{checks:#?}");
    std::fs::write(&key, "no key").unwrap();
    stage.fails("secret key", "does not hold a key").await;
    std::fs::remove_file(&key).unwrap();
    std::fs::write(stage.data_dir().join("telestore.db"), [7; 5000]).unwrap();
    stage.fails("database", "put a backup in its place").await;
    std::fs::remove_dir_all(stage.data_dir()).unwrap();
    stage.set("TELESTORE_MIN_FREE_BYTES", "9000 TiB");
    stage.fails("disk space", "TELESTORE_MIN_FREE_BYTES").await;
    stage.set("TELESTORE_MIN_FREE_BYTES", "0");
    // Not even root may write there.
    stage.set("TELESTORE_DATA_DIR", "/proc/telestore");
    stage.fails("data directory", "must belong to the worker's user").await;
    let file = stage.dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    stage.set("TELESTORE_DATA_DIR", file.join("data").to_str().unwrap());
    stage.fails("data directory", "set TELESTORE_DATA_DIR").await;
}

#[tokio::test]
async fn another_key_than_the_one_that_sealed_is_named() {
    let mut stage = Stage::new().await;
    stage.chunk(&File::in_chunks(30, &[10]), 0).await.ok();
    assert!(stage.terminate().await.success());
    stage.set("TELESTORE_SECRET_KEY", "another");
    let (ok, checks) = stage.check(&[]).await;
    assert!(ok && found(&checks, "secret key").contains("tokens of 1 unfinished upload"), "{checks:#?}");
}

#[tokio::test]
async fn a_bad_configuration_and_a_backend_that_is_down_are_named() {
    let mut stage = Stage::new().await;
    assert!(stage.terminate().await.success());
    stage.set("BACKEND_URL", "http://127.0.0.1:1");
    stage.fails("backend", "check BACKEND_URL").await;
    stage.set("TELESTORE_DURABILITY", "tape");
    stage.fails("configuration", "TELESTORE_DURABILITY: must be process or disk").await;
    stage.set("TELESTORE_DURABILITY", "disk");
    stage.set("BACKEND_URL", "");
    stage.fails("configuration", "nobody to serve").await;
}

#[tokio::test]
async fn a_wrong_clock_is_named() {
    let mut stage = Stage::new().await;
    assert!(stage.terminate().await.success());
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    stage.set("BACKEND_URL", &format!("http://{}", backend.local_addr().unwrap()));
    std::thread::spawn(move || {
        for client in backend.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 4096]);
            let head = "HTTP/1.1 401 Unauthorized\r\nDate: Sun, 09 Sep 2001 01:46:40 GMT\r\n";
            let _ =
                client.write_all(format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
        }
    });
    let lines = stage.command(&["check"]).await.ok();
    assert!(lines.contains("warning  clock") && lines.contains("s ahead: set it"), "{lines}");
}

#[tokio::test]
async fn health_tells_whether_a_worker_answers() {
    let mut stage = Stage::new().await;
    let port = stage.url("").rsplit(':').next().unwrap().to_owned();
    stage.set("PORT", &port);
    stage.command(&["health"]).await.ok();
    assert!(stage.terminate().await.success());
    assert!(stage.command(&["health"]).await.error().contains("no worker answers"));
}

#[tokio::test]
async fn tls_files_are_checked_and_health_speaks_https() {
    let mut stage = Stage::new().await;
    assert!(stage.terminate().await.success());
    let pair = |name: &str| {
        let pair = rcgen::generate_simple_self_signed([format!("{name}.example")]).unwrap();
        let path =
            |kind: &str| stage.dir.path().join(format!("{name}.{kind}.pem")).to_str().unwrap().to_owned();
        std::fs::write(path("cert"), pair.cert.pem()).unwrap();
        std::fs::write(path("key"), pair.signing_key.serialize_pem()).unwrap();
        (path("cert"), path("key"))
    };
    let (one, other) = (pair("one"), pair("other"));
    stage.set("TELESTORE_TLS_CERT", &one.0);
    stage.set("TELESTORE_TLS_KEY", &other.1);
    stage.fails("TLS", "does not belong to the first certificate").await;
    stage.set("TELESTORE_TLS_KEY", &one.1);
    let (ok, checks) = stage.check(&[]).await;
    assert!(ok && found(&checks, "TLS").starts_with("ok"), "{checks:#?}");
    stage.start().await;
    let port = stage.url("").rsplit(':').next().unwrap().to_owned();
    stage.set("PORT", &port);
    stage.command(&["health"]).await.ok();
}
