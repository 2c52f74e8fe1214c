//! The control API from outside.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use telestore_sandbox::Sandbox;

use crate::bot_api::http;
use crate::reading::{GET_FILE, KIB, Shelf, document, read, send};

async fn call(sandbox: &Sandbox, method: Method, path: &str, body: Option<Value>) -> Value {
    let mut request = http().request(method, format!("{}{path}", sandbox.control_url()));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.expect("an answer");
    assert!(response.status().is_success(), "{response:?}");
    let body = response.bytes().await.expect("a body");
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_see_and_steer_the_sandbox() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let overview = call(&sandbox, Method::GET, "", None).await;
    assert_eq!(overview["mtproto_addr"], json!(sandbox.mtproto_addr().to_string()));
    assert_eq!(overview["users"][0]["telethon_session"], json!(user.telethon_session));
    let bob = json!({"name": "bob", "session": false, "channel": user.channel_id});
    let bob = call(&sandbox, Method::POST, "/users", Some(bob)).await;
    assert_eq!((&bob["channel_id"], &bob["telethon_session"]), (&json!(user.channel_id), &Value::Null));

    let fault = json!({"at": "sendMessage", "action": {"rpc_error": [500, "Internal"]}, "times": 1});
    let id = call(&sandbox, Method::POST, "/faults", Some(fault)).await["id"].clone();
    let delay = json!({"at": "sendMessage", "action": {"delay": 1}});
    call(&sandbox, Method::POST, "/faults", Some(delay)).await;
    let url = format!("{}/bot{}/sendMessage", sandbox.bot_api_url(), user.bot_token);
    let send = async || {
        let text = json!({"chat_id": user.channel_id, "text": "hi"});
        http().post(&url).json(&text).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!([send().await, send().await], [500, 200]);
    assert_eq!(call(&sandbox, Method::GET, &format!("/faults/{id}"), None).await["fired"], json!(1));
    call(&sandbox, Method::DELETE, "/faults", None).await;

    let dc = call(&sandbox, Method::POST, "/data-centres", Some(json!({"id": 4}))).await;
    let overview = call(&sandbox, Method::GET, "", None).await;
    assert_eq!(
        (&overview["data_centres"], &overview["server_key"]),
        (&json!([dc]), &json!(sandbox.server_key()))
    );
    call(&sandbox, Method::PUT, &format!("/users/{}/data-centre", user.user_id), Some(json!({"id": 4})))
        .await;
    call(&sandbox, Method::DELETE, "/data-centres/4", None).await;

    let path = format!("/messages?channel={}", user.channel_id);
    let messages = call(&sandbox, Method::GET, &path, None).await;
    assert_eq!(messages[0]["caption"], json!("hi"));
    let stats = call(&sandbox, Method::GET, "/stats", None).await;
    assert_eq!(stats["calls"]["sendMessage"], json!(2));
    assert_eq!(call(&sandbox, Method::GET, "/webhooks", None).await, json!([]));
    let network = json!({"round_trip_ms": 5, "bandwidth": 1_000_000});
    call(&sandbox, Method::PUT, "/network", Some(network)).await;
    assert_eq!(sandbox.network().round_trip(), Duration::from_millis(5));
    assert_eq!(sandbox.network().bandwidth(), Some(1_000_000));
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_steer_what_is_read_back() {
    let shelf = Shelf::with(KIB).await;
    let (sandbox, channel) = (&shelf.sandbox, &shelf.user.channel_id);
    let old = shelf.document().await;
    call(sandbox, Method::DELETE, "/file-references", None).await;
    call(sandbox, Method::DELETE, &format!("/file-references?channel={channel}"), None).await;
    assert_ne!(shelf.document().await.file_reference, old.file_reference);
    let moved = format!("/channels/{channel}/data-centre");
    let moved = call(sandbox, Method::PUT, &moved, Some(json!({"id": 4}))).await;
    assert_eq!((moved, shelf.document().await.dc_id), (json!({"documents": 1}), 4));
    call(sandbox, Method::PUT, "/documents", Some(json!({"data_centre": 5}))).await;
    let placed = send(&shelf.client, &shelf.peer, 2, &[1; KIB]).await;
    assert_eq!(document(&shelf.client, &shelf.peer, placed).await.dc_id, 5);
    let before = document(&shelf.client, &shelf.peer, placed).await.date;
    let one = format!("/channels/{channel}/messages/{placed}");
    call(sandbox, Method::PATCH, &one, Some(json!({"age": 100}))).await;
    assert_eq!(document(&shelf.client, &shelf.peer, placed).await.date, before - 100);
    call(sandbox, Method::PATCH, &format!("/channels/{channel}"), Some(json!({"forwards": false}))).await;
    let channels = call(sandbox, Method::GET, "/channels", None).await;
    assert_eq!(channels[0]["forwards"], json!(false));
    let fault = json!({"at": GET_FILE, "action": {"hostile_mtproto": {"too_short": 5}}, "offset": 0});
    call(sandbox, Method::POST, "/faults", Some(fault)).await;
    call(sandbox, Method::PUT, &format!("/channels/{channel}/data-centre"), Some(json!({"id": 2}))).await;
    let read = read(&shelf.client, &shelf.document().await, 0, 4096).await.expect("bytes");
    assert_eq!(read.len(), KIB - 5);
    let stats = call(sandbox, Method::GET, "/stats", None).await;
    assert_eq!((&stats["downloads"][0]["calls"], &stats["downloads"][0]["dc"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn the_demo_page_is_one_file_and_may_load_nothing_else() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let page = http().get(format!("{}/demo", sandbox.backend_url())).send().await.expect("an answer");
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let html = page.text().await.expect("a page");
    assert!(html.contains("/upload-events/") && html.contains("/ws/upload-progress/"));
    for loads in ["src=", "@import", "url(", "<link rel=\"stylesheet\""] {
        assert!(!html.contains(loads), "{loads}");
    }
}
