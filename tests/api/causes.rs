//! What went wrong stands in the log, at a level that is shown, and no more often than it helps.

use serde_json::Value;
use telestore_sandbox::Fault;

use crate::support::{File, MIB, Stage, soon};

#[tokio::test]
async fn a_backend_that_is_down_is_told_once() {
    let stage = Stage::recording(&[("BACKEND_URL", "http://user:hush@127.0.0.1:9")]).await;
    for _ in 0..5 {
        stage.direct(&File::new(10)).await.error(503);
    }
    stage.chunk(&File::new(10), 0).await.error(503);
    let log = stage.logged("cannot serve requests").await;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("cannot serve requests")).collect();
    // The words of a question that was put, and of one that was not since others failed, may differ.
    assert!((1..=2).contains(&lines.len()), "{log}");
    assert!(
        lines[0].contains(" WARN ") && lines[0].contains("TeleStore backend is not available: "),
        "{log}"
    );
    assert!(lines[0].contains("route=\"/upload\"") && lines[0].contains("status=503"), "{log}");
    assert!(!log.contains("hush") && !log.contains("127.0.0.1:9"), "{log}");
}

#[tokio::test]
async fn a_backend_that_makes_no_sense_is_told() {
    let stage = Stage::recording(&[]).await;
    let nonsense = serde_json::json!({ "user_id": 7 });
    stage.sandbox.faults().inject(Fault::http_status("backend.credentials", 200, nonsense));
    stage.direct(&File::new(10)).await.error(503);
    let log = stage.logged("cannot serve requests").await;
    assert!(log.contains("makes no sense"), "{log}");
}

#[tokio::test]
async fn a_disk_that_fails_is_told_as_the_workers_own_fault() {
    let stage = Stage::recording(&[]).await;
    stage.chunk(&File::new(10), 0).await.ok();
    let spool = stage.data_dir().join("spool");
    std::fs::remove_dir_all(&spool).unwrap();
    std::fs::write(&spool, "a file in the place of the directory").unwrap();
    for _ in 0..3 {
        stage.direct(&File::new(10)).await.error(500);
    }
    let log = stage.logged("cannot serve requests").await;
    assert_eq!(log.matches("cannot serve requests").count(), 1, "{log}");
    assert!(log.contains("ERROR") && log.contains("cause=\"data directory: "), "{log}");
}

#[tokio::test]
async fn json_lines_of_a_request_name_it_as_the_human_ones_do() {
    let mut names = Vec::new();
    for format in ["human", "json"] {
        let stage = Stage::recording(&[("TELESTORE_LOG_FORMAT", format), ("TELESTORE_LOG", "debug")]).await;
        let file = File::new(51 * MIB);
        let status = stage.client.get(stage.url(&format!("/upload-status/{}", file.id)));
        stage.chunks(&file).await;
        let status = status.bearer_auth(&stage.user.auth_token).header("X-Request-Id", "the-status");
        stage.ask(status).await.ok();
        stage.complete(&file.id).await.ok();
        stage.end(&file.id).await;
        let log = stage.logged("Upload completed").await;
        let find =
            |what: &[&str]| log.lines().find(|line| what.iter().all(|what| line.contains(what))).unwrap();
        let (answered, progress) = (find(&["answered", "the-status"]), find(&["Upload progress"]));
        if format == "human" {
            for field in ["request_id=\"the-status\"", "route=\"/upload-status/{uploadId}\"", "user="] {
                assert!(answered.contains(field), "{answered}");
            }
            assert!(progress.contains("send{upload="), "{progress}");
            continue;
        }
        let answered: Value = serde_json::from_str(answered).unwrap();
        let span = &answered["spans"][0];
        for (name, value) in [
            ("name", "request"),
            ("request_id", "the-status"),
            ("method", "GET"),
            ("route", "/upload-status/{uploadId}"),
            ("user", stage.user.user_id.as_str()),
            ("upload", file.id.as_str()),
        ] {
            assert_eq!(span[name], value, "{answered}");
        }
        assert_eq!((&answered["status"], &answered["level"]), (&Value::from(200), &Value::from("DEBUG")));
        let progress: Value = serde_json::from_str(progress).unwrap();
        assert_eq!(progress["spans"][0]["name"], "send", "{progress}");
        names.extend(answered.as_object().unwrap().keys().cloned());
    }
    assert!(names.contains(&"timestamp".to_owned()) && names.contains(&"target".to_owned()), "{names:?}");
}

#[tokio::test]
async fn an_upload_that_a_person_cancels_is_told_as_cancelled_and_as_nothing_else() {
    for (length, at) in
        [(24 * MIB, "upload.saveBigFilePart"), (12 * MIB, "messages.sendMedia"), (5 * MIB, "sendDocument")]
    {
        for by_operator in [true, false] {
            let stage =
                Stage::recording(&[("TELESTORE_EAGER", "off"), ("TELESTORE_BOT_API_MAX_BYTES", "6 MiB")])
                    .await;
            let file = File::in_chunks(length, &[MIB]);
            let hold = stage.sandbox.faults().inject(Fault::hold(at));
            stage.queue(&file).await;
            soon("the send", stage.sandbox.faults().wait_fired(hold, 1)).await;
            if by_operator {
                stage.command(&["uploads", "cancel", &file.id]).await.ok();
            } else {
                stage.post("/cancel-upload", serde_json::json!({ "uploadId": file.id })).await.ok();
            }
            stage.sandbox.faults().release(hold);
            let log = stage.logged(&format!("[{}] Upload cancelled", file.id)).await;
            // What comes behind it shows that nothing else was told of it.
            let next = File::new(10);
            assert_eq!(stage.send(&next).await["status"], "completed");
            stage.emptied(&["chunks"]).await;
            let log = format!("{log}{}", stage.logged(&next.id).await);
            for wrong in
                ["damaged", "Upload failed", "trying again", "ERROR", "lease was lost before the result"]
            {
                assert!(!log.contains(wrong), "{at}, by the operator: {by_operator}: {wrong} in {log}");
            }
            let warnings: Vec<&str> =
                log.lines().filter(|line| line.contains(" WARN ") && line.contains(&file.id)).collect();
            assert_eq!(warnings, [""; 0], "{at}, by the operator: {by_operator}");
        }
    }
}
