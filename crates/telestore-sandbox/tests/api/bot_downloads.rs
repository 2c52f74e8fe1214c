//! The Bot API's way back: `getFile`, its links, and what may be deleted.

use reqwest::{Response, header};
use serde_json::{Value, json};
use telestore_sandbox::{Fault, FaultAction, Sandbox, SandboxMessage, SandboxUser, UserSpec};

use crate::bot_api::{form, http, url};
use crate::client::noise;

const WRONG: &str = "Bad Request: wrong file_id or the file is temporarily unavailable";

async fn ask(sandbox: &Sandbox, user: &SandboxUser, method: &str, params: Value) -> Value {
    let call = http().post(url(sandbox, user, method)).json(&params);
    call.send().await.expect("an answer").json().await.expect("json")
}

async fn get_file(sandbox: &Sandbox, user: &SandboxUser, file_id: &str) -> Value {
    ask(sandbox, user, "getFile", json!({"file_id": file_id})).await
}

async fn send(sandbox: &Sandbox, user: &SandboxUser, bytes: Vec<u8>) -> SandboxMessage {
    let sent = http().post(url(sandbox, user, "sendDocument")).multipart(form(&user.channel_id, bytes));
    assert!(sent.send().await.expect("an answer").status().is_success());
    sandbox.messages_of(user).pop().expect("the message")
}

/// A file that was sent, and where it can be loaded.
async fn loadable(bytes: &[u8]) -> (Sandbox, SandboxUser, SandboxMessage, String) {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let message = send(&sandbox, &user, bytes.to_vec()).await;
    let got = get_file(&sandbox, &user, &message.file_id).await;
    let path = got["result"]["file_path"].as_str().expect("a path");
    let link = format!("{}/file/bot{}/{path}", sandbox.bot_api_url(), user.bot_token);
    (sandbox, user, message, link)
}

