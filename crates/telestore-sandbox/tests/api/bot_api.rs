//! The Bot API from outside.

use reqwest::multipart::{Form, Part};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telestore_sandbox::{Fault, FaultAction, Sandbox, SandboxUser, UserSpec, Via};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{connect, noise};

pub(crate) fn http() -> Client {
    // A second installation is refused and does not matter.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().expect("a client")
}

pub(crate) fn url(sandbox: &Sandbox, user: &SandboxUser, method: &str) -> String {
    format!("{}/bot{}/{method}", sandbox.bot_api_url(), user.bot_token)
}

pub(crate) fn form(chat_id: &str, bytes: Vec<u8>) -> Form {
    Form::new()
        .text("chat_id", chat_id.to_owned())
        .text("caption", "Uploaded: notes.txt")
        .text("disable_content_type_detection", "true")
        .part("document", Part::bytes(bytes).file_name("notes.txt"))
}

async fn send(url: &str, form: Form) -> (u16, Value) {
    let response = http().post(url).multipart(form).send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("json"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_becomes_a_message_and_can_be_fetched() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let bytes = noise(3_000_000, 4);
    let (status, body) =
        send(&url(&sandbox, &user, "sendDocument"), form(&user.channel_id, bytes.clone())).await;
    assert_eq!((status, &body["ok"]), (200, &json!(true)));
    let result = &body["result"];
    let message = sandbox.messages_of(&user).remove(0);
    assert_eq!(result["message_id"], json!(message.message_id));
    assert_eq!(result["chat"]["id"], json!(message.channel_id));
    assert_eq!(result["caption"], json!("Uploaded: notes.txt"));
    let expected = json!({
        "file_name": "notes.txt", "mime_type": "text/plain", "file_size": 3_000_000,
        "file_id": message.file_id, "file_unique_id": message.file_unique_id,
    });
    assert_eq!(result["document"], expected);
    assert_eq!((message.via, message.force_file), (Via::BotApi, true));
    assert_eq!(message.sha256, hex::encode(Sha256::digest(&bytes)));
    assert!(std::fs::read(&message.path).expect("a file") == bytes);

    let query = format!("{}?file_id={}", url(&sandbox, &user, "getFile"), message.file_id);
    let got = http().get(query).send().await.expect("an answer");
    let got: Value = got.json().await.expect("json");
    let path = got["result"]["file_path"].as_str().expect("a path");
    let file = format!("{}/file/bot{}/{path}", sandbox.bot_api_url(), user.bot_token);
    let fetched = http().get(file).send().await.expect("an answer").bytes().await.expect("bytes");
    assert!(fetched == bytes);

    // The account sees what the bot sent, under the same number.
    let client = connect(&sandbox, &user);
    let dialog = client.iter_dialogs().next().await.expect("dialogs").expect("a dialog");
    let seen = client.iter_messages(dialog.peer_ref()).next().await.expect("an answer").expect("a message");
    assert_eq!(seen.id(), message.message_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_over_the_limits_are_refused() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let send_url = url(&sandbox, &user, "sendDocument");
    let limit = 50 * 1024 * 1024;
    let (status, body) = send(&send_url, form(&user.channel_id, vec![0; limit + 1])).await;
    let refused = json!({"ok": false, "error_code": 413, "description": "Request Entity Too Large"});
    assert_eq!((status, body), (413, refused));
    let (status, body) = send(&send_url, form(&user.channel_id, vec![0; limit])).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(sandbox.messages_of(&user).len(), 1);
    let get = json!({"file_id": body["result"]["document"]["file_id"]});
    let got = http().post(url(&sandbox, &user, "getFile")).json(&get).send().await.expect("an answer");
    let got: Value = got.json().await.expect("json");
    assert_eq!(got["description"], json!("Bad Request: file is too big"));
    let (status, body) = send(&send_url, form(&user.channel_id, Vec::new())).await;
    assert_eq!((status, &body["description"]), (400, &json!("Bad Request: file must be non-empty")));
    let left = std::fs::read_dir(sandbox.dir().join("parts")).expect("a folder").count();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_the_bot_apis_form() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let other = sandbox.add_user(UserSpec::new("bob"));
    let send_url = url(&sandbox, &user, "sendDocument");
    let try_send = async |chat_id: &str| {
        let (status, body) = send(&send_url, form(chat_id, vec![1; 10])).await;
        assert_eq!(body["error_code"], json!(status));
        (status, body["description"].as_str().unwrap_or_default().to_owned(), body["parameters"].clone())
    };
    assert_eq!(try_send(&other.channel_id).await.1, "Bad Request: chat not found");
    assert_eq!(try_send("nonsense").await.0, 400);
    sandbox.remove_bot(&user.channel_id, &user);
    let (status, description, _) = try_send(&user.channel_id).await;
    assert_eq!((status, description.as_str()), (403, "Forbidden: bot is not a member of the channel chat"));
    let unknown = format!("{}/bot1:x/getMe", sandbox.bot_api_url());
    let response = http().get(unknown).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let body: Value = response.json().await.expect("json");
    assert_eq!(body, json!({"ok": false, "error_code": 401, "description": "Unauthorized"}));
    let me: Value =
        http().get(url(&sandbox, &user, "getMe")).send().await.expect("me").json().await.expect("json");
    assert_eq!(me["result"]["id"], json!(user.bot_user_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_strike_over_http_too() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let send_url = url(&sandbox, &user, "sendDocument");
    let document = |len| form(&user.channel_id, vec![1; len]);
    let fails = async |len| http().post(&send_url).multipart(document(len)).send().await.is_err();
    let faults = sandbox.faults();
    faults.inject(Fault::flood_wait("sendDocument", 2).once());
    let (status, body) = send(&send_url, document(10)).await;
    assert_eq!((status, &body["parameters"]["retry_after"]), (429, &json!(2)));
    faults.inject(Fault::http_status("sendDocument", 502, json!({"ok": false})).once());
    assert_eq!(send(&send_url, document(10)).await.0, 502);
    faults.inject(Fault::drop_connection("sendDocument").once());
    assert!(fails(10).await);
    faults.inject(Fault::new("sendDocument", FaultAction::DropBodyAfter(100_000)).once());
    assert!(fails(1_000_000).await);
    assert!(sandbox.messages_of(&user).is_empty());
    faults.inject(Fault::lose_answer("sendDocument").once());
    assert!(fails(10).await);
    assert_eq!(sandbox.messages_of(&user).len(), 1);
    assert_eq!(sandbox.stats().calls("sendDocument"), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_can_be_sent_and_deleted() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let text = json!({"chat_id": user.channel_id.parse::<i64>().expect("a number"), "text": "hello"});
    let sent = http().post(url(&sandbox, &user, "sendMessage")).json(&text).send().await.expect("an answer");
    let sent: Value = sent.json().await.expect("json");
    assert_eq!(sent["result"]["text"], json!("hello"));
    let gone = format!("chat_id={}&message_id={}", user.channel_id, sent["result"]["message_id"]);
    let delete = http()
        .post(url(&sandbox, &user, "deleteMessage"))
        .header("content-type", "application/x-www-form-urlencoded");
    let deleted: Value = delete.body(gone).send().await.expect("an answer").json().await.expect("json");
    assert_eq!(deleted, json!({"ok": true, "result": true}));
    assert!(sandbox.messages_of(&user).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_number_is_a_user_or_a_basic_group_and_no_channel() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let bare = user.channel_id.strip_prefix("-100").expect("a channel");
    for chat_id in [bare.to_owned(), format!("-{bare}"), format!("100{bare}")] {
        let query = format!("{}?chat_id={chat_id}", url(&sandbox, &user, "getChat"));
        let answer = http().get(query).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{chat_id}");
        let (status, body) = send(&url(&sandbox, &user, "sendDocument"), form(&chat_id, vec![1; 10])).await;
        assert_eq!((status, &body["description"]), (400, &json!("Bad Request: chat not found")), "{chat_id}");
    }
    assert!(sandbox.messages_of(&user).is_empty());
}

/// A caller whose file is still on its way when the answer is clear already: Telegram's front passes nothing on, and answers nothing,
/// before it has all of a request.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_comes_before_all_of_a_request_is_there() {
    const PIECE: usize = 64 * 1024;
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let (flood, refusal) = (Fault::flood_wait("sendDocument", 7), json!({"ok": false, "error_code": 400}));
    let refused = Fault::http_status("sendDocument", 400, refusal);
    for (fault, token, expected) in [
        (Some(flood), user.bot_token.as_str(), "HTTP/1.1 429 "),
        (Some(refused), user.bot_token.as_str(), "HTTP/1.1 400 "),
        (None, "77:nobody", "HTTP/1.1 401 "),
    ] {
        let fault = fault.map(|fault| sandbox.faults().inject(fault));
        let before = sandbox.stats().calls("sendDocument");
        let address = sandbox.bot_api_url().trim_start_matches("http://").to_owned();
        let mut line = TcpStream::connect(address).await.expect("connects");
        // Twice on one connection: it does not end with the first answer.
        for (call, connection) in [(1, "keep-alive"), (2, "close")] {
            let head = format!(
                "POST /bot{token}/sendDocument HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\
                 Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
                4 * PIECE
            );
            line.write_all(head.as_bytes()).await.expect("the head goes");
            sandbox.wait_until(|stats| stats.calls("sendDocument") == before + call).await;
            for _ in 0..4 {
                line.write_all(&[0; PIECE]).await.expect("the body goes");
            }
        }
        let mut answers = String::new();
        line.read_to_string(&mut answers).await.expect("both answers");
        assert_eq!(answers.matches(expected).count(), 2, "{answers}");
        fault.into_iter().for_each(|fault| sandbox.faults().release(fault));
    }
}
