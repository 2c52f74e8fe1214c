//! A body or a header of another kind than the call takes.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::multipart::Form;
use serde_json::json;

use crate::support::{File, MIB, Stage};

#[tokio::test]
async fn a_form_where_json_is_needed_is_told_which_type_is_right() {
    let stage = Stage::new().await;
    for path in ["/init-upload", "/complete-upload", "/cancel-upload"] {
        let form = Form::new().text("uploadId", "a").text("padding", "x".repeat(100));
        let error = stage.form(path, form).await.error(415);
        assert!(error.starts_with(path) && error.contains("Content-Type: application/json"), "{error}");
        assert!(error.contains("multipart/form-data") && error.contains("/upload-chunk"), "{error}");
        // One that is over the limit of JSON is still no JSON.
        let large = Form::new().text("uploadId", "x".repeat(MIB));
        stage.form(path, large).await.error(415);
        let url =
            stage.client.post(stage.url(path)).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let error = stage.ask(url.body("uploadId=a&fileName=b")).await.error(415);
        assert!(error.contains("application/x-www-form-urlencoded"), "{error}");
    }
}

#[tokio::test]
async fn json_is_read_whatever_it_is_declared_as() {
    let stage = Stage::new().await;
    for kind in
        ["application/x-www-form-urlencoded", "text/plain", "APPLICATION/JSON;charset=utf-8", "nonsense"]
    {
        let request = stage.client.post(stage.url("/cancel-upload")).header(CONTENT_TYPE, kind);
        stage.ask(request.body("{\"uploadId\": \"a\"}")).await.ok();
    }
    let untyped = stage.client.post(stage.url("/cancel-upload")).body("{\"uploadId\": \"a\"}");
    stage.ask(untyped).await.ok();
    let broken = stage.client.post(stage.url("/cancel-upload")).header(CONTENT_TYPE, "application/json");
    let error = stage.ask(broken.body("{\"uploadId\": ")).await.error(400);
    assert!(error.contains("not the documented JSON") && error.contains("line 1"), "{error}");
}

#[tokio::test]
async fn a_header_without_a_bearer_token_says_what_it_lacks() {
    let stage = Stage::new().await;
    let file = File::new(10);
    let token = stage.user.auth_token.clone();
    for (header, words) in [
        (token.clone(), "no scheme before the token"),
        ("Bearer".to_owned(), "no token behind it"),
        ("Bearer  ".to_owned(), "no token behind it"),
        (format!("Token {token}"), "another scheme than Bearer"),
        (format!("Bearer: {token}"), "another scheme than Bearer"),
        ("Basic YTpi".to_owned(), "another scheme than Bearer"),
    ] {
        let with = |path: &str| stage.client.post(stage.url(path)).header(AUTHORIZATION, &header);
        for answer in [
            stage.ask(with("/upload-chunk").multipart(file.chunk(0, ""))).await,
            stage.ask(with("/upload").multipart(file.direct(""))).await,
        ] {
            let error = answer.error(401);
            assert!(error.contains(words), "{header}: {error}");
            assert!(error.contains("Authorization: Bearer <authToken>"), "{error}");
            assert!(!error.contains(&token) && !error.contains("YTpi"), "{error}");
        }
    }
    let bare = stage.ask(stage.client.post(stage.url("/upload")).multipart(file.direct(""))).await.error(401);
    assert_eq!(bare, "authToken is missing: send it as a form field, in the JSON, or as a bearer token");
}

#[tokio::test]
async fn what_a_proxy_hands_on_is_no_fault_where_the_token_stands_elsewhere() {
    let stage = Stage::new().await;
    let file = File::new(10);
    let with = |path: &str| stage.client.post(stage.url(path)).header(AUTHORIZATION, "Basic YTpi");
    stage.ask(with("/upload-chunk").multipart(file.chunk(0, &stage.user.auth_token))).await.ok();
    stage.ask(with("/complete-upload").json(&json!({ "uploadId": file.id }))).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn the_same_is_said_in_strict_mode_and_to_who_only_asks() {
    let stage = Stage::with(&[("TELESTORE_AUTH", "strict")]).await;
    let file = File::new(10);
    for path in ["/upload-progress/a", "/upload-status/a", "/upload-events/a"] {
        let request = stage.client.get(stage.url(path)).header(AUTHORIZATION, &stage.user.auth_token);
        let error = stage.ask(request).await.error(401);
        assert!(error.contains("no scheme before the token"), "{path}: {error}");
    }
    let request = stage.client.post(stage.url("/upload")).header(AUTHORIZATION, &stage.user.auth_token);
    let error = stage.ask(request.multipart(file.direct(""))).await.error(401);
    assert!(error.contains("no scheme before the token"), "{error}");
}
