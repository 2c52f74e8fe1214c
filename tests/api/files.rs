//! The index of files: what completed uploads have become.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha256};
use telestore_sandbox::{Fault, UserSpec};

use crate::pieces::PIECES;
use crate::support::{Answer, File, MIB, Stage, soon};

impl Stage {
    /// A call of this user about files.
    async fn files(&self, method: &str, token: &str, path: &str) -> Answer {
        let method = method.parse().expect("a method");
        let request = self.client.request(method, self.url(path)).bearer_auth(token);
        let answer = request.send().await.expect("the worker answers");
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("a body"));
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    async fn indexed(&self, query: &str) -> Value {
        self.files("GET", &self.user.auth_token, &format!("/files{query}")).await.ok()
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let listed = self.indexed(query).await;
        let files = listed["files"].as_array().expect("files");
        files.iter().map(|file| file["fileName"].as_str().expect("a name").to_owned()).collect()
    }

    /// Sends a file, and gives what the index says of it.
    async fn sent(&self, file: &File) -> Value {
        assert_eq!(self.send(file).await["status"], "completed");
        self.indexed("?limit=1").await["files"][0].clone()
    }
}

#[tokio::test]
async fn whatever_is_completed_is_in_the_index_until_it_is_deleted() {
    let mut stage = Stage::new().await;
    let (small, large) = (File::new(10), File::new(11 * MIB));
    let sent = [stage.sent(&small).await, stage.sent(&large).await];
    let digest = hex::encode(Sha256::digest(b"hello"));
    let put = format!("/upload/a%20b.txt?sha256={digest}");
    let put = stage.client.put(stage.url(&put)).bearer_auth(&stage.user.auth_token).body("hello");
    assert_eq!(put.header("Content-Type", "text/x-log").send().await.expect("an answer").status(), 201);
    assert_eq!(stage.names("").await, ["a b.txt", &large.name, &small.name]);
    let put = &stage.indexed("").await["files"][0];
    assert_eq!(
        (&put["sha256"], &put["mimeType"], &put["size"]),
        (&digest.into(), &"text/x-log".into(), &5.into())
    );
    for (file, sent) in [&small, &large].into_iter().zip(&sent) {
        assert_eq!((&sent["size"], &sent["uploadId"]), (&file.bytes.len().into(), &file.id.as_str().into()));
        assert_eq!((&sent["encrypted"], &sent["compressed"]), (&false.into(), &false.into()));
        let at = sent["createdAt"].as_str().expect("a time");
        assert!(
            at.len() == "2026-11-22T05:40:00.000Z".len() && at.starts_with("20") && at.ends_with('Z'),
            "{at}"
        );
        let message = stage.sandbox.messages_of(&stage.user);
        let message = message.iter().find(|one| one.message_id == sent["messages"][0]["messageId"]);
        file.assert_is(message.expect("it is there"));
        let path = format!("/files/{}", sent["id"].as_str().expect("an id"));
        assert_eq!(stage.files("GET", &stage.user.auth_token, &path).await.ok(), *sent);
    }
    stage.kill().await;
    stage.start().await;
    assert_eq!(stage.names("").await, ["a b.txt", &large.name, &small.name]);
}

