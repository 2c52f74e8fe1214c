//! Stand-alone tokens with and without names.

use serde_json::json;

use crate::support::{File, Stage};

/// A plain token that looks as if it had a name.
const PLAIN: &str = "carol:her-old-token";

/// A worker without a backend, whose log is kept.
pub(crate) async fn stand_alone(settings: &[(&str, &str)]) -> Stage {
    let mut stage = Stage::recording(&[]).await;
    stage.kill().await;
    let (bot, channel) = (stage.user.bot_token.clone(), stage.user.channel_id.clone());
    for (name, value) in [
        ("BACKEND_URL", ""),
        ("TELESTORE_BOT_TOKEN", &bot),
        ("TELESTORE_CHANNEL_ID", &channel),
        ("TELESTORE_AUTH_TOKENS", PLAIN),
        ("TELESTORE_NAMED_TOKENS", "alice:0123456789abcdef, alice:her-second-token, bob:b"),
    ] {
        stage.set(name, value);
    }
    for (name, value) in settings {
        stage.set(name, value);
    }
    stage.start().await;
    stage
}

impl Stage {
    /// Has the holder of a token begin an upload.
    async fn begin(&mut self, token: &str) -> (File, u16) {
        token.clone_into(&mut self.user.auth_token);
        let file = File::in_chunks(20, &[10]);
        let status = self.chunk(&file, 0).await.status;
        (file, status)
    }

    async fn user_of(&self, file: &File) -> String {
        let shown = self.command(&["uploads", "show", &file.id, "--json"]).await.json();
        shown["user"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn names_are_seen_where_users_are() {
    let mut stage = stand_alone(&[]).await;
    let (file, status) = stage.begin("0123456789abcdef").await;
    assert_eq!((status, stage.user_of(&file).await.as_str()), (200, "alice"));
    let listed = stage.command(&["uploads", "list", "--user", "alice"]).await.ok();
    assert!(listed.contains(&file.id) && listed.contains(" alice "), "{listed}");
    let (head, row) = listed.split_once('\n').unwrap();
    for (column, value) in [("STATE", "receiving"), ("USER", "alice"), ("FILE", file.name.as_str())] {
        assert_eq!(head.find(column), row.find(value), "{column} stands above {value}: {listed}");
    }
    // Another token of the same name is the same user's: tokens can be changed while uploads are on their way.
    stage.user.auth_token = "her-second-token".to_owned();
    stage.chunk(&file, 1).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    let log = stage.logged("Upload completed").await;
    assert!(log.contains("user=alice"), "{log}");
    let page = stage.client.get(stage.url("/metrics")).send().await.unwrap().text().await.unwrap();
    for series in [
        "telestore_user_uploads_completed_total{user=\"alice\"} 1",
        "telestore_user_sent_bytes_total{user=\"alice\"} 20",
        "telestore_user_uploads_completed_total{user=\"bob\"} 0",
    ] {
        assert!(page.lines().any(|line| line == series), "{series} is not in {page}");
    }
    assert!(!page.contains("token-"), "{page}");
    let (_, bob) = stage.begin("b").await;
    assert_eq!(bob, 200);
    stage.chunk(&file, 0).await.error(403);
}

#[tokio::test]
async fn a_plain_token_with_a_colon_stays_what_it_was() {
    let mut stage = stand_alone(&[]).await;
    let (file, status) = stage.begin(PLAIN).await;
    assert_eq!(status, 200);
    assert!(stage.user_of(&file).await.starts_with("token-"));
    // Neither half of it lets anybody in, nor does a name with its token.
    for guess in ["her-old-token", "carol", "alice:0123456789abcdef", "alice", "alice:"] {
        assert_eq!(stage.begin(guess).await.1, 401, "{guess}");
    }
}

#[tokio::test]
async fn names_and_tokens_are_checked() {
    let mut stage = stand_alone(&[("TELESTORE_ACCESS_LOG", "off")]).await;
    let checked = stage.command(&["check"]).await.stdout;
    for said in [stage.logged("serving stand-alone").await, checked] {
        let expected = "TELESTORE_NAMED_TOKENS: the token of user bob has fewer than 16 characters";
        let line = said.lines().find(|line| line.contains(expected)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.contains("WARN") || line.starts_with("warning"), "{line}");
        assert!(!said.contains("her-second-token") && !said.contains("0123456789abcdef"), "{said}");
    }
    assert!(stage.terminate().await.success());
    stage.set("TELESTORE_NAMED_TOKENS", "alice:hush-hush-hush-hush, hush");
    let checked = stage.command(&["check", "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    let failed = report["checks"].as_array().unwrap().iter().find(|check| check["result"] == json!("failed"));
    let message = failed.unwrap()["message"].as_str().unwrap();
    assert_eq!(message, "TELESTORE_NAMED_TOKENS: entry 2: expected NAME:TOKEN");
}
