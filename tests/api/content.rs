//! Files read back: whole, in ranges, under their names, by whoever may.

mod bot_alone;
mod broken;
mod clients;
mod doors;
mod encoded;
mod gone;
mod links;
mod outlasted;

use reqwest::header::{HeaderMap, RANGE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use telestore_sandbox::UserSpec;

use crate::support::{File, MIB, Stage, random};
use crate::tus::{Tus, id_of};

/// A file of the index.
struct Kept {
    id: String,
    bytes: Vec<u8>,
}

impl Kept {
    /// Puts bytes into the channel under this name.
    async fn put(stage: &Stage, name: &str, kind: Option<&str>, bytes: Vec<u8>) -> Self {
        let name: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let put = stage.client.put(stage.url(&format!("/upload/{name}"))).bearer_auth(&stage.user.auth_token);
        let put = kind.iter().fold(put, |put, kind| put.header("Content-Type", *kind));
        let answer = put.body(bytes.clone()).send().await.expect("an answer");
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        Self::newest(stage, bytes).await
    }

    /// The newest file of the index, which has these bytes.
    async fn newest(stage: &Stage, bytes: Vec<u8>) -> Self {
        let listed = stage.client.get(stage.url("/files?limit=1")).bearer_auth(&stage.user.auth_token);
        let file = stage.ask(listed).await.ok()["files"][0].clone();
        assert_eq!(file["size"], bytes.len());
        Self { id: file["id"].as_str().expect("an id").to_owned(), bytes }
    }

    fn path(&self) -> String {
        format!("/files/{}/content", self.id)
    }

    /// A request of its user.
    fn ask(&self, stage: &Stage, method: &str) -> RequestBuilder {
        ask(stage, method, &self.path())
    }

    async fn get(&self, stage: &Stage, headers: &[(&str, &str)]) -> Got {
        let request = headers
            .iter()
            .fold(self.ask(stage, "GET"), |request, (name, value)| request.header(*name, *value));
        Got::of(request).await
    }
}

/// A request of the stage's user.
fn ask(stage: &Stage, method: &str, path: &str) -> RequestBuilder {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    stage.client.request(method, stage.url(path)).bearer_auth(&stage.user.auth_token)
}

/// What came.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    async fn of(request: RequestBuilder) -> Self {
        Self::by(request.send().await.expect("the worker answers")).await
    }

    async fn by(answer: Response) -> Self {
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Self { status, headers, body: answer.bytes().await.expect("all of the body").to_vec() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    #[track_caller]
    fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let body: Value = serde_json::from_slice(&self.body).expect("JSON");
        body["error"].as_str().expect("words").to_owned()
    }
}

#[tokio::test]
async fn what_came_by_any_door_comes_back() {
    let stage = Stage::new().await;
    let chunked = File::new(11 * MIB);
    assert_eq!(stage.send(&chunked).await["status"], "completed");
    let mut kept = vec![Kept::newest(&stage, chunked.bytes).await];
    // Small ones go by the Bot API.
    kept.push(Kept::put(&stage, "small.bin", None, random(5)).await);
    let direct = File::new(700_000);
    stage.direct(&direct).await.ok();
    kept.push(Kept::newest(&stage, direct.bytes).await);
    let (tus, file) = (Tus::new(&stage), File::new(3 * MIB));
    let path = tus.begin_file(&file).await;
    tus.append(&path, 0, &file.bytes).await;
    assert_eq!(stage.end(id_of(&path)).await["status"], "completed");
    kept.push(Kept::newest(&stage, file.bytes).await);
    for file in kept {
        let length = file.bytes.len().to_string();
        let whole = file.get(&stage, &[]).await;
        assert_eq!(whole.status, 200);
        assert!(whole.body == file.bytes, "{length}");
        let head = Got::of(file.ask(&stage, "HEAD")).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in [
            "content-length",
            "etag",
            "accept-ranges",
            "content-type",
            "content-disposition",
            "last-modified",
        ] {
            assert!(!head.header(name).is_empty(), "{name}");
            assert_eq!(head.header(name), whole.header(name), "{name}");
        }
        assert_eq!(
            (whole.header("content-length"), whole.header("accept-ranges")),
            (length.as_str(), "bytes")
        );
        let middle = file.bytes.len() / 2;
        let rest = file.get(&stage, &[("Range", &format!("bytes={middle}-"))]).await;
        assert_eq!(rest.status, 206);
        assert!(rest.body == file.bytes[middle..], "{length}");
    }
}

