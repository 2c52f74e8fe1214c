//! Files that the channel gets encrypted or compressed: what is there, who can open it, and that it comes back as it was.

use rand::RngExt as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telestore::age::{Header, Identity, Parsed};
use telestore_sandbox::{Fault, HostileMtproto, SandboxMessage};

use super::{Got, Kept, ask, random};
use crate::support::{CHUNK, File, MIB, Stage, soon, text};
use crate::tus::{Tus, id_of};

/// Two keys: one whose owner reads by the worker, and one that is kept elsewhere.
pub(super) struct Keys {
    pub(super) worker: Identity,
    pub(super) elsewhere: Identity,
    pub(super) recipients: String,
}

impl Keys {
    pub(super) fn new() -> Self {
        let (worker, elsewhere) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let recipients = format!("{},{}", worker.recipient(), elsewhere.recipient());
        Self { worker, elsewhere, recipients }
    }

    /// A worker that encrypts everything, and reads it back.
    pub(super) async fn stage(&self, more: &[(&str, &str)]) -> Stage {
        let identity = self.worker.expose();
        let own = [
            ("TELESTORE_ENCRYPT", "on"),
            ("TELESTORE_AGE_RECIPIENTS", self.recipients.as_str()),
            ("TELESTORE_AGE_IDENTITY", identity.as_str()),
        ];
        Stage::with(&[&own, more].concat()).await
    }
}

/// What an age file holds, for whoever has this key.
pub(super) fn opened(file: &[u8], key: &Identity) -> Vec<u8> {
    let Parsed::Whole(header) = Header::parse(file).expect("an age file") else { panic!("it is cut off") };
    let payload = header.open(std::slice::from_ref(key)).expect("it is for this key");
    let all = file.len() as u64;
    let mut plain = Vec::new();
    for index in 0.. {
        let range = payload.chunk_range(index, all);
        let mut chunk = bytes::BytesMut::from(&file[range.start as usize..range.end as usize]);
        let is_last = payload.is_last(index, all);
        payload.decrypt_chunk(index, is_last, &mut chunk).expect("it was not changed");
        plain.extend_from_slice(&chunk);
        if is_last {
            return plain;
        }
    }
    unreachable!("it has a last chunk")
}

async fn raw(stage: &Stage, file: &Kept) -> Vec<u8> {
    let got = Got::of(ask(stage, "GET", &format!("{}?raw=1", file.path()))).await;
    assert_eq!(got.status, 200);
    got.body
}

fn last(stage: &Stage) -> SandboxMessage {
    stage.sandbox.messages_of(&stage.user).last().expect("a message").clone()
}

async fn shown(stage: &Stage, file: &Kept) -> Value {
    stage.ask(ask(stage, "GET", &format!("/files/{}", file.id))).await.ok()
}

/// Any ranges of a file are those of what was uploaded.
async fn ranges_come_back(stage: &Stage, file: &Kept, many: usize) {
    let all = file.bytes.len();
    for _ in 0..many {
        let from = rand::rng().random_range(0..all);
        let to = rand::rng().random_range(from..all.min(from + 3 * MIB));
        let got = file.get(stage, &[("Range", &format!("bytes={from}-{to}"))]).await;
        assert_eq!(got.status, 206);
        assert!(got.body == file.bytes[from..=to], "{from} to {to} of {all}");
    }
}

#[tokio::test]
async fn what_comes_by_any_door_is_encrypted_and_comes_back() {
    let keys = Keys::new();
    let stage = keys.stage(&[("TELESTORE_BOT_API_MAX_BYTES", "1000000")]).await;
    let chunked = File::new(11 * MIB + 3);
    let end = stage.send(&chunked).await;
    assert_eq!(
        (&end["status"], &end["encrypted"], &end["bytesSent"]),
        (&json!("completed"), &json!(true), &json!(11 * MIB + 3))
    );
    let mut kept = vec![Kept::newest(&stage, chunked.bytes).await];
    assert_eq!(end["file"], json!(kept[0].id));
    // By the Bot API: a chunk of age is 64 KiB.
    for length in [1, 65_535, 65_536, 65_537, 131_072] {
        kept.push(Kept::put(&stage, "small.txt", Some("text/plain"), random(length)).await);
    }
    let direct = File::new(700_000);
    assert_eq!(stage.direct(&direct).await.ok()["encrypted"], true);
    kept.push(Kept::newest(&stage, direct.bytes).await);
    let (tus, file) = (Tus::new(&stage), File::new(3 * MIB));
    let path = tus.begin_file(&file).await;
    tus.append(&path, 0, &file.bytes).await;
    assert_eq!(stage.end(id_of(&path)).await["status"], "completed");
    kept.push(Kept::newest(&stage, file.bytes).await);
    for (file, message) in kept.iter().zip(stage.sandbox.messages_of(&stage.user)) {
        let whole = file.get(&stage, &[]).await;
        assert_eq!((whole.status, whole.body == file.bytes), (200, true), "{}", file.bytes.len());
        let raw = raw(&stage, file).await;
        assert!(raw.starts_with(b"age-encryption.org/v1\n"));
        assert_eq!(
            (message.size, message.sha256.as_str()),
            (raw.len() as u64, &*hex::encode(Sha256::digest(&raw)))
        );
        assert!(
            message.sent_name.ends_with(".age") && message.caption.starts_with("Uploaded: "),
            "{message:?}"
        );
        for key in [&keys.worker, &keys.elsewhere] {
            assert!(opened(&raw, key) == file.bytes, "each of those it is for opens it");
        }
        let shown = shown(&stage, file).await;
        assert_eq!((&shown["encrypted"], &shown["size"]), (&json!(true), &json!(file.bytes.len())));
        assert!(!shown["fileName"].as_str().unwrap().ends_with(".age"), "the index has its own name");
        ranges_come_back(&stage, file, 5).await;
    }
    // By a link, and by the numbers of messages of which nobody says what they are.
    let made = ask(&stage, "POST", &format!("/files/{}/link", kept[0].id)).json(&json!({"expiresIn": 60}));
    let link = stage.ask(made).await.ok()["url"].as_str().expect("a link").to_owned();
    assert!(Got::of(stage.client.get(link)).await.body == kept[0].bytes);
    let number = last(&stage).message_id;
    let by_number = Got::of(ask(&stage, "GET", &format!("/messages/{number}/content"))).await;
    assert!(by_number.body == kept.last().unwrap().bytes);
    assert!(!by_number.header("content-disposition").contains(".age"), "{:?}", by_number.headers);
}

