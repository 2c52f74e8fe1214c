//! Bad input gets a 4xx that says what to do, and leaves everything as it was.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{Answer, File, MIB, Stage, chunk_form, files_below};

/// Sends a good chunk with one field changed (or left out).
async fn with_field(stage: &Stage, name: &str, value: Option<&str>) -> Answer {
    let file = File::new(10);
    let mut fields = file.fields(0, &stage.user.auth_token);
    fields.retain(|(field, _)| *field != name);
    let mut form = chunk_form(file.bytes.clone(), fields);
    if let Some(value) = value {
        form = form.text(name.to_owned(), value.to_owned());
    }
    stage.form("/upload-chunk", form).await
}

#[tokio::test]
async fn missing_fields_are_named() {
    let stage = Stage::new().await;
    for name in ["uploadId", "chunkIndex", "totalChunks", "fileName", "fileSize"] {
        let error = with_field(&stage, name, None).await.error(400);
        assert!(error.contains(name) && error.contains("missing"), "{error}");
    }
    let no_bytes = File::new(10).fields(0, &stage.user.auth_token);
    let form = no_bytes.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, value));
    assert_eq!(stage.form("/upload-chunk", form).await.error(400), "form part chunk is missing");
    stage.emptied(&["spool", "chunks"]).await;
}

#[tokio::test]
async fn malformed_fields_are_named() {
    let stage = Stage::new().await;
    let long = "x".repeat(300);
    for (name, value) in [
        ("chunkIndex", "-1"),
        ("chunkIndex", "1"),
        ("chunkIndex", "99999999999999999999"),
        ("chunkIndex", "one"),
        ("chunkIndex", "0.5"),
        ("totalChunks", "0"),
        ("totalChunks", "10001"),
        ("totalChunks", "-5"),
        ("fileSize", "0"),
        ("fileSize", "-1"),
        ("fileSize", "ten"),
        ("fileName", ""),
        ("fileName", ".."),
        ("fileName", "a\u{7}b"),
        ("fileName", &long),
        ("uploadId", "../../etc/passwd"),
        ("uploadId", ".."),
        ("uploadId", "a b"),
        ("uploadId", &long),
    ] {
        let error = with_field(&stage, name, Some(value)).await.error(400);
        assert!(error.contains(name), "{name}={value}: {error}");
    }
    stage.emptied(&["spool", "chunks"]).await;
}

#[tokio::test]
async fn path_parts_of_a_name_are_cut_off() {
    let stage = Stage::new().await;
    let answer = with_field(&stage, "fileName", Some("C:\\secret\\../a/../report.pdf")).await;
    answer.ok();
    let file = File::new(10).named("..//x/video.bin");
    assert_eq!(stage.send(&file).await["status"], "completed");
    assert_eq!(stage.sandbox.messages_of(&stage.user)[0].file_name, "video.bin");
}

#[tokio::test]
async fn empty_bytes_are_refused() {
    let stage = Stage::new().await;
    let file = File::new(10);
    let form = chunk_form(Vec::new(), file.fields(0, &stage.user.auth_token));
    assert_eq!(stage.form("/upload-chunk", form).await.error(400), "chunk is empty");
    let empty = File { bytes: Vec::new(), ..File::new(1) };
    assert!(stage.direct(&empty).await.error(400).contains("empty"));
    stage.emptied(&["spool", "chunks"]).await;
}

#[tokio::test]
async fn too_large_is_413_with_the_limit_and_leaves_nothing() {
    let stage =
        Stage::with(&[("TELESTORE_MAX_CHUNK_BYTES", "1000"), ("TELESTORE_MAX_FILE_BYTES", "5000")]).await;
    let chunk = File::in_chunks(2000, &[1001]);
    assert!(stage.chunk(&chunk, 0).await.error(413).contains("1000 bytes"));
    let file = File::in_chunks(5001, &[500]);
    assert!(stage.chunk(&file, 0).await.error(413).contains("5000 bytes"));
    assert!(stage.direct(&file).await.error(413).contains("5000 bytes"));
    // Far over: refused by its Content-Length, before the body is taken.
    assert!(stage.direct(&File::new(4 * MIB)).await.error(413).contains("5000 bytes"));
    // Chunks that are larger than they said.
    let liar = File::in_chunks(5000, &[1000]);
    let mut fields = liar.fields(0, &stage.user.auth_token);
    fields.retain(|(name, _)| *name != "totalChunks" && *name != "chunkIndex");
    for index in 0..6 {
        let fields =
            [fields.clone(), vec![("totalChunks", "9".to_owned()), ("chunkIndex", index.to_string())]]
                .concat();
        let answer = stage.form("/upload-chunk", chunk_form(vec![7; 1000], fields)).await;
        if index < 5 { drop(answer.ok()) } else { drop(answer.error(413)) }
    }
    assert_eq!(files_below(&stage.data_dir().join("chunks")).len(), 5);
    stage.emptied(&["spool"]).await;
}

#[tokio::test]
async fn contradicting_fields_are_409_and_change_nothing() {
    let stage = Stage::new().await;
    let file = File::in_chunks(20, &[10]);
    stage.chunk(&file, 0).await.ok();
    for (name, value) in [("totalChunks", "3"), ("fileSize", "21"), ("fileName", "other.bin")] {
        let mut fields = file.fields(1, &stage.user.auth_token);
        fields.retain(|(field, _)| *field != name);
        fields.push((name, value.to_owned()));
        let form = chunk_form(file.piece(1).to_vec(), fields);
        assert!(stage.form("/upload-chunk", form).await.error(409).contains("use a new uploadId"), "{name}");
        let mut init =
            json!({ "uploadId": file.id, "fileName": file.name, "totalChunks": 2, "fileSize": 20 });
        init[name] = value.parse::<u64>().map_or(json!(value), |number| json!(number));
        stage.post("/init-upload", init).await.error(409);
    }
    let status = stage.get(&format!("/upload-status/{}", file.id)).await.ok();
    assert_eq!(status["received_chunk_indices"], json!([0]));
}

