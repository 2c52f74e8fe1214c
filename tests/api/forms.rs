//! Forms as clients really write them: boundaries, heads of parts, encodings, and what an error says of them.

use reqwest::RequestBuilder;
use serde_json::json;

use crate::support::{Answer, CHUNK, File, Stage, files_below};

/// A part: its headers and its bytes.
type RawPart = (Vec<u8>, Vec<u8>);

pub(crate) fn part(headers: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> RawPart {
    (headers.as_ref().to_vec(), bytes.as_ref().to_vec())
}

pub(crate) fn field(name: &str, value: &str) -> RawPart {
    part(format!("Content-Disposition: form-data; name=\"{name}\""), value)
}

/// A form, byte by byte. `padding` stands behind each boundary.
pub(crate) fn body(boundary: &str, padding: &str, parts: &[RawPart]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, bytes) in parts {
        body.extend(format!("--{boundary}{padding}\r\n").as_bytes());
        body.extend([headers, &b"\r\n\r\n"[..], bytes, b"\r\n"].concat());
    }
    body.extend(format!("--{boundary}--{padding}\r\n").as_bytes());
    body
}

/// The parts of a chunk, with these headers for its bytes.
fn chunk(stage: &Stage, file: &File, headers: &str) -> Vec<RawPart> {
    let mut parts = vec![part(headers, file.piece(0))];
    parts.extend(file.fields(0, &stage.user.auth_token).iter().map(|(name, value)| field(name, value)));
    parts
}

pub(crate) fn request(stage: &Stage, path: &str, kind: &str, body: Vec<u8>) -> RequestBuilder {
    stage.client.post(stage.url(path)).header("Content-Type", kind).body(body)
}

async fn send(stage: &Stage, path: &str, kind: &str, body: Vec<u8>) -> Answer {
    stage.ask(request(stage, path, kind, body)).await
}

const BLOB: &str = "Content-Disposition: form-data; name=\"chunk\"; filename=\"blob\"";
const FORM: &str = "multipart/form-data; boundary=bnd";

#[tokio::test]
async fn boundaries_are_taken_as_clients_write_them() {
    let stage = Stage::new().await;
    for (parameters, boundary, padding) in [
        ("; boundary===1656==", "==1656==", ""),
        ("; boundary=b/Qe:E?x", "b/Qe:E?x", ""),
        ("; boundary=bnd ; charset=utf-8", "bnd", ""),
        (";\tboundary=bnd", "bnd", ""),
        ("; boundary=bnd", "bnd", "  \t"),
        // Neighbours: no case, other parameters, quoted pairs, braces.
        (";charset=\"x; boundary=no\";BOUNDARY = bnd", "bnd", ""),
        ("; boundary=\"===\\=1656?==\"", "====1656?==", " "),
        ("; boundary={0f8fad5b-d9cb}", "{0f8fad5b-d9cb}", ""),
        ("; boundary='()+_,-./:=?", "'()+_,-./:=?", ""),
    ] {
        let file = File::new(1000);
        let kind = format!("multipart/form-data{parameters}");
        let body = body(boundary, padding, &chunk(&stage, &file, BLOB));
        let answer = send(&stage, "/upload-chunk", &kind, body).await;
        assert_eq!(answer.ok()["complete"], true, "{kind}");
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        file.assert_is(stage.sandbox.messages_of(&stage.user).last().unwrap());
    }
}

#[tokio::test]
async fn what_stands_before_and_behind_the_form_is_ignored() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let form = body("bnd", "", &chunk(&stage, &file, BLOB));
    let long = vec![b'.'; 100_000];
    for (before, behind) in [
        (&b"\r\n"[..], &b""[..]),
        (b"This is a multi-part message in MIME format.\r\n", b"epilogue\r\n--bnd\r\n"),
        (b"--bndx\r\n\r\n--bn\r\n", b"\r\n\r\n"),
        (&[&long[..], b"\r\n"].concat(), &long),
    ] {
        let body = [before, &form, behind].concat();
        assert_eq!(send(&stage, "/upload-chunk", FORM, body).await.ok()["complete"], true);
    }
}

