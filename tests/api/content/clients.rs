//! Programs that download: curl, HTTP/1.0, HTTP/2, and those that stop in the middle.

use std::path::Path;

use tokio::process::Command;

use super::{Got, Kept, ask, random};
use crate::raw::Raw;
use crate::support::{MIB, Stage, soon};
use crate::tls::Files;

/// Runs curl in a directory; its standard error.
async fn curl(dir: &Path, args: &[&str]) -> String {
    let curl = Command::new("curl").current_dir(dir).arg("-sS").arg("--fail").args(args).output();
    let output = soon("curl", curl).await.expect("curl is installed");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {words}");
    words
}

#[tokio::test]
async fn curl_saves_a_file_under_its_name_and_goes_on_where_it_stopped() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a b.bin", None, random(5 * MIB + 3)).await;
    let (dir, token) =
        (tempfile::tempdir().unwrap(), format!("Authorization: Bearer {}", stage.user.auth_token));
    let at = stage.url(&file.path());
    curl(dir.path(), &["-OJ", "-H", &token, &at]).await;
    let saved = dir.path().join("a b.bin");
    assert!(std::fs::read(&saved).unwrap() == file.bytes);
    for there in [1, 262_144, 5 * MIB + 2] {
        let before = stage.sandbox.stats().calls("upload.getFile");
        std::fs::write(&saved, &file.bytes[..there]).unwrap();
        curl(dir.path(), &["-C", "-", "-o", "a b.bin", "-H", &token, &at]).await;
        assert!(std::fs::read(&saved).unwrap() == file.bytes, "{there}");
        let calls = stage.sandbox.stats().calls("upload.getFile") - before;
        assert!(
            calls as usize <= (file.bytes.len() - there).div_ceil(256 * 1024) + 1,
            "{there}: {calls} calls"
        );
    }
    curl(dir.path(), &["-r", "10-19", "-o", "part", &format!("{at}?token={}", stage.user.auth_token)]).await;
    assert!(std::fs::read(dir.path().join("part")).unwrap() == file.bytes[10..20]);
}

#[tokio::test]
async fn http_1_0_has_a_length_and_keeps_its_connection() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.txt", None, random(3000)).await;
    let mut raw = Raw::connect(&stage).await;
    for (range, status, bytes) in
        [("", 200, &file.bytes[..]), ("Range: bytes=5-8\r\n", 206, &file.bytes[5..9])]
    {
        raw.send(format!(
            "GET {}?token={} HTTP/1.0\r\nConnection: keep-alive\r\nAccept-Encoding: gzip\r\n{range}\r\n",
            file.path(),
            stage.user.auth_token
        ))
        .await;
        let answer = raw.answer().await;
        assert!(answer.head.contains("connection: keep-alive"), "{}", answer.head);
        assert!(!answer.head.contains("transfer-encoding"), "{}", answer.head);
        assert_eq!(answer.status, status);
        assert!(answer.body == bytes);
    }
}

#[tokio::test]
async fn an_answer_to_head_reads_nothing_and_keeps_its_connection() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.txt", None, random(3000)).await;
    let mut raw = Raw::connect(&stage).await;
    let before = stage.sandbox.stats().calls("upload.getFile");
    let path = format!("{}?token={}", file.path(), stage.user.auth_token);
    for _ in 0..2 {
        raw.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let head = raw.head().await.to_lowercase();
        assert!(head.starts_with("http/1.1 200 ") && head.contains("content-length: 3000\r\n"), "{head}");
    }
    assert_eq!(stage.sandbox.stats().calls("upload.getFile"), before);
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert!(raw.answer().await.body == file.bytes, "it comes right behind the heads");
}

#[tokio::test]
async fn http_2_gives_files_and_ranges() {
    let files = Files::new();
    let stage = files.stage().await;
    let file = Kept::put(&stage, "a.bin", None, random(3 * MIB)).await;
    let answer = file.ask(&stage, "GET").send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.content_length(), Some(3 * MIB as u64));
    assert!(Got::by(answer).await.body == file.bytes);
    let part = file.get(&stage, &[("Range", "bytes=1000000-2000000")]).await;
    assert!(part.status == 206 && part.body == file.bytes[1_000_000..2_000_001]);
    let head = Got::of(file.ask(&stage, "HEAD")).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "3145728", 0));
    let (tag, outside) = (head.header("etag"), ("Range", "bytes=9999999-"));
    assert_eq!(file.get(&stage, &[("If-None-Match", tag)]).await.status, 304);
    assert_eq!(file.get(&stage, &[outside]).await.header("content-range"), "bytes */3145728");
}

/// What waits for a client that takes nothing is what its connection and the reader hold, whatever the file's size.
#[tokio::test]
async fn nothing_more_is_read_for_clients_that_do_not_take_it_or_are_gone() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.bin", None, random(24 * MIB)).await;
    let before = stage.sandbox.stats().calls("upload.getFile");
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut raw = Raw::connect(&stage).await;
        let path = format!("{}?token={}", file.path(), stage.user.auth_token);
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(raw.head().await.contains(" 200 "));
        slow.push(raw);
    }
    // Others are served beside them.
    let part = file.get(&stage, &[("Range", "bytes=20000000-21000000")]).await;
    assert!(part.body == file.bytes[20_000_000..21_000_001]);
    drop(slow);
    let whole = Got::of(ask(&stage, "GET", &file.path())).await;
    assert!(whole.body == file.bytes);
    // 96 blocks for the one who took all, 5 for the part.
    let calls = stage.sandbox.stats().calls("upload.getFile") - before;
    assert!(calls < 96 + 5 + 4 * 72, "{calls}");
}
