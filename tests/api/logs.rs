//! What the worker says of itself on standard error.

use std::process::Stdio;

use serde_json::{Value, json};
use telestore_sandbox::Fault;

use crate::support::{File, MIB, Stage, program, soon};
use crate::tus::Tus;

/// What stands behind `[id] ` in the lines of a log, in order.
fn lines_of(log: &str, id: &str) -> Vec<String> {
    let of = format!("[{id}] ");
    log.lines().filter_map(|line| Some(line.split_once(&of)?.1.to_owned())).collect()
}

#[tokio::test]
async fn an_upload_is_told_in_the_documented_lines() {
    let stage = Stage::recording(&[("TELESTORE_EAGER", "off")]).await;
    let (small, large) = (File::new(MIB), File::new(51 * MIB));
    for (file, way) in [(&small, "Using Bot API"), (&large, "Using MTProto")] {
        stage.send(file).await;
        let log = stage.logged(&format!("[{}] Upload completed successfully", file.id)).await;
        let lines = lines_of(&log, &file.id);
        let begins: Vec<&str> = lines.iter().take(3).map(String::as_str).collect();
        assert!(begins[1].starts_with("Background upload started"), "{lines:#?}");
        assert_eq!((begins[0], begins[2]), ("Upload queued", way), "{lines:#?}");
        let told = lines.iter().filter_map(|line| line.strip_prefix("Upload progress: ")?.strip_suffix('%'));
        let told: Vec<u8> = told.map(|percent| percent.parse().unwrap()).collect();
        assert!(told.windows(2).all(|two| two[0] / 10 < two[1] / 10), "once each 10 %: {told:?}");
        assert!(told.len() >= 4 || file.bytes.len() == MIB, "{told:?}");
        assert!(lines.last().unwrap().starts_with("Upload completed successfully"), "{lines:#?}");
    }
}

#[tokio::test]
async fn a_failure_is_told_once() {
    let mut stage = Stage::recording(&[]).await;
    stage.user = stage.sandbox.add_user(telestore_sandbox::UserSpec::new("poor"));
    stage.sandbox.revoke_session(&stage.user);
    let file = File::new(51 * MIB);
    assert_eq!(stage.send(&file).await["status"], "failed");
    stage.terminate().await;
    let log = stage.logged("Upload failed").await;
    let failures: Vec<&str> = log.lines().filter(|line| line.contains("not authorized")).collect();
    assert_eq!(failures.len(), 1, "{log}");
    let expected = format!("[{}] Upload failed: Telegram session not authorized", file.id);
    assert!(failures[0].ends_with(&expected), "{log}");
}

#[tokio::test]
async fn json_lines_name_upload_user_and_request() {
    let stage = Stage::recording(&[("TELESTORE_LOG_FORMAT", "json"), ("TELESTORE_LOG", "debug")]).await;
    let file = File::new(10);
    stage.chunks(&file).await;
    let complete = stage.client.post(stage.url("/complete-upload")).header("X-Request-Id", "id-of-a-request");
    let body = json!({ "uploadId": file.id, "authToken": stage.user.auth_token });
    stage.ask(complete.json(&body)).await.ok();
    stage.end(&file.id).await;
    let log = stage.logged("Upload completed successfully").await;
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let line = |what: &str| {
        let found =
            lines.iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains(what)));
        found.unwrap_or_else(|| panic!("no {what} in {log}"))
    };
    let queued = &line("Upload queued")["spans"][0];
    assert_eq!((&queued["name"], &queued["request_id"]), (&json!("request"), &json!("id-of-a-request")));
    assert_eq!((&queued["upload"], &queued["user"]), (&json!(file.id), &json!(stage.user.user_id)));
    let completed = line("Upload completed successfully");
    assert_eq!(completed["level"], "INFO");
    let send = &completed["spans"][0];
    assert_eq!((&send["name"], &send["attempt"]), (&json!("send"), &json!(1)));
    assert_eq!((&send["upload"], &send["user"]), (&json!(file.id), &json!(stage.user.user_id)));
    let progress = line("Upload progress")["spans"][0].clone();
    assert_eq!(progress["upload"], json!(file.id), "also from the tasks of a backend");
    for line in &lines {
        let (target, level) = (line["target"].as_str().unwrap(), line["level"].as_str().unwrap());
        assert!(target.starts_with("telestore") || !["DEBUG", "TRACE"].contains(&level), "{line}");
    }
}

#[tokio::test]
async fn a_line_names_its_user_and_its_upload_once() {
    let stage = Stage::recording(&[]).await;
    let (tus, file) = (Tus::new(&stage), File::new(MIB));
    let path = tus.begin_file(&file).await;
    assert_eq!(tus.append(&path, 0, &file.bytes).await, file.bytes.len());
    tus.arrived(&path, &file).await;
    let log = stage.logged("Upload queued").await;
    let line = log.lines().find(|line| line.contains("Upload queued")).unwrap();
    for field in [" user=", " upload="] {
        assert_eq!(line.matches(field).count(), 1, "{line}");
    }
}

#[tokio::test]
async fn nobody_forges_a_line() {
    let words = "refused\r\n2026-01-01T00:00:00Z ERROR telestore: forged\u{85}\u{1b}[2J";
    let refusal = json!({ "ok": false, "error_code": 400, "description": words });
    for format in ["human", "json"] {
        let stage = Stage::recording(&[("TELESTORE_LOG_FORMAT", format)]).await;
        stage.sandbox.faults().inject(Fault::http_status("sendDocument", 400, refusal.clone()));
        let file = File::new(10);
        let end = stage.send(&file).await;
        assert!(end["error"].as_str().unwrap().contains("forged"), "{end}");
        let log = stage.logged("Upload failed").await;
        let forged: Vec<&str> = log.lines().filter(|line| line.contains("forged")).collect();
        assert_eq!(forged.len(), 1, "{log}");
        assert!(forged[0].contains("Upload failed"), "{log}");
        assert!(!log.contains(|c: char| c.is_control() && c != '\n'), "{log:?}");
    }
}

#[tokio::test]
async fn log_settings_that_are_none_are_told() {
    for (name, value) in [("TELESTORE_LOG_FORMAT", "xml"), ("TELESTORE_LOG", "telestore=loud")] {
        let output = program().env(name, value).stdout(Stdio::null()).stderr(Stdio::piped()).output();
        let output = soon("the program to end", output).await.unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("{name}: ")), "{output:?}");
    }
}
