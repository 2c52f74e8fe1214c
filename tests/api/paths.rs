//! Paths with slashes too many are those without.

use serde_json::json;

use crate::support::{File, Stage};

#[tokio::test]
async fn every_call_is_served_below_any_run_of_slashes() {
    let stage = Stage::new().await;
    for (before, behind) in [("/", ""), ("", "/"), ("///", "//"), ("/", "/?")] {
        let path = |path: &str| format!("{before}{path}{behind}");
        let file = File::in_chunks(10, &[5]);
        let id = json!({ "uploadId": file.id });
        let init = json!({ "uploadId": file.id, "fileName": file.name, "totalChunks": 2, "fileSize": 10 });
        stage.post(&path("/init-upload"), init).await.ok();
        for index in 0..2 {
            stage.form(&path("/upload-chunk"), file.chunk(index, &stage.user.auth_token)).await.ok();
        }
        stage.get(&path(&format!("/upload-status//{}", file.id))).await.ok();
        stage.post(&path("/complete-upload"), id.clone()).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        stage.get(&path(&format!("/upload-progress/{}", file.id))).await.ok();
        let events =
            stage.client.get(stage.url(&path(&format!("/upload-events/{}", file.id)))).send().await.unwrap();
        assert!(events.text().await.unwrap().contains("\"completed\""));
        stage.post(&path("/cancel-upload"), id).await.ok();
        let direct = File::new(10);
        stage.form(&path("/upload"), direct.direct(&stage.user.auth_token)).await.ok();
        for path in [path("/health"), path("/ready"), path("/openapi.json"), path("/docs/start.js"), path("")]
        {
            let answer = stage.client.get(stage.url(&path)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
    }
}

#[tokio::test]
async fn a_websocket_is_found_there_too() {
    let stage = Stage::new().await;
    let file = File::new(10);
    stage.send(&file).await;
    for path in ["//ws/upload-progress/", "/ws//upload-progress//"] {
        let url = format!("ws://{}{path}{}/", stage.address(), file.id);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let first = futures_util::StreamExt::next(&mut socket).await.unwrap().unwrap();
        assert!(first.to_text().unwrap().contains("\"completed\""));
    }
}

#[tokio::test]
async fn what_is_measured_is_the_route_that_answers() {
    let stage = Stage::new().await;
    stage.get("//upload-status//nobody/").await.error(404);
    stage.get("/nowhere//at-all/").await.error(404);
    let metrics = stage.client.get(stage.url("//metrics/")).send().await.unwrap();
    assert!(!metrics.headers().contains_key("access-control-allow-origin"), "no page may read them");
    let metrics = metrics.text().await.unwrap();
    for route in ["/upload-status/{uploadId}", "none"] {
        let line = format!("telestore_http_requests_total{{route=\"{route}\",status=\"4xx\"}} 1\n");
        assert!(metrics.contains(&line), "{line}");
    }
    assert!(!metrics.contains("//"), "{metrics}");
}

#[tokio::test]
async fn limits_count_them_as_the_same_call() {
    let stage = Stage::with(&[
        ("TELESTORE_ADDRESS_REQUESTS_PER_SECOND", "1"),
        ("TELESTORE_LIMITED_ADDRESSES", "all"),
    ])
    .await;
    // These are never limited, and all others are.
    for _ in 0..20 {
        for path in ["//health/", "/health//", "//ready", "//"] {
            let answer = stage.client.get(stage.url(path)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
    }
    let mut refused = false;
    for _ in 0..20 {
        refused |= stage.get("//upload-status//a/").await.status == 429;
    }
    assert!(refused);
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_there_and_are_told_so() {
    let stage = Stage::new().await;
    let preflight = stage
        .client
        .request(reqwest::Method::OPTIONS, stage.url("//init-upload/"))
        .header("origin", "https://a.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let answer = preflight.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn an_escaped_slash_belongs_to_the_id_and_a_wrong_method_is_named() {
    let stage = Stage::new().await;
    for id in ["a%2F", "%2Fa", "a%2F%2Fb", "a%2Fb/"] {
        let error = stage.get(&format!("/upload-progress/{id}")).await.error(400);
        assert!(error.contains("uploadId must be"), "{id}: {error}");
    }
    let error = stage.get("//init-upload/").await.error(405);
    assert!(error.contains("GET is not allowed for /init-upload;"), "{error}");
}

#[tokio::test]
async fn the_parts_of_the_page_are_found_from_wherever_it_was_asked_for() {
    let stage = Stage::new().await;
    for asked in ["/docs", "/docs/", "//docs", "/docs//"] {
        let page = stage.client.get(stage.url(asked)).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        let at = page.url().clone();
        let text = page.text().await.unwrap();
        let base = text.split("<base href=\"").nth(1).map_or("", |rest| rest.split('"').next().unwrap());
        assert_eq!(policy.contains("base-uri 'none'"), base.is_empty(), "{policy}");
        let base = at.join(base).unwrap();
        for part in ["docs/swagger-ui.css", "docs/start.js", "openapi.json"] {
            let url = base.join(part).unwrap();
            let answer = stage.client.get(url.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{asked}: {url}");
        }
    }
}
