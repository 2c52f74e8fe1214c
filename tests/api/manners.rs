//! What every answer has, whatever it says: headers, ids, CORS, compression.

use std::io::Read;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::{File, MIB, Stage};

/// An answer of each kind: to every endpoint, and refusals of each floor.
async fn of_each_kind(
    stage: &Stage,
    with: impl Fn(RequestBuilder) -> RequestBuilder,
) -> Vec<(String, Response)> {
    let mut requests = Vec::new();
    for endpoint in telestore_http::endpoints() {
        let path = endpoint.path.replace("{uploadId}", "some-id").replace("{file}", "swagger-ui.css");
        let method = Method::from_bytes(endpoint.method.as_bytes()).unwrap();
        requests.push((method, path, Vec::new()));
    }
    requests.push((Method::GET, "/nowhere".to_owned(), Vec::new()));
    requests.push((Method::DELETE, "/upload".to_owned(), Vec::new()));
    requests.push((Method::GET, "/upload-status/a%2Fb".to_owned(), Vec::new()));
    requests.push((Method::POST, "/init-upload".to_owned(), vec![b' '; MIB / 4]));
    let mut answers = Vec::new();
    for (method, path, body) in requests {
        let request = stage.client.request(method.clone(), stage.url(&path)).body(body);
        let answer = with(request).send().await.unwrap();
        answers.push((format!("{method} {path} {}", answer.status().as_u16()), answer));
    }
    let statuses: Vec<u16> = answers.iter().map(|(_, answer)| answer.status().as_u16()).collect();
    for status in [200, 400, 404, 405, 413] {
        assert!(statuses.contains(&status), "{statuses:?}");
    }
    answers
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_answer_has_the_requests_id() {
    let stage = Stage::new().await;
    for (what, answer) in
        of_each_kind(&stage, |request| request.header("X-Request-Id", "from.the-proxy_1")).await
    {
        assert_eq!(text(answer.headers(), "x-request-id"), "from.the-proxy_1", "{what}");
    }
    let mut made = Vec::new();
    for (what, answer) in of_each_kind(&stage, |request| request.header("X-Request-Id", "a\tb")).await {
        let id = text(answer.headers(), "x-request-id").to_owned();
        assert!(id.len() == 16 && !made.contains(&id), "{what}: {id}");
        made.push(id);
    }
}

#[tokio::test]
async fn every_answer_is_safe_in_a_browser() {
    let stage = Stage::new().await;
    for (what, answer) in of_each_kind(&stage, |request| request).await {
        let headers = answer.headers();
        let (page, part) = (what.starts_with("GET /docs "), what.starts_with("GET /docs/"));
        assert_eq!(text(headers, "x-content-type-options"), "nosniff", "{what}");
        assert_eq!(text(headers, "referrer-policy"), "no-referrer", "{what}");
        assert_eq!(text(headers, "x-frame-options"), "DENY", "{what}");
        assert_eq!(text(headers, "cross-origin-resource-policy"), "same-origin", "{what}");
        let policy = text(headers, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{what}"
        );
        assert_eq!(policy.contains("script-src"), page, "{what}: {policy}");
        assert_eq!(text(headers, "cache-control") == "no-store", !part, "{what}");
        assert_eq!(text(headers, "strict-transport-security"), "", "{what}");
        let json = text(headers, "content-type") == "application/json";
        // There is nothing to be read in these.
        let empty = answer.status() == 204;
        assert!(json || page || part || empty || what.starts_with("GET /metrics "), "{what}");
        if answer.status().as_u16() >= 400 && !what.starts_with("HEAD ") {
            let body: Value = answer.json().await.unwrap();
            assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {body}");
        }
    }
}

#[tokio::test]
async fn a_refused_method_names_those_that_are_not() {
    let stage = Stage::new().await;
    for (path, allowed) in [("/upload", "POST, OPTIONS"), ("/upload-status/x", "GET, HEAD, OPTIONS")] {
        let answer = stage.client.delete(stage.url(path)).send().await.unwrap();
        assert_eq!(text(answer.headers(), "allow"), allowed, "{path}");
    }
}

/// What browsers ask before they send these.
const CUSTOM: &str =
    "authorization,content-digest,content-type,if-none-match,last-event-id,x-request-id,x-unheard-of";

async fn preflight(stage: &Stage, path: &str, method: &str) -> Response {
    let request =
        stage.client.request(Method::OPTIONS, stage.url(path)).header("Origin", "https://a.example");
    let request = request.header("Access-Control-Request-Method", method);
    request.header("Access-Control-Request-Headers", CUSTOM).send().await.unwrap()
}

#[tokio::test]
async fn pages_that_may_call_may_call_everything() {
    for (origins, allowed) in [("*", "*"), ("https://a.example", "https://a.example")] {
        let stage = Stage::with(&[("TELESTORE_CORS_ORIGINS", origins)]).await;
        for endpoint in telestore_http::endpoints() {
            // What no page may read: see `strangers.rs`.
            if endpoint.path == "/metrics" {
                continue;
            }
            let path = endpoint.path.replace("{uploadId}", "some-id").replace("{file}", "start.js");
            let answer = preflight(&stage, &path, endpoint.method).await;
            assert_eq!(answer.status(), 200, "{path}");
            let headers = answer.headers();
            assert_eq!(text(headers, "access-control-allow-origin"), allowed, "{path}");
            assert!(text(headers, "access-control-allow-methods").contains(endpoint.method), "{path}");
            assert_eq!(text(headers, "access-control-allow-headers"), CUSTOM, "{path}");
            assert_eq!(text(headers, "access-control-max-age"), "3600", "{path}");
        }
        for (what, answer) in
            of_each_kind(&stage, |request| request.header("Origin", "https://a.example")).await
        {
            if what.contains("/metrics") {
                continue;
            }
            let headers = answer.headers();
            assert_eq!(text(headers, "access-control-allow-origin"), allowed, "{what}");
            let exposed = text(headers, "access-control-expose-headers").to_ascii_lowercase();
            for name in ["etag", "retry-after", "x-request-id"] {
                assert!(exposed.contains(name), "{what}: {exposed}");
            }
        }
    }
}

#[tokio::test]
async fn pages_that_may_not_call_are_told_in_json() {
    let stage = Stage::with(&[("TELESTORE_CORS_ORIGINS", "https://b.example")]).await;
    let refused = preflight(&stage, "/upload", "POST").await;
    assert_eq!(refused.status(), 400);
    assert_eq!(text(refused.headers(), "access-control-allow-origin"), "");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body, json!({ "error": "Origin is not allowed to make this request" }));
    for (what, answer) in of_each_kind(&stage, |request| request.header("Origin", "https://a.example")).await
    {
        assert_eq!(text(answer.headers(), "access-control-allow-origin"), "", "{what}");
        assert!(text(answer.headers(), "vary").to_lowercase().contains("origin"), "{what}");
    }
}

