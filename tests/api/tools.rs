//! Programs that send what people choose in them: ShareX, PicGo and Uppy, each as it writes its requests.

use reqwest::header::{CONTENT_DISPOSITION, HOST};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use telestore_sandbox::SandboxMessage;

use crate::support::{File, Stage};

fn link(stage: &Stage, message: &SandboxMessage) -> String {
    let channel = stage.user.channel_id.to_string();
    format!("https://t.me/c/{}/{}", channel.trim_start_matches("-100"), message.message_id)
}

/// The answer leads to the one message.
#[track_caller]
fn arrived(stage: &Stage, file: &File, answer: &Value) {
    let message = stage.arrived(file);
    assert_eq!(answer["url"], json!(link(stage, &message)), "{answer}");
}

async fn uploader(stage: &Stage, token: Option<&str>) -> Value {
    let request = stage.client.get(stage.url("/sharex.sxcu"));
    let answer = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[CONTENT_DISPOSITION], "attachment; filename=\"telestore.sxcu\"");
    assert_eq!(answer.headers()["cache-control"], "no-store", "there is a token in it");
    answer.json().await.unwrap()
}

#[tokio::test]
async fn sharex_sends_as_its_file_says() {
    let stage = Stage::new().await;
    let set_up = uploader(&stage, Some(&stage.user.auth_token)).await;
    assert_eq!(set_up["RequestURL"], json!(stage.url("/upload")));
    assert_eq!(
        (set_up["RequestMethod"].as_str(), set_up["Body"].as_str()),
        (Some("POST"), Some("MultipartFormData"))
    );
    // As ShareX does it: the boundary in its style, the headers of the file, and no field beside the file.
    let (file, boundary) = (File::new(5_000).named("скрин 1.png"), "-".repeat(20) + "8dd9f0c1a2b3c4d5");
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: image/png\r\n\r\n",
        set_up["FileFormName"].as_str().unwrap(),
        file.name
    );
    let body = [head.as_bytes(), &file.bytes, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
    let request = stage.client.post(set_up["RequestURL"].as_str().unwrap());
    let request = request.header("Authorization", set_up["Headers"]["Authorization"].as_str().unwrap());
    let request = request.header("User-Agent", "ShareX/16.1.0");
    let request =
        request.header("Content-Type", format!("multipart/form-data; boundary={boundary}")).body(body);
    let answer = stage.ask(request).await.ok();
    assert_eq!(set_up["URL"], "{json:url}");
    arrived(&stage, &file, &answer);
    let refused = stage.client.post(stage.url("/upload")).header("Authorization", "Bearer wrong");
    let refused = stage.ask(refused.multipart(Form::new().part("file", Part::bytes(&b"a"[..])))).await;
    assert!(!refused.error(401).is_empty(), "ErrorMessage shows it");
}

#[tokio::test]
async fn the_file_of_sharex_needs_a_token_that_is_good_or_none() {
    let mut stage = Stage::new().await;
    let without = uploader(&stage, None).await;
    assert_eq!(without["Headers"]["Authorization"], "Bearer PUT-YOUR-TOKEN-HERE");
    let wrong = stage.client.get(stage.url("/sharex.sxcu")).bearer_auth("wrong");
    stage.ask(wrong).await.error(401);
    let by_link = stage.get(&format!("/sharex.sxcu?token={}", stage.user.auth_token)).await.ok();
    assert_eq!(by_link["Headers"]["Authorization"], json!(format!("Bearer {}", stage.user.auth_token)));
    stage.kill().await;
    stage.set("TELESTORE_AUTH", "strict");
    stage.start().await;
    stage.get("/sharex.sxcu").await.error(401);
}

#[tokio::test]
async fn the_file_of_sharex_leads_to_where_the_client_found_the_worker() {
    let stage = Stage::with(&[("TELESTORE_TRUSTED_PROXIES", "loopback")]).await;
    for (headers, expected) in [
        (
            vec![("x-forwarded-proto", "https"), ("x-forwarded-host", "files.example")],
            "https://files.example/upload",
        ),
        (
            vec![("forwarded", "for=203.0.113.9;proto=https;host=\"files.example:8443\"")],
            "https://files.example:8443/upload",
        ),
        (
            vec![("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example, files.example")],
            "https://files.example/upload",
        ),
        (vec![("x-forwarded-host", "files.example/else?")], "http://inside:8000/upload"),
        (vec![], "http://inside:8000/upload"),
    ] {
        let mut request = stage.client.get(stage.url("/sharex.sxcu")).header(HOST, "inside:8000");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        assert_eq!(stage.ask(request).await.ok()["RequestURL"], expected, "{headers:?}");
    }
    let untrusting = Stage::new().await;
    let request =
        untrusting.client.get(untrusting.url("/sharex.sxcu")).header("x-forwarded-host", "evil.example");
    assert_eq!(untrusting.ask(request).await.ok()["RequestURL"], json!(untrusting.url("/upload")));
}

#[tokio::test]
async fn picgo_finds_the_address_at_its_path() {
    let stage = Stage::new().await;
    let file = File::new(5_000).named("202611271200.png");
    // Its web-uploader: `paramName` file, `jsonPath` url, a custom header, a form of form-data's, whose boundary this is.
    let boundary = "--------------------------515890814546601021194782";
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: image/png\r\n\r\n",
        file.name
    );
    let body = [head.as_bytes(), &file.bytes, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
    let request = stage.client.post(stage.url("/upload")).header("User-Agent", "PicGo");
    let request = request.header("authorization", format!("Bearer {}", stage.user.auth_token));
    let request =
        request.header("Content-Type", format!("multipart/form-data; boundary={boundary}")).body(body);
    arrived(&stage, &file, &stage.ask(request).await.ok());
}

#[tokio::test]
async fn uppys_form_with_its_meta_data_before_the_file() {
    let stage = Stage::new().await;
    let file = File::new(5_000).named("photo.jpg");
    // Its meta data come first, `null` and all, and the file last.
    let form = Form::new()
        .text("relativePath", "null")
        .text("name", file.name.clone())
        .text("type", "image/jpeg")
        .part(
            "file",
            Part::bytes(file.bytes.clone()).file_name(file.name.clone()).mime_str("image/jpeg").unwrap(),
        );
    let request = stage.client.post(stage.url("/upload")).bearer_auth(&stage.user.auth_token);
    arrived(&stage, &file, &stage.ask(request.multipart(form)).await.ok());
}