async fn load(link: &str, range: &str) -> Response {
    http().get(link).header(header::RANGE, range).send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_id_is_good_for_one_bot() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let other = sandbox.add_user(UserSpec::new("bob").channel(Some(&*user.channel_id)));
    let message = send(&sandbox, &user, vec![1; 10]).await;
    let description = async |file_id: &str| get_file(&sandbox, &other, file_id).await["description"].clone();
    assert_eq!(description(&message.file_id).await, json!(WRONG));
    assert_eq!(description("nonsense").await, json!("Bad Request: invalid file_id"));
    assert_eq!(description("").await, json!("Bad Request: file_id not specified"));
    let his = sandbox.file_id_for(&other, &message);
    assert_ne!(his, message.file_id);
    assert_eq!(sandbox.file_id_for(&user, &message), message.file_id);
    let got = get_file(&sandbox, &other, &his).await;
    assert_eq!((&got["result"]["file_id"], &got["result"]["file_size"]), (&json!(his), &json!(10)));
    assert_eq!(got["result"]["file_unique_id"], json!(message.file_unique_id));
    // A link is good for the bot that asked for it.
    let path = got["result"]["file_path"].as_str().expect("a path");
    let link = |user: &SandboxUser| format!("{}/file/bot{}/{path}", sandbox.bot_api_url(), user.bot_token);
    assert_eq!(load(&link(&other), "bytes=0-").await.status(), 206);
    assert_eq!(load(&link(&user), "bytes=0-").await.status(), 404);
    let delete = json!({"chat_id": user.channel_id, "message_id": message.message_id});
    assert_eq!(ask(&sandbox, &user, "deleteMessage", delete).await["ok"], json!(true));
    assert_eq!(description(&his).await, json!(WRONG));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_mebibytes_are_the_most_that_is_given_out() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let most = 20 << 20;
    let message = send(&sandbox, &user, vec![0; most]).await;
    assert_eq!(get_file(&sandbox, &user, &message.file_id).await["result"]["file_size"], json!(most));
    let message = send(&sandbox, &user, vec![0; most + 1]).await;
    let refused = get_file(&sandbox, &user, &message.file_id).await;
    assert_eq!(
        (&refused["error_code"], &refused["description"]),
        (&json!(400), &json!("Bad Request: file is too big"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_a_part_of_the_file() {
    let bytes = noise(200_000, 5);
    let (sandbox, _, message, link) = loadable(&bytes).await;
    let header = |answer: &Response, name| answer.headers()[&name].to_str().expect("text").to_owned();
    let whole = http().get(&link).send().await.expect("an answer");
    assert_eq!((whole.status().as_u16(), header(&whole, header::ACCEPT_RANGES)), (200, "bytes".to_owned()));
    let etag = header(&whole, header::ETAG);
    assert!(whole.bytes().await.expect("bytes") == bytes);
    let middle = load(&link, "bytes=70000-139999").await;
    assert_eq!(middle.status(), 206);
    assert_eq!(header(&middle, header::CONTENT_RANGE), "bytes 70000-139999/200000");
    assert_eq!(header(&middle, header::CONTENT_LENGTH), "70000");
    assert!(middle.bytes().await.expect("bytes") == bytes[70_000..140_000]);
    assert!(load(&link, "bytes=199990-300000").await.bytes().await.expect("bytes") == bytes[199_990..]);
    assert!(load(&link, "bytes=-10").await.bytes().await.expect("bytes") == bytes[199_990..]);
    let behind = load(&link, "bytes=200000-").await;
    assert_eq!(
        (behind.status().as_u16(), header(&behind, header::CONTENT_RANGE)),
        (416, "bytes */200000".to_owned())
    );
    for (state, status) in [(etag.as_str(), 206), ("\"another\"", 200)] {
        let ask = http().get(&link).header(header::RANGE, "bytes=5-").header(header::IF_RANGE, state);
        assert_eq!(ask.send().await.expect("an answer").status(), status);
    }
    assert_eq!(message.size, 200_000);
    assert_eq!(sandbox.stats().calls("file"), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_expire_and_are_given_out_again() {
    let (sandbox, user, message, link) = loadable(&[1; 100]).await;
    assert_eq!(load(&link, "bytes=0-").await.status(), 206);
    sandbox.expire_file_links();
    let expired = http().get(&link).send().await.expect("an answer");
    assert_eq!(expired.status(), 404);
    let expired: Value = expired.json().await.expect("json");
    assert_eq!(expired, json!({"ok": false, "error_code": 404, "description": "Not Found"}));
    assert_eq!(get_file(&sandbox, &user, &message.file_id).await["ok"], json!(true));
    assert_eq!(load(&link, "bytes=0-").await.status(), 206);
    let control = http().delete(format!("{}/file-links", sandbox.control_url()));
    assert_eq!(control.send().await.expect("an answer").status(), 204);
    assert_eq!(load(&link, "bytes=0-").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_cut_in_its_middle() {
    let bytes = noise(300_000, 6);
    let (sandbox, _, _, link) = loadable(&bytes).await;
    sandbox.faults().inject(Fault::new("file", FaultAction::DropBodyAfter(100_000)).times(2));
    for range in ["bytes=0-", "bytes=100000-"] {
        let mut cut = load(&link, range).await;
        let from = if range == "bytes=0-" { 0 } else { 100_000 };
        assert_eq!(cut.content_length(), Some(300_000 - from as u64));
        let mut got = Vec::new();
        let end = loop {
            match cut.chunk().await {
                Ok(Some(chunk)) => got.extend(chunk),
                end => break end,
            }
        };
        assert!(end.is_err(), "the end did not come");
        assert!(got.len() <= 100_000 && bytes[from..].starts_with(&got));
    }
    let rest = load(&link, "bytes=200000-").await.bytes().await.expect("the rest");
    assert!(rest == bytes[200_000..]);
    assert_eq!(sandbox.stats().bytes_sent, 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_ones_own_names_the_file_on_its_disk() {
    let sandbox = Sandbox::builder().local_bot_api(true).start().await.expect("a sandbox");
    let user = sandbox.user();
    let message = send(&sandbox, &user, vec![7; (50 << 20) + 1]).await;
    let got = get_file(&sandbox, &user, &message.file_id).await;
    let path = got["result"]["file_path"].as_str().expect("a path");
    assert!(std::path::Path::new(path).is_absolute());
    assert_eq!(std::fs::metadata(path).expect("a file").len(), message.size);
    let link = format!("{}/file/bot{}/{path}", sandbox.bot_api_url(), user.bot_token);
    assert_eq!(http().get(link).send().await.expect("an answer").status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_two_days_ago_stays() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let [old, young] = [send(&sandbox, &user, vec![1; 10]).await, send(&sandbox, &user, vec![2; 10]).await];
    let delete = async |message: &SandboxMessage| {
        let params = json!({"chat_id": user.channel_id, "message_id": message.message_id});
        ask(&sandbox, &user, "deleteMessage", params).await
    };
    assert!(sandbox.age_message(&user.channel_id, old.message_id, 2 * 86_400));
    assert!(sandbox.age_message(&user.channel_id, young.message_id, 2 * 86_400 - 3600));
    assert!(!sandbox.age_message(&user.channel_id, 99, 1));
    let refused = json!({
        "ok": false, "error_code": 400, "description": "Bad Request: message can't be deleted",
    });
    assert_eq!(delete(&old).await, refused);
    assert_eq!(delete(&young).await, json!({"ok": true, "result": true}));
    assert_eq!(delete(&young).await["description"], json!("Bad Request: message to delete not found"));
    assert_eq!(sandbox.messages_of(&user), [SandboxMessage { date: old.date - 2 * 86_400, ..old }]);
}
