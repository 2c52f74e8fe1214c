//! Spans for an OpenTelemetry collector. The program under test has the feature `otlp` with `--all-features`.

use crate::collector::{Collector, holds};
use crate::support::{File, Stage};

/// A trace and a span of somebody else.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn requests_and_sends_reach_a_collector() {
    let collector = Collector::new().await;
    let mut stage = Stage::with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        ("OTEL_SERVICE_NAME", "a worker of this test"),
        // Only the end of the process flushes.
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ])
    .await;
    let file = File::new(10);
    let form = file.chunk(0, &stage.user.auth_token);
    let chunk = stage.client.post(stage.url("/upload-chunk")).multipart(form);
    let parent = format!("00-{TRACE}-{PARENT}-01");
    stage.ask(chunk.header("traceparent", parent).header("X-Request-Id", "id-of-a-request")).await.ok();
    stage.complete(&file.id).await.ok();
    stage.end(&file.id).await;
    assert!(stage.terminate().await.success());

    let spans = collector.hears("a worker of this test").await;
    assert!(collector.heard().iter().all(|heard| heard.head.starts_with("POST /v1/traces ")));
    for word in ["request", "send", "/upload-chunk", "id-of-a-request", &file.id, &stage.user.user_id] {
        assert!(holds(&spans, word.as_bytes()), "{word} is in no span");
    }
    for id in [TRACE, PARENT] {
        assert!(holds(&spans, &hex::decode(id).unwrap()), "{id} of the caller is in no span");
    }
    assert!(!holds(&spans, stage.user.auth_token.as_bytes()));
}

#[tokio::test]
async fn a_collector_that_is_down_harms_nothing() {
    let mut stage = Stage::with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")]).await;
    let file = File::new(10);
    assert_eq!(stage.send(&file).await["status"], "completed");
    assert!(stage.terminate().await.success());
}
