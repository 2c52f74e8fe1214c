//! Files that went into the channel and came back, black box: every size at which something begins, by every door and by both of
//! Telegram's APIs, as they are, encrypted, compressed, and both. What lies in the channel is opened by Debian's `age` and `zstd`.
//! `.ci/roundtrips` runs this; without it nothing here is run, so that the tests need nothing but Rust.

#[path = "../api/support.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "shared with the other black-box tests")]
mod support;

mod clients;
mod ended;
mod every;
mod killed;
mod large;
mod programs;

use std::fs::File;
use std::process::Stdio;

use rand::RngExt as _;
use reqwest::RequestBuilder;
use serde_json::Value;
use telestore::age::Identity;
use telestore_sandbox::SandboxMessage;
use tokio::process::Command;

use crate::support::{Stage, random, text};

/// What reads bytes of a file by MTProto.
const GET: &str = "upload.getFile";

/// How many bytes one call reads.
const BLOCK: u64 = 256 << 10;

/// In what form the channel gets a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Age,
    Zstd,
    Both,
}

impl Form {
    const ALL: [Self; 4] = [Self::Plain, Self::Age, Self::Zstd, Self::Both];

    fn is_encrypted(self) -> bool {
        matches!(self, Self::Age | Self::Both)
    }

    fn is_compressed(self) -> bool {
        matches!(self, Self::Zstd | Self::Both)
    }
}

/// A worker, whose key lies in `key.txt`.
struct Scene {
    stage: Stage,
}

impl Scene {
    async fn new(form: Form, more: &[(&str, &str)]) -> Self {
        let key = Identity::generate().unwrap();
        let (recipient, identity) = (key.recipient().to_string(), key.expose());
        let flag = |on: bool| if on { "on" } else { "off" };
        let own = [
            ("TELESTORE_ENCRYPT", flag(form.is_encrypted())),
            ("TELESTORE_COMPRESS", flag(form.is_compressed())),
            ("TELESTORE_AGE_RECIPIENTS", recipient.as_str()),
            ("TELESTORE_AGE_IDENTITY", identity.as_str()),
        ];
        let stage = Stage::with(&[&own, more].concat()).await;
        std::fs::write(stage.dir.path().join("key.txt"), identity.as_bytes()).unwrap();
        Self { stage }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.stage.client.get(self.stage.url(path)).bearer_auth(&self.stage.user.auth_token)
    }

    /// Sends a file by one `PUT`. Gives what the index has of it.
    async fn put(&self, bytes: &[u8]) -> Value {
        let put = self.stage.client.put(self.stage.url("/upload/access.log"));
        let put = put.bearer_auth(&self.stage.user.auth_token).body(bytes.to_vec());
        assert_eq!(put.send().await.expect("an answer").status(), 201);
        self.newest().await
    }

    /// The newest file of the index.
    async fn newest(&self) -> Value {
        let listed = self.stage.ask(self.get("/files?limit=1")).await.ok();
        listed["files"][0].clone()
    }

    /// The messages of a file, in the order of its bytes.
    fn messages(&self, file: &Value) -> Vec<SandboxMessage> {
        let all = self.stage.sandbox.messages_of(&self.stage.user);
        let of = file["messages"].as_array().expect("messages").iter();
        let numbered =
            |number: &Value| all.iter().find(|message| number == &Value::from(message.message_id)).cloned();
        of.map(|message| numbered(&message["messageId"]).expect("it is in the channel")).collect()
    }

    /// What anybody makes of what the channel has, without the worker: `cat`, `age -d` and `zstd -d`.
    async fn opened_by_hand(&self, file: &Value) -> Vec<u8> {
        let messages = self.messages(file);
        let mut line = String::from("cat");
        for message in &messages {
            line.push_str(&format!(" '{}'", message.path.display()));
        }
        if file["encrypted"] == true {
            line.push_str(&format!(" | age -d -i '{}'", self.stage.dir.path().join("key.txt").display()));
        }
        if file["compressed"] == true {
            line.push_str(" | zstd -dcq");
        }
        let out = self.stage.dir.path().join("opened");
        let ended = Command::new("bash")
            .args(["-o", "pipefail", "-c", &line])
            .stdout(File::create(&out).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash")
            .wait_with_output()
            .await
            .unwrap();
        assert!(ended.status.success(), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
        std::fs::read(out).unwrap()
    }
}

/// Bytes that gain a little by compression, and are nowhere the same: lines of a log, and noise between them.
fn bytes(length: usize) -> Vec<u8> {
    let mut rng = rand::rng();
    let mut bytes = Vec::with_capacity(length + 400_000);
    while bytes.len() < length {
        bytes.extend_from_slice(&text(rng.random_range(1..160_000)));
        bytes.extend_from_slice(&random(rng.random_range(1..10_000)));
    }
    bytes.truncate(length);
    bytes
}