#[tokio::test]
async fn the_last_line_may_end_with_lf_or_not_at_all() {
    let stage = Stage::new().await;
    for end in ["\n", "", " \n", "\nepilogue\r\n--bnd\r\n"] {
        let file = File::new(1000);
        let mut form = body("bnd", "", &chunk(&stage, &file, BLOB));
        form.truncate(form.len() - 2);
        form.extend(end.as_bytes());
        assert_eq!(send(&stage, "/upload-chunk", FORM, form).await.ok()["complete"], true, "{end:?}");
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        file.assert_is(stage.sandbox.messages_of(&stage.user).last().unwrap());
    }
    let early = [b"--bnd--\n", &body("bnd", "", &[field("a", "b")])[..]].concat();
    let error = send(&stage, "/upload-chunk", FORM, early).await.error(400);
    assert_eq!(error, "form field uploadId is missing", "before the first part it is a line like any other");
}

#[tokio::test]
async fn heads_of_parts_are_taken_as_clients_write_them() {
    let stage = Stage::new().await;
    for headers in [
        // Python's email folds long headers and adds its own; a length counts for nothing.
        "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Disposition: form-data;\r\n name=\"chunk\";\
         \r\n\tfilename=\"blob\"\r\nContent-Length: 3\r\nContent-Transfer-Encoding: binary",
        "CONTENT-DISPOSITION: Form-Data; FileName=blob; NAME=chunk\r\ncontent-transfer-encoding: 8BIT",
        "Content-Disposition : form-data;name=chunk ;filename=blob\r\nContent-Encoding: identity",
    ] {
        let file = File::new(1000);
        let form = body("bnd", "", &chunk(&stage, &file, headers));
        send(&stage, "/upload-chunk", FORM, form).await.ok();
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        file.assert_is(stage.sandbox.messages_of(&stage.user).last().unwrap());
    }
}

#[tokio::test]
async fn what_is_encoded_is_415_and_nothing_is_stored() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let form = body("bnd", "", &chunk(&stage, &file, BLOB));
    let json = json!({ "uploadId": "a", "fileName": "a", "totalChunks": 1, "fileSize": 1 }).to_string();
    let calls = [
        ("/upload-chunk", FORM, form.clone()),
        ("/upload", FORM, form),
        ("/init-upload", "application/json", json.clone().into_bytes()),
        ("/complete-upload", "application/json", json.clone().into_bytes()),
        ("/cancel-upload", "application/json", json.into_bytes()),
    ];
    for (path, kind, body) in calls {
        for coding in ["gzip", "identity, br", "deflate", "aws-chunked"] {
            let request = request(&stage, path, kind, body.clone()).header("Content-Encoding", coding);
            let answer = request.send().await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["accept-encoding"]),
                (415, &"identity".parse().unwrap())
            );
            let error = answer.text().await.unwrap();
            let named = coding.trim_start_matches("identity, ");
            assert!(error.contains(&format!("Content-Encoding is {named}")), "{path}: {error}");
            assert!(!error.contains("again"), "{error}");
        }
    }
    for (header, is) in [
        ("Content-Transfer-Encoding", "base64"),
        ("content-transfer-encoding", "Quoted-Printable"),
        ("Content-Encoding", "gzip"),
    ] {
        let form = body("bnd", "", &chunk(&stage, &file, &format!("{BLOB}\r\n{header}: {is}")));
        let error = send(&stage, "/upload-chunk", FORM, form).await.error(415);
        assert!(error.starts_with("part chunk has Content-") && error.contains(is), "{error}");
        let mut parts = chunk(&stage, &file, BLOB);
        parts[4].0.extend(format!("\r\n{header}: {is}").into_bytes());
        let error = send(&stage, "/upload-chunk", FORM, body("bnd", "", &parts)).await.error(415);
        assert!(error.starts_with("part fileName has Content-"), "{error}");
    }
    stage.get(&format!("/upload-status/{}", file.id)).await.error(404);
    stage.emptied(&["spool", "chunks"]).await;
    let plain = request(&stage, "/upload-chunk", FORM, body("bnd", "", &chunk(&stage, &file, BLOB)));
    stage.ask(plain.header("Content-Encoding", "Identity")).await.ok();
    assert_eq!(files_below(&stage.data_dir().join("chunks")).len(), 1);
}

