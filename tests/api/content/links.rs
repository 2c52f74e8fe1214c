//! Addresses that need no token.

use reqwest::header::HOST;
use serde_json::{Value, json};

use super::{Got, Kept, ask, random};
use crate::support::{Stage, soon};

async fn link(stage: &Stage, file: &Kept, wish: Value) -> Value {
    let request = ask(stage, "POST", &format!("/files/{}/link", file.id)).json(&wish);
    stage.ask(request).await.ok()
}

fn url(link: &Value) -> &str {
    link["url"].as_str().expect("an address")
}

#[tokio::test]
async fn a_link_opens_one_file_to_whoever_has_it() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.txt", None, random(3000)).await;
    let other = Kept::put(&stage, "b.txt", None, random(10)).await;
    let link = link(&stage, &file, json!({ "expiresIn": 600 })).await;
    assert!(url(&link).starts_with(&stage.url(&format!("{}?link=", file.path()))), "{link}");
    let at = link["expiresAt"].as_str().expect("a time");
    assert!(at.len() == "2026-11-22T06:40:00Z".len() && at.ends_with('Z'), "{at}");
    let whole = Got::of(stage.client.get(url(&link))).await;
    assert_eq!((whole.status, whole.header("referrer-policy")), (200, "no-referrer"));
    assert!(whole.body == file.bytes);
    let head = Got::of(stage.client.head(format!("{}&inline=1", url(&link)))).await;
    assert_eq!((head.status, head.header("content-length")), (200, "3000"));
    assert!(head.header("content-disposition").starts_with("inline"));
    let part = Got::of(stage.client.get(url(&link)).header("Range", "bytes=7-9")).await;
    assert!(part.status == 206 && part.body == file.bytes[7..10]);

    let sealed = url(&link).split("link=").nth(1).unwrap();
    let altered = format!("{}{}", if sealed.starts_with('A') { 'B' } else { 'A' }, &sealed[1..]);
    for path in [
        format!("{}?link={altered}", file.path()),
        format!("{}?link={}", file.path(), &sealed[..sealed.len() - 4]),
        format!("{}?link=%00", file.path()),
        format!("{}?link={sealed}", other.path()),
    ] {
        let got = Got::of(stage.client.get(stage.url(&path))).await;
        assert!(got.error(403).contains("have a new one made"), "{path}");
    }
    assert_eq!(
        Got::of(stage.client.get(stage.url(&format!("/files/{}?link={sealed}", file.id)))).await.status,
        401
    );
}

#[tokio::test]
async fn a_link_ends_by_itself_and_with_its_token() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.txt", None, random(10)).await;
    let (long, short) =
        (link(&stage, &file, json!({})).await, link(&stage, &file, json!({ "expiresIn": 1 })).await);
    let over = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        while Got::of(stage.client.get(url(&short))).await.status != 403 {
            ticks.tick().await;
        }
    };
    soon("the end of the link", over).await;
    assert_eq!(Got::of(stage.client.get(url(&long))).await.status, 200);
    assert_eq!(Got::of(file.ask(&stage, "GET")).await.status, 200);
}

#[tokio::test]
async fn links_are_made_by_the_files_user_only_and_of_sane_length() {
    let stage = Stage::new().await;
    let other = stage.sandbox.add_user(telestore_sandbox::UserSpec::new("other"));
    let file = Kept::put(&stage, "a.txt", None, random(10)).await;
    let path = format!("/files/{}/link", file.id);
    let made = stage.ask(ask(&stage, "POST", &path)).await.ok();
    assert_eq!(Got::of(stage.client.get(url(&made))).await.status, 200, "no body is an hour");
    for (wish, why) in [
        (json!({ "expiresIn": 0 }), "from a second"),
        (json!({ "expiresIn": 2_592_001 }), "to 30 days"),
        (json!({ "expiresIn": -5 }), "expiresIn must be a whole number"),
        (json!({ "expiresIn": 1.5 }), "expiresIn must be a whole number"),
        (json!({ "expiresIn": "soon" }), "expiresIn must be a whole number"),
        (json!([]), "not the documented JSON"),
    ] {
        let words = stage.ask(ask(&stage, "POST", &path).json(&wish)).await.error(400);
        assert!(words.contains(why), "{wish}: {words}");
    }
    stage.ask(stage.client.post(stage.url(&path))).await.error(401);
    stage.ask(stage.client.post(stage.url(&path)).bearer_auth(&other.auth_token)).await.error(404);
    let by_query = stage.client.post(stage.url(&format!("{path}?token={}", stage.user.auth_token)));
    stage.ask(by_query.body("{\"expiresIn\": \"60\"}")).await.ok();
}

#[tokio::test]
async fn a_link_leads_to_where_the_client_found_the_worker() {
    let stage = Stage::with(&[("TELESTORE_TRUSTED_PROXIES", "loopback")]).await;
    let file = Kept::put(&stage, "a.txt", None, random(10)).await;
    let request = ask(&stage, "POST", &format!("/files/{}/link", file.id)).header(HOST, "inside:8000");
    let request = request.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "files.example");
    let made = stage.ask(request).await.ok();
    assert!(url(&made).starts_with(&format!("https://files.example{}?link=", file.path())), "{made}");
}

#[tokio::test]
async fn neither_links_nor_tokens_stand_in_the_log() {
    let settings = [("TELESTORE_ACCESS_LOG", "all"), ("TELESTORE_LOG", "debug")];
    let stage = Stage::recording(&settings).await;
    let file = Kept::put(&stage, "a.txt", None, random(10)).await;
    let made = link(&stage, &file, json!({})).await;
    assert_eq!(Got::of(stage.client.get(url(&made))).await.status, 200);
    let by_query = format!("{}?token={}", file.path(), stage.user.auth_token);
    assert_eq!(Got::of(stage.client.get(stage.url(&by_query))).await.status, 200);
    assert_eq!(Got::of(stage.client.get(format!("{}x", url(&made)))).await.status, 403);
    let last = stage.client.get(stage.url("/health")).header("X-Request-Id", "the-last");
    stage.ask(last).await.ok();
    let log = stage.logged("the-last").await;
    let sealed = url(&made).split("link=").nth(1).unwrap();
    assert!(log.contains("/files/{id}/content"), "{log}");
    assert!(!log.contains(&sealed[..20]) && !log.contains(&stage.user.auth_token), "{log}");
}
