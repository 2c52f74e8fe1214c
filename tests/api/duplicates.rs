//! Files that their user has in the channel already: another message of them takes no bytes.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telestore_sandbox::{Fault, SandboxMessage, UserSpec};

use crate::support::{File, MIB, Stage, soon};
use crate::tus::{Tus, id_of, name_of, number, pair, path_of};

const ON: (&str, &str) = ("TELESTORE_DEDUP", "on");

/// What makes a message by either way.
const CALLS: [&str; 3] = ["messages.sendMedia", "sendDocument", "upload.saveFilePart"];

/// The same file under another id.
fn again(file: &File) -> File {
    let id = format!("1763790000000_{:08x}", rand::random::<u32>());
    File { id, ..file.clone() }
}

fn sha256(file: &File) -> String {
    hex::encode(Sha256::digest(&file.bytes))
}

impl Stage {
    /// Begins an upload of which the digest is said, as the user with this token.
    async fn init_as(&self, file: &File, token: &str) -> Value {
        let words = json!({
            "uploadId": file.id, "fileName": file.name, "totalChunks": file.total(), "fileSize": file.bytes.len(),
            "authToken": token, "sha256": sha256(file),
        });
        self.post("/init-upload", words).await.ok()
    }

    /// Sends a file for the first time, with its digest.
    async fn first(&self, file: &File) {
        let begun = self.init_as(file, &self.user.auth_token).await;
        assert_eq!(begun.get("duplicate"), None, "{begun}");
        assert_eq!(self.send(file).await["status"], "completed");
    }

    /// Begins the same file once more, which ends without a byte.
    async fn second(&self, file: &File) -> (File, Value) {
        let (same, before) = (again(file), self.bytes_sent());
        let begun = self.init_as(&same, &self.user.auth_token).await;
        assert_eq!(begun["duplicate"], true, "{begun}");
        assert_eq!(begun["message"], "Upload session initialized");
        let end = self.end(&same.id).await;
        assert_eq!(end["status"], "completed", "{end}");
        assert_eq!(self.bytes_sent(), before, "Telegram got no byte");
        (same, end)
    }

    /// How many files and parts came to Telegram.
    fn bytes_sent(&self) -> (u64, u64) {
        let stats = self.sandbox.stats();
        (stats.parts_total(), stats.documents("video.bin"))
    }

    /// All messages of the channel, which have one document.
    #[track_caller]
    fn of_one_document(&self, count: usize) -> Vec<SandboxMessage> {
        let messages = self.sandbox.messages_of(&self.user);
        assert_eq!(messages.len(), count, "{messages:?}");
        assert!(
            messages.iter().all(|message| message.document_id == messages[0].document_id),
            "{messages:?}"
        );
        messages
    }

    async fn in_index(&self) -> Vec<Value> {
        let request = self.client.get(self.url("/files")).bearer_auth(&self.user.auth_token);
        self.ask(request).await.ok()["files"].as_array().expect("files").clone()
    }

    async fn delete_file(&self, id: &Value) {
        let path = format!("/files/{}", id.as_str().expect("an id"));
        let request = self.client.delete(self.url(&path)).bearer_auth(&self.user.auth_token);
        assert!(request.send().await.expect("an answer").status().is_success());
    }
}

