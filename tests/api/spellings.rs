//! The same number, name, id or JSON in the ways that clients spell them.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::{Answer, File, Stage, chunk_form};

async fn raw(stage: &Stage, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request = stage.client.post(stage.url(path)).header(CONTENT_TYPE, "application/json");
    stage.ask(request.body(body.into())).await
}

fn init(id: &str, total: &str, size: &str) -> String {
    format!("{{\"uploadId\": {id}, \"fileName\": \"a.bin\", \"totalChunks\": {total}, \"fileSize\": {size}}}")
}

#[tokio::test]
async fn whole_numbers_in_any_spelling_are_the_same_number() {
    let stage = Stage::new().await;
    for (total, size) in [
        ("2.0", "1.048576e8"),
        ("20e-1", "104857600.0"),
        ("\"2\"", "\"104857600\""),
        ("\"2.0\"", "1048576E+2"),
        ("2", "104857600"),
    ] {
        raw(&stage, "/init-upload", init("\"a\"", total, size)).await.ok();
    }
    assert_eq!(stage.get("/upload-status/a").await.ok()["total_chunks"], 2);
}

#[tokio::test]
async fn a_number_that_is_not_whole_is_named_with_its_field_and_the_reason() {
    let stage = Stage::new().await;
    for (total, size, words) in [
        ("2.5", "10", "totalChunks must be a whole number, zero or more: it has a fraction"),
        ("-2", "10", "totalChunks must be a whole number, zero or more: it is negative"),
        ("2", "1e300", "fileSize must be a whole number, zero or more: it is too large"),
        ("2", "\"ten\"", "fileSize must be a whole number, zero or more: it is no number"),
        ("2", "18446744073709551616", "fileSize must be a whole number, zero or more: it is too large"),
        ("2", "1e400", "number out of range"),
        ("2", "true", "a whole number"),
        ("-0", "10", "totalChunks must be a number from 1 to 10000"),
    ] {
        let error = raw(&stage, "/init-upload", init("\"a\"", total, size)).await.error(400);
        assert!(error.contains(words), "{total} {size}: {error}");
    }
    // Exactly the next number, which no double can hold.
    let answer = raw(&stage, "/init-upload", init("\"a\"", "2", "9007199254740993")).await;
    answer.error(413);
    stage.get("/upload-status/a").await.error(404);
}

#[tokio::test]
async fn numbers_in_a_form_have_the_same_spellings() {
    let stage = Stage::new().await;
    let file = File::in_chunks(10, &[5]);
    for (index, [place, total, size]) in
        [["0.0", "2.0", "10.0"], ["1e0", " 2 ", "\u{feff}10"]].iter().enumerate()
    {
        let mut fields = file.fields(index, &stage.user.auth_token);
        for (name, value) in &mut fields {
            match *name {
                "chunkIndex" => (*place).clone_into(value),
                "totalChunks" => (*total).clone_into(value),
                "fileSize" => (*size).clone_into(value),
                _ => {}
            }
        }
        stage.form("/upload-chunk", chunk_form(file.piece(index).to_vec(), fields)).await.ok();
    }
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    let mut fields = file.fields(0, &stage.user.auth_token);
    fields.retain(|(name, _)| *name != "chunkIndex");
    fields.push(("chunkIndex", "0.5".to_owned()));
    let error = stage.form("/upload-chunk", chunk_form(vec![1], fields)).await.error(400);
    assert_eq!(error, "form field chunkIndex must be a whole number, zero or more: it has a fraction");
}

