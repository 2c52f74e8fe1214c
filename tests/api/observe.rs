//! What an operator sees: health, readiness, metrics.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use telestore_sandbox::UserSpec;

use crate::docs::document;
use crate::support::{File, MIB, Stage, soon};
use crate::tus::{OFFSET_STREAM, Tus};

/// What `GET /metrics` says: each series with its labels, and its value.
struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    async fn of(stage: &Stage) -> Self {
        let answer = stage.client.get(stage.url("/metrics")).send().await.expect("the worker answers");
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
        let text = answer.text().await.expect("text");
        let series = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let series = series.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        });
        Self(series.collect())
    }

    fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", self.0.keys()))
    }

    /// The names of all metrics, without labels and without what histograms add.
    fn names(&self) -> BTreeSet<String> {
        let name = |series: &String| {
            let name = series.split('{').next().unwrap_or_default();
            let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            plain.filter(|name| name.ends_with("_seconds")).unwrap_or(name).to_owned()
        };
        self.0.keys().map(name).collect()
    }
}

#[tokio::test]
async fn a_worker_is_ready_when_everything_is_well() {
    let stage = Stage::new().await;
    assert_eq!(stage.get("/health").await.ok(), json!({ "status": "ok" }));
    let well = json!({ "ok": true });
    let checks = json!({ "engine": well, "database": well, "disk": well, "backend": well });
    assert_eq!(stage.get("/ready").await.ok(), json!({ "status": "ready", "checks": checks }));
}

#[tokio::test]
async fn a_worker_without_its_backend_or_disk_is_alive_but_not_ready() {
    let dead = "http://user:hush@127.0.0.1:9";
    let stage = Stage::with(&[("BACKEND_URL", dead), ("TELESTORE_MIN_FREE_BYTES", "1 EiB")]).await;
    stage.get("/health").await.ok();
    let answer = stage.get("/ready").await;
    assert_eq!(answer.body["checks"]["database"], json!({ "ok": true }));
    for check in ["backend", "disk"] {
        assert_eq!(answer.body["checks"][check]["ok"], false, "{}", answer.body);
    }
    let text = answer.body.to_string();
    assert!(!text.contains("127.0.0.1") && !text.contains("hush"), "{text}");
    let error = answer.error(503);
    assert!(error.contains("backend: ") && error.contains("disk: "), "{error}");
}

#[tokio::test]
async fn metrics_follow_uploads_from_their_first_chunk_to_the_channel() {
    // A file that is sent while it arrives may have parts sent again when its completion stops the early send.
    let settings = [("TELESTORE_BOT_API_MAX_BYTES", "2 MiB"), ("TELESTORE_EAGER", "off")];
    let mut stage = Stage::with(&settings).await;
    let (small, large) = (File::new(MIB), File::new(11 * MIB));
    stage.send(&small).await;
    stage.send(&large).await;
    stage.user = stage.sandbox.add_user(UserSpec::new("poor"));
    stage.sandbox.revoke_session(&stage.user);
    let failing = File::new(3 * MIB);
    assert_eq!(stage.send(&failing).await["status"], "failed");
    let cancelled = File::new(6 * MIB);
    stage.chunk(&cancelled, 0).await.ok();
    stage.post("/cancel-upload", json!({ "uploadId": cancelled.id })).await.ok();
    let waiting = File::new(6 * MIB);
    stage.chunk(&waiting, 1).await.ok();
    stage.form("/upload", small.direct("nobody")).await.error(401);

    let metrics = Metrics::of(&stage).await;
    for (series, value) in [
        ("telestore_uploads_completed_total{backend=\"Bot API\"}", 1.0),
        ("telestore_uploads_completed_total{backend=\"MTProto\"}", 1.0),
        ("telestore_uploads_failed_total{kind=\"not_authorized\"}", 1.0),
        ("telestore_uploads_failed_total{kind=\"channel\"}", 0.0),
        ("telestore_uploads_cancelled_total", 1.0),
        ("telestore_upload_duration_seconds_count{backend=\"MTProto\"}", 1.0),
        ("telestore_delivery_duration_seconds_count{backend=\"Bot API\"}", 1.0),
        ("telestore_uploads{state=\"completed\"}", 2.0),
        ("telestore_uploads{state=\"receiving\"}", 1.0),
        ("telestore_uploads{state=\"failed\"}", 1.0),
        ("telestore_stored_bytes", (4 * MIB) as f64),
        ("telestore_chunks_received_total", 7.0),
        ("telestore_received_bytes_total", (21 * MIB) as f64),
        ("telestore_sent_bytes_total{backend=\"Bot API\"}", MIB as f64),
        ("telestore_sent_bytes_total{backend=\"MTProto\"}", (11 * MIB) as f64),
        ("telestore_parts_in_flight", 0.0),
        ("telestore_sends_in_progress", 0.0),
        ("telestore_credentials_total{result=\"rejected\"}", 1.0),
        ("telestore_http_requests_total{route=\"/upload\",status=\"4xx\"}", 1.0),
        ("telestore_http_requests_total{route=\"/complete-upload\",status=\"2xx\"}", 3.0),
        ("telestore_http_requests_in_flight", 1.0),
    ] {
        assert_eq!(metrics.get(series), value, "{series}");
    }
    assert!(metrics.get("telestore_disk_free_bytes") > 0.0);
    assert!(metrics.get("process_resident_memory_bytes") > 1e6);
    assert!(metrics.get("telestore_credentials_total{result=\"cached\"}") > 0.0);
    let (sum, count) = ("telestore_upload_duration_seconds_sum", "telestore_upload_duration_seconds_count");
    let label = "{backend=\"MTProto\"}";
    assert!(metrics.get(&format!("{sum}{label}")) > 0.0 && metrics.get(&format!("{count}{label}")) == 1.0);
}

