//! Core protocol: HEAD, PATCH, OPTIONS, versions, methods that are overridden.

use telestore_sandbox::UserSpec;

use crate::raw::Raw;
use crate::support::{File, MIB, Stage};
use crate::tus::{OFFSET_STREAM, Tus, id_of, number, refused};

/// Core, PATCH: "The Server SHOULD accept PATCH requests against any upload URL and apply the bytes contained in the message at
/// the given offset"; "the Server MUST acknowledge successful PATCH requests with the 204 No Content status. It MUST include the
/// Upload-Offset header containing the new offset."
#[tokio::test]
async fn a_file_in_several_patches_arrives_once() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(3 * MIB + 17));
    let path = tus.begin_file(&file).await;
    let mut at = 0;
    for end in [1, MIB, MIB + 1, 2 * MIB, file.bytes.len()] {
        assert_eq!(tus.offset(&path).await, at);
        assert_eq!(tus.append(&path, at, &file.bytes[at..end]).await, end);
        at = end;
    }
    tus.arrived(&path, &file).await;
    let done = tus.head(&path).await;
    assert_eq!(done.status(), 200, "a client that kept the address asks again, and has nothing to send");
    assert_eq!((number(&done, "upload-offset"), number(&done, "upload-length")), (at, at));
    stage.emptied(&["chunks", "spool"]).await;
}

/// Core, HEAD: "The Server MUST always include the Upload-Offset header in the response for a HEAD request, even if the offset is
/// 0, or the upload is already considered completed. If the size of the upload is known, the Server MUST include the Upload-Length
/// header in the response. If the resource is not found, the Server SHOULD return either the 404 Not Found, 410 Gone or 403
/// Forbidden status without the Upload-Offset header. The Server MUST prevent the client and/or proxies from caching the response
/// by adding the Cache-Control: no-store header to the response."
#[tokio::test]
async fn head_tells_offset_and_length_and_is_not_cached() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "5")]).await;
    let answer = tus.head(&path).await;
    assert_eq!((number(&answer, "upload-offset"), number(&answer, "upload-length")), (0, 5));
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["tus-resumable"], "1.0.0");
    for nowhere in ["/tus/unknown", "/tus/%20", "/tus/a%2Fb", "/tus/.."] {
        let answer = tus.head(nowhere).await;
        assert!(!answer.headers().contains_key("upload-offset"), "{nowhere}");
        assert!([404, 405].contains(&answer.status().as_u16()), "{nowhere}: {}", answer.status());
    }
}

/// Core, PATCH: "If the offsets do not match, the Server MUST respond with the 409 Conflict status without modifying the upload
/// resource."
#[tokio::test]
async fn another_offset_is_a_409_that_changes_nothing() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "10")]).await;
    tus.append(&path, 0, b"hello").await;
    for offset in [0, 4, 6, 10] {
        let answer = tus.patch(&path, offset).body("xx").send().await.unwrap();
        let (status, words) = refused(answer).await;
        assert!(status == 409 && words.contains("offset 5"), "{status} {words}");
        assert_eq!(tus.offset(&path).await, 5);
    }
    let too_many = tus.patch(&path, 5).body("world and more").send().await.unwrap();
    let (status, words) = refused(too_many).await;
    assert!(status == 413 && words.contains("10 bytes long"), "{status} {words}");
    assert_eq!(tus.offset(&path).await, 5);
}

/// Core, PATCH: "All PATCH requests MUST use Content-Type: application/offset+octet-stream, otherwise the server SHOULD return a
/// 415 Unsupported Media Type status."
#[tokio::test]
async fn another_type_is_a_415() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "5")]).await;
    for kind in [Some("application/octet-stream"), Some("text/plain"), None] {
        let request = tus.request("PATCH", &path).header("Upload-Offset", "0").body("hello");
        let request = kind.map_or(request.try_clone().unwrap(), |kind| request.header("Content-Type", kind));
        let (status, words) = refused(request.send().await.unwrap()).await;
        assert!(status == 415 && words.contains(OFFSET_STREAM), "{kind:?}: {status} {words}");
    }
    assert_eq!(tus.offset(&path).await, 0);
}

