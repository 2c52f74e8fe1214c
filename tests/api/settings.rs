//! Settings are judged by the names that people gave them, at the start and by `check`.

use std::net::TcpListener;

use serde_json::Value;
use tokio::process::Command;

use crate::config::fails;
use crate::support::{File, Stage, program, soon};

/// A program that would serve, but for what a test adds.
fn served(dir: &tempfile::TempDir) -> Command {
    let mut command = program();
    command.env("BACKEND_URL", "http://127.0.0.1:9").env("TELESTORE_DATA_DIR", dir.path());
    command
}

/// What the start says, and what `check` does.
async fn said(change: impl Fn(&mut Command)) -> [String; 2] {
    let dir = tempfile::tempdir().unwrap();
    let mut start = served(&dir);
    change(&mut start);
    let mut check = served(&dir);
    change(&mut check);
    let output = soon("the check", check.arg("check").output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    [fails(&mut start).await, text(output.stdout) + &text(output.stderr)]
}

#[tokio::test]
async fn a_wrong_variable_is_named_as_the_variable() {
    for (name, value, expected) in [
        ("PORT", "hush", "PORT: expected a port, a number from 0 to 65535"),
        ("TELESTORE_SESSION_TTL", "hush", "TELESTORE_SESSION_TTL: expected a time"),
        ("TELESTORE_MAX_FILE_BYTES", "hush", "TELESTORE_MAX_FILE_BYTES: expected a size"),
        ("TELESTORE_HTTP_THREADS", "hush", "TELESTORE_HTTP_THREADS: expected a whole number"),
        ("TELESTORE_USER_SESSIONS", "hush", "TELESTORE_USER_SESSIONS: expected a number, or off"),
        ("TELESTORE_MTPROTO_DC", "hush", "TELESTORE_MTPROTO_DC: expected an address with a port"),
        ("TELESTORE_HTTP_THREADS", "513", "TELESTORE_HTTP_THREADS: must be 512 at most"),
        (
            "TELESTORE_MAX_CONCURRENT_UPLOADS",
            "18446744073709551615",
            "TELESTORE_MAX_CONCURRENT_UPLOADS: must be",
        ),
        (
            "TELESTORE_IDLE_TIMEOUT",
            "18446744073709551615",
            "TELESTORE_IDLE_TIMEOUT: must be 100 years at most",
        ),
        ("TELESTORE_STALL_TIMEOUT", "0", "TELESTORE_STALL_TIMEOUT: must be more than 0"),
        ("TELESTORE_EAGER", "hush", "TELESTORE_EAGER: must be on or off"),
        ("TELESTORE_ACCESS_LOG", "hush", "TELESTORE_ACCESS_LOG: must be off, refused or all"),
    ] {
        for said in said(|command| _ = command.env(name, value)).await {
            assert!(said.contains(expected) && !said.contains("hush"), "{name}: {said}");
        }
    }
}

#[tokio::test]
async fn a_file_of_a_secret_that_is_of_no_use_is_named_as_its_variable() {
    for (variables, expected) in [
        (
            &[("TELESTORE_WEBHOOK_SECRET_FILE", "/nonexistent/secret")][..],
            "TELESTORE_WEBHOOK_SECRET_FILE: cannot read /nonexistent/secret: ",
        ),
        (
            &[("TELESTORE_SECRET_KEY", "hush"), ("TELESTORE_SECRET_KEY_FILE", "/nonexistent")],
            "TELESTORE_SECRET_KEY_FILE: TELESTORE_SECRET_KEY is set, too",
        ),
    ] {
        for said in said(|command| _ = command.envs(variables.iter().copied())).await {
            assert!(said.contains(expected) && !said.contains("hush"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_wrong_flag_is_named_as_the_flag() {
    for (args, expected) in [
        (&["--port", "hush"][..], "--port: expected a port"),
        (&["--idle-timeout=hush"], "--idle-timeout: expected a time"),
        (&["--http2=hush"], "--http2: must be on or off"),
        (&["--max-connections", "0"], "--max-connections: must be at least 1"),
    ] {
        // The variable says something else, and does not count.
        for said in said(|command| _ = command.env("PORT", "0").args(args)).await {
            assert!(said.contains(expected) && !said.contains("hush"), "{args:?}: {said}");
        }
    }
}

#[tokio::test]
async fn a_wrong_key_is_named_with_its_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("worker.toml");
    let path = file.display().to_string();
    for (text, key, expected) in [
        ("# the port\nport = \"hush\"", "port", ", line 2): expected a port"),
        ("eager = \"hush\"", "eager", ", line 1): must be on or off"),
        ("\n\nfailed_ttl = \"hush\"", "failed_ttl", ", line 3): expected a time"),
        ("http_threads = 0", "http_threads", ", line 1): must be at least 1"),
        ("cors_origins = [\"a.example\"]", "cors_origins", ", line 1): a.example is no origin"),
        ("bot_tokn = \"hush\"", "bot_tokn", ", line 1) is not a setting: did you mean bot_token?"),
        ("port = hush", "port", ", line 1): "),
    ] {
        std::fs::write(&file, text).unwrap();
        for said in said(|command| _ = command.arg("--config").arg(&file)).await {
            assert!(
                said.contains(&format!("{key} ({path}{expected}")) && !said.contains("hush"),
                "{text}: {said}"
            );
        }
    }
    std::fs::write(&file, "port = \"hush\"").unwrap();
    let mut check = program();
    let output = check.arg("--config").arg(&file).args(["check", "--json"]).output().await.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["ok"], &report["checks"][0]["result"]),
        (&false.into(), &"failed".into()),
        "{report}"
    );
}

#[tokio::test]
async fn what_does_nothing_is_told_at_the_start_and_by_check() {
    let mut stage = Stage::recording(&[
        ("TELESTORE_BOT_TOKN", "hush"),
        ("TELESTORE_PORT", "1"),
        ("TELESTORE_CHANNEL_ID", "-1001"),
        ("TELESTORE_BOT_TOKEN", "1:hush"),
        ("TELESTORE_HTTP_THREADS", " "),
    ])
    .await;
    stage.send(&File::new(10)).await;
    assert!(stage.terminate().await.success());
    let checked = stage.command(&["check"]).await.stdout;
    for said in [stage.logged("stopping").await, checked] {
        for expected in [
            "TELESTORE_BOT_TOKN is not a setting, and is not used: did you mean TELESTORE_BOT_TOKEN?",
            "TELESTORE_PORT is not a setting, and is not used: did you mean PORT?",
            "BACKEND_URL is set, so settings for stand-alone use are not used: TELESTORE_BOT_TOKEN, TELESTORE_CHANNEL_ID",
        ] {
            let line = said.lines().find(|line| line.contains(expected)).unwrap_or_else(|| panic!("{said}"));
            assert!(line.contains("WARN") || line.starts_with("warning"), "{line}");
        }
        assert!(!said.contains("hush"), "{said}");
    }
}

#[tokio::test]
async fn check_finds_a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let check = async |args: &[&str]| {
        let mut check = served(&dir);
        check.env("TELESTORE_HOST", "127.0.0.1").args(args).arg("check");
        String::from_utf8(soon("the check", check.output()).await.unwrap().stdout).unwrap()
    };
    let said = check(&["--port", &address.port().to_string()]).await;
    let line = said.lines().find(|line| line.contains(" port ")).unwrap();
    assert!(line.starts_with("failed") && line.contains(&address.to_string()), "{line}");
    assert!(line.contains("set --port or TELESTORE_HOST"), "{line}");
    let said = check(&["--port", "0"]).await;
    assert!(said.lines().any(|line| line.starts_with("ok ") && line.contains(" port ")), "{said}");
    // If the worker itself runs, the port is its own.
    let stage = Stage::new().await;
    let said = stage.command(&["--port", &address.port().to_string(), "check"]).await.stdout;
    assert!(!said.contains("cannot listen"), "{said}");
}

#[tokio::test]
async fn a_port_of_the_sandbox_that_is_taken_is_named_by_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for flag in ["--http-port", "--mtproto-port", "--worker-port"] {
        let dir = tempfile::tempdir().unwrap();
        let mut sandbox = program();
        sandbox.args(["sandbox", "--with-worker", "--dir"]).arg(dir.path());
        let others =
            ["--http-port", "--mtproto-port", "--worker-port"].into_iter().filter(|other| *other != flag);
        others.for_each(|other| _ = sandbox.args([other, "0"]));
        let said = fails(sandbox.args([flag, &address.port().to_string()])).await;
        assert!(said.contains(&address.to_string()) && said.contains(&format!("set {flag}")), "{said}");
    }
}
