//! Requests that nobody sends in good faith: bodies, names and numbers. For the wire see `smuggling.rs`.

use futures_util::{StreamExt, stream};
use reqwest::multipart::Part;

use crate::raw::{Answer, Raw, assert_unharmed};
use crate::support::{File, MIB, Stage, chunk_form, files_below};

/// Gives up soon on what a test leaves open.
const IMPATIENT: [(&str, &str); 2] = [("TELESTORE_BODY_TIMEOUT", "3s"), ("TELESTORE_IDLE_TIMEOUT", "3s")];

fn post(path: &str, kind: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")
}

/// A form as bytes: parts of headers and content, between boundaries `X`.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, content) in parts {
        body.extend_from_slice(format!("--X\r\n{headers}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--X--\r\n");
    body
}

const NAMED_FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a\"";

async fn send(stage: &Stage, head: String, body: &[u8]) -> Vec<Answer> {
    let mut raw = Raw::connect(stage).await;
    raw.push(&[head.as_bytes(), body].concat()).await;
    raw.finish().await;
    raw.answers().await
}

/// Sends a form and expects that it is refused in words.
async fn refused(stage: &Stage, name: &str, kind: &str, body: &[u8]) {
    let answers = send(stage, post("/upload", kind, body.len()), body).await;
    let [answer] = answers.as_slice() else { panic!("{name}: {answers:?}") };
    assert!((400..500).contains(&answer.status), "{name}: {answer:?}");
    assert!(answer.json()["error"].is_string(), "{name}: {answer:?}");
}

const FORM: &str = "multipart/form-data; boundary=X";

#[tokio::test]
async fn ids_in_paths_lead_nowhere() {
    let stage = Stage::with(&IMPATIENT).await;
    for id in [
        "..",
        "%2e%2e",
        ".%2e",
        "..%2f..%2fetc%2fpasswd",
        "..%5c..%5cx",
        "%2e%2e%2f%2e%2e%2ftelestore.db",
        "%00",
        "a%00b",
        "a%0d%0aX-Injected:%20yes",
        "%c0%ae%c0%ae%c0%af",
        "%e0%80%af",
        "%ff%fe",
        "%ed%a0%80",
        "%",
        "%2",
        "%zz",
        "%252e%252e",
        "%ef%bc%8e%ef%bc%8e",
        "%e2%80%ae",
        "caf%c3%a9",
        "a;b=c",
        "~root",
        "*",
        "-/../..",
        &"a".repeat(129),
        &"a".repeat(60_000),
    ] {
        for path in ["upload-status", "upload-progress"] {
            let head = format!("GET /{path}/{id} HTTP/1.1\r\nHost: x\r\n\r\n");
            let answers = send(&stage, head, b"").await;
            let [answer] = answers.as_slice() else { panic!("{id:.40}: {answers:?}") };
            assert!([400, 404].contains(&answer.status), "{id:.40}: {answer:?}");
            assert!(answer.json()["error"].is_string(), "{id:.40}: {answer:?}");
            assert!(!answer.head.contains("x-injected"), "{answer:?}");
        }
    }
    assert_unharmed(&stage).await;
}

