//! A file that no way of its user's credentials takes is refused with the first call that tells, before its bytes.

use serde_json::json;
use telestore_sandbox::{SandboxUser, UserSpec};

use crate::raw::Raw;
use crate::support::{File, MIB, Stage, chunk_form};

/// What the bot may send in these tests.
const LIMIT: &str = "6 MiB";

const TOKEN: &str = "a-token-that-nobody-guesses";

/// What would take the file must be named, and trying again must not be asked for.
#[track_caller]
fn names_the_cure(error: &str) {
    for what in ["6291456 bytes", "TELESTORE_TELEGRAM_SESSION", "TELEGRAM_BOT_API_URL", "sign in to Telegram"]
    {
        assert!(error.contains(what), "{error}");
    }
    assert!(!error.contains("again"), "{error}");
}

/// A worker without a backend, with a bot and no session.
async fn stand_alone() -> Stage {
    let stage = Stage::with(&[]).await;
    let (bot, channel) = (stage.user.bot_token.clone(), stage.user.channel_id.clone());
    alone(stage, &bot, &channel).await
}

async fn alone(mut stage: Stage, bot: &str, channel: &str) -> Stage {
    stage.kill().await;
    for (name, value) in [
        ("BACKEND_URL", ""),
        ("TELESTORE_BOT_API_MAX_BYTES", LIMIT),
        ("TELESTORE_BOT_TOKEN", bot),
        ("TELESTORE_CHANNEL_ID", channel),
        ("TELESTORE_AUTH_TOKENS", TOKEN),
    ] {
        stage.set(name, value);
    }
    stage.start().await;
    stage.user = SandboxUser { auth_token: TOKEN.to_owned(), ..stage.user };
    stage
}

/// The first call of each flow that can tell, with a file that a bot does not take.
async fn each_first_call_refuses(stage: &Stage) {
    let (file, token) = (File::new(7 * MIB), stage.user.auth_token.as_str());
    let mut init = json!({
        "uploadId": file.id, "fileName": file.name, "totalChunks": 2, "fileSize": file.bytes.len(), "authToken": token,
    });
    names_the_cure(&stage.post("/init-upload", init.clone()).await.error(413));
    names_the_cure(&stage.chunk(&file, 0).await.error(413));
    names_the_cure(&stage.direct(&file).await.error(413));
    // As documented clients do, without a token: the first call that has one tells.
    init["authToken"] = json!("");
    stage.post("/init-upload", init).await.ok();
    names_the_cure(&stage.chunk(&file, 0).await.error(413));
    stage.emptied(&["chunks", "spool"]).await;
    // What a bot takes is taken.
    let fits = File::new(6 * MIB);
    assert_eq!(stage.send(&fits).await["status"], "completed");
}

#[tokio::test]
async fn stand_alone_with_a_bot_only_refuses_what_a_bot_does_not_take() {
    let stage = stand_alone().await;
    each_first_call_refuses(&stage).await;
    let checked = stage.command(&["check"]).await.stdout;
    let line = checked.lines().find(|line| line.contains("MTProto")).unwrap();
    assert!(line.starts_with("warning") && line.contains("6.0 MiB"), "{line}");
    assert!(line.contains("TELESTORE_TELEGRAM_SESSION") && line.contains("TELEGRAM_BOT_API_URL"), "{line}");
}

#[tokio::test]
async fn a_user_of_a_backend_without_a_session_is_refused_the_same() {
    let mut stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", LIMIT)]).await;
    stage.user = stage.sandbox.add_user(UserSpec::new("poor").without_session());
    each_first_call_refuses(&stage).await;
}

#[tokio::test]
async fn the_bytes_are_not_waited_for_where_the_size_comes_before_them() {
    let stage = stand_alone().await;
    let large = File::new(20 * MIB);
    // The token in the header, and the length in the head.
    let direct = stage.client.post(stage.url("/upload")).bearer_auth(TOKEN);
    names_the_cure(&stage.ask(direct.multipart(large.direct(TOKEN))).await.error(413));
    // The fields before the file. A body that never ends shows that nobody waits for its end.
    let (head, _) = ("--b\r\nContent-Disposition: form-data; name=", ());
    let mut body = String::new();
    for (name, value) in large.fields(0, TOKEN) {
        body += &format!("{head}\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += &format!("{head}\"chunk\"; filename=\"blob\"\r\n\r\n");
    let pieces = [Ok::<_, std::io::Error>(body.into_bytes())];
    let endless = futures_util::stream::StreamExt::chain(
        futures_util::stream::iter(pieces),
        futures_util::stream::pending(),
    );
    let request = stage
        .client
        .post(stage.url("/upload-chunk"))
        .header("Content-Type", "multipart/form-data; boundary=b")
        .body(reqwest::Body::wrap_stream(endless));
    names_the_cure(&stage.ask(request).await.error(413));
    assert_eq!(stage.sandbox.messages_of(&stage.user), []);
}

#[tokio::test]
async fn a_session_takes_what_the_bot_does_not() {
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", LIMIT)]).await;
    let file = File::new(7 * MIB);
    assert_eq!(stage.send(&file).await["status"], "completed");
    stage.arrived(&file);
    // Nothing takes this, whatever the credentials: no session is asked for.
    let mut fields = File::new(10).fields(0, &stage.user.auth_token);
    fields.retain(|(name, _)| *name != "fileSize");
    fields.push(("fileSize", (3_u64 << 30).to_string()));
    let error = stage.form("/upload-chunk", chunk_form(vec![1], fields)).await.error(413);
    assert!(error.contains("file is larger than the limit of 2097152000 bytes"), "{error}");
}

#[tokio::test]
async fn a_size_that_is_spelled_in_another_way_is_known_before_the_bytes_too() {
    let mut stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", LIMIT)]).await;
    stage.user = stage.sandbox.add_user(UserSpec::new("poor").without_session());
    for size in ["7340032", "7340032.0", "7.340032e6"] {
        let mut raw = Raw::connect(&stage).await;
        raw.send(format!(
            "POST /upload-chunk HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: 5000000\r\n\
             Content-Type: multipart/form-data; boundary=b\r\n\r\n\
             --b\r\nContent-Disposition: form-data; name=\"fileSize\"\r\n\r\n{size}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\n\r\nfirst bytes",
            stage.user.auth_token
        ))
        .await;
        let answer = raw.answer_as_it_is().await;
        assert_eq!(answer.status, 413, "{size}: {}", answer.head);
    }
}