#[tokio::test]
async fn a_file_in_pieces_is_one_encrypted_file() {
    let keys = Keys::new();
    let stage =
        keys.stage(&[("TELESTORE_PIECE_BYTES", "3MiB"), ("TELESTORE_BOT_API_MAX_BYTES", "1000")]).await;
    let file = File::new(10 * MIB + 1);
    assert_eq!(stage.send(&file).await["status"], "completed");
    let kept = Kept::newest(&stage, file.bytes).await;
    let names: Vec<_> =
        stage.sandbox.messages_of(&stage.user).into_iter().map(|message| message.sent_name).collect();
    assert_eq!(names.len(), 4);
    for name in ["video.bin.age.001", "video.bin.age.004"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert!(opened(&raw(&stage, &kept).await, &keys.elsewhere) == kept.bytes);
    assert!(kept.get(&stage, &[]).await.body == kept.bytes);
    ranges_come_back(&stage, &kept, 10).await;
}

#[tokio::test]
async fn whoever_reads_the_channel_learns_no_name_if_names_are_hidden() {
    let stage = Keys::new().stage(&[("TELESTORE_ENCRYPT_NAMES", "on")]).await;
    let kept = Kept::put(&stage, "salaries.pdf", Some("application/pdf"), random(1000)).await;
    let message = last(&stage);
    let seen = format!("{message:?}");
    assert!(!seen.contains("salaries") && !seen.contains("pdf"), "{seen}");
    assert!(message.sent_name.ends_with(".age"), "{seen}");
    let whole = kept.get(&stage, &[]).await;
    assert_eq!(whole.header("content-type"), "application/pdf");
    assert!(whole.header("content-disposition").contains("salaries.pdf"));
    assert!(whole.body == kept.bytes);
}

#[tokio::test]
async fn an_upload_says_itself_whether_it_is_encrypted() {
    let keys = Keys::new();
    let stage = Stage::with(&[("TELESTORE_AGE_RECIPIENTS", &keys.recipients)]).await;
    let (plain, secret) = (random(500), random(500));
    let put = |query: &str, bytes: &Vec<u8>| {
        let put =
            stage.client.put(stage.url(&format!("/upload/a.bin{query}"))).bearer_auth(&stage.user.auth_token);
        put.body(bytes.clone())
    };
    assert_eq!(stage.ask(put("", &plain)).await.status, 201);
    let plain = Kept::newest(&stage, plain).await;
    assert_eq!(stage.ask(put("?encrypt=true", &secret)).await.status, 201);
    let secret = Kept::newest(&stage, secret).await;
    assert!(plain.get(&stage, &[]).await.body == plain.bytes);
    assert_eq!(shown(&stage, &plain).await["encrypted"], false);
    // This worker encrypts, and holds no key to read it.
    let refused = secret.get(&stage, &[]).await.error(409);
    assert!(refused.contains("no age identity") && refused.contains("(raw)"), "{refused}");
    assert!(opened(&raw(&stage, &secret).await, &keys.elsewhere) == secret.bytes);
    let wrong = stage.ask(put("?encrypt=perhaps", &secret.bytes)).await.error(400);
    assert!(wrong.contains("encrypt must be true or false"), "{wrong}");
}

#[tokio::test]
async fn a_file_that_cannot_be_encrypted_is_not_sent() {
    let stage = Stage::new().await;
    let file = File::new(100);
    let (index, token) = (0, stage.user.auth_token.clone());
    let form = file.chunk(index, &token).text("encrypt", "true");
    stage.form("/upload-chunk", form).await.ok();
    stage.complete(&file.id).await.ok();
    let end = stage.end(&file.id).await;
    assert_eq!(end["status"], "failed");
    let why = end["error"].as_str().unwrap();
    assert!(
        why.contains("nobody is named whom it is for") && why.contains("settings of the worker"),
        "{why}"
    );
    assert_eq!(stage.sandbox.messages_of(&stage.user), [], "least of all as it is");
}

#[tokio::test]
async fn a_text_is_compressed_and_noise_is_not() {
    let stage = Stage::with(&[("TELESTORE_COMPRESS", "on")]).await;
    let log = Kept::put(&stage, "access.log", Some("text/plain"), text(5 * MIB + 7)).await;
    let message = last(&stage);
    assert_eq!(message.sent_name, "access.log.zst");
    assert!(message.size < 4 * MIB as u64, "{}", message.size);
    assert!(log.get(&stage, &[]).await.body == log.bytes);
    ranges_come_back(&stage, &log, 20).await;
    let there = raw(&stage, &log).await;
    assert_eq!((there.len() as u64, &there[..4]), (message.size, &b"\x28\xb5\x2f\xfd"[..]), "a file of zstd");
    assert_eq!(shown(&stage, &log).await["compressed"], true);
    let noise = Kept::put(&stage, "noise.bin", None, random(MIB)).await;
    assert_eq!((last(&stage).sent_name.as_str(), last(&stage).size), ("noise.bin", MIB as u64));
    assert_eq!(shown(&stage, &noise).await["compressed"], false);
    assert!(noise.get(&stage, &[]).await.body == noise.bytes);
}

#[tokio::test]
async fn a_text_is_compressed_before_it_is_encrypted() {
    let keys = Keys::new();
    let stage = keys.stage(&[("TELESTORE_COMPRESS", "on"), ("TELESTORE_BOT_API_MAX_BYTES", "1000")]).await;
    let file = File::of(text(7 * MIB), &[CHUNK]).named("access.log");
    assert_eq!(stage.send(&file).await["status"], "completed");
    let kept = Kept::newest(&stage, file.bytes).await;
    let message = last(&stage);
    assert_eq!(message.sent_name, "access.log.zst.age");
    let inner = opened(&raw(&stage, &kept).await, &keys.elsewhere);
    assert!(message.size < 6 * MIB as u64 && inner.starts_with(b"\x28\xb5\x2f\xfd"));
    let whole = kept.get(&stage, &[]).await;
    assert!(whole.body == kept.bytes);
    assert!(whole.header("content-disposition").contains("access.log\""), "{:?}", whole.headers);
    ranges_come_back(&stage, &kept, 20).await;
    let by_number = Got::of(ask(&stage, "GET", &format!("/messages/{}/content", message.message_id))).await;
    assert!(by_number.body == kept.bytes);
}

#[tokio::test]
async fn a_changed_byte_ends_the_body_before_it() {
    let stage = Keys::new().stage(&[("TELESTORE_BOT_API_MAX_BYTES", "1000")]).await;
    let kept = Kept::put(&stage, "a.bin", None, random(2 * MIB)).await;
    stage
        .sandbox
        .faults()
        .inject(Fault::hostile_mtproto("upload.getFile", HostileMtproto::OtherBytes).skip(4));
    let answer = kept.ask(&stage, "GET").send().await.expect("an answer");
    let (mut got, mut body) = (Vec::new(), answer);
    let broke = loop {
        match soon("more, or the end", body.chunk()).await {
            Ok(Some(piece)) => got.extend_from_slice(&piece),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broke && got.len() < kept.bytes.len(), "{} bytes, as if that was all", got.len());
    assert!(got == kept.bytes[..got.len()], "nothing that was changed is given out");
}

#[tokio::test]
async fn a_worker_that_is_killed_goes_on_with_the_same_bytes() {
    let keys = Keys::new();
    let mut stage =
        keys.stage(&[("TELESTORE_COMPRESS", "on"), ("TELESTORE_BOT_API_MAX_BYTES", "1000")]).await;
    for part in [0, 2, 5] {
        let file = File::of(text(12 * MIB), &[CHUNK]).named("access.log");
        let hold = stage.sandbox.faults().inject(Fault::hold("upload.saveFilePart").part(part));
        stage.killed_at(hold, &file).await;
        stage.start().await;
        let end = stage.end(&file.id).await;
        assert_eq!(end["status"], "completed", "{end}");
        let kept = Kept::newest(&stage, file.bytes).await;
        assert!(opened(&raw(&stage, &kept).await, &keys.elsewhere).starts_with(b"\x28\xb5\x2f\xfd"));
        assert!(kept.get(&stage, &[]).await.body == kept.bytes);
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 3);
    let noise = random(8);
    let same = Kept::put(&stage, "a", None, noise.clone()).await;
    let first = raw(&stage, &same).await;
    let again = Kept::put(&stage, "b", None, noise).await;
    assert_ne!(first, raw(&stage, &again).await, "the same file is encrypted otherwise each time");
}
