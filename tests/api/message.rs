//! Messages as people want them, by both APIs alike: captions, topics, silence.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telestore_sandbox::{Fault, Kind, SandboxMessage, Topic, Via};

use crate::support::{CHUNK, File, MIB, Stage, chunk_form};

/// What makes files of more than a byte go by one API or the other.
const BOTH: [(&str, Via); 2] = [("50 MiB", Via::BotApi), ("1", Via::Mtproto)];

impl Stage {
    async fn by(limit: &str, settings: &[(&str, &str)]) -> Self {
        Self::with(&[settings, &[("TELESTORE_BOT_API_MAX_BYTES", limit)]].concat()).await
    }

    /// Makes a forum of the user's chat, with an open topic 7, a closed one 8, and one 9 that was there.
    fn forum(&self) {
        let chat = &self.user.channel_id;
        self.sandbox.set_supergroup(chat, true);
        for (id, topic) in [(7, Topic::Open), (8, Topic::Closed), (9, Topic::Deleted)] {
            self.sandbox.set_topic(chat, id, topic);
        }
    }

    /// Sends a file of one chunk with these fields beside the usual ones, and waits for its end.
    async fn send_with(&self, file: &File, fields: &[(&'static str, &str)]) -> Value {
        self.form("/upload-chunk", self.chunk_with(file, fields)).await.ok();
        self.complete(&file.id).await.ok();
        self.end(&file.id).await
    }

    fn chunk_with(&self, file: &File, fields: &[(&'static str, &str)]) -> Form {
        let mut all = file.fields(0, &self.user.auth_token);
        all.extend(fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
        chunk_form(file.bytes.clone(), all)
    }

    #[track_caller]
    fn last(&self) -> SandboxMessage {
        self.sandbox.messages_of(&self.user).pop().expect("a message")
    }
}

fn looks(message: &SandboxMessage) -> Vec<(&str, i32, i32)> {
    message.entities.iter().map(|entity| (entity.kind.as_str(), entity.offset, entity.length)).collect()
}

#[tokio::test]
async fn options_are_taken_by_every_call_and_every_way_to_telegram() {
    for (limit, via) in BOTH {
        let stage = Stage::by(limit, &[]).await;
        stage.forum();
        let check = |name: &str| {
            let message = stage.last();
            assert_eq!(message.via, via);
            let told = (message.caption.as_str(), message.topic_id, message.silent);
            assert_eq!(told, ("<b>👍</b> {fileName}", Some(7), true), "{name}");
            assert_eq!(message.entities, [], "what a client sends is no markup");
        };
        let named = [("caption", " <b>👍</b>\r {fileName}\n"), ("topicId", "7"), ("silent", "true")];
        assert_eq!(stage.send_with(&File::new(20), &named).await["status"], "completed");
        check("a chunk");

        let file = File::new(20);
        let form = named
            .iter()
            .fold(file.direct(&stage.user.auth_token), |form, (name, value)| form.text(*name, *value));
        stage.form("/upload", form).await.ok();
        check("a direct upload");

        let file = File::new(20);
        let token = stage.user.auth_token.clone();
        let mut init = json!({"uploadId": file.id, "fileName": file.name, "totalChunks": 1, "fileSize": 20, "authToken": token});
        (init["caption"], init["topicId"]) = (json!(named[0].1), json!(7));
        stage.post("/init-upload", init).await.ok();
        stage.chunk(&file, 0).await.ok();
        stage.post("/complete-upload", json!({"uploadId": file.id, "silent": true})).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        check("a start and a completion");
    }
}

#[tokio::test]
async fn the_first_value_of_an_option_counts() {
    let stage = Stage::new().await;
    let file = File::in_chunks(20, &[10]);
    let chunk = |index: usize, caption: &str| {
        let mut fields = file.fields(index, &stage.user.auth_token);
        fields.push(("caption", caption.to_owned()));
        chunk_form(file.piece(index).to_vec(), fields)
    };
    stage.form("/upload-chunk", chunk(0, "one")).await.ok();
    let said = stage.form("/upload-chunk", chunk(1, "two")).await.error(409);
    assert!(said.starts_with("caption was named with another value before"), "{said}");
    let status = stage.get(&format!("/upload-status/{}", file.id)).await.ok();
    assert_eq!(status["received_chunks"], 1, "the chunk was not taken either: {status}");
    stage.form("/upload-chunk", chunk(1, "one")).await.ok();
    let said = stage.post("/complete-upload", json!({"uploadId": file.id, "caption": ""})).await.error(409);
    assert!(said.starts_with("caption was named"), "{said}");
    let pause = stage.sandbox.pause("sendDocument");
    stage.post("/complete-upload", json!({"uploadId": file.id, "caption": "one"})).await.ok();
    stage.post("/complete-upload", json!({"uploadId": file.id, "caption": "one"})).await.ok();
    let late = json!({"uploadId": file.id, "silent": true});
    let said = stage.post("/complete-upload", late).await.error(409);
    assert!(said.starts_with("silent comes too late"), "{said}");
    stage.sandbox.resume(pause);
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    let message = stage.last();
    assert_eq!((message.caption.as_str(), message.silent), ("one", false));
}

#[tokio::test]
async fn what_is_malformed_is_refused_and_stores_nothing() {
    let stage = Stage::new().await;
    let long = "x".repeat(4097);
    for (name, value, words) in [
        ("topicId", "0", "topicId must be a number from 1 to 2147483647"),
        ("topicId", "2147483648", "topicId must be a number from 1 to 2147483647"),
        ("topicId", "general", "topicId must be a whole number"),
        ("silent", "maybe", "silent must be true or false"),
        ("sha256", "e3b0", "sha256 must be"),
        ("sendAs", "film", "sendAs must be document, video, audio or photo"),
        ("caption", &long, "caption must be at most 4096 characters"),
    ] {
        let file = File::new(20);
        let said = stage.form("/upload-chunk", stage.chunk_with(&file, &[(name, value)])).await.error(400);
        assert!(said.contains(words), "{said}");
        let form = file.direct(&stage.user.auth_token).text(name, value.to_owned());
        assert!(stage.form("/upload", form).await.error(400).contains(words));
        let json = json!({"uploadId": file.id, name: value});
        assert!(stage.post("/complete-upload", json).await.error(400).contains(words));
        stage.get(&format!("/upload-status/{}", file.id)).await.error(404);
    }
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
}

#[tokio::test]
async fn the_settings_hold_where_a_client_says_nothing() {
    let template = "<b>{fileName}</b> ({size}) of <code>{userId}</code>";
    for (limit, via) in BOTH {
        let settings =
            [("TELESTORE_CAPTION", template), ("TELESTORE_TOPIC_ID", "7"), ("TELESTORE_SILENT", "on")];
        let stage = Stage::by(limit, &settings).await;
        stage.forum();
        let file = File::new(2048).named("<i>👍</i> &amp; {size}.txt");
        assert_eq!(stage.send_with(&file, &[]).await["status"], "completed");
        let message = stage.last();
        let name = file.name.rsplit('/').next().unwrap();
        assert_eq!(message.caption, format!("{name} (2.0 KiB) of {}", stage.user.user_id));
        let name = name.encode_utf16().count() as i32;
        let user = message.caption.encode_utf16().count() as i32 - 36;
        assert_eq!(looks(&message), [("bold", 0, name), ("code", user, 36)]);
        assert_eq!((message.via, message.topic_id, message.silent), (via, Some(7), true));

        let named = [("caption", ""), ("topicId", "1"), ("silent", "false")];
        assert_eq!(stage.send_with(&File::new(20), &named).await["status"], "completed");
        let message = stage.last();
        assert_eq!((message.caption.as_str(), message.topic_id, message.silent), ("", None, false));
    }
}

#[tokio::test]
async fn a_topic_that_is_not_open_is_told_as_that() {
    for (limit, _) in BOTH {
        let stage = Stage::by(limit, &[]).await;
        stage.forum();
        for (topic, words) in [
            ("8", "its topic is closed"),
            ("9", "its topic was deleted"),
            ("10", "the chat has no topic of this number"),
        ] {
            let file = File::new(20);
            let end = stage.send_with(&file, &[("topicId", topic)]).await;
            let said = end["error"].as_str().unwrap_or_default();
            assert!(said.starts_with("Telegram refused the file: ") && said.contains(words), "{end}");
        }
        assert!(stage.sandbox.messages_of(&stage.user).is_empty());
    }
}

#[tokio::test]
async fn a_long_caption_is_cut_by_telegrams_units() {
    for (limit, _) in BOTH {
        let stage = Stage::by(limit, &[]).await;
        let caption = format!("x{}", "👍".repeat(600));
        assert_eq!(stage.send_with(&File::new(20), &[("caption", &caption)]).await["status"], "completed");
        assert_eq!(stage.last().caption, format!("x{}", "👍".repeat(511)));
    }
}

#[tokio::test]
async fn options_outlive_a_killed_worker() {
    let mut stage = Stage::by("1", &[]).await;
    stage.forum();
    let file = File::new(20);
    let named = [("caption", "kept"), ("topicId", "7"), ("silent", "true")];
    stage.form("/upload-chunk", stage.chunk_with(&file, &named)).await.ok();
    stage.kill().await;
    stage.start().await;
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    let message = stage.last();
    assert_eq!((message.caption.as_str(), message.topic_id, message.silent), ("kept", Some(7), true));
}

#[tokio::test]
async fn files_are_sent_as_asked_and_else_as_documents() {
    for (limit, via) in BOTH {
        let stage = Stage::by(limit, &[]).await;
        for (name, asked, kind) in [
            ("a.mp4", None, Kind::Document),
            ("a.gif", Some("document"), Kind::Document),
            ("a.mp4", Some("video"), Kind::Video),
            ("a.mp3", Some("audio"), Kind::Audio),
            ("no-picture.jpg", Some("photo"), Kind::Document),
        ] {
            let file = File::new(500).named(name);
            let fields: Vec<_> = asked.map(|asked| ("sendAs", asked)).into_iter().collect();
            assert_eq!(stage.send_with(&file, &fields).await["status"], "completed");
            let message = stage.last();
            assert_eq!((message.via, message.kind), (via, kind), "{name} as {asked:?}");
            assert_eq!(message.sha256, hex::encode(Sha256::digest(&file.bytes)));
        }
    }
}

#[tokio::test]
async fn a_photo_is_one_within_telegrams_bounds() {
    for (limit, via) in BOTH {
        let stage = Stage::by(limit, &[("TELESTORE_SEND_AS", "photo")]).await;
        for (width, height, kind) in [(640, 480, Kind::Photo), (2100, 100, Kind::Document)] {
            let file = picture(width, height);
            let end = stage.send_with(&file, &[]).await;
            let message = stage.last();
            assert_eq!((message.via, message.kind), (via, kind), "{width}x{height}");
            let id =
                if via == Via::Mtproto { message.document_id.to_string() } else { message.file_id.clone() };
            assert_eq!((&end["messageId"], &end["fileId"]), (&json!(message.message_id), &json!(id)));
        }
    }
}

#[tokio::test]
async fn a_photo_that_telegram_refuses_goes_as_a_document() {
    for (limit, method) in [("50 MiB", "sendPhoto"), ("1", "messages.sendMedia")] {
        let stage = Stage::by(limit, &[]).await;
        stage.sandbox.faults().inject(Fault::rpc_error(method, 400, "PHOTO_INVALID_DIMENSIONS").once());
        assert_eq!(stage.send_with(&picture(64, 48), &[("sendAs", "photo")]).await["status"], "completed");
        assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1);
        assert_eq!(stage.last().kind, Kind::Document);
    }
}

/// A file that begins as a JPEG picture of this size does.
fn picture(width: u16, height: u16) -> File {
    let mut file = File::new(500).named("picture.jpg");
    let mut head = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08".to_vec();
    head.extend(height.to_be_bytes());
    head.extend(width.to_be_bytes());
    file.bytes[..head.len()].copy_from_slice(&head);
    file
}

#[tokio::test]
async fn a_file_of_another_digest_is_not_sent() {
    for (limit, _) in BOTH {
        let stage = Stage::by(limit, &[]).await;
        let file = File::new(700_000);
        let right = hex::encode(Sha256::digest(&file.bytes));
        let wrong = right.replace(|digit: char| digit != '0', "a");
        let said = stage.send_with(&file, &[("sha256", &wrong)]).await;
        assert_eq!(said["status"], "failed");
        let why = said["error"].as_str().unwrap();
        assert!(why.contains(&right) && why.contains(&wrong) && why.contains("it was not sent"), "{why}");

        let form = file.direct(&stage.user.auth_token).text("sha256", wrong.clone());
        stage.form("/upload", form).await.error(400);
        assert!(stage.sandbox.messages_of(&stage.user).is_empty());

        let good = File { id: format!("{}-2", file.id), ..file.clone() };
        assert_eq!(stage.send_with(&good, &[("sha256", &right.to_uppercase())]).await["status"], "completed");
        let form = file.direct(&stage.user.auth_token).text("sha256", right);
        stage.form("/upload", form).await.ok();
        assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 2);
    }
}

#[tokio::test]
async fn a_digest_is_compared_also_of_what_was_sent_before() {
    let mut stage = Stage::by("1", &[]).await;
    let file = File::in_chunks(20 * MIB, &[10 * MIB]);
    stage.chunks(&file).await;
    let wrong = "a".repeat(64);
    stage.post("/complete-upload", json!({"uploadId": file.id, "sha256": wrong})).await.ok();
    // Sent early, or in part before the worker was killed.
    stage.kill().await;
    stage.start().await;
    assert_eq!(stage.end(&file.id).await["status"], "failed");
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
}

#[tokio::test]
async fn videos_and_music_tell_what_they_are() {
    const VIDEO: &[u8] = include_bytes!("../../crates/telestore-uploader/src/media/samples/behind.mp4");
    const MUSIC: &[u8] = include_bytes!("../../crates/telestore-uploader/src/media/samples/music.mp3");
    for (limit, via) in BOTH {
        let stage = Stage::by(limit, &[]).await;
        let file = |bytes: &[u8], name: &str| File::of(bytes.to_vec(), &[CHUNK]).named(name);
        for sent_as in ["document", "video"] {
            assert_eq!(
                stage.send_with(&file(VIDEO, "film.mp4"), &[("sendAs", sent_as)]).await["status"],
                "completed"
            );
            let message = stage.last();
            assert_eq!(message.via, via);
            let Some(video) = message.media else {
                assert_eq!((message.kind, sent_as), (Kind::Document, "document"));
                continue;
            };
            assert_eq!(
                (message.kind, video.size, video.supports_streaming),
                (Kind::Video, Some((64, 48)), true)
            );
            assert_eq!(video.seconds, 2.0);
        }
        stage.send_with(&file(MUSIC, "song.mp3"), &[("sendAs", "audio")]).await;
        let message = stage.last();
        let music = message.media.expect("it says what it is");
        assert_eq!((message.kind, music.seconds), (Kind::Audio, 2.0));
        assert_eq!(
            (music.title.as_deref(), music.performer.as_deref()),
            (Some("A 👍 title"), Some("Somebody"))
        );
        // What cannot be read goes without.
        stage.send_with(&File::new(700).named("broken.mkv"), &[("sendAs", "video")]).await;
        assert_eq!(stage.last().sha256.len(), 64);
        assert!(stage.last().media.is_none_or(|media| media.size == Some((0, 0))));
    }
}

#[tokio::test]
async fn a_thumbnail_goes_along_and_outlives_the_worker() {
    for (limit, via) in BOTH {
        let mut stage = Stage::by(limit, &[]).await;
        let (first, other) = (picture(320, 320).bytes, picture(319, 320).bytes);
        let with = |stage: &Stage, file: &File, index: usize, thumbnail: &[u8]| {
            file.chunk(index, &stage.user.auth_token)
                .part("thumbnail", Part::bytes(thumbnail.to_vec()).file_name("small.jpg"))
        };
        let file = File::in_chunks(2_000, &[1_000]);
        stage.form("/upload-chunk", with(&stage, &file, 0, &first)).await.ok();
        stage.form("/upload-chunk", with(&stage, &file, 0, &first)).await.ok();
        let said = stage.form("/upload-chunk", with(&stage, &file, 1, &other)).await.error(409);
        assert!(said.starts_with("thumbnail was named with another value"), "{said}");
        let large = picture(321, 320).bytes;
        let said = stage.form("/upload-chunk", with(&stage, &file, 1, &large)).await.error(400);
        assert!(said.starts_with("thumbnail must be a JPEG"), "{said}");
        stage.kill().await;
        stage.start().await;
        stage.chunk(&file, 1).await.ok();
        let status = stage.get(&format!("/upload-status/{}", file.id)).await.ok();
        assert_eq!(status["received_chunk_indices"], json!([0, 1]), "it is no chunk");
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        let (message, digest) = (stage.last(), Some(hex::encode(Sha256::digest(&first))));
        assert_eq!((message.via, &message.thumbnail), (via, &digest));
        file.assert_is(&message);

        let form = file.direct(&stage.user.auth_token);
        let form = form.part("thumbnail", Part::bytes(first.clone()).file_name("small.jpg"));
        stage.form("/upload", form).await.ok();
        assert_eq!(stage.last().thumbnail, digest);

        let gone = File::new(10);
        stage.form("/upload-chunk", with(&stage, &gone, 0, &first)).await.ok();
        stage.post("/cancel-upload", json!({"uploadId": gone.id})).await.ok();
        stage.emptied(&["chunks"]).await;
    }
}
