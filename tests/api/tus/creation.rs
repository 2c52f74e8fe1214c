//! Creation, creation with upload, a deferred length, expiration.

use crate::support::{File, MIB, Stage};
use crate::tus::{OFFSET_STREAM, Tus, id_of, name_of, number, pair, path_of, refused};

/// Creation, POST: "If the Server successfully created the upload, it MUST respond with 201 Created and set the Location header to
/// the URL of the created resource. This URL MAY be absolute or relative."
#[tokio::test]
async fn an_address_survives_whatever_path_it_was_made_at() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    for endpoint in ["/tus", "/tus/", "//tus"] {
        let answer = tus.request("POST", endpoint).header("Upload-Length", "5").send().await.unwrap();
        assert_eq!(answer.status(), 201, "{endpoint}");
        let location = answer.headers()["location"].to_str().unwrap();
        assert!(!location.starts_with('/') && !location.contains(':'), "{location}");
        assert!(answer.headers().contains_key("upload-expires"));
        assert_eq!(tus.offset(&path_of(&answer)).await, 0, "{endpoint}");
    }
}

/// Creation, POST: "The Upload-Length header […] or Upload-Defer-Length: 1"; "If the length of the upload exceeds the maximum, which
/// MAY be specified using the Tus-Max-Size header, the Server MUST respond with the 413 Request Entity Too Large status."
#[tokio::test]
async fn lengths_that_are_none_or_too_large_are_refused() {
    let stage = Stage::with(&[("TELESTORE_MAX_FILE_BYTES", "10 MiB")]).await;
    let tus = Tus::new(&stage);
    let (status, words) = refused(tus.create(&[("Upload-Length", "10485761")]).await).await;
    assert!(status == 413 && words.contains("10485760"), "{status} {words}");
    for (headers, why) in [
        (&[][..], "upload-length is missing"),
        (&[("Upload-Defer-Length", "2")], "upload-defer-length must be 1"),
        (&[("Upload-Defer-Length", "true")], "upload-defer-length must be 1"),
        (&[("Upload-Length", "5"), ("Upload-Defer-Length", "1")], "contradict"),
    ] {
        let (status, words) = refused(tus.create(headers).await).await;
        assert!(status == 400 && words.contains(why), "{headers:?}: {status} {words}");
    }
    let deferred = tus.begin(&[("Upload-Defer-Length", "1")]).await;
    let answer = tus.patch(&deferred, 0).header("Upload-Length", "10485761").body("x").send().await.unwrap();
    assert_eq!(refused(answer).await.0, 413);
    assert_eq!(tus.offset(&deferred).await, 0);
}

/// Creation, Upload-Defer-Length: "If the length of an upload is not known […] HEAD MUST have Upload-Defer-Length: 1; once known, the
/// Client MUST set the Upload-Length header in the next PATCH request. Once set the length MUST NOT be changed."
#[tokio::test]
async fn a_length_may_be_said_with_any_patch() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let file = File::new(MIB);
    let path = tus.begin(&[("Upload-Defer-Length", "1"), ("Upload-Metadata", &name_of(&file))]).await;
    let answer = tus.head(&path).await;
    assert_eq!(answer.headers()["upload-defer-length"], "1");
    assert!(!answer.headers().contains_key("upload-length"));
    tus.append(&path, 0, &file.bytes[..1000]).await;
    let short = tus.patch(&path, 1000).header("Upload-Length", "999").body("x").send().await.unwrap();
    let (status, words) = refused(short).await;
    assert!([400, 413].contains(&status), "{status} {words}");
    let length = file.bytes.len().to_string();
    let said = tus.patch(&path, 1000).header("Upload-Length", &length);
    let answer = said.body(file.bytes[1000..2000].to_vec()).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), number(&answer, "upload-offset")), (204, 2000));
    let answer = tus.head(&path).await;
    assert_eq!(number(&answer, "upload-length"), file.bytes.len());
    assert!(!answer.headers().contains_key("upload-defer-length"));
    let changed = tus.patch(&path, 2000).header("Upload-Length", "5000").body("x").send().await.unwrap();
    let (status, words) = refused(changed).await;
    assert!(status == 400 && words.contains("does not change"), "{status} {words}");
    tus.append(&path, 2000, &file.bytes[2000..]).await;
    tus.arrived(&path, &file).await;
}

