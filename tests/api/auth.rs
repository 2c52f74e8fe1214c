//! Who may do what.

use reqwest::multipart::{Form, Part};
use serde_json::json;
use telestore_sandbox::{Fault, UserSpec};

use crate::support::{File, Stage, chunk_form};

fn without_token(file: &File, index: usize) -> Form {
    let fields = file.fields(index, "").into_iter().filter(|(name, _)| *name != "authToken").collect();
    chunk_form(file.piece(index).to_vec(), fields)
}

#[tokio::test]
async fn a_new_upload_needs_a_valid_token() {
    let stage = Stage::new().await;
    let file = File::new(10);
    assert!(
        stage
            .form("/upload-chunk", without_token(&file, 0))
            .await
            .error(401)
            .contains("authToken is missing")
    );
    assert!(
        stage.form("/upload-chunk", file.chunk(0, "guessed")).await.error(401).contains("invalid authToken")
    );
    assert!(stage.form("/upload", file.direct("guessed")).await.error(401).contains("invalid authToken"));
    let nobody = Form::new().part("file", Part::bytes(vec![1]).file_name("a"));
    assert!(stage.form("/upload", nobody).await.error(401).contains("authToken is missing"));
    let init = json!({
        "uploadId": file.id, "fileName": "a", "totalChunks": 1, "fileSize": 10, "authToken": "guessed",
    });
    stage.post("/init-upload", init).await.error(401);
    assert_eq!(
        stage.get(&format!("/upload-status/{}", file.id)).await.error(404),
        "Upload session not found"
    );
    assert_eq!(stage.get("/upload-status/x").await.error(404), "Upload session not found");
}

#[tokio::test]
async fn the_token_may_come_as_field_json_or_bearer() {
    let stage = Stage::new().await;
    let file = File::new(10);
    let bearer = |request: reqwest::RequestBuilder| request.bearer_auth(&stage.user.auth_token);
    let chunk = stage.client.post(stage.url("/upload-chunk")).multipart(without_token(&file, 0));
    stage.ask(bearer(chunk)).await.ok();
    let body = json!({ "uploadId": file.id, "authToken": stage.user.auth_token });
    stage.post("/complete-upload", body).await.ok();
    stage.end(&file.id).await;
    let get = stage.client.get(stage.url(&format!("/upload-progress/{}", file.id)));
    assert_eq!(stage.ask(bearer(get)).await.ok()["status"], "completed");
    let direct = Form::new().part("file", Part::bytes(vec![1]).file_name("a"));
    stage.ask(bearer(stage.client.post(stage.url("/upload")).multipart(direct))).await.ok();
}

#[tokio::test]
async fn a_bad_bearer_token_is_refused_before_the_body_and_the_answer_can_be_read() {
    let stage = Stage::new().await;
    let file = File::new(8 * 1024 * 1024);
    let request =
        stage.client.post(stage.url("/upload")).bearer_auth("guessed").multipart(file.direct("guessed"));
    assert!(stage.ask(request).await.error(401).contains("invalid authToken"));
}