/// Core, Upload-Offset and Upload-Length: "The value MUST be a non-negative integer."
#[tokio::test]
async fn malformed_numbers_are_400() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "5")]).await;
    for wrong in ["-1", "1.5", "one", "", "0x1", "99999999999999999999999"] {
        let request = tus.request("PATCH", &path).header("Content-Type", OFFSET_STREAM);
        let answer = request.header("Upload-Offset", wrong).body("hello").send().await.unwrap();
        let (status, words) = refused(answer).await;
        assert!(status == 400 && words.contains("upload-offset must be"), "{wrong}: {status} {words}");
        let (status, words) = refused(tus.create(&[("Upload-Length", wrong)]).await).await;
        assert!(status == 400 && words.contains("upload-length must be"), "{wrong}: {status} {words}");
    }
    let without = tus.request("PATCH", &path).header("Content-Type", OFFSET_STREAM).body("hello");
    let (status, words) = refused(without.send().await.unwrap()).await;
    assert!(status == 400 && words.contains("upload-offset is missing"), "{status} {words}");
}

/// Core, Tus-Resumable: "MUST be included in every request and response except for OPTIONS requests"; "If the version specified by
/// the Client is not supported by the Server, it MUST respond with the 412 Precondition Failed status and MUST include the
/// Tus-Version header into the response. In addition, the Server MUST NOT process the request."
#[tokio::test]
async fn another_version_is_a_412_that_does_nothing() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "5")]).await;
    for version in [None, Some("0.2.2"), Some("2.0.0"), Some("")] {
        for (method, at) in [("POST", "/tus"), ("PATCH", path.as_str()), ("DELETE", path.as_str())] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let request = stage.client.request(method, stage.url(at)).bearer_auth(&tus.token);
            let request = request.header("Upload-Length", "5").header("Upload-Offset", "0");
            let request = request.header("Content-Type", OFFSET_STREAM).header("Origin", "https://a.example");
            let request =
                version.map_or(request.try_clone().unwrap(), |v| request.header("Tus-Resumable", v));
            let answer = request.body("hello").send().await.unwrap();
            assert_eq!(answer.headers()["tus-version"], "1.0.0");
            assert_eq!(answer.headers()["access-control-allow-origin"], "*", "a page must see why");
            assert_eq!(refused(answer).await.0, 412);
        }
    }
    assert_eq!(tus.offset(&path).await, 0);
    let without = stage.client.head(stage.url(&path)).bearer_auth(&tus.token).send().await.unwrap();
    assert_eq!(without.status(), 200, "a HEAD without a version is none of another one");
    let other = stage.client.head(stage.url(&path)).bearer_auth(&tus.token).header("Tus-Resumable", "9.0.0");
    assert_eq!(other.send().await.unwrap().status(), 412);
}

/// Core, OPTIONS: "A successful response indicated by the 204 No Content or 200 OK status MUST contain the Tus-Version header. It
/// MAY include the Tus-Extension and Tus-Max-Size headers. The Client SHOULD NOT include the Tus-Resumable header in the request and
/// the Server MUST ignore the header."; Checksum: "The Tus-Checksum-Algorithm header MUST be included in the response to an OPTIONS
/// request."
#[tokio::test]
async fn options_tell_what_is_spoken() {
    let stage = Stage::new().await;
    for path in ["/tus", "/tus/", "/tus/some-id"] {
        for version in [None, Some("0.0.1")] {
            let request = stage.client.request(reqwest::Method::OPTIONS, stage.url(path));
            let request =
                version.map_or(request.try_clone().unwrap(), |v| request.header("Tus-Resumable", v));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 204, "{path}");
            let headers = answer.headers();
            assert_eq!(headers["tus-version"], "1.0.0");
            assert_eq!(headers["tus-resumable"], "1.0.0");
            let extensions: Vec<&str> = headers["tus-extension"].to_str().unwrap().split(',').collect();
            let spoken = [
                "creation",
                "creation-with-upload",
                "creation-defer-length",
                "expiration",
                "checksum",
                "termination",
                "concatenation",
            ];
            assert_eq!(extensions, spoken);
            assert_eq!(number(&answer, "tus-max-size"), 2000 * MIB);
            let algorithms = answer.headers()["tus-checksum-algorithm"].to_str().unwrap();
            assert!(algorithms.split(',').any(|name| name == "sha1"), "sha1 is a must: {algorithms}");
        }
    }
}