#[tokio::test]
async fn a_numeric_id_is_its_decimal_text_in_every_call() {
    let stage = Stage::new().await;
    let mut file = File::new(10);
    file.id = "1763790000000".to_owned();
    raw(&stage, "/init-upload", init("1763790000000", "1", "10").replace("a.bin", &file.name)).await.ok();
    stage.chunk(&file, 0).await.ok();
    let started = raw(&stage, "/complete-upload", "{\"uploadId\": 1763790000000.0}").await.ok();
    assert_eq!(started["uploadId"], "1763790000000");
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    raw(&stage, "/init-upload", init("7", "1", "10")).await.ok();
    raw(&stage, "/cancel-upload", "{\"uploadId\": 7}").await.ok();
    raw(&stage, "/complete-upload", "{\"uploadId\": 7}").await.error(409);
    for id in ["1.5", "1e30", "123456789012345678901234567890"] {
        let error = raw(&stage, "/cancel-upload", format!("{{\"uploadId\": {id}}}")).await.error(400);
        assert!(error.contains("uploadId must be text, in quotes"), "{error}");
    }
    // A token that is a number is none of these users', and stands in no error.
    for token in ["1234567890", "1.25"] {
        let body = format!("{{\"uploadId\": \"a\", \"authToken\": {token}}}");
        let answer = raw(&stage, "/complete-upload", body).await;
        assert!(
            matches!(answer.status, 400 | 401 | 404) && !answer.body.to_string().contains(token),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_json_is_ignored() {
    let stage = Stage::new().await;
    for space in ["", "\r\n "] {
        let body = format!("\u{feff}{space}{}", init("\"a\"", "1", "10"));
        raw(&stage, "/init-upload", body).await.ok();
    }
    raw(&stage, "/cancel-upload", "\u{feff}{\"uploadId\": \"a\"}").await.ok();
    // It is no blank: elsewhere JSON has none.
    raw(&stage, "/cancel-upload", "{\u{feff}\"uploadId\": \"a\"}").await.error(400);
    // In the other encodings of .NET and Windows it cannot be read (RFC 8259, 8.1), and the answer says so.
    let text = "{\"uploadId\": \"a\"}";
    let units = |mark: bool| mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    for body in [
        units(true).flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        units(false).flat_map(u16::to_le_bytes).collect(),
        units(true).flat_map(u16::to_be_bytes).collect(),
        units(false).flat_map(u16::to_be_bytes).collect(),
    ] {
        let error = raw(&stage, "/cancel-upload", body).await.error(400);
        assert!(error.contains("UTF-16") && error.contains("UTF-8"), "{error}");
    }
    assert!(raw(&stage, "/cancel-upload", "").await.error(400).contains("it is empty"));
    for other in ["\"a\"", "7"] {
        let error = raw(&stage, "/cancel-upload", other).await.error(400);
        assert!(error.contains("expected an object with the documented fields"), "{error}");
    }
}

#[tokio::test]
async fn a_name_in_another_normal_form_is_the_same_name_and_the_first_spelling_stays() {
    let stage = Stage::new().await;
    for (first, then) in [
        ("caf\u{e9}.mp4", "cafe\u{301}.mp4"),
        ("cafe\u{301}.mp4", "caf\u{e9}.mp4"),
        ("\u{1112}\u{1161}\u{11ab}.txt", "\u{d55c}.txt"),
    ] {
        let file = File::new(10).named(first);
        let body = json!({ "uploadId": file.id, "fileName": first, "totalChunks": 1, "fileSize": 10 });
        stage.post("/init-upload", body).await.ok();
        stage.chunk(&file.clone().named(then), 0).await.ok();
        let body = json!({ "uploadId": file.id, "fileName": then, "totalChunks": 1, "fileSize": 10 });
        stage.post("/init-upload", body).await.ok();
        let status = stage.get(&format!("/upload-status/{}", file.id)).await.ok();
        assert_eq!(status["file_name"], first);
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        file.assert_is(stage.sandbox.messages_of(&stage.user).last().unwrap());
    }
}

#[tokio::test]
async fn names_that_only_look_alike_are_shown_apart() {
    let stage = Stage::new().await;
    let conflict = async |stored: &str, sent: &str| {
        let file = File::in_chunks(10, &[5]).named(stored);
        stage.chunk(&file, 0).await.ok();
        stage.chunk(&file.clone().named(sent), 1).await.error(409)
    };
    let error = conflict("pay.txt", "p\u{430}y.txt").await;
    assert!(error.contains("which is pay.txt with") && error.contains("and not p\\u{430}y.txt"), "{error}");
    let error = conflict("a\u{200b}b.txt", "ab.txt").await;
    assert!(error.contains("which is a\\u{200b}b.txt with") && error.contains("and not ab.txt"), "{error}");
    let error = conflict("invoice_\u{202e}fdp.exe", "b.txt").await;
    assert!(error.contains("invoice_\\u{202e}fdp.exe") && !error.contains('\u{202e}'), "{error}");
    let error = conflict("отчёт 1.txt", "отчёт 2.txt").await;
    assert!(error.contains("which is отчёт 1.txt with") && error.contains("not отчёт 2.txt"), "{error}");
}

#[tokio::test]
async fn a_cancelled_upload_says_so_whatever_else_is_wrong() {
    let stage = Stage::new().await;
    let file = File::in_chunks(10, &[5]);
    stage.chunk(&file, 0).await.ok();
    stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
    let other_size = File { bytes: vec![1; 11], ends: vec![5, 11], ..file.clone() };
    let other_count = File { ends: vec![10], ..file.clone() };
    for late in [file.clone(), file.clone().named("other.bin"), other_size, other_count] {
        assert!(stage.chunk(&late, 0).await.error(409).contains("upload was cancelled"), "{late:?}");
    }
    assert!(stage.complete(&file.id).await.error(409).contains("upload was cancelled"));
    // An explicit start may use the id again, also for another file.
    let other = file.clone().named("other.bin");
    let body = json!({ "uploadId": file.id, "fileName": other.name, "totalChunks": 2, "fileSize": 10 });
    stage.post("/init-upload", body).await.ok();
    assert_eq!(stage.send(&other).await["status"], Value::from("completed"));
    stage.arrived(&other);
}