/// The last PATCH of a client that did not know the length may bring it, and no bytes.
#[tokio::test]
async fn a_length_may_come_alone_at_the_end() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(10_000));
    let path = tus.begin(&[("Upload-Defer-Length", "1"), ("Upload-Metadata", &name_of(&file))]).await;
    tus.append(&path, 0, &file.bytes).await;
    let answer = tus.patch(&path, 10_000).header("Upload-Length", "10000").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), number(&answer, "upload-offset")), (204, 10_000));
    tus.arrived(&path, &file).await;
    let again = tus.patch(&path, 10_000).header("Upload-Length", "10000").send().await.unwrap();
    assert_eq!(again.status(), 204, "its answer may have been lost");
}

/// Creation with upload: "The Client MAY include the entire upload or only the start of it"; "MUST include the Upload-Offset header";
/// "the Content-Type MUST be application/offset+octet-stream".
#[tokio::test]
async fn the_first_bytes_may_come_along() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(9 * MIB));
    let length = file.bytes.len().to_string();
    let with = |bytes: &[u8]| {
        let request = tus.request("POST", "/tus").header("Upload-Length", &length);
        let request = request.header("Upload-Metadata", name_of(&file));
        request.header("Content-Type", OFFSET_STREAM).body(bytes.to_vec())
    };
    let answer = with(&file.bytes[..MIB]).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), number(&answer, "upload-offset")), (201, MIB));
    let path = path_of(&answer);
    assert_eq!(tus.offset(&path).await, MIB);
    tus.append(&path, MIB, &file.bytes[MIB..]).await;
    tus.arrived(&path, &file).await;
    let whole = with(&file.bytes).send().await.unwrap();
    assert_eq!((whole.status().as_u16(), number(&whole, "upload-offset")), (201, file.bytes.len()));
    assert_eq!(stage.end(id_of(&path_of(&whole))).await["status"], "completed");
    let more = [&file.bytes[..], b"x"].concat();
    let (status, words) = refused(with(&more).send().await.unwrap()).await;
    assert!(status == 413 && words.contains("bytes long"), "{status} {words}");
    let defaults = tus.request("POST", "/tus").header("Upload-Length", "5");
    let answer = defaults.header("Content-Type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 201, "clients set types by themselves");
    assert!(!answer.headers().contains_key("upload-offset"));
}

/// Creation, Upload-Metadata: "MUST consist of one or more comma-separated key-value pairs. The key and value MUST be separated by a
/// space. The key MUST NOT contain spaces and commas and MUST NOT be empty. The key SHOULD be ASCII encoded and the value MUST be
/// Base64 encoded. All keys MUST be unique."; "The Server MAY return it with a HEAD: it MUST be as it was sent".
#[tokio::test]
async fn metadata_are_returned_as_they_were_sent_and_name_the_file() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let sent = format!("is_confidential,{},{}", pair("name", "a/b\u{e4}.txt"), pair("relativePath", "null"));
    let path = tus.begin(&[("Upload-Length", "5"), ("Upload-Metadata", &sent)]).await;
    assert_eq!(tus.head(&path).await.headers()["upload-metadata"], sent);
    tus.append(&path, 0, b"hello").await;
    assert_eq!(stage.end(id_of(&path)).await["status"], "completed");
    assert_eq!(stage.sandbox.messages_of(&stage.user)[0].sent_name, "b\u{e4}.txt");
    let empty = tus.begin(&[("Upload-Length", "5"), ("Upload-Metadata", "")]).await;
    assert!(!tus.head(&empty).await.headers().contains_key("upload-metadata"), "as tuspy sends it");
    tus.append(&empty, 0, b"hello").await;
    assert_eq!(stage.end(id_of(&empty)).await["status"], "completed");
    let name = format!("upload-{}", &id_of(&empty)[..8]);
    assert!(stage.sandbox.messages_of(&stage.user).iter().any(|message| message.sent_name == name));
    for wrong in ["a ???", "a YQ==,a YQ==", "a YQ==,,b YQ==", ", b"] {
        let answer = tus.create(&[("Upload-Length", "5"), ("Upload-Metadata", wrong)]).await;
        let (status, words) = refused(answer).await;
        assert!(status == 400 && words.contains("upload-metadata"), "{wrong}: {status} {words}");
    }
}