#[tokio::test]
async fn missing_chunks_are_counted() {
    let stage = Stage::new().await;
    let file = File::in_chunks(50, &[10]);
    stage.chunk(&file, 1).await.ok();
    stage.chunk(&file, 4).await.ok();
    let answer = stage.complete(&file.id).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body, json!({ "error": "Not all chunks received", "received": 2, "total": 5 }));
}

#[tokio::test]
async fn a_wrong_file_size_is_found_at_completion() {
    let stage = Stage::new().await;
    let file = File::new(10);
    let mut fields = file.fields(0, &stage.user.auth_token);
    fields.retain(|(name, _)| *name != "fileSize");
    fields.push(("fileSize", "11".to_owned()));
    stage.form("/upload-chunk", chunk_form(file.bytes.clone(), fields)).await.ok();
    let answer = stage.complete(&file.id).await;
    assert_eq!((&answer.body["declared"], &answer.body["received"]), (&json!(11), &json!(10)));
    assert!(answer.error(400).starts_with("file size mismatch"));
    stage.progress(&file.id).await.error(404);
}

#[tokio::test]
async fn json_that_is_not_the_documented_one_is_400() {
    let stage = Stage::new().await;
    let good = json!({ "uploadId": "a", "fileName": "a", "totalChunks": 1, "fileSize": 1 });
    for (name, value) in [
        ("uploadId", json!(null)),
        ("uploadId", json!("a/b")),
        ("totalChunks", json!(-1)),
        ("totalChunks", json!(0)),
        ("totalChunks", json!(1.5)),
        ("totalChunks", json!(10_001)),
        ("totalChunks", json!(u64::MAX)),
        ("fileSize", json!("many")),
        ("fileSize", json!(0)),
        ("fileName", json!("")),
        ("fileName", json!(7)),
    ] {
        let mut body = good.clone();
        body[name] = value.clone();
        stage.post("/init-upload", body).await.error(400);
    }
    for path in ["/init-upload", "/complete-upload", "/cancel-upload"] {
        for body in ["", "{", "[]", "null", "{\"uploadId\": [5]}", "\u{0}"] {
            let request =
                stage.client.post(stage.url(path)).header("Content-Type", "application/json").body(body);
            assert!(stage.ask(request).await.error(400).contains("JSON"), "{path} {body:?}");
        }
        let huge = format!("{{\"uploadId\": \"{}\"}}", "a".repeat(100_000));
        stage.ask(stage.client.post(stage.url(path)).body(huge)).await.error(413);
    }
    let text_numbers = json!({ "uploadId": "a", "fileName": "a", "totalChunks": "1", "fileSize": "1" });
    stage.post("/init-upload", text_numbers).await.ok();
    stage.get("/upload-progress/a%2Fb").await.error(400);
    stage.get("/upload-status/a%20b").await.error(400);
}

#[tokio::test]
async fn forms_that_are_none_are_400() {
    let stage = Stage::new().await;
    let form = |body: &'static str| {
        let kind = "multipart/form-data; boundary=X";
        stage.client.post(stage.url("/upload")).header("Content-Type", kind).body(body)
    };
    for request in [
        stage.client.post(stage.url("/upload")).body("bytes"),
        stage.client.post(stage.url("/upload")).json(&json!({ "file": "x" })),
        form(""),
        form(
            "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nbytes that never end",
        ),
        form("--Y\r\n\r\n--Y--\r\n"),
    ] {
        stage.ask(request).await.error(400);
    }
    let twice = || Part::bytes(vec![1]).file_name("a");
    let form = Form::new().part("file", twice()).part("file", twice());
    assert!(stage.form("/upload", form).await.error(400).contains("two file parts"));
    let fields = File::new(1).fields(0, &stage.user.auth_token);
    let form = chunk_form(vec![1], [fields, vec![("uploadId", "other".to_owned())]].concat());
    assert!(stage.form("/upload-chunk", form).await.error(400).contains("two uploadId fields"));
    let many = (0..100).fold(Form::new(), |form, n| form.text(format!("field{n}"), "x"));
    stage.form("/upload", many).await.error(400);
    let long = Form::new().text("authToken", "x".repeat(100_000));
    stage.form("/upload", long).await.error(400);
    stage.emptied(&["spool", "chunks"]).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_leaves_nothing() {
    use tokio::io::AsyncWriteExt;

    let stage = Stage::new().await;
    let address = stage.url("").strip_prefix("http://").unwrap().to_owned();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\
                Content-Type: multipart/form-data; boundary=X\r\n\r\n--X\r\n\
                Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![7; 500_000]).await.unwrap();
    let spool = stage.data_dir().join("spool");
    let until = async |empty: bool| {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
        while files_below(&spool).is_empty() != empty {
            ticks.tick().await;
        }
    };
    crate::support::soon("the spool file", until(false)).await;
    drop(socket);
    crate::support::soon("the spool to be empty", until(true)).await;
}

#[tokio::test]
async fn errors_never_quote_the_token() {
    let stage = Stage::new().await;
    let secret = "sekrit-token-000";
    let answers: Vec<Value> = vec![
        stage.form("/upload", File::new(1).direct(secret)).await.body,
        stage.post("/init-upload", json!({ "authToken": secret })).await.body,
        stage
            .post("/complete-upload", json!({ "uploadId": secret.repeat(99), "authToken": secret }))
            .await
            .body,
    ];
    for answer in answers {
        assert!(!answer.to_string().contains(secret), "{answer}");
    }
}