async fn encoded(stage: &Stage, path: &str, accepted: HeaderValue) -> (String, Vec<u8>) {
    let request = stage.client.get(stage.url(path)).header("Accept-Encoding", accepted);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let encoding = text(answer.headers(), "content-encoding").to_owned();
    (encoding, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn what_is_long_is_compressed_where_the_client_takes_it() {
    let stage = Stage::new().await;
    let file = File::in_chunks(800, &[1]);
    for index in 0..500 {
        stage.chunk(&file, index).await.ok();
    }
    let status = format!("/upload-status/{}", file.id);
    for path in [status.as_str(), "/openapi.json", "/docs/swagger-ui-bundle.js"] {
        // Twice: what never changes is kept.
        for _ in 0..2 {
            let (none, plain) = encoded(&stage, path, HeaderValue::from_static("identity")).await;
            let (gzip, small) = encoded(&stage, path, HeaderValue::from_static("gzip")).await;
            let (br, smaller) =
                encoded(&stage, path, HeaderValue::from_static("gzip, deflate, br, zstd")).await;
            assert_eq!((none.as_str(), gzip.as_str(), br.as_str()), ("", "gzip", "br"), "{path}");
            assert!(small.len() < plain.len() / 2 && smaller.len() < plain.len() / 2, "{path}");
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&small[..]).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == plain, "{path}");
        }
    }
    let other = File::new(1);
    stage.chunk(&other, 0).await.ok();
    let short = format!("/upload-status/{}", other.id);
    let (short, _) = encoded(&stage, &short, HeaderValue::from_static("gzip")).await;
    assert_eq!(short, "");
}

#[tokio::test]
async fn an_accept_encoding_that_makes_no_sense_is_no_error() {
    let stage = Stage::new().await;
    for accepted in ["", "identity;q=0", "*;q=0", "zstd", "q=;;;,,", "gzip;q=many", "caf\u{e9}"] {
        let accepted = HeaderValue::from_bytes(accepted.as_bytes()).unwrap();
        let (encoding, body) = encoded(&stage, "/openapi.json", accepted).await;
        assert_eq!(encoding, "");
        assert!(serde_json::from_slice::<Value>(&body).is_ok());
    }
}

#[tokio::test]
async fn the_scheme_is_taken_from_trusted_proxies_only() {
    for (proxies, believed) in
        [("", false), ("10.0.0.0/8", false), ("private, loopback", true), ("127.0.0.1", true)]
    {
        let stage = Stage::with(&[("TELESTORE_TRUSTED_PROXIES", proxies)]).await;
        let answer =
            stage.client.get(stage.url("/")).header("X-Forwarded-Proto", "https").send().await.unwrap();
        let hsts = text(answer.headers(), "strict-transport-security");
        assert_eq!(hsts.starts_with("max-age="), believed, "{proxies}");
    }
}