#[tokio::test]
async fn listeners_are_counted_while_they_listen() {
    let stage = Stage::new().await;
    let file = File::new(6 * MIB);
    stage.chunk(&file, 0).await.ok();
    let stream = stage.client.get(stage.url(&format!("/upload-events/{}", file.id))).send().await.unwrap();
    let listeners = "telestore_listeners{via=\"sse\"}";
    assert_eq!(Metrics::of(&stage).await.get(listeners), 1.0);
    drop(stream);
    let gone = async { while Metrics::of(&stage).await.get(listeners) > 0.0 {} };
    // The worker notices with the next event.
    stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
    soon("the listener to be gone", gone).await;
}

#[tokio::test]
async fn refusals_are_counted_by_limit() {
    let stage = Stage::with(&[("TELESTORE_USER_REQUESTS_PER_SECOND", "1")]).await;
    let file = File::new(10);
    // From now on the token is known.
    stage.chunks(&file).await;
    let url = stage.url(&format!("/upload-status/{}", file.id));
    let ask = async || stage.ask(stage.client.get(&url).bearer_auth(&stage.user.auth_token)).await.status;
    let refused = async { while ask().await != 429 {} };
    soon("a refusal", refused).await;
    let refused = "telestore_refused_requests_total{limit=\"requests of this user\"}";
    assert_eq!(Metrics::of(&stage).await.get(refused), 1.0);
}

#[tokio::test]
async fn a_creation_that_is_refused_by_its_bytes_is_counted_once() {
    let stage = Stage::with(&[("TELESTORE_USER_BYTES_PER_DAY", "1 MiB")]).await;
    let tus = Tus::new(&stage);
    // Of no length, so that nothing is known before the bytes are there.
    let body =
        reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(vec![7; 2 * MIB])]));
    let create = tus.request("POST", "/tus").header("Upload-Defer-Length", "1");
    let create = create.header("Content-Type", OFFSET_STREAM).body(body);
    assert_eq!(create.send().await.expect("the worker answers").status(), 429);
    let refused = "telestore_refused_requests_total{limit=\"bytes of this user today\"}";
    assert_eq!(Metrics::of(&stage).await.get(refused), 1.0);
}

#[tokio::test]
async fn labels_hold_no_words_of_clients() {
    let stage = Stage::new().await;
    stage.get("/no-such-path-of-a-client").await.error(404);
    stage.get("/upload-status/an-id-of-a-client").await.error(404);
    let metrics = Metrics::of(&stage).await;
    assert_eq!(metrics.get("telestore_http_requests_total{route=\"none\",status=\"4xx\"}"), 1.0);
    assert_eq!(
        metrics.get("telestore_http_requests_total{route=\"/upload-status/{uploadId}\",status=\"4xx\"}"),
        1.0
    );
    assert!(!metrics.0.keys().any(|series| series.contains("client")));
}

#[tokio::test]
async fn metrics_are_for_who_is_near_or_has_the_token() {
    let stage = Stage::new().await;
    let proxied = stage.client.get(stage.url("/metrics")).header("X-Forwarded-For", "127.0.0.1");
    assert!(stage.ask(proxied).await.error(403).contains("TELESTORE_METRICS_TOKEN"));

    let stage = Stage::with(&[("TELESTORE_METRICS_TOKEN", "open sesame")]).await;
    let page = || stage.client.get(stage.url("/metrics"));
    stage.ask(page()).await.error(401);
    stage.ask(page().bearer_auth("open")).await.error(401);
    let answer =
        page().bearer_auth("open sesame").header("X-Forwarded-For", "192.0.2.1").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_secret_may_come_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "open sesame\n").unwrap();
    let path = file.path().to_str().unwrap();
    let mut stage = Stage::recording(&[("TELESTORE_METRICS_TOKEN_FILE", path)]).await;
    let page = || stage.client.get(stage.url("/metrics"));
    stage.ask(page().bearer_auth(path)).await.error(401);
    assert_eq!(page().bearer_auth("open sesame").send().await.unwrap().status(), 200);
    assert!(stage.terminate().await.success());
    assert!(!stage.logged("stopping").await.contains("open sesame"));
}

/// The words of `text` that are names of metrics of ours.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = |word: &&str| {
        (word.starts_with("telestore_") || word.starts_with("process_")) && word.matches('_').count() > 1
    };
    let plain = |word: &str| {
        let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        plain.filter(|name| name.ends_with("_seconds")).unwrap_or(word).to_owned()
    };
    let crates = ["telestore_http", "telestore_worker"];
    words.filter(ours).filter(|word| !crates.contains(word)).map(plain).collect()
}

#[tokio::test]
async fn documents_and_dashboard_have_exactly_the_metrics() {
    let stage = Stage::new().await;
    stage.send(&File::new(10)).await;
    let mut found = Metrics::of(&stage).await.names();
    found.extend(Metrics::of(&crate::token_names::stand_alone(&[]).await).await.names());
    let documented: BTreeSet<String> = document("docs/OPERATIONS.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next())
        .filter(|name| name.starts_with("telestore_") || name.starts_with("process_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, found, "docs/OPERATIONS.md has a row for each metric and no other");
    for name in ["docs/OPERATIONS.md", "docs/grafana/telestore.json"] {
        let named = metrics_in(&document(name));
        let unknown: Vec<_> = named.difference(&found).filter(|name| *name != "telestore_uploads").collect();
        assert!(unknown.is_empty(), "{name} names metrics that are not there: {unknown:?}");
        assert!(named.len() > 20, "{name} names {named:?} only");
    }
}
