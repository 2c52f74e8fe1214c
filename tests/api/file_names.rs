//! What files are called: as clients write it, and as people read it.

use serde_json::json;

use crate::forms::{body, field, part, request};
use crate::support::{Answer, File, Stage, soon};

/// Sends a file whose part has this disposition, with `fields` beside it.
async fn upload(stage: &Stage, disposition: &[u8], fields: &[(&str, &str)]) -> Answer {
    let head = [b"Content-Disposition: form-data; name=\"file\"; ", disposition].concat();
    let mut parts = vec![field("authToken", &stage.user.auth_token), part(head, b"bytes of the file")];
    parts.extend(fields.iter().map(|(name, value)| field(name, value)));
    stage.ask(request(stage, "/upload", "multipart/form-data; boundary=X", body("X", "", &parts))).await
}

#[tokio::test]
async fn names_are_read_as_clients_write_them() {
    let stage = Stage::new().await;
    let dotnet = "filename=\"=?utf-8?B?0L/RgNC40LLQtdGCLnR4dA==?=\"";
    let both = format!("{dotnet}; filename*=utf-8''%D0%BF%D1%80%D0%B8%D0%B2%D0%B5%D1%82.txt");
    let cases: [(&[u8], &str); 22] = [
        // .NET's HttpClient, with and without its second name.
        (both.as_bytes(), "привет.txt"),
        (dotnet.as_bytes(), "привет.txt"),
        (b"filename==?utf-8?B?0L/RgNC40LLQtdGCLnR4dA==?=", "привет.txt"),
        (b"filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        // Neighbours: other charsets, words in Q and several of them, names in pieces.
        (b"filename=plain.txt; filename*=iso-8859-1'en'na%EFve.txt", "naïve.txt"),
        (b"filename*=utf-8''na%EFve.txt; filename=naive.txt", "naive.txt"),
        (b"filename=\"=?UTF-8?Q?na=C3=AF?= =?utf-8?q?ve_1.txt?=\"", "naïve 1.txt"),
        (b"filename=\"=?windows-1252?Q?5=80.txt?=\"", "5€.txt"),
        (b"filename*0*=UTF-8''na%C3; filename*1*=%AFve; filename*2=.txt", "naïve.txt"),
        // What is no UTF-8.
        (b"filename=\"na\xefve.txt\"", "naïve.txt"),
        (b"filename=\"5\x80 \x81.txt\"", "5€ \u{fffd}.txt"),
        (b"filename=\"\xd0\xbf\xd1\x80\xd0\xb8\xd0.txt\"", "при\u{fffd}.txt"),
        // Browsers' escapes, and nothing that only looks like one.
        (b"filename=\"say %22hi%22.txt\"", "say \"hi\".txt"),
        (b"filename=\"two%0D%0Alines.txt\"", "two\r\nlines.txt"),
        (b"filename=\"100%25 %41%0d%.txt\"", "100%25 %41%0d%.txt"),
        // Quotes and backslashes: curl's escapes, clients that escape nothing, paths of Windows.
        (b"filename=\"say \\\"hi\\\".txt\"", "say \"hi\".txt"),
        (b"filename=\"say \"hi\".txt\"", "say \"hi\".txt"),
        (b"filename=\"C:\\Users\\me\\x.txt\"", "x.txt"),
        (b"filename=\"a\\b.txt\"", "b.txt"),
        (b"filename=\"\\\\server\\share\\new.txt\"", "new.txt"),
        (b"filename*=utf-8''..%2F..%2Fup.txt", "up.txt"),
        ("filename=\"invoice_\u{202e}fdp.exe\"".as_bytes(), "invoice_\u{202e}fdp.exe"),
    ];
    for (disposition, name) in cases {
        let answer = upload(&stage, disposition, &[]).await.ok();
        assert_eq!(answer["fileName"], name, "{}", disposition.escape_ascii());
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), cases.len());
}

#[tokio::test]
async fn the_stated_name_goes_before_that_of_the_part() {
    let stage = Stage::new().await;
    for disposition in [&b"filename=\"na\xefve.txt\""[..], b"filename=blob", b"filename*=utf-8''blob", b"x=y"]
    {
        let answer = upload(&stage, disposition, &[("fileName", "naïve.txt")]).await.ok();
        assert_eq!(answer["fileName"], "naïve.txt", "{}", disposition.escape_ascii());
    }
    let error = upload(&stage, b"filename=\"\"", &[("fileName", "")]).await.error(400);
    assert_eq!(error, "fileName must not be empty");
}

#[tokio::test]
async fn fields_are_text_in_the_charset_of_their_part() {
    let stage = Stage::new().await;
    for headers in [
        "Content-Disposition: form-data; name=\"fileName\"",
        "Content-Disposition: form-data; name=\"fileName\"\r\nContent-Type: text/plain; charset=ISO-8859-1",
    ] {
        let file = part("Content-Disposition: form-data; name=\"file\"; filename=blob", b"bytes");
        let parts = [field("authToken", &stage.user.auth_token), file, part(headers, b"na\xefve.txt")];
        let sent = request(&stage, "/upload", "multipart/form-data; boundary=X", body("X", "", &parts));
        assert_eq!(stage.ask(sent).await.ok()["fileName"], "naïve.txt");
    }
}

#[tokio::test]
async fn long_names_are_kept_in_answers_and_in_the_webhook() {
    let stage = Stage::new().await;
    let names = [format!("{}.txt", "文".repeat(90)), format!("{}.tar.gz", "\u{1f600}".repeat(248))];
    for (n, name) in names.iter().enumerate() {
        assert!(name.len() > 255);
        let file = File::new(1000).named(name);
        stage.chunk(&file, 0).await.ok();
        assert_eq!(stage.get(&format!("/upload-status/{}", file.id)).await.ok()["file_name"], *name);
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        let calls = soon("the webhook", stage.sandbox.wait_for_webhooks(2 * n + 1)).await;
        assert_eq!(calls.last().unwrap().body["fileName"], *name);
        assert_eq!(stage.direct(&file).await.ok()["fileName"], *name);
        soon("the webhook", stage.sandbox.wait_for_webhooks(2 * n + 2)).await;
    }
    let error = stage.chunk(&File::new(10).named(&"x".repeat(256)), 0).await.error(400);
    assert_eq!(error, "fileName must be at most 255 characters");
}

#[tokio::test]
async fn what_misleads_is_escaped_where_a_person_reads_it() {
    let stage = Stage::new().await;
    let name = "invoice_\u{202e}fdp\u{200b}.exe";
    let file = File::in_chunks(20, &[10]).named(name);
    stage.chunk(&file, 0).await.ok();
    assert_eq!(stage.get(&format!("/upload-status/{}", file.id)).await.ok()["file_name"], name);
    let init = json!({
        "uploadId": file.id, "fileName": "other.exe", "totalChunks": 2, "fileSize": 20,
        "authToken": stage.user.auth_token,
    });
    let error = stage.post("/init-upload", init).await.error(409);
    assert!(error.contains("invoice_\\u{202e}fdp\\u{200b}.exe"), "{error}");
    for args in [&["uploads", "list"][..], &["uploads", "show", &file.id]] {
        let shown = stage.command(args).await.ok();
        assert!(shown.contains("invoice_\\u{202e}fdp\\u{200b}.exe"), "{shown}");
        assert!(!shown.contains(['\u{202e}', '\u{200b}']), "{shown:?}");
    }
}
