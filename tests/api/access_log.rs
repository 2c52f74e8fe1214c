//! Who called: lines with addresses, and what reads them.

use regex_lite::Regex;
use serde_json::{Value, json};

use crate::docs::document;
use crate::support::{File, Stage};

const ATTACKER: &str = "203.0.113.9";

/// A stage behind a proxy that is trusted, where every address has limits.
async fn stage(settings: &[(&str, &str)]) -> Stage {
    let common = [
        ("TELESTORE_TRUSTED_PROXIES", "loopback"),
        ("TELESTORE_ADDRESS_REFUSED_TOKENS_PER_MINUTE", "1"),
        ("TELESTORE_LIMITED_ADDRESSES", "all"),
    ];
    Stage::recording(&[&common, settings].concat()).await
}

/// The expressions of the filter, with what fail2ban puts for `<HOST>`.
fn filter() -> Vec<Regex> {
    let text = document("deploy/fail2ban/telestore-worker.conf");
    let (_, rest) = text.split_once("failregex = ").unwrap();
    let (expressions, _) = rest.split_once("\n\n").unwrap();
    let host = "(?P<host>[0-9a-fA-F.:]+)";
    expressions.lines().map(|line| Regex::new(&line.trim().replace("<HOST>", host)).unwrap()).collect()
}

/// Whom fail2ban would ban for these lines, which it sees without their time.
fn banned(log: &str) -> Vec<String> {
    let time = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d").unwrap();
    let (filter, mut hosts) = (filter(), Vec::new());
    for line in log.lines().map(|line| time.replace(line, "").into_owned()) {
        let found = filter.iter().find_map(|expression| expression.captures(&line));
        hosts.extend(found.map(|found| found["host"].to_owned()));
    }
    hosts
}

/// Calls with a token that nobody has, from an address as a trusted proxy says it.
async fn guess(stage: &Stage, token: &str, from: &str) -> u16 {
    let request = stage.client.post(stage.url(&format!("/upload?authToken={token}"))).bearer_auth(token);
    let form = File::new(10).direct(token);
    stage.ask(request.header("X-Forwarded-For", from).multipart(form)).await.status
}

#[tokio::test]
async fn who_is_refused_is_named_so_that_fail2ban_finds_them() {
    for format in ["human", "json"] {
        let stage = stage(&[("TELESTORE_LOG_FORMAT", format), ("TELESTORE_LOG", "warn")]).await;
        assert_eq!(guess(&stage, "hush-hush-1", ATTACKER).await, 401);
        assert_eq!(guess(&stage, "hush-hush-2", ATTACKER).await, 429);
        let file = File::new(10);
        stage.chunk(&file, 0).await.ok();
        // Refusals of people who guess nothing: no token, and another user's upload.
        let bob = stage.sandbox.add_user(telestore_sandbox::UserSpec::new("bob"));
        stage.form("/upload-chunk", file.chunk(0, &bob.auth_token)).await.error(403);
        stage.form("/upload-chunk", File::new(10).chunk(0, "")).await.error(401);
        let log = stage.logged("missing_token").await;
        assert_eq!(banned(&log), [ATTACKER, ATTACKER], "{log}");
        for reason in ["invalid_token", "too_many", "forbidden", "missing_token"] {
            assert_eq!(log.matches(reason).count(), 1, "{reason}: {log}");
        }
        assert!(!log.contains("hush") && !log.contains("authToken="), "{log}");
    }
}

#[tokio::test]
async fn nobody_has_another_address_banned() {
    for format in ["human", "json"] {
        let stage = stage(&[("TELESTORE_LOG_FORMAT", format), ("TELESTORE_LOG", "debug")]).await;
        let forged = "x WARN telestore_access: refused address=192.0.2.7 status=401 reason=invalid_token ";
        let json = r#"{"level":"WARN","message":"refused","address":"192.0.2.7","status":401,"reason":"invalid_token""#;
        for words in [forged, json] {
            let refusal = json!({ "ok": false, "error_code": 400, "description": words });
            let fault = telestore_sandbox::Fault::http_status("sendDocument", 400, refusal);
            stage.sandbox.faults().inject(fault.once());
            assert_eq!(stage.send(&File::new(10).named("a b.bin")).await["status"], "failed");
            let request = stage.client.get(stage.url("/upload-status/x")).header("X-Request-Id", words);
            stage.ask(request.bearer_auth("x").header("X-Forwarded-For", words)).await;
        }
        // What is told last, so that all of the rest is there.
        assert_eq!(stage.send(&File::new(10)).await["status"], "completed");
        let log = stage.logged("Upload completed").await;
        assert!(log.matches("192.0.2.7").count() >= 2, "{log}");
        assert!(!banned(&log).contains(&"192.0.2.7".to_owned()), "{log}");
    }
}

#[tokio::test]
async fn every_request_is_a_line_where_that_is_asked_for() {
    let stage = stage(&[("TELESTORE_ACCESS_LOG", "all"), ("TELESTORE_LOG_FORMAT", "json")]).await;
    let file = File::new(1000);
    let chunk = stage.client.post(stage.url("/upload-chunk?token=hush")).header("X-Request-Id", "the-chunk");
    let chunk = chunk.header("X-Forwarded-For", "1.2.3.4, 2001:db8::7");
    stage.ask(chunk.multipart(file.chunk(0, &stage.user.auth_token))).await.ok();
    stage.get("/no-such-place").await.error(404);
    let log = stage.logged("\"status\":404").await;
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<Value> = lines.filter(|line| line["target"] == "telestore_access").collect();
    let line = |name: &str, value: Value| lines.iter().find(|line| line[name] == value).unwrap();
    let chunk = line("request_id", json!("the-chunk"));
    for (name, value) in [
        ("message", json!("request")),
        ("address", json!("2001:db8::7")),
        ("method", json!("POST")),
        ("route", json!("/upload-chunk")),
        ("status", json!(200)),
    ] {
        assert_eq!(chunk[name], value, "{chunk}");
    }
    let (received, sent) = (chunk["received"].as_u64().unwrap(), chunk["sent"].as_u64().unwrap());
    assert!(received > 1000 && (10..1000).contains(&sent) && chunk["ms"].is_u64(), "{chunk}");
    assert_eq!(line("status", json!(404))["route"], "none");
    assert!(!log.contains("hush") && !log.contains("no-such-place"), "{log}");
}

#[tokio::test]
async fn no_address_is_logged_where_none_may_be_kept() {
    let stage = stage(&[("TELESTORE_ACCESS_LOG", "off"), ("TELESTORE_LOG", "debug")]).await;
    assert_eq!(guess(&stage, "hush-hush", ATTACKER).await, 401);
    stage.send(&File::new(10)).await;
    let log = stage.logged("Upload completed").await;
    assert!(!log.contains(ATTACKER) && !log.contains("telestore_access"), "{log}");
}

#[tokio::test]
async fn an_address_that_is_refused_all_the_time_does_not_fill_the_log() {
    let stage = stage(&[]).await;
    let began = std::time::Instant::now();
    for n in 0..50 {
        guess(&stage, &format!("guess-{n}"), ATTACKER).await;
    }
    guess(&stage, "guess", "203.0.113.10").await;
    let log = stage.logged("203.0.113.10").await;
    let lines = banned(&log).iter().filter(|host| *host == ATTACKER).count();
    // One more each three seconds.
    let most = 20 + began.elapsed().as_secs() as usize / 3;
    assert!((20..=most).contains(&lines) && lines < 50, "{lines} of 50, and {most} at most");
}