#[tokio::test]
async fn file_names_lead_nowhere() {
    let stage = Stage::with(&IMPATIENT).await;
    for name in [
        "../../../../tmp/telestore-hostile",
        "..\\..\\telestore-hostile",
        "/etc/telestore-hostile",
        "C:\\telestore-hostile",
        "....//....//telestore-hostile",
        "%2e%2e%2ftelestore-hostile",
        "..\u{ff0f}..\u{ff0f}telestore-hostile",
        "a\u{202e}gpj.telestore-hostile",
        "CON",
        "|telestore-hostile",
        "$(touch telestore-hostile)",
        "\u{feff}x",
        "'\"; DROP TABLE uploads; --",
        "-rf",
        ".",
        "..",
        "/",
        "a\u{0}b",
        "a\r\nX: y",
        "",
        &"x".repeat(256),
        &"\u{1f600}".repeat(64),
    ] {
        let file = File::new(10).named(name);
        let answer = stage.chunk(&file, 0).await;
        assert!([200, 400].contains(&answer.status), "{name:?}: {answer:?}");
        if answer.status == 200 {
            assert_eq!(stage.send(&file).await["status"], "completed", "{name:?}");
        }
    }
    for message in stage.sandbox.messages_of(&stage.user) {
        assert!(!message.file_name.contains(['/', '\\', '\0', '\n']), "{message:?}");
    }
    let beside: Vec<_> =
        std::fs::read_dir(stage.dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(beside, [stage.data_dir()]);
    for path in files_below(&stage.data_dir()) {
        assert!(!path.display().to_string().contains("hostile"), "{path:?}");
    }
}

#[tokio::test]
async fn a_form_that_ends_too_early_is_refused_wherever_it_ends() {
    let stage = Stage::with(&IMPATIENT).await;
    let file = File::new(40);
    let mut parts = vec![(
        "Content-Disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\nContent-Type: application/octet-stream"
            .to_owned(),
        file.bytes.clone(),
    )];
    for (name, value) in file.fields(0, &stage.user.auth_token) {
        parts.push((format!("Content-Disposition: form-data; name=\"{name}\""), value.into_bytes()));
    }
    let parts: Vec<_> =
        parts.iter().map(|(headers, content)| (headers.as_str(), content.as_slice())).collect();
    let body = form(&parts);
    // Without the line's end it is whole.
    let whole = body.len() - 2;
    let cuts = (0..whole).flat_map(|cut| [(cut, cut), (cut, body.len())]);
    let sent = stream::iter(cuts).map(|(cut, declared)| {
        let (stage, body) = (&stage, &body);
        async move {
            let answers = send(stage, post("/upload-chunk", FORM, declared), &body[..cut]).await;
            assert!(answers.len() <= 1, "{cut} of {declared}: {answers:?}");
            for answer in answers {
                assert_eq!(answer.status, 400, "{cut} of {declared}: {answer:?}");
            }
        }
    });
    sent.buffer_unordered(16).collect::<Vec<()>>().await;
    stage.get(&format!("/upload-status/{}", file.id)).await.error(404);
    assert_unharmed(&stage).await;
    let answers = send(&stage, post("/upload-chunk", FORM, whole), &body[..whole]).await;
    assert_eq!(answers[0].status, 200, "the whole of it is fine: {answers:?}");
}

#[tokio::test]
async fn forms_with_tricks_are_refused() {
    let stage = Stage::with(&IMPATIENT).await;
    let one = form(&[(NAMED_FILE, b"bytes")]);
    for kind in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=Y",
        "multipart/form-data; boundary=Y; boundary=X",
        "multipart/form-data; boundary=\"X",
        "multipart/mixed; boundary=X",
        "multipart/form-data, multipart/form-data; boundary=X",
        "text/plain; boundary=X",
        "application/x-www-form-urlencoded",
        ";;;",
        &format!("multipart/form-data; boundary={}", "Y".repeat(100_000)),
    ] {
        refused(&stage, &format!("{kind:.60}"), kind, &one).await;
    }
    let long = format!("X-Long: {}", "x".repeat(2 * MIB));
    let many = (0..1000).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let headers = |extra: &str| format!("{NAMED_FILE}\r\n{extra}");
    let nested = "Content-Disposition: form-data; name=\"file\"\r\nContent-Type: multipart/mixed; boundary=Z";
    let inner = b"--Z\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--Z--\r\n";
    for (name, body) in [
        ("nothing", Vec::new()),
        ("only the end", b"--X--\r\n".to_vec()),
        ("no part", b"--X\r\n--X--\r\n".to_vec()),
        ("a part without headers", form(&[("", b"bytes")])),
        ("a part without a name", form(&[("Content-Disposition: form-data; filename=\"a\"", b"bytes")])),
        ("a part of another kind", form(&[("Content-Disposition: attachment; name=\"file\"", b"bytes")])),
        ("a part without its disposition", form(&[("Content-Type: text/plain", b"bytes")])),
        ("another name", form(&[("Content-Disposition: form-data; name=\"FILE\"", b"bytes")])),
        ("the file twice", form(&[(NAMED_FILE, b"bytes"), (NAMED_FILE, b"other")])),
        ("a long part header", form(&[(&headers(&long), b"bytes")])),
        ("many part headers", form(&[(&headers(many.trim_end()), b"bytes")])),
        ("a header without a colon", form(&[(&headers("nonsense"), b"bytes")])),
        ("a nested form", form(&[(nested, inner)])),
        ("a false length", form(&[(&headers("Content-Length: 4"), b"bytes")])),
        ("a negative length", form(&[(&headers("Content-Length: -1"), b"bytes")])),
        ("a giant length", form(&[(&headers("Content-Length: 99999999999999999999"), b"bytes")])),
        ("a long preamble", [vec![b'x'; 2 * MIB], one.clone()].concat()),
        ("boundaries alone", b"--X\r\n".repeat(100_000)),
        ("half boundaries", b"\r\n--".repeat(100_000)),
        ("many parts", form(&vec![("Content-Disposition: form-data; name=\"a\"", b"b".as_slice()); 1000])),
        ("no UTF-8", form(&[("Content-Disposition: form-data; name=\"authToken\"", b"\xff\xfe")])),
    ] {
        refused(&stage, name, FORM, &body).await;
    }
    assert_unharmed(&stage).await;
}