/// What is wrong with a form, by its `Content-Type` and its body, and what is said of it.
fn wrong_forms(file: &File, parts: &[RawPart]) -> [(&'static str, Vec<u8>, &'static str); 17] {
    let whole = body("bnd", "", parts);
    let with = |n: usize, headers: &str| {
        let mut parts = parts.to_vec();
        parts[n].0 = headers.as_bytes().to_vec();
        body("bnd", "", &parts)
    };
    let text = String::from_utf8(body("bnd", "", &[field("uploadId", "x")])).unwrap();
    [
        // A raw body, and JSON, where a form belongs.
        (
            "application/octet-stream",
            file.bytes.clone(),
            "Content-Type is application/octet-stream: this call takes a form",
        ),
        ("application/json", b"{}".to_vec(), "Content-Type is application/json: this call takes a form"),
        (
            "application/x-www-form-urlencoded",
            b"a=b".to_vec(),
            "urlencoded: this call takes a form, multipart/form-data",
        ),
        ("multipart/form-data", whole.clone(), "Content-Type has no boundary"),
        ("multipart/form-data; boundary=\"bnd", whole.clone(), "the quotes of boundary do not end"),
        ("multipart/form-data; boundary=other", whole.clone(), "no line of the body begins with --other"),
        (FORM, Vec::new(), "the body is empty"),
        (FORM, text.replace("\r\n", "\n").into(), "the boundary before part 1 ends with LF alone"),
        (FORM, text.replace("--bnd--", "--bnd-x").into(), "behind the boundary before part 2 stands 'x'"),
        (
            FORM,
            whole[..whole.len() - 9].to_vec(),
            "the body ends within part authToken; its last line must be --bnd--",
        ),
        (FORM, whole[..120].to_vec(), "the body ends within"),
        (FORM, with(1, "X: y"), "part 2 has no Content-Disposition"),
        (
            FORM,
            with(2, "Content-Disposition: inline; name=a"),
            "Content-Disposition of part 3 is inline; it must be form-data",
        ),
        (
            FORM,
            with(2, "Content-Disposition: form-data; filename=a"),
            "Content-Disposition of part 3 has no name",
        ),
        (FORM, with(0, &format!("{BLOB}\r\nnonsense")), "line 2 of the headers of part 1 is no header"),
        (
            FORM,
            with(0, &format!("{BLOB}\r\nX: {}", "x".repeat(20_000))),
            "the headers of part 1 are over 16384 bytes",
        ),
        (
            FORM,
            with(0, &BLOB.replace("chunk", "up\u{202e}load")),
            "form field up\\u{202e}load is not UTF-8 at byte 0; the file goes into the part chunk",
        ),
    ]
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_where() {
    let stage = Stage::new().await;
    let file = File::of(vec![0xff; 10], &[CHUNK]);
    let parts = chunk(&stage, &file, BLOB);
    for (kind, body, words) in wrong_forms(&file, &parts) {
        let error = send(&stage, "/upload-chunk", kind, body).await.error(400);
        assert!(error.contains(words), "{words}: {error}");
        assert!(!error.contains("again") && !error.contains('\u{202e}'), "{error}");
    }
    let mut parts = parts.clone();
    parts[0] = part("Content-Disposition: form-data; name=\"upload\"; filename=\"a.txt\"", "text");
    let error = send(&stage, "/upload-chunk", FORM, body("bnd", "", &parts)).await.error(400);
    assert_eq!(error, "form part chunk is missing; the file came as upload");
    let untyped = stage.client.post(stage.url("/upload")).body("bytes");
    assert!(
        stage.ask(untyped).await.error(400).starts_with("Content-Type is missing: this call takes a form")
    );
    stage.emptied(&["spool", "chunks"]).await;
}
