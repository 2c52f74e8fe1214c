//! The page for people: when it is there, what it may do, and where its files are. What it does, `.ci/browser` looks at.

use reqwest::Response;
use reqwest::header::ACCEPT_ENCODING;

use crate::support::{Stage, Worker, program};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      media-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn page(stage: &Stage, path: &str) -> Response {
    let answer = stage.client.get(stage.url(path)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer
}

/// What a text names between quotation marks that begins like this.
fn named<'t>(text: &'t str, begin: &str) -> Vec<&'t str> {
    text.split('"').filter(|text| text.starts_with(begin)).collect()
}

#[tokio::test]
async fn it_is_there_stand_alone_and_otherwise_if_the_operator_wants_it() {
    let stage = Stage::new().await;
    for path in ["/app", "/app/"] {
        assert!(stage.get(path).await.error(404).contains("TELESTORE_APP"), "{path}");
    }
    stage.get("/app/0/main.js").await.error(404);
    let wanted = Stage::with(&[("TELESTORE_APP", "on")]).await;
    page(&wanted, "/app").await;

    let data = tempfile::tempdir().unwrap();
    let mut own = program();
    own.env("TELESTORE_DATA_DIR", data.path())
        .env("TELEGRAM_BOT_API_URL", stage.sandbox.bot_api_url())
        .env("TELESTORE_CHANNEL_ID", &stage.user.channel_id)
        .env("TELESTORE_BOT_TOKEN", &stage.user.bot_token)
        .env("TELESTORE_AUTH_TOKENS", "token");
    let worker = Worker::start(&mut own).await;
    let status = async |worker: &Worker| {
        stage.client.get(format!("{}/app", worker.url)).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(&worker).await, 200);
    worker.kill().await;
    let worker = Worker::start(own.env("TELESTORE_APP", "off")).await;
    assert_eq!(status(&worker).await, 404);
}

#[tokio::test]
async fn it_may_do_what_it_needs_and_nothing_else() {
    let stage = Stage::with(&[("TELESTORE_APP", "on")]).await;
    let answer = page(&stage, "/app").await;
    assert_eq!(header(&answer, "content-security-policy"), POLICY);
    assert_eq!(header(&answer, "cache-control"), "no-store");
    assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
    assert_eq!(header(&answer, "x-frame-options"), "DENY");
    let html = answer.text().await.unwrap();
    assert!(!html.contains("{files}"), "{html}");
    // The name of a namespace is no address that anything is fetched from.
    assert!(!html.replace("http://www.w3.org/2000/svg", "").contains("//"), "nothing from elsewhere: {html}");
}

#[tokio::test]
async fn its_files_are_kept_for_as_long_as_they_are_the_same() {
    let stage = Stage::with(&[("TELESTORE_APP", "on")]).await;
    for asked in ["/app", "/app/", "//app//"] {
        let answer = page(&stage, asked).await;
        let at = answer.url().clone();
        let html = answer.text().await.unwrap();
        let begin = if asked == "/app" { "app/" } else { "../" };
        let mut files: Vec<_> = named(&html, begin).into_iter().map(|file| at.join(file).unwrap()).collect();
        assert_eq!(files.len(), 2, "{html}");
        let mut seen = 0;
        while let Some(url) = files.pop() {
            let request = stage.client.get(url.clone()).header(ACCEPT_ENCODING, "br");
            let answer = request.send().await.unwrap();
            assert_eq!((answer.status().as_u16(), header(&answer, "content-encoding")), (200, "br"), "{url}");
            assert_eq!(header(&answer, "cache-control"), "public, max-age=31536000, immutable", "{url}");
            assert!(header(&answer, "content-security-policy").starts_with("default-src 'none'"), "{url}");
            seen += 1;
            if !url.path().ends_with("main.js") {
                assert_eq!(
                    header(&answer, "content-type"),
                    if url.path().ends_with(".css") { "text/css" } else { "text/javascript" }
                );
                continue;
            }
            let script = stage.client.get(url.clone()).send().await.unwrap().text().await.unwrap();
            files.extend(named(&script, "./").into_iter().map(|file| url.join(file).unwrap()));
        }
        assert!(seen > 10, "{seen}");
    }
}

#[tokio::test]
async fn a_file_of_another_version_is_given_and_kept_by_nobody() {
    let stage = Stage::with(&[("TELESTORE_APP", "on")]).await;
    let answer = page(&stage, "/app/0123456789abcdef/main.js").await;
    assert_eq!(header(&answer, "cache-control"), "no-store");
    for path in ["/app/0/no.js", "/app/0/index.html", "/app/0/..%2Fmain.js"] {
        assert!(stage.get(path).await.error(404).contains("no such endpoint"), "{path}");
    }
}