#[tokio::test]
async fn a_file_that_is_there_becomes_one_more_message_without_its_bytes() {
    // By the Bot API, and by MTProto.
    for length in [100_000, 51 * MIB] {
        let stage = Stage::with(&[ON]).await;
        let file = File::new(length);
        stage.first(&file).await;
        let (same, end) = stage.second(&file).await;
        let messages = stage.of_one_document(2);
        messages.iter().for_each(|message| file.assert_is(message));
        assert_eq!(end["messageId"], messages[1].message_id);
        assert_eq!((&end["sha256"], &end["progress"]), (&json!(sha256(&file)), &json!(100)));
        // It is a file of its own, which is read and deleted by itself.
        let listed = stage.in_index().await;
        assert_eq!(listed.len(), 2);
        assert_eq!((&listed[0]["uploadId"], &listed[0]["size"]), (&json!(same.id), &json!(length)));
        assert_ne!(listed[0]["id"], listed[1]["id"]);
        stage.delete_file(&listed[1]["id"]).await;
        soon("the first message to go", async {
            while stage.sandbox.messages_of(&stage.user).len() > 1 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(stage.of_one_document(1)[0].message_id, messages[1].message_id);
        let path = format!("/files/{}/content", listed[0]["id"].as_str().expect("an id"));
        let read = stage.client.get(stage.url(&path)).bearer_auth(&stage.user.auth_token).send().await;
        let read = read.expect("an answer").bytes().await.expect("bytes");
        assert!(read == file.bytes);
        // The copy is as good as the first one for the next.
        stage.second(&file).await;
        stage.of_one_document(2);
    }
}

#[tokio::test]
async fn who_sends_the_bytes_all_the_same_is_told_that_they_are_there() {
    let stage = Stage::with(&[ON]).await;
    let file = File::in_chunks(3000, &[1000]);
    stage.first(&file).await;
    let same = again(&file);
    assert_eq!(stage.init_as(&same, &stage.user.auth_token).await["duplicate"], true);
    assert_eq!(stage.init_as(&same, &stage.user.auth_token).await["duplicate"], true, "nothing has changed");
    let status = stage.get(&format!("/upload-status/{}", same.id)).await.ok();
    assert_eq!((&status["received_chunk_indices"], &status["complete"]), (&json!([0, 1, 2]), &json!(true)));
    for index in 0..same.total() {
        let answer = stage.chunk(&same, index).await.ok();
        assert_eq!((&answer["received_chunks"], &answer["complete"]), (&json!(3), &json!(true)), "{answer}");
    }
    stage.complete(&same.id).await.ok();
    assert_eq!(stage.end(&same.id).await["status"], "completed");
    for index in 0..same.total() {
        stage.chunk(&same, index).await.ok();
    }
    stage.of_one_document(2);
    stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn nothing_of_another_user_or_of_another_file_is_taken() {
    let stage = Stage::with(&[ON]).await;
    let channel = Some(stage.user.channel_id.as_str());
    // In the very same channel.
    let other = stage.sandbox.add_user(UserSpec::new("other").channel(channel));
    let file = File::new(5000);
    stage.first(&file).await;
    let before = stage.bytes_sent();
    let theirs = again(&file);
    assert_eq!(stage.init_as(&theirs, &other.auth_token).await.get("duplicate"), None);
    for (what, changed) in [
        ("another name", again(&file).named("other.bin")),
        (
            "another length",
            File { bytes: [file.bytes.as_slice(), b"x"].concat(), ends: vec![5001], ..again(&file) },
        ),
    ] {
        let words = json!({
            "uploadId": changed.id, "fileName": changed.name, "totalChunks": 1, "fileSize": changed.bytes.len(),
            "authToken": stage.user.auth_token, "sha256": sha256(&file),
        });
        assert_eq!(stage.post("/init-upload", words).await.ok().get("duplicate"), None, "{what}");
    }
    for (option, value) in [("sendAs", json!("video")), ("sha256", json!(null))] {
        let mut words = json!({
            "uploadId": again(&file).id, "fileName": file.name, "totalChunks": 1, "fileSize": file.bytes.len(),
            "authToken": stage.user.auth_token, "sha256": sha256(&file),
        });
        words[option] = value;
        assert_eq!(stage.post("/init-upload", words).await.ok().get("duplicate"), None, "{option}");
    }
    assert_eq!((stage.bytes_sent(), stage.sandbox.messages_of(&stage.user).len()), (before, 1));
}

#[tokio::test]
async fn it_is_off_unless_it_is_set() {
    let stage = Stage::new().await;
    let file = File::new(5000);
    stage.first(&file).await;
    stage.first(&again(&file)).await;
    let messages = stage.sandbox.messages_of(&stage.user);
    assert_ne!(messages[0].document_id, messages[1].document_id);
}

#[tokio::test]
async fn what_was_deleted_in_telegram_is_sent_as_ever() {
    for length in [100_000, 51 * MIB] {
        let stage = Stage::with(&[ON]).await;
        let file = File::new(length);
        stage.first(&file).await;
        let listed = stage.in_index().await;
        stage.delete_message(listed[0]["messages"][0]["messageId"].as_i64().expect("a number")).await;
        let same = again(&file);
        stage.first(&same).await;
        stage.arrived(&same);
    }
}

impl Stage {
    /// Deletes a message as a person does in Telegram.
    async fn delete_message(&self, id: i64) {
        let address = format!("{}/bot{}/deleteMessage", self.sandbox.bot_api_url(), self.user.bot_token);
        let words = json!({ "chat_id": self.user.channel_id, "message_id": id });
        assert_eq!(self.ask(self.client.post(address).json(&words)).await.ok()["result"], true);
        assert!(
            self.sandbox.messages_of(&self.user).iter().all(|message| i64::from(message.message_id) != id)
        );
    }
}

#[tokio::test]
async fn what_goes_before_its_message_is_made_is_said() {
    let stage = Stage::with(&[ON]).await;
    let file = File::new(51 * MIB);
    stage.first(&file).await;
    let first = stage.arrived(&file).message_id;
    // It was seen to be there, and goes before it is sent once more.
    let held = stage.sandbox.faults().inject(Fault::hold("channels.getMessages").skip(1).once());
    let same = again(&file);
    assert_eq!(stage.init_as(&same, &stage.user.auth_token).await["duplicate"], true);
    soon("the call", stage.sandbox.faults().wait_fired(held, 1)).await;
    stage.delete_message(first.into()).await;
    stage.sandbox.faults().release(held);
    let end = stage.end(&same.id).await;
    assert_eq!(end["status"], "failed", "{end}");
    assert!(end["error"].as_str().expect("words").contains("send it with a new upload"), "{end}");
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
    let missing = stage.complete(&same.id).await;
    assert_eq!(missing.status, 400, "{missing:?}");
    assert_eq!(
        stage.init_as(&same, &stage.user.auth_token).await.get("duplicate"),
        None,
        "it needs its bytes now"
    );
    assert_eq!(stage.send(&same).await["status"], "completed");
    stage.arrived(&same);
}

#[tokio::test]
async fn what_cannot_be_shown_once_more_is_sent_as_ever_the_next_time() {
    let stage = Stage::with(&[ON]).await;
    let file = File::new(100_000);
    stage.first(&file).await;
    // Whoever looks at the message sees its file all the same.
    let refusal =
        json!({ "ok": false, "error_code": 400, "description": "Bad Request: message can't be copied" });
    let refused = stage.sandbox.faults().inject(Fault::http_status(CALLS[1], 400, refusal).once());
    let same = again(&file);
    assert_eq!(stage.init_as(&same, &stage.user.auth_token).await["duplicate"], true);
    assert_eq!(stage.end(&same.id).await["status"], "failed");
    assert_eq!(stage.sandbox.faults().fired(refused), 1);
    let third = again(&file);
    stage.first(&third).await;
    // That one is as good as the first was.
    stage.second(&file).await;
}

#[tokio::test]
async fn a_creation_by_tus_that_comes_again_makes_one_message() {
    let stage = Stage::with(&[ON]).await;
    let (tus, file) = (Tus::new(&stage), File::new(70_000));
    stage.first(&file).await;
    let key = [("Idempotency-Key", file.id.as_str())];
    let (first, _) = created(&tus, &file, &key).await;
    let (again, headers) = created(&tus, &file, &key).await;
    assert_eq!((first, headers["upload-offset"].to_str().unwrap()), (again.clone(), "70000"));
    assert_eq!(stage.end(id_of(&again)).await["status"], "completed");
    created(&tus, &file, &key).await;
    stage.of_one_document(2);
}

#[tokio::test]
async fn a_worker_that_is_killed_makes_one_message() {
    for length in [100_000, 51 * MIB] {
        let call = if length > 50 * MIB { CALLS[0] } else { CALLS[1] };
        let mut stage = Stage::with(&[ON]).await;
        let file = File::new(length);
        stage.first(&file).await;
        let held = stage.sandbox.faults().inject(Fault::hold(call).once());
        let same = again(&file);
        assert_eq!(stage.init_as(&same, &stage.user.auth_token).await["duplicate"], true);
        soon("the call", stage.sandbox.faults().wait_fired(held, 1)).await;
        stage.kill().await;
        stage.sandbox.faults().release(held);
        let before = stage.bytes_sent();
        stage.start().await;
        let end = stage.end(&same.id).await;
        assert_eq!(end["status"], "completed", "{end}");
        let messages = stage.of_one_document(2);
        assert_eq!(end["messageId"], messages[1].message_id);
        assert_eq!(stage.bytes_sent(), before);
    }
}

async fn created(tus: &Tus<'_>, file: &File, more: &[(&str, &str)]) -> (String, HeaderMap) {
    let length = file.bytes.len().to_string();
    let metadata = format!("{},{}", name_of(file), pair("sha256", &sha256(file)));
    let own = [("Upload-Length", length.as_str()), ("Upload-Metadata", &metadata)];
    let answer = tus.create(&[&own, more].concat()).await;
    assert_eq!(answer.status(), 201);
    (path_of(&answer), answer.headers().clone())
}

#[tokio::test]
async fn by_tus_all_of_it_is_there_at_once() {
    let stage = Stage::with(&[ON]).await;
    let (tus, file) = (Tus::new(&stage), File::new(70_000));
    let (first, headers) = created(&tus, &file, &[]).await;
    assert!(!headers.contains_key("upload-offset"), "{headers:?}");
    assert_eq!(tus.append(&first, 0, &file.bytes).await, file.bytes.len());
    tus.arrived(&first, &file).await;
    let before = stage.bytes_sent();

    let (second, headers) = created(&tus, &file, &[]).await;
    assert_eq!(headers["upload-offset"], file.bytes.len().to_string().as_str());
    assert_eq!(tus.offset(&second).await, file.bytes.len());
    assert_eq!(stage.end(id_of(&second)).await["status"], "completed");
    // Some clients look at no answer to a creation, and send what they have.
    let (third, _) = created(&tus, &file, &[]).await;
    assert_eq!(tus.append(&third, 0, &file.bytes[..50_000]).await, 50_000);
    assert_eq!(tus.append(&third, 50_000, &file.bytes[50_000..]).await, file.bytes.len());
    assert_eq!(stage.end(id_of(&third)).await["status"], "completed");
    let more = tus.patch(&third, 69_999).body("too much").send().await.expect("an answer");
    assert_eq!(more.status(), 413);
    stage.of_one_document(3);
    assert_eq!(stage.bytes_sent(), before);
}

#[tokio::test]
async fn by_tus_bytes_that_come_with_the_creation_are_dropped() {
    let stage = Stage::with(&[ON]).await;
    let (tus, file) = (Tus::new(&stage), File::new(70_000));
    let (first, _) = created(&tus, &file, &[]).await;
    tus.append(&first, 0, &file.bytes).await;
    tus.arrived(&first, &file).await;
    let length = file.bytes.len().to_string();
    let metadata = format!("{},{}", name_of(&file), pair("sha256", &sha256(&file)));
    let request =
        tus.request("POST", "/tus").header("Upload-Length", &length).header("Upload-Metadata", metadata);
    let request = request.header("Content-Type", crate::tus::OFFSET_STREAM).body(file.bytes[..9000].to_vec());
    let answer = request.send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), number(&answer, "upload-offset")), (201, file.bytes.len()));
    let path = path_of(&answer);
    assert_eq!(answer.json::<Value>().await.expect("JSON"), json!({ "duplicate": true }));
    assert_eq!(stage.end(id_of(&path)).await["status"], "completed");
    stage.of_one_document(2);
}