#[tokio::test]
async fn the_list_comes_in_pages_and_is_searched() {
    let stage = Stage::new().await;
    let names = ["Holiday 1.mp4", "holiday 2.MP4", "Übung.pdf", "100%.txt"];
    for name in names {
        let path = url_of(name);
        let put = stage.client.put(stage.url(&path)).bearer_auth(&stage.user.auth_token).body("hello");
        assert_eq!(put.send().await.expect("an answer").status(), 201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stage.indexed(&format!("?limit=3&cursor={cursor}")).await;
        let files = page["files"].as_array().expect("files");
        seen.extend(files.iter().map(|file| file["fileName"].as_str().expect("a name").to_owned()));
        match page["cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen, names.iter().rev().copied().collect::<Vec<_>>());
    for (search, found) in [("HOLIDAY", 2), ("mp4", 2), ("%C3%BC", 1), ("%25", 1), ("_", 0), ("2.mp", 1)] {
        assert_eq!(stage.names(&format!("?q={search}")).await.len(), found, "{search}");
    }
    for wrong in ["?limit=0", "?limit=x", "?cursor=x"] {
        stage.files("GET", &stage.user.auth_token, &format!("/files{wrong}")).await.error(400);
    }
}

fn url_of(name: &str) -> String {
    let name: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("/upload/{name}")
}

#[tokio::test]
async fn a_token_may_stand_in_the_address() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let id = stage.sent(&file).await["id"].as_str().expect("an id").to_owned();
    let token = &stage.user.auth_token;
    let ask = async |method: &str, path: &str| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        stage.client.request(method, stage.url(path)).send().await.expect("an answer").status().as_u16()
    };
    for (method, path, status) in [
        ("GET", "/files?limit=1&".to_owned(), 200),
        ("GET", format!("/files/{id}?"), 200),
        ("DELETE", format!("/files/{id}?messages=keep&"), 204),
    ] {
        assert_eq!(ask(method, &format!("{path}token=wrong")).await, 401, "{method} {path}");
        assert_eq!(ask(method, path.trim_end_matches(['?', '&'])).await, 401, "{method} {path}");
        assert_eq!(ask(method, &format!("{path}token={token}")).await, status, "{method} {path}");
    }
}

#[tokio::test]
async fn nobody_sees_or_deletes_the_files_of_another() {
    let stage = Stage::new().await;
    let other = stage.sandbox.add_user(UserSpec::new("other"));
    let sent = stage.sent(&File::new(10)).await;
    let path = format!("/files/{}", sent["id"].as_str().expect("an id"));
    assert_eq!(stage.files("GET", &other.auth_token, "/files").await.ok()["files"], Value::Array(vec![]));
    for method in ["GET", "DELETE"] {
        assert!(stage.files(method, &other.auth_token, &path).await.error(404).contains("file not found"));
        stage.files(method, "no token", &path).await.error(401);
        let answer = stage.client.request(method.parse().unwrap(), stage.url(&path)).send().await;
        assert_eq!(answer.expect("an answer").status(), 401, "also where the API asks for none");
    }
    assert_eq!(stage.client.get(stage.url("/files")).send().await.expect("an answer").status(), 401);
    stage.files("GET", &stage.user.auth_token, &path).await.ok();
    stage.files("GET", &stage.user.auth_token, "/files/..%2f..%2fetc").await.error(404);
}

#[tokio::test]
async fn a_deleted_file_takes_its_messages_along_whatever_comes_between() {
    let mut stage = Stage::with(&PIECES).await;
    let (stays, goes) = (File::new(10), File::new(25 * MIB));
    let kept = stage.sent(&stays).await;
    let sent = stage.sent(&goes).await;
    assert!(sent["messages"].as_array().expect("messages").len() > 1, "{sent}");
    let path = format!("/files/{}", sent["id"].as_str().expect("an id"));
    // Telegram does not answer the first time, and the worker is killed meanwhile.
    let hold = stage.sandbox.faults().inject(Fault::hold("channels.deleteMessages"));
    let deleted = stage.files("DELETE", &stage.user.auth_token, &path).await;
    assert_eq!(deleted.status, 204);
    stage.files("GET", &stage.user.auth_token, &path).await.error(404);
    stage.files("DELETE", &stage.user.auth_token, &path).await.error(404);
    soon("the first try", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.kill().await;
    stage.sandbox.faults().clear();
    stage.start().await;
    let left = BTreeSet::from([kept["messages"][0]["messageId"].as_i64().expect("a number") as i32]);
    let there =
        || stage.sandbox.messages_of(&stage.user).iter().map(|one| one.message_id).collect::<BTreeSet<_>>();
    while there() != left {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(stage.names("").await, [stays.name]);
}

#[tokio::test]
async fn a_deleted_file_that_is_sent_again_is_a_new_one() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let send = async || {
        let request = stage.client.put(stage.url("/upload/again.bin")).bearer_auth(&stage.user.auth_token);
        let request = request.header("Idempotency-Key", "again-and-again").body(file.bytes.clone());
        let answer: Value = request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        answer["messageId"].as_i64().expect("a number")
    };
    let first = send().await;
    assert_eq!(send().await, first, "it is there");
    let listed = stage.files("GET", &stage.user.auth_token, "/files").await.ok();
    let path = format!("/files/{}", listed["files"][0]["id"].as_str().expect("an id"));
    assert_eq!(stage.files("DELETE", &stage.user.auth_token, &path).await.status, 204);
    let second = send().await;
    assert!(second > first, "{second} is told, and only {first} was there");
    let there = || {
        stage.sandbox.messages_of(&stage.user).iter().map(|one| i64::from(one.message_id)).collect::<Vec<_>>()
    };
    soon("the first message goes", async {
        while there() != [second] {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    // The entry alone.
    let listed = stage.files("GET", &stage.user.auth_token, "/files").await.ok();
    let path = format!("/files/{}?messages=keep", listed["files"][0]["id"].as_str().expect("an id"));
    stage.files("DELETE", &stage.user.auth_token, &path.replace("keep", "hide")).await.error(400);
    assert_eq!(stage.files("DELETE", &stage.user.auth_token, &path).await.status, 204);
    assert!(stage.names("").await.is_empty());
    let third = send().await;
    assert_eq!(there(), [second, third]);
}