#[tokio::test]
async fn calls_on_an_existing_upload_need_no_token() {
    let stage = Stage::new().await;
    let file = File::in_chunks(10, &[5]);
    stage.chunk(&file, 0).await.ok();
    stage.form("/upload-chunk", without_token(&file, 1)).await.ok();
    stage.get(&format!("/upload-status/{}", file.id)).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn an_upload_that_nobody_owns_takes_no_bytes_and_is_not_sent() {
    let stage = Stage::new().await;
    let file = File::in_chunks(10, &[5]);
    let init = json!({ "uploadId": file.id, "fileName": file.name, "totalChunks": 2, "fileSize": 10 });
    stage.post("/init-upload", init).await.ok();
    stage.form("/upload-chunk", without_token(&file, 0)).await.error(401);
    stage.chunk(&file, 0).await.ok();
    stage.form("/upload-chunk", without_token(&file, 1)).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
}

#[tokio::test]
async fn another_users_token_is_refused_everywhere() {
    let stage = Stage::new().await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let file = File::in_chunks(10, &[5]);
    stage.chunk(&file, 0).await.ok();
    let text = "this upload belongs to another user";
    assert_eq!(stage.form("/upload-chunk", file.chunk(1, &bob.auth_token)).await.error(403), text);
    let init = json!({
        "uploadId": file.id, "fileName": file.name, "totalChunks": 2, "fileSize": 10, "authToken": bob.auth_token,
    });
    assert_eq!(stage.post("/init-upload", init).await.error(403), text);
    for path in ["/complete-upload", "/cancel-upload"] {
        let body = json!({ "uploadId": file.id, "authToken": bob.auth_token });
        assert_eq!(stage.post(path, body).await.error(403), text, "{path}");
    }
    stage.chunk(&file, 1).await.ok();
    stage.complete(&file.id).await.ok();
    stage.end(&file.id).await;
    for path in ["upload-progress", "upload-status"] {
        let get = stage.client.get(stage.url(&format!("/{path}/{}", file.id))).bearer_auth(&bob.auth_token);
        assert_eq!(stage.ask(get).await.error(403), text, "{path}");
    }
    assert!(stage.sandbox.messages_of(&bob).is_empty());
    stage.arrived(&file);
}

#[tokio::test]
async fn a_user_without_telegram_is_told_in_the_backends_words() {
    let stage = Stage::new().await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob").not_configured());
    let file = File::new(10);
    for answer in [
        stage.form("/upload-chunk", file.chunk(0, &bob.auth_token)).await,
        stage.form("/upload", file.direct(&bob.auth_token)).await,
    ] {
        assert!(answer.error(400).starts_with("Telegram not fully configured."));
    }
}

#[tokio::test]
async fn a_backend_that_is_down_gives_503_unless_the_token_is_known() {
    let stage = Stage::new().await;
    let known = File::in_chunks(10, &[5]);
    stage.chunk(&known, 0).await.ok();
    for fault in [
        Fault::drop_connection("backend.credentials"),
        Fault::http_status("backend.credentials", 500, json!({ "detail": "boom" })),
    ] {
        stage.sandbox.faults().inject(fault);
        stage.chunk(&known, 1).await.ok();
        let answer = stage.form("/upload", File::new(10).direct("never-seen")).await;
        assert!(answer.error(503).contains("TeleStore backend is not available"));
        stage.sandbox.faults().clear();
    }
    stage.complete(&known.id).await.ok();
    assert_eq!(stage.end(&known.id).await["status"], "completed");
}

#[tokio::test]
async fn credentials_are_fetched_once_for_many_chunks() {
    let stage = Stage::new().await;
    stage.send(&File::in_chunks(200, &[10])).await;
    assert_eq!(stage.sandbox.stats().credential_calls(&stage.user.auth_token), 1);
}

#[tokio::test]
async fn a_dead_session_fails_with_the_documented_words_and_works_again_after_a_new_login() {
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "5")]).await;
    stage.sandbox.revoke_session(&stage.user);
    let file = File::new(10);
    let end = stage.send(&file).await;
    assert_eq!(
        (&end["status"], &end["error"]),
        (&json!("failed"), &json!("Telegram session not authorized"))
    );
    assert_eq!((&end["messageId"], &end["fileId"]), (&json!(null), &json!(null)));
    stage.sandbox.restore_session(&stage.user);
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn who_is_refused_owns_nothing() {
    let stage = Stage::new().await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let file = File::in_chunks(10, &[5]);
    let init = json!({ "uploadId": file.id, "fileName": file.name, "totalChunks": 2, "fileSize": 10 });
    stage.post("/init-upload", init).await.ok();
    let body = json!({ "uploadId": file.id, "authToken": bob.auth_token });
    stage.post("/complete-upload", body).await.error(400);
    let init = json!({
        "uploadId": file.id, "fileName": file.name, "totalChunks": 3, "fileSize": 10, "authToken": bob.auth_token,
    });
    stage.post("/init-upload", init).await.error(409);
    let mut contradicting = file.fields(0, &bob.auth_token);
    contradicting.retain(|(name, _)| *name != "totalChunks");
    contradicting.push(("totalChunks", "3".to_owned()));
    stage.form("/upload-chunk", chunk_form(file.piece(0).to_vec(), contradicting)).await.error(409);
    assert_eq!(stage.send(&file).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_a_file() {
    let stage = Stage::new().await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let file = File::in_chunks(10, &[5]).named("secret-plans.pdf");
    stage.chunk(&file, 0).await.ok();
    let init = json!({
        "uploadId": file.id, "fileName": "a", "totalChunks": 1, "fileSize": 1, "authToken": bob.auth_token,
    });
    assert!(!stage.post("/init-upload", init).await.error(403).contains("secret-plans"));
}