/// The options of an upload stand among the metadata.
#[tokio::test]
async fn options_are_metadata() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let sent =
        [pair("filename", "a.txt"), pair("filetype", "text/x-log"), pair("caption", "to the letter {size}")];
    let path = tus.begin(&[("Upload-Length", "5"), ("Upload-Metadata", &sent.join(","))]).await;
    tus.append(&path, 0, b"hello").await;
    assert_eq!(stage.end(id_of(&path)).await["status"], "completed");
    let message = &stage.sandbox.messages_of(&stage.user)[0];
    assert_eq!(message.caption, "to the letter {size}");
    assert_eq!(message.mime_type, "text/x-log");
    for (name, value, why) in [
        ("topicId", "x", "topicId must be"),
        ("sha256", "e3b0", "sha256 must be"),
        ("silent", "maybe", "silent must"),
    ] {
        let answer = tus.create(&[("Upload-Length", "5"), ("Upload-Metadata", &pair(name, value))]).await;
        let (status, words) = refused(answer).await;
        assert!(status == 400 && words.contains(why), "{status} {words}");
    }
    let other =
        tus.begin(&[("Upload-Length", "5"), ("Upload-Metadata", &pair("sha256", &"0".repeat(64)))]).await;
    tus.append(&other, 0, b"hello").await;
    let end = stage.end(id_of(&other)).await;
    assert_eq!(end["status"], "failed", "{end}");
}

/// Telegram takes no empty files; a client of tus expects to be let in.
#[tokio::test]
async fn an_empty_file_is_created_and_then_fails_with_words() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "0")]).await;
    let end = stage.progress(id_of(&path)).await.ok();
    assert_eq!(end["status"], "failed");
    assert!(end["error"].as_str().unwrap().contains("file is empty"), "{end}");
    assert_eq!(tus.head(&path).await.status(), 404, "so that its client may send it again");
    let later = tus.begin(&[("Upload-Defer-Length", "1")]).await;
    let answer = tus.patch(&later, 0).header("Upload-Length", "0").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), number(&answer, "upload-offset")), (204, 0));
    assert_eq!(stage.end(id_of(&later)).await["status"], "failed");
}

/// Expiration, Upload-Expires: "This header MUST be included in every PATCH response if the upload is going to expire. If the
/// expiration is known at the creation, the Upload-Expires header MUST be included in the response to the initial POST request. Its
/// value MAY change over time."; "If a Client does attempt to resume an upload which has since been removed by the Server, the Server
/// SHOULD respond with the 404 Not Found or 410 Gone status."
#[tokio::test]
async fn it_is_said_until_when_an_upload_is_kept_and_then_it_is_gone() {
    let mut stage = Stage::with(&[("TELESTORE_SESSION_TTL", "1h")]).await;
    let tus = Tus::new(&stage);
    let answer = tus.create(&[("Upload-Length", "10")]).await;
    let path = path_of(&answer);
    let until = httpdate(answer.headers()["upload-expires"].to_str().unwrap());
    let hour = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let off = until.duration_since(hour).unwrap_or_else(|error| error.duration());
    assert!(off.as_secs() < 120, "{until:?}");
    let answer = tus.patch(&path, 0).body("hello").send().await.unwrap();
    assert!(httpdate(answer.headers()["upload-expires"].to_str().unwrap()) >= until);
    stage.kill().await;
    let database = stage.data_dir().join("telestore.db");
    let url = format!("sqlite://{}", database.display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let aged =
        sqlx::query("UPDATE uploads SET updated_at = updated_at - 4000000").execute(&pool).await.unwrap();
    assert_eq!(aged.rows_affected(), 1);
    pool.close().await;
    stage.start().await;
    let tus = Tus::new(&stage);
    crate::support::soon("the sweep", async {
        while tus.head(&path).await.status() != 404 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let answer = tus.patch(&path, 5).body("world").send().await.unwrap();
    assert_eq!(refused(answer).await.0, 404);
}

/// What a date says, as HTTP writes it.
fn httpdate(text: &str) -> std::time::SystemTime {
    httpdate::parse_http_date(text).expect("a date of HTTP")
}

/// A user may have so much that is not sent yet.
#[tokio::test]
async fn quotas_hold_and_do_not_end_clients() {
    let stage = Stage::with(&[("TELESTORE_USER_STORED_BYTES", "1 MiB")]).await;
    let tus = Tus::new(&stage);
    let answer = tus.create(&[("Upload-Length", "2097152")]).await;
    let (status, words) = refused(answer).await;
    assert!(status == 507 && words.contains("as many bytes"), "{status} {words}");
    assert_eq!(tus.create(&[("Upload-Length", "1000")]).await.status(), 201);
}
