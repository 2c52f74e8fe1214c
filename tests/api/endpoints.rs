//! The documented answers, to the letter.

use serde_json::json;

use crate::support::{File, MIB, Stage};

#[tokio::test]
async fn health_names_the_service_and_its_endpoints() {
    let stage = Stage::new().await;
    let body = stage.get("/").await.ok();
    assert_eq!(body["status"], "ok");
    assert_eq!(body["service"], "TeleStore Render Upload Service");
    assert_eq!(body["chunk_size"], "5MB");
    let listed: Vec<&str> =
        body["endpoints"].as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
    assert_eq!(listed.len(), telestore_http::endpoints().len());
    assert!(listed.contains(&"POST /upload-chunk"), "{listed:?}");
}

#[tokio::test]
async fn every_listed_endpoint_is_there_and_knows_its_method() {
    let stage = Stage::new().await;
    for endpoint in telestore_http::endpoints() {
        let path = endpoint.path.replace("{uploadId}", "some-id");
        // One that no path takes.
        let wrong = reqwest::Method::from_bytes(b"LINK").expect("a method");
        let answer = stage.ask(stage.client.request(wrong, stage.url(&path))).await;
        assert!(answer.error(405).contains("not allowed"), "{path}");
    }
    assert!(stage.get("/no-such-thing").await.error(404).contains("/no-such-thing"));
}

#[tokio::test]
async fn a_chunk_is_answered_as_documented() {
    let stage = Stage::new().await;
    let file = File::new(11 * MIB);
    for (sent, index) in [2, 0, 1].into_iter().enumerate() {
        let answer = stage.chunk(&file, index).await.ok();
        let expected = json!({
            "success": true, "chunk_index": index, "received_chunks": sent + 1, "total_chunks": 3, "complete": sent == 2,
        });
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn status_lists_the_chunks_in_order() {
    let stage = Stage::new().await;
    let file = File::new(21 * MIB).named("video.mp4");
    for index in [3, 0] {
        stage.chunk(&file, index).await.ok();
    }
    let expected = json!({
        "upload_id": file.id, "file_name": "video.mp4", "total_chunks": 5, "received_chunks": 2,
        "received_chunk_indices": [0, 3], "complete": false,
    });
    assert_eq!(stage.get(&format!("/upload-status/{}", file.id)).await.ok(), expected);
    assert_eq!(stage.get("/upload-status/unknown").await.error(404), "Upload session not found");
}

#[tokio::test]
async fn complete_is_answered_as_documented() {
    let stage = Stage::new().await;
    let file = File::new(10);
    stage.chunks(&file).await;
    let expected = json!({
        "success": true, "uploadId": file.id, "message": "Upload started in background",
        "checkProgressAt": format!("/upload-progress/{}", file.id),
    });
    assert_eq!(stage.complete(&file.id).await.ok(), expected);
    assert_eq!(stage.complete("unknown").await.error(404), "Upload session not found");
}

#[tokio::test]
async fn a_finished_upload_is_answered_as_documented() {
    let stage = Stage::new().await;
    let file = File::new(10);
    let end = stage.send(&file).await;
    let message = stage.arrived(&file);
    for (field, value) in [
        ("uploadId", json!(file.id)),
        ("status", json!("completed")),
        ("progress", json!(100)),
        ("error", json!(null)),
        ("messageId", json!(message.message_id)),
        ("fileId", json!(message.file_id)),
    ] {
        assert_eq!(end[field], value, "{field}");
    }
}

#[tokio::test]
async fn pages_of_any_origin_may_call_by_default_and_only_the_named_ones_otherwise() {
    let preflight = |stage: &Stage, origin: &str| {
        stage
            .client
            .request(reqwest::Method::OPTIONS, stage.url("/upload-chunk"))
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization")
            .send()
    };
    let open = Stage::new().await;
    let answer = preflight(&open, "https://any.example").await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let closed = Stage::with(&[("TELESTORE_CORS_ORIGINS", "https://a.example, https://b.example")]).await;
    let answer = preflight(&closed, "https://b.example").await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://b.example");
    let answer = preflight(&closed, "https://c.example").await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn errors_can_be_read_by_a_page_of_another_origin() {
    let stage = Stage::new().await;
    let request =
        stage.client.get(stage.url("/upload-status/unknown")).header("Origin", "https://any.example");
    let answer = request.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
        (404, &"*".parse().unwrap())
    );
}
