//! `TELESTORE_AUTH=strict`: a token for every call.

use reqwest::multipart::{Form, Part};
use serde_json::json;
use telestore_sandbox::UserSpec;

use crate::support::{Answer, File, Stage};

async fn strict() -> Stage {
    Stage::with(&[("TELESTORE_AUTH", "strict")]).await
}

/// A chunk behind its fields, since in strict mode the token comes before the bytes.
fn token_first(file: &File, index: usize, token: Option<&str>) -> Form {
    let fields = file.fields(index, token.unwrap_or_default()).into_iter();
    let form = fields.fold(Form::new(), |form, (name, value)| form.text(name, value));
    form.part("chunk", Part::bytes(file.piece(index).to_vec()).file_name("blob"))
}

async fn chunk(stage: &Stage, file: &File, index: usize) -> Answer {
    stage.form("/upload-chunk", token_first(file, index, Some(&stage.user.auth_token))).await
}

/// Every call about an upload, with `token` if there is one.
async fn all_calls(stage: &Stage, file: &File, token: Option<&str>) -> Vec<(&'static str, Answer)> {
    let with = |mut body: serde_json::Value| {
        if let Some(token) = token {
            body["authToken"] = json!(token);
        }
        body
    };
    let direct = token.map_or(Form::new(), |token| Form::new().text("authToken", token.to_owned()));
    let direct = direct.part("file", Part::bytes(vec![1]).file_name("a"));
    let get = |path: &str| {
        let request = stage.client.get(stage.url(&format!("{path}/{}", file.id)));
        if let Some(token) = token { request.bearer_auth(token) } else { request }
    };
    let init = json!({ "uploadId": file.id, "fileName": file.name, "totalChunks": 2, "fileSize": 10 });
    let id = json!({ "uploadId": file.id });
    vec![
        ("/init-upload", stage.post("/init-upload", with(init)).await),
        ("/upload-chunk", stage.form("/upload-chunk", token_first(file, 1, token)).await),
        ("/complete-upload", stage.post("/complete-upload", with(id.clone())).await),
        ("/upload-progress", stage.ask(get("/upload-progress")).await),
        ("/upload-status", stage.ask(get("/upload-status")).await),
        ("/upload", stage.form("/upload", direct).await),
        ("/cancel-upload", stage.post("/cancel-upload", with(id)).await),
    ]
}

#[tokio::test]
async fn without_a_valid_token_every_call_is_refused_whether_the_upload_is_there_or_not() {
    let stage = strict().await;
    let there = File::in_chunks(10, &[5]);
    chunk(&stage, &there, 0).await.ok();
    for file in [&there, &File::in_chunks(10, &[5])] {
        for (token, words) in [(None, "authToken is missing"), (Some("guessed"), "invalid authToken")] {
            for (path, answer) in all_calls(&stage, file, token).await {
                let error = answer.error(401);
                assert!(error.contains(words), "{path}: {error}");
            }
        }
    }
    stage.get("/").await.ok();
    let get = stage.client.get(stage.url(&format!("/upload-status/{}", there.id)));
    let status = stage.ask(get.bearer_auth(&stage.user.auth_token)).await.ok();
    assert_eq!(status["received_chunk_indices"], json!([0]), "refused calls have changed nothing");
}

#[tokio::test]
async fn with_the_owners_token_everything_goes_on() {
    let stage = strict().await;
    let file = File::in_chunks(10, &[5]);
    for index in 0..file.total() {
        chunk(&stage, &file, index).await.ok();
    }
    let token = stage.user.auth_token.clone();
    stage.post("/complete-upload", json!({ "uploadId": file.id, "authToken": token })).await.ok();
    stage.sandbox.wait_for_webhooks(1).await;
    let get = stage.client.get(stage.url(&format!("/upload-progress/{}", file.id)));
    assert_eq!(stage.ask(get.bearer_auth(&token)).await.ok()["status"], "completed");
    stage.arrived(&file);
    let unknown = stage.client.get(stage.url("/upload-status/unknown")).bearer_auth(&token);
    assert_eq!(stage.ask(unknown).await.error(404), "Upload session not found");
    stage.post("/cancel-upload", json!({ "uploadId": "unknown", "authToken": token })).await.ok();
    let upload = stage.client.post(stage.url("/upload")).multipart(File::new(10).direct(""));
    stage.ask(upload.bearer_auth(&token)).await.ok();
}

#[tokio::test]
async fn another_users_upload_stays_another_users() {
    let stage = strict().await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let file = File::in_chunks(10, &[5]);
    chunk(&stage, &file, 0).await.ok();
    for (path, answer) in all_calls(&stage, &file, Some(&bob.auth_token)).await {
        // A direct upload is one of his own.
        if path != "/upload" {
            assert_eq!(answer.error(403), "this upload belongs to another user", "{path}");
        }
    }
}

#[tokio::test]
async fn who_can_send_no_header_listens_with_the_token_in_the_address() {
    let stage = strict().await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let file = File::in_chunks(10, &[10]);
    for index in 0..file.total() {
        chunk(&stage, &file, index).await.ok();
    }
    let token = stage.user.auth_token.clone();
    stage.post("/complete-upload", json!({ "uploadId": file.id, "authToken": token })).await.ok();
    stage.sandbox.wait_for_webhooks(1).await;
    for id in [file.id.as_str(), "unknown"] {
        for path in ["/upload-events", "/ws/upload-progress"] {
            stage.get(&format!("{path}/{id}")).await.error(401);
            stage.get(&format!("{path}/{id}?token=guessed")).await.error(401);
        }
        // Others do not take it from there.
        stage.get(&format!("/upload-progress/{id}?token={token}")).await.error(401);
        stage.get(&format!("/upload-progress/{id}?wait=1")).await.error(401);
    }
    stage.get(&format!("/upload-events/unknown?token={token}")).await.error(404);
    stage.get(&format!("/upload-events/{}?token={}", file.id, bob.auth_token)).await.error(403);
    let events = stage.client.get(stage.url(&format!("/upload-events/{}?token={token}", file.id)));
    let events = events.send().await.unwrap().text().await.unwrap();
    assert!(events.contains(r#""status":"completed""#), "{events}");
}

#[tokio::test]
async fn the_command_that_sends_a_file_shows_its_token_with_every_call() {
    let stage = strict().await;
    let dir = tempfile::tempdir().unwrap();
    // In one request, and in chunks.
    for length in [1_000, 9 * crate::support::MIB] {
        let path = dir.path().join(format!("{length}.bin"));
        std::fs::write(&path, vec![7; length]).unwrap();
        let mut command = crate::support::program();
        command.arg("send").arg(&path).args(["--to", &stage.url(""), "--token", &stage.user.auth_token]);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let sizes: Vec<u64> = stage.sandbox.messages_of(&stage.user).iter().map(|message| message.size).collect();
    assert_eq!(sizes, [1_000, 9 * crate::support::MIB as u64]);
}
