//! Creations that come again with their `Idempotency-Key`, because their clients did not hear what became of them.

use futures_util::StreamExt;
use futures_util::stream::iter;
use rand::RngExt;
use reqwest::Response;
use serde_json::json;
use sha2::{Digest, Sha256};
use telestore_sandbox::{Fault, Unsaid, UnsaidAnswer, UserSpec};

use crate::idempotency::{cut, messages};
use crate::support::{File, Stage};
use crate::tus::concatenation::parts_of;
use crate::tus::{OFFSET_STREAM, Tus, id_of, name_of, number, pair, path_of, refused};

const KEY: (&str, &str) = ("Idempotency-Key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");

/// Telegram's answer to a file that it does not take.
fn refused_for_good() -> Fault {
    let refusal = json!({ "ok": false, "error_code": 400, "description": "Bad Request: not this one" });
    Fault::http_status("sendDocument", 400, refusal).once()
}

impl Tus<'_> {
    async fn create_keyed(&self, file: &File, metadata: &str) -> Response {
        let length = file.bytes.len().to_string();
        self.create(&[KEY, ("Upload-Length", &length), ("Upload-Metadata", metadata)]).await
    }
}

#[tokio::test]
async fn a_creation_that_comes_again_is_the_same_upload() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(70_000));
    let name = name_of(&file);
    let first = tus.create_keyed(&file, &name).await;
    assert_eq!(first.status(), 201);
    assert!(!first.headers().contains_key("upload-offset"), "it is new: {:?}", first.headers());
    let path = path_of(&first);
    let again = async |offset: usize| {
        let answer = tus.create_keyed(&file, &name).await;
        assert_eq!((answer.status().as_u16(), path_of(&answer)), (201, path.clone()));
        assert_eq!(number(&answer, "upload-offset"), offset, "where it goes on");
    };
    again(0).await;
    tus.append(&path, 0, &file.bytes[..50_000]).await;
    again(50_000).await;
    tus.append(&path, 50_000, &file.bytes[50_000..]).await;
    again(70_000).await;
    tus.arrived(&path, &file).await;
    again(70_000).await;
    // Other words are another request, and change nothing.
    for (length, words) in [("70000", "name eA=="), ("70001", name.as_str()), ("70000", "")] {
        let answer = tus.create(&[KEY, ("Upload-Length", length), ("Upload-Metadata", words)]).await;
        let (status, words) = refused(answer).await;
        assert!(status == 422 && words.contains("another file"), "{status} {words}");
    }
    again(70_000).await;
    // The key is the user's.
    let other = Tus { stage: &stage, token: stage.sandbox.add_user(UserSpec::new("bob")).auth_token };
    assert_ne!(path_of(&other.create_keyed(&file, &name).await), path);
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1);
    let (status, words) =
        refused(tus.create(&[("Idempotency-Key", "two words"), ("Upload-Length", "5")]).await).await;
    assert!(status == 400 && words.contains("Idempotency-Key must be"), "{status} {words}");
}

#[tokio::test]
async fn a_file_without_a_name_and_one_of_unknown_length_come_again() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    for length in [("Upload-Length", "5"), ("Upload-Defer-Length", "1")] {
        let key = ("Idempotency-Key", length.0);
        let path = tus.begin(&[key, length]).await;
        assert_eq!(tus.begin(&[key, length]).await, path);
    }
}

#[tokio::test]
async fn one_that_was_ended_or_has_failed_begins_anew() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(70_000));
    let name = name_of(&file);
    let path = path_of(&tus.create_keyed(&file, &name).await);
    tus.append(&path, 0, &file.bytes[..50_000]).await;
    assert_eq!(tus.request("DELETE", &path).send().await.unwrap().status(), 204);
    let answer = tus.create_keyed(&file, &name).await;
    assert!(answer.status() == 201 && !answer.headers().contains_key("upload-offset"), "{answer:?}");
    let refusal = stage.sandbox.faults().inject(refused_for_good());
    tus.append(&path, 0, &file.bytes).await;
    assert_eq!(stage.end(id_of(&path)).await["status"], "failed");
    assert_eq!(stage.sandbox.faults().fired(refusal), 1);
    // Its bytes may be what was wrong.
    assert_eq!(tus.head(&path).await.status(), 404);
    let answer = tus.create_keyed(&file, &name).await;
    assert!(answer.status() == 201 && !answer.headers().contains_key("upload-offset"), "{answer:?}");
    assert_eq!(path_of(&answer), path);
    tus.append(&path, 0, &file.bytes).await;
    tus.arrived(&path, &file).await;
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1);
}

#[tokio::test]
async fn other_bytes_than_were_named_are_not_taken_for_the_file_when_it_comes_again() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(70_000));
    let metadata =
        format!("{},{}", name_of(&file), pair("sha256", &hex::encode(Sha256::digest(&file.bytes))));
    let path = path_of(&tus.create_keyed(&file, &metadata).await);
    tus.append(&path, 0, &[7; 70_000]).await;
    let end = stage.end(id_of(&path)).await;
    assert!(end["error"].as_str().unwrap_or_default().contains("SHA-256"), "{end}");
    let answer = tus.create_keyed(&file, &metadata).await;
    assert!(answer.status() == 201 && !answer.headers().contains_key("upload-offset"), "{answer:?}");
    tus.append(&path, 0, &file.bytes).await;
    tus.arrived(&path, &file).await;
}