#[tokio::test]
async fn ranges_are_those_of_the_file() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.bin", None, random(MIB + 7)).await;
    let all = MIB + 7;
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, all),
        ("bytes=262143-262144", 262_143, 262_145),
        ("bytes=1048576-", MIB, all),
        ("bytes=1048582-99999999999999999999", all - 1, all),
        ("bytes=-1", all - 1, all),
        ("bytes=-99999999", 0, all),
    ] {
        let got = file.get(&stage, &[("Range", range)]).await;
        assert_eq!(got.status, 206, "{range}");
        assert_eq!(got.header("content-range"), format!("bytes {from}-{}/{all}", to - 1), "{range}");
        assert_eq!(got.header("content-length"), (to - from).to_string(), "{range}");
        assert!(got.body == file.bytes[from..to], "{range}");
    }
    for ignored in ["bytes=0-1,5-6", "bytes=5-1", "lines=1-2", "bytes=x", "bytes"] {
        let got = file.get(&stage, &[("Range", ignored)]).await;
        assert_eq!((got.status, got.header("content-range")), (200, ""), "{ignored}");
        assert!(got.body == file.bytes, "{ignored}");
    }
    for outside in ["bytes=1048583-", "bytes=1048583-1048590", "bytes=-0", "bytes=99999999999999999999-"] {
        let got = file.get(&stage, &[("Range", outside)]).await;
        assert!(got.error(416).contains("1048583 bytes"), "{outside}");
        assert_eq!(got.header("content-range"), "bytes */1048583", "{outside}");
    }
    let head = Got::of(file.ask(&stage, "HEAD").header(RANGE, "bytes=0-1")).await;
    assert_eq!((head.status, head.header("content-length")), (200, "1048583"), "it means nothing there");
}

#[tokio::test]
async fn who_has_a_file_or_a_part_of_it_gets_what_is_missing() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.bin", None, random(1000)).await;
    let whole = file.get(&stage, &[]).await;
    let (tag, date) = (whole.header("etag").to_owned(), whole.header("last-modified").to_owned());
    assert!(tag.starts_with('"') && tag.len() > 2, "{tag}");
    assert_eq!(file.get(&stage, &[]).await.header("etag"), tag);
    let weak = format!("W/{tag}");
    for (headers, status) in [
        (&[("If-None-Match", tag.as_str())][..], 304),
        (&[("If-None-Match", &weak)], 304),
        (&[("If-None-Match", "\"other\"")], 200),
        (&[("If-Modified-Since", &date)], 304),
        (&[("If-Match", &tag)], 200),
        (&[("If-Match", "\"other\"")], 412),
        (&[("If-Unmodified-Since", "Sat, 29 Oct 1994 19:43:31 GMT")], 412),
        (&[("Range", "bytes=1-2"), ("If-Range", &tag)], 206),
        (&[("Range", "bytes=1-2"), ("If-Range", &date)], 206),
        (&[("Range", "bytes=1-2"), ("If-Range", &weak)], 200),
        (&[("Range", "bytes=1-2"), ("If-Range", "\"other\"")], 200),
    ] {
        let got = file.get(&stage, headers).await;
        assert_eq!(got.status, status, "{headers:?}");
        match status {
            304 => assert!(got.body.is_empty() && got.header("etag") == tag, "{headers:?}"),
            412 => assert!(got.error(412).contains("If-Match")),
            206 => assert!(got.body == file.bytes[1..3]),
            _ => assert!(got.body == file.bytes, "{headers:?}"),
        }
    }
    let other = Kept::put(&stage, "a.bin", None, file.bytes.clone()).await;
    assert_ne!(other.get(&stage, &[]).await.header("etag"), tag);
}

#[tokio::test]
async fn files_have_their_names_and_run_nothing() {
    let stage = Stage::new().await;
    for (name, kind, type_of, fallback, escaped) in [
        ("a b.txt", None, "text/plain", "a b.txt", "a%20b.txt"),
        ("\u{dc}bung \"1\".pdf", None, "application/pdf", "_bung _1_.pdf", "%C3%9Cbung%20%221%22.pdf"),
        ("\u{1f600}.mp4", Some("video/mp4"), "video/mp4", "_.mp4", "%F0%9F%98%80.mp4"),
        ("a\r\nX-Evil: 1", Some("text/html"), "text/html", "a__X-Evil: 1", "a__X-Evil%3A%201"),
        ("x.svg", None, "image/svg+xml", "x.svg", "x.svg"),
        ("thing", None, "application/octet-stream", "thing", "thing"),
    ] {
        let file = Kept::put(&stage, name, kind, random(2000)).await;
        let got =
            file.get(&stage, &[("Accept-Encoding", "gzip, br"), ("Origin", "https://any.example")]).await;
        let called = format!("filename=\"{fallback}\"; filename*=UTF-8''{escaped}");
        assert_eq!(got.header("content-disposition"), format!("attachment; {called}"), "{name:?}");
        assert_eq!(got.header("content-type"), type_of, "{name:?}");
        let policy = got.header("content-security-policy");
        assert!(policy.starts_with("sandbox; default-src 'none';") && !policy.contains("script"), "{policy}");
        assert!(!got.headers.contains_key("x-evil"), "{name:?}");
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "private, no-cache, no-transform"),
            ("content-length", "2000"),
            ("access-control-allow-origin", "*"),
        ] {
            assert_eq!(got.header(header), value, "{name:?}: {header}");
        }
        assert!(
            ["", "identity"].contains(&got.header("content-encoding")) && got.body == file.bytes,
            "{name:?}"
        );
        let exposed = got.header("access-control-expose-headers").to_lowercase();
        for header in ["accept-ranges", "content-range", "content-length", "content-disposition", "etag"] {
            assert!(exposed.contains(header), "{exposed}");
        }
        let shown = Got::of(ask(&stage, "GET", &format!("{}?inline=1", file.path()))).await;
        assert_eq!(shown.header("content-disposition"), format!("inline; {called}"), "{name:?}");
        assert_eq!(shown.header("content-security-policy"), policy);
    }
}