#[tokio::test]
async fn compressed_files_are_known_again_and_encrypted_ones_are_not() {
    let identity = telestore::age::Identity::generate().expect("a key");
    let recipient = identity.recipient().to_string();
    let settings = [ON, ("TELESTORE_COMPRESS", "on"), ("TELESTORE_AGE_RECIPIENTS", &recipient)];
    let stage = Stage::with(&settings).await;
    let mut file = File::new(300_000).named("notes.txt");
    file.bytes.fill(b'a');
    stage.first(&file).await;
    let same = again(&file);
    assert_eq!(stage.init_as(&same, &stage.user.auth_token).await["duplicate"], true);
    let end = stage.end(&same.id).await;
    assert_eq!((&end["status"], &end["compressed"]), (&json!("completed"), &json!(true)), "{end}");
    let messages = stage.of_one_document(2);
    assert!(messages[1].size < 300_000 && messages[1].file_name == "notes.txt.zst", "{messages:?}");
    let listed = stage.in_index().await;
    assert_eq!((&listed[0]["compressed"], &listed[0]["size"]), (&json!(true), &json!(300_000)));
    let path = format!("/files/{}/content", listed[0]["id"].as_str().expect("an id"));
    let read = stage.client.get(stage.url(&path)).bearer_auth(&stage.user.auth_token).send().await;
    assert!(read.expect("an answer").bytes().await.expect("bytes") == file.bytes);
    for (compress, encrypt) in [(false, false), (true, true)] {
        let words = json!({
            "uploadId": again(&file).id, "fileName": file.name, "totalChunks": 1, "fileSize": file.bytes.len(),
            "authToken": stage.user.auth_token, "sha256": sha256(&file), "compress": compress, "encrypt": encrypt,
        });
        let begun = stage.post("/init-upload", words).await.ok();
        assert_eq!(begun.get("duplicate"), None, "{compress} {encrypt}");
    }
}