#[tokio::test]
async fn giant_and_odd_numbers_are_refused() {
    let stage = Stage::with(&IMPATIENT).await;
    let file = File::new(10);
    for name in ["chunkIndex", "totalChunks", "fileSize"] {
        for value in [
            "18446744073709551615",
            "18446744073709551616",
            "340282366920938463463374607431768211456",
            "-0",
            "-1",
            "1e-3",
            "1.5",
            "1e",
            "0x10",
            "1_000",
            "1,000",
            "\u{663}",
            "\u{ff11}",
            "NaN",
            "Infinity",
            "null",
            "true",
            "[1]",
            &"9".repeat(10_000),
        ] {
            // Minus zero is zero, and a chunk of this file.
            if (name, value) == ("chunkIndex", "-0") {
                continue;
            }
            let mut fields = file.fields(0, &stage.user.auth_token);
            fields.retain(|(field, _)| *field != name);
            fields.push((name, value.to_owned()));
            let answer = stage.form("/upload-chunk", chunk_form(file.bytes.clone(), fields)).await;
            assert!([400, 413].contains(&answer.status), "{name}={value:.40}: {answer:?}");
            if name == "chunkIndex" {
                continue;
            }
            let body = format!(
                "{{\"uploadId\": \"a\", \"fileName\": \"a\", \"totalChunks\": 1, \"fileSize\": 1, \"{name}\": {value}}}"
            );
            let answer = stage.ask(stage.client.post(stage.url("/init-upload")).body(body)).await;
            assert!([400, 413].contains(&answer.status), "{name}={value:.40}: {answer:?}");
        }
    }
    let deep = "[".repeat(60_000);
    let deep = format!("{{\"uploadId\": {deep}");
    stage.ask(stage.client.post(stage.url("/init-upload")).body(deep)).await.error(400);
    assert_unharmed(&stage).await;
}

#[tokio::test]
async fn a_part_says_nothing_about_where_it_goes() {
    let stage = Stage::with(&IMPATIENT).await;
    let file = File::new(10);
    let part = Part::bytes(file.bytes.clone()).file_name("../../../telestore-hostile");
    let form = file
        .fields(0, &stage.user.auth_token)
        .into_iter()
        .fold(reqwest::multipart::Form::new().part("chunk", part), |form, (name, value)| {
            form.text(name, value)
        });
    stage.form("/upload-chunk", form).await.ok();
    for path in files_below(stage.dir.path()) {
        assert!(!path.display().to_string().contains("hostile"), "{path:?}");
    }
}