/// Nobody can look into the channel, and a bot's answer is lost.
#[tokio::test]
async fn one_that_may_be_in_the_channel_is_not_begun_anew() {
    let user = UserSpec::new("with-token").without_session();
    let stage = Stage::of(user, &[("TELESTORE_BOT_API_UNKNOWN", "fail")]).await;
    let (tus, file) = (Tus::new(&stage), File::new(70_000));
    let path = path_of(&tus.create_keyed(&file, &name_of(&file)).await);
    let unsaid = Unsaid::executed(UnsaidAnswer::Restart);
    stage.sandbox.faults().inject(Fault::unsaid("sendDocument", unsaid).once());
    tus.append(&path, 0, &file.bytes).await;
    assert_eq!(stage.end(id_of(&path)).await["status"], "failed");
    for _ in 0..2 {
        let (status, words) = refused(tus.create_keyed(&file, &name_of(&file)).await).await;
        assert!(
            status == 409 && words.contains("may be in the channel") && words.contains("new key"),
            "{words}"
        );
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1);
}

/// A client that sends all of it with the creation, and of no length, gets further with each try.
#[tokio::test]
async fn bytes_that_come_along_again_go_on_behind_those_that_are_there() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(70_000));
    let create = async |length: (&str, &str), kind: &str, bytes: &[u8]| {
        let request = tus.request("POST", "/tus").header(KEY.0, length.1).header(length.0, length.1);
        let request = request.header("Upload-Metadata", name_of(&file)).header("Content-Type", kind);
        request.body(bytes.to_vec()).send().await.expect("the worker answers")
    };
    for length in [("Upload-Length", "70000"), ("Upload-Defer-Length", "1")] {
        let mut path = String::new();
        for (sent, there) in [(40_000, 40_000), (20_000, 40_000), (60_000, 60_000)] {
            let answer = create(length, OFFSET_STREAM, &file.bytes[..sent]).await;
            assert_eq!(
                (answer.status().as_u16(), number(&answer, "upload-offset")),
                (201, there),
                "{length:?}"
            );
            path = path_of(&answer);
        }
        // With another type a body is ignored, the second time, too.
        let answer = create(length, "text/plain", &[7; 80_000]).await;
        assert_eq!((answer.status().as_u16(), number(&answer, "upload-offset")), (201, 60_000));
        let long = create(length, OFFSET_STREAM, &[7; 80_000]).await;
        if length.0 == "Upload-Length" {
            assert_eq!(long.status(), 413);
            tus.append(&path, 60_000, &file.bytes[60_000..]).await;
            tus.arrived(&path, &file).await;
        }
    }
}

#[tokio::test]
async fn a_file_that_is_put_together_twice_by_one_key_is_one() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(2000));
    let parts = parts_of(&tus, &file, &[1000, 2000]).await;
    let (concat, name) = (format!("final;{}", parts.join(" ")), name_of(&file));
    let words = [KEY, ("Upload-Concat", concat.as_str()), ("Upload-Metadata", name.as_str())];
    let (one, two) = tokio::join!(tus.begin(&words), tus.begin(&words));
    assert_eq!(one, two);
    tus.arrived(&one, &file).await;
    assert_eq!(tus.begin(&words).await, one, "its parts are gone");
    let other = format!("final;{}", parts[0]);
    let (status, words) = refused(tus.create(&[KEY, ("Upload-Concat", &other)]).await).await;
    assert!(status == 422 && words.contains("another file"), "{status} {words}");
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1);
}

/// The line breaks anywhere in a creation with bytes, or while its answer is outstanding; then it comes again, and goes on.
#[tokio::test]
async fn a_hundred_creations_that_are_cut_and_repeated_make_one_message_each() {
    const CUTS: usize = 100;
    let stage = Stage::with(&[("TELESTORE_MAX_CONCURRENT_UPLOADS", "8")]).await;
    let stage = &stage;
    let one = async |number: usize| {
        let length = rand::rng().random_range(1..200_000);
        let file = File::new(length).named(&format!("file-{number}.bin"));
        let head = format!(
            "POST /tus HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\nIdempotency-Key: {}\r\n\
             Upload-Length: {length}\r\nUpload-Metadata: {}\r\nContent-Type: {OFFSET_STREAM}\r\nContent-Length: {length}\r\n\r\n",
            stage.address(),
            stage.user.auth_token,
            file.id,
            name_of(&file),
        );
        let request = [head.as_bytes(), &file.bytes].concat();
        for _ in 0..rand::rng().random_range(1..4) {
            cut(stage, &request).await;
        }
        let tus = Tus::new(stage);
        let path = path_of(
            &tus.create(&[
                ("Idempotency-Key", &file.id),
                ("Upload-Length", &length.to_string()),
                ("Upload-Metadata", &name_of(&file)),
            ])
            .await,
        );
        // A request that hangs may still record what came.
        loop {
            let offset = tus.offset(&path).await;
            if offset == length {
                break;
            }
            let rest = tus.patch(&path, offset).body(file.bytes[offset..].to_vec());
            assert!([204, 409, 423].contains(&rest.send().await.expect("an answer").status().as_u16()));
        }
        let end = stage.end(id_of(&path)).await;
        assert_eq!(end["status"], "completed", "{end}");
        let messages = messages(stage, &file);
        assert_eq!(messages.len(), 1, "{messages:?}");
    };
    iter(0..CUTS).for_each_concurrent(10, one).await;
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), CUTS);
    stage.emptied(&["chunks", "spool"]).await;
}