/// Core, X-HTTP-Method-Override: "MUST be interpreted as the request's method by the Server, if the header is presented. The actual
/// method of the request MUST be ignored."
#[tokio::test]
async fn an_overridden_method_counts() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "10")]).await;
    let as_post = |method: &str| tus.request("POST", &path).header("X-HTTP-Method-Override", method);
    let patch = as_post("PATCH").header("Content-Type", OFFSET_STREAM).header("Upload-Offset", "0");
    let answer = patch.body("hello").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), number(&answer, "upload-offset")), (204, 5));
    let answer = as_post("HEAD").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), number(&answer, "upload-offset")), (200, 5));
    let (status, words) = refused(as_post("BREW").send().await.unwrap()).await;
    assert!(status == 405, "{status} {words}");
    assert_eq!(as_post("DELETE").send().await.unwrap().status(), 204);
    assert_eq!(tus.head(&path).await.status(), 404);
    let plain = tus.request("POST", &path).send().await.unwrap();
    assert_eq!(plain.headers()["allow"], "HEAD, PATCH, DELETE, OPTIONS");
    assert_eq!(refused(plain).await.0, 405);
}

/// Who shows no token, or a bad one, is told so; another user's upload is not there.
#[tokio::test]
async fn a_valid_token_is_needed_and_other_users_see_nothing() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    let path = tus.begin(&[("Upload-Length", "10")]).await;
    let other = Tus { stage: &stage, token: stage.sandbox.add_user(UserSpec::new("bob")).auth_token };
    assert_eq!(other.head(&path).await.status(), 404);
    assert_eq!(other.request("DELETE", &path).send().await.unwrap().status(), 404);
    let answer = other.patch(&path, 0).body("hello").send().await.unwrap();
    assert_eq!(refused(answer).await.0, 404);
    for token in ["", "wrong"] {
        let request = stage.client.post(stage.url("/tus")).header("Tus-Resumable", "1.0.0");
        let request = request.header("Upload-Length", "5").header("Origin", "https://a.example");
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let (status, words) = refused(answer).await;
        assert!(status == 401 && words.contains("authToken"), "{status} {words}");
    }
    let by_query = |method: reqwest::Method, path: &str| {
        let url = stage.url(&format!("{path}?token={}", tus.token));
        stage.client.request(method, url).header("Tus-Resumable", "1.0.0")
    };
    let made = by_query(reqwest::Method::POST, "/tus").header("Upload-Length", "5").send().await.unwrap();
    assert_eq!(made.status(), 201);
    let location = made.headers()["location"].to_str().unwrap();
    assert!(!location.contains("token"), "no answer repeats a token: {location}");
    assert_eq!(by_query(reqwest::Method::HEAD, &path).send().await.unwrap().status(), 200);
}

/// A client that comes by another door sees the same upload.
#[tokio::test]
async fn other_calls_know_the_upload_and_tus_knows_no_other_kind() {
    let stage = Stage::new().await;
    let (tus, file) = (Tus::new(&stage), File::new(MIB));
    stage.chunk(&File::new(2 * MIB), 0).await.ok();
    let chunked = File::in_chunks(2 * MIB, &[MIB]);
    stage.chunk(&chunked, 0).await.ok();
    assert_eq!(tus.head(&format!("/tus/{}", chunked.id)).await.status(), 404);
    let path = tus.begin_file(&file).await;
    let status = stage.get(&format!("/upload-status/{}", id_of(&path))).await.ok();
    assert_eq!(status["file_name"], file.name);
    stage.post("/cancel-upload", serde_json::json!({ "uploadId": id_of(&path) })).await.ok();
    assert_eq!(tus.head(&path).await.status(), 404, "what was cancelled by any door is gone");
    let answer = tus.patch(&path, 0).body("hello").send().await.unwrap();
    assert_eq!(refused(answer).await.0, 404);
}

/// Scripts look for `Location` by that very spelling; HTTP/1.1 does not mind.
#[tokio::test]
async fn heads_are_spelt_as_scripts_expect() {
    let stage = Stage::new().await;
    let mut raw = Raw::connect(&stage).await;
    let head = format!(
        "POST /tus HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n\r\n",
        stage.user.auth_token
    );
    raw.send(head).await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 201"), "{head}");
    assert!(head.contains("\r\nLocation: tus/"), "{head}");
    assert!(head.contains("\r\nTus-Resumable: 1.0.0\r\n"), "{head}");
}