#[tokio::test]
async fn a_page_of_another_origin_may_ask_for_ranges() {
    let stage = Stage::new().await;
    let preflight = stage.client.request(Method::OPTIONS, stage.url("/files/x/content"));
    let preflight =
        preflight.header("Origin", "https://any.example").header("Access-Control-Request-Method", "GET");
    let wanted = "authorization,if-none-match,if-range,range";
    let got = Got::of(preflight.header("Access-Control-Request-Headers", wanted)).await;
    let allowed = got.header("access-control-allow-headers").to_lowercase();
    for header in wanted.split(',') {
        assert!(allowed.contains(header), "{allowed}");
    }
}

#[tokio::test]
async fn nobody_reads_the_files_of_another() {
    let stage = Stage::new().await;
    let other = stage.sandbox.add_user(UserSpec::new("other"));
    let file = Kept::put(&stage, "a.bin", None, random(10)).await;
    for method in ["GET", "HEAD"] {
        let bare = |query: &str| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            stage.client.request(method, stage.url(&format!("{}{query}", file.path())))
        };
        let token = |token: &str| format!("?token={token}");
        assert_eq!(Got::of(bare("")).await.status, 401);
        assert_eq!(Got::of(bare("").bearer_auth("wrong")).await.status, 401);
        assert_eq!(Got::of(bare("").bearer_auth(&other.auth_token)).await.status, 404);
        assert_eq!(Got::of(bare(&token(&stage.user.auth_token))).await.status, 200);
        assert_eq!(Got::of(bare(&token(&other.auth_token))).await.status, 404);
        assert_eq!(Got::of(bare("?link=wrong")).await.status, 403);
    }
    let unknown = Got::of(ask(&stage, "GET", "/files/..%2f..%2fetc/content")).await;
    assert!(unknown.error(404).contains("file not found"));
    let twice = Got::of(ask(&stage, "GET", &format!("{}?token=a&token=b", file.path()))).await;
    assert!(twice.error(400).contains("query is malformed"));
}

#[tokio::test]
async fn any_messages_of_the_channel_are_read_by_their_numbers() {
    // Its bot signs in where the sandbox is, to look for what the account does not see.
    let stage = Stage::of(UserSpec::new("alice"), &[]).await;
    let other = stage.sandbox.add_user(UserSpec::new("other"));
    let (first, second) = (random(400_000), random(300_001));
    Kept::put(&stage, "video.mp4.001", None, first.clone()).await;
    Kept::put(&stage, "video.mp4.002", None, second.clone()).await;
    let numbers: Vec<String> =
        stage.sandbox.messages_of(&stage.user).iter().map(|message| message.message_id.to_string()).collect();
    let whole = [first.clone(), second].concat();
    let path = format!("/messages/{}/content", numbers.join(","));
    let got = Got::of(ask(&stage, "GET", &path)).await;
    assert_eq!(got.status, 200);
    assert!(got.body == whole);
    assert!(got.header("content-disposition").contains("filename=\"video.mp4\""), "the name of the whole");
    assert_eq!((got.header("etag"), got.header("last-modified")), ("", ""), "others write there");
    let part = Got::of(ask(&stage, "GET", &path).header(RANGE, "bytes=399990-400009")).await;
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 399990-400009/700001"));
    assert!(part.body == whole[399_990..400_010]);
    let unsure = ask(&stage, "GET", &path).header(RANGE, "bytes=1-2").header("If-Range", "\"x\"");
    assert_eq!(Got::of(unsure).await.status, 200);
    let one = Got::of(ask(&stage, "GET", &format!("/messages/{}/content", numbers[0]))).await;
    assert!(one.header("content-disposition").contains("filename=\"video.mp4.001\""));
    assert!(one.body == first);
    let head = Got::of(ask(&stage, "HEAD", &path)).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "700001", 0));

    let many = vec!["1"; 101].join(",");
    for wrong in ["x", "0", "-1", "1,", "1;2", &many] {
        let got = Got::of(ask(&stage, "GET", &format!("/messages/{wrong}/content"))).await;
        assert!(got.error(400).contains("by their numbers"), "{wrong}");
    }
    assert!(Got::of(ask(&stage, "GET", "/messages/9999/content")).await.error(410).contains("deleted"));
    assert_eq!(Got::of(stage.client.get(stage.url(&path))).await.status, 401);
    let theirs = stage.client.get(stage.url(&path)).bearer_auth(&other.auth_token);
    assert_eq!(Got::of(theirs).await.status, 410, "in their channel there is none");
}
