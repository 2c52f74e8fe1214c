//! A file that is too large is refused with the first call that tells, before its bytes; one that is larger than a message is not.

use serde_json::json;
use telestore_sandbox::SandboxUser;

use crate::raw::Raw;
use crate::support::{File, MIB, Stage, chunk_form};

/// The largest file, or the largest message of a bot.
const LIMIT: &str = "6 MiB";

const TOKEN: &str = "a-token-that-nobody-guesses";

/// The limit is named, and nobody is asked to try again.
#[track_caller]
fn names_the_limit(error: &str) {
    assert!(error.contains("larger than the limit of 6291456 bytes"), "{error}");
    assert!(!error.contains("again"), "{error}");
}

/// A worker without a backend, with a bot and no session.
async fn stand_alone(limit: &str) -> Stage {
    let stage = Stage::with(&[(limit, LIMIT)]).await;
    let (bot, channel) = (stage.user.bot_token.clone(), stage.user.channel_id.clone());
    alone(stage, &bot, &channel).await
}

async fn alone(mut stage: Stage, bot: &str, channel: &str) -> Stage {
    stage.kill().await;
    for (name, value) in [
        ("BACKEND_URL", ""),
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

/// The first call of each flow that can tell, with a file that is too large.
async fn each_first_call_refuses(stage: &Stage) {
    let (file, token) = (File::new(7 * MIB), stage.user.auth_token.as_str());
    let init = json!({
        "uploadId": file.id, "fileName": file.name, "totalChunks": 2, "fileSize": file.bytes.len(), "authToken": token,
    });
    names_the_limit(&stage.post("/init-upload", init.clone()).await.error(413));
    names_the_limit(&stage.chunk(&file, 0).await.error(413));
    names_the_limit(&stage.direct(&file).await.error(413));
    stage.emptied(&["chunks", "spool"]).await;
    // What is not too large is taken.
    let fits = File::new(6 * MIB);
    assert_eq!(stage.send(&fits).await["status"], "completed");
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_each_first_call() {
    each_first_call_refuses(&stand_alone("TELESTORE_MAX_FILE_BYTES").await).await;
    each_first_call_refuses(&Stage::with(&[("TELESTORE_MAX_FILE_BYTES", LIMIT)]).await).await;
}

#[tokio::test]
async fn a_bot_alone_sends_several_messages_and_check_says_so() {
    let stage = stand_alone("TELESTORE_BOT_API_MAX_BYTES").await;
    let end = stage.send(&File::new(7 * MIB)).await;
    assert_eq!((&end["status"], end["messages"].as_array().unwrap().len()), (&json!("completed"), 2));
    let checked = stage.command(&["check"]).await.stdout;
    let line = checked.lines().find(|line| line.contains("MTProto")).unwrap();
    assert!(line.starts_with("warning") && line.contains("6.0 MiB go as several messages"), "{line}");
    assert!(line.contains("TELESTORE_TELEGRAM_SESSION") && line.contains("TELEGRAM_BOT_API_URL"), "{line}");
}

#[tokio::test]
async fn the_bytes_are_not_waited_for_where_the_size_comes_before_them() {
    let stage = stand_alone("TELESTORE_MAX_FILE_BYTES").await;
    let large = File::new(20 * MIB);
    // The token in the header, and the length in the head.
    let direct = stage.client.post(stage.url("/upload")).bearer_auth(TOKEN);
    names_the_limit(&stage.ask(direct.multipart(large.direct(TOKEN))).await.error(413));
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
    names_the_limit(&stage.ask(request).await.error(413));
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
    let stage = Stage::with(&[("TELESTORE_MAX_FILE_BYTES", LIMIT)]).await;
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
