//! Slow clients are given up in time, and nobody else notices them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use telestore_sandbox::Fault;

use crate::raw::{Answer, Raw};
use crate::support::{File, MIB, Stage, soon};

/// Short times, so that a test need not wait for long.
const SHORT: [(&str, &str); 3] =
    [("TELESTORE_HEADER_TIMEOUT", "1s"), ("TELESTORE_BODY_TIMEOUT", "1s"), ("TELESTORE_IDLE_TIMEOUT", "1s")];

const FORM: &str = "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\
                    Content-Type: multipart/form-data; boundary=X\r\n\r\n--X\r\n\
                    Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nbytes";
const JSON: &str = "POST /init-upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"uploadId\": ";
const HEAD: &str = "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ";
const WHOLE: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[track_caller]
fn is_408(answers: &[Answer]) {
    let [answer] = answers else { panic!("not one answer: {answers:?}") };
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(answer.json()["error"].as_str().unwrap().contains("too slowly"), "{answer:?}");
    assert!(answer.head.contains("connection: close"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_stops_gets_408() {
    let stage = Stage::with(&SHORT).await;
    for begin in [FORM, JSON] {
        let mut raw = Raw::connect(&stage).await;
        raw.send(begin).await;
        is_408(&raw.answers().await);
    }
    stage.emptied(&["spool"]).await;
}

#[tokio::test]
async fn a_body_that_trickles_gets_408() {
    let stage = Stage::with(&SHORT).await;
    for begin in [FORM, JSON] {
        let mut raw = Raw::connect(&stage).await;
        raw.send(begin).await;
        is_408(&raw.trickle(b" ", Duration::from_millis(50)).await);
    }
    stage.emptied(&["spool"]).await;
}

#[tokio::test]
async fn a_slow_body_is_taken_where_no_rate_is_asked_for() {
    let stage = Stage::with(&[("TELESTORE_BODY_TIMEOUT", "3s"), ("TELESTORE_BODY_MIN_RATE", "0")]).await;
    let mut raw = Raw::connect(&stage).await;
    let body = json!({ "uploadId": "slow", "fileName": "a", "totalChunks": 1, "fileSize": 1 }).to_string();
    raw.send(format!("POST /init-upload HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len()))
        .await;
    // Longer than the timeout in all, never as long at a time.
    let mut ticks = tokio::time::interval(Duration::from_millis(75));
    for byte in body.bytes() {
        ticks.tick().await;
        raw.send([byte]).await;
    }
    assert_eq!(raw.answer().await.status, 200);
}

#[tokio::test]
async fn a_head_that_trickles_is_given_up_first_or_later() {
    let stage = Stage::with(&SHORT).await;
    let mut first = Raw::connect(&stage).await;
    first.send(HEAD).await;
    // A byte that is on its way when the connection is closed may take the answer with it.
    let answers = first.trickle(b"x", Duration::from_millis(50)).await;
    assert!(answers.iter().all(|answer| answer.status == 408), "{answers:?}");
    let mut stopped = Raw::connect(&stage).await;
    stopped.send(HEAD).await;
    let answers = stopped.answers().await;
    assert_eq!(answers.first().map(|answer| answer.status), Some(408), "{answers:?}");

    let mut later = Raw::connect(&stage).await;
    later.send(WHOLE).await;
    assert_eq!(later.answer().await.status, 200);
    later.send(HEAD).await;
    later.trickle(b"x", Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_connection_that_does_nothing_is_closed() {
    let stage = Stage::with(&SHORT).await;
    let mut raw = Raw::connect(&stage).await;
    raw.send(WHOLE).await;
    assert_eq!(raw.answers().await.len(), 1);
    assert!(Raw::connect(&stage).await.answers().await.len() <= 1);
}

#[tokio::test]
async fn a_refused_body_that_never_ends_is_not_read_for_ever() {
    let stage = Stage::with(&SHORT).await;
    for length in ["Content-Length: 100000000", "Transfer-Encoding: chunked"] {
        let mut raw = Raw::connect(&stage).await;
        raw.send(format!("POST /nowhere HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n")).await;
        assert_eq!(raw.answer().await.status, 404);
        raw.trickle(b"5\r\nabcde\r\n", Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_answer_that_takes_its_time_is_waited_for() {
    let stage = Stage::with(&SHORT).await;
    let hold = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    let file = File::new(10);
    let waiting = stage.client.post(stage.url("/upload")).multipart(file.direct(&stage.user.auth_token));
    let waiting = tokio::spawn(waiting.send());
    soon("the send", stage.sandbox.faults().wait_fired(hold, 1)).await;
    for _ in 0..2 {
        let mut idle = Raw::connect(&stage).await;
        idle.send(WHOLE).await;
        assert_eq!(idle.answers().await.len(), 1, "closed for doing nothing");
    }
    stage.sandbox.faults().release(hold);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    stage.arrived(&file);
}

#[tokio::test]
async fn two_hundred_slow_clients_harm_nobody() {
    let stage = Stage::with(&[
        ("TELESTORE_HEADER_TIMEOUT", "30s"),
        ("TELESTORE_BODY_TIMEOUT", "30s"),
        ("TELESTORE_IDLE_TIMEOUT", "30s"),
    ])
    .await;
    // What the first upload takes of memory.
    upload(&stage).await;
    let memory = stage.memory();

    let slow = (0..200).map(async |n: usize| {
        let mut raw = Raw::connect(&stage).await;
        match n % 4 {
            0 => raw.send(HEAD).await,
            1 => raw.send(FORM).await,
            2 => raw.send(JSON).await,
            _ => {
                raw.send(WHOLE).await;
                assert_eq!(raw.answer().await.status, 200);
                raw.send(HEAD).await;
            }
        }
        raw.trickle(b" ", Duration::from_secs(1)).await;
        Instant::now()
    });
    let meanwhile = async {
        // All of them are there when it begins.
        upload(&stage).await;
        (Instant::now(), stage.memory())
    };
    let (given_up, (done, grown)) = tokio::join!(join_all(slow), meanwhile);
    let first = given_up.iter().min().unwrap();
    assert!(done < *first, "the upload had to wait until they were given up");
    assert!(grown < memory + 24 * MIB as u64, "{grown} bytes with them, {memory} without");
    stage.emptied(&["spool"]).await;
}

async fn upload(stage: &Stage) {
    let file = File::new(16 * MIB);
    assert_eq!(stage.send(&file).await["status"], "completed");
}

#[tokio::test]
async fn connections_beyond_the_limit_get_an_answer_that_says_so() {
    for (name, status) in [("TELESTORE_MAX_CONNECTIONS", 503), ("TELESTORE_ADDRESS_CONNECTIONS", 429)] {
        let all = ("TELESTORE_LIMITED_ADDRESSES", "all");
        let stage = Stage::with(&[(name, "2"), ("TELESTORE_HEADER_TIMEOUT", "1s"), all]).await;
        let mut first = Raw::connect(&stage).await;
        let mut second = Raw::connect(&stage).await;
        for raw in [&mut first, &mut second] {
            raw.send(WHOLE).await;
            assert_eq!(raw.answer().await.status, 200);
        }
        let mut third = Raw::connect(&stage).await;
        third.send(WHOLE).await;
        let answers = third.answers().await;
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].status, status, "{answers:?}");
        assert!(answers[0].json()["error"].as_str().unwrap().contains("too many connections"), "{answers:?}");
        assert!(answers[0].head.contains("retry-after: 5"), "{answers:?}");

        first.send(WHOLE).await;
        assert_eq!(first.answer().await.status, 200, "those that are there stay");
        // Many more are not even asked what they want.
        let mut many = Vec::new();
        for _ in 0..30 {
            many.push(Raw::connect(&stage).await);
        }
        let cut_off = join_all(many.iter_mut().map(Raw::answers)).await;
        let cut_off = cut_off.iter().filter(|answers| answers.is_empty()).count();
        assert!(cut_off >= 20, "{cut_off} of 30");
        drop((first, second, many));
        let free = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                let mut raw = Raw::connect(&stage).await;
                raw.push(WHOLE.as_bytes()).await;
                raw.finish().await;
                if raw.answers().await.first().is_some_and(|answer| answer.status == 200) {
                    return;
                }
            }
        };
        soon("a free place", free).await;
    }
}

#[tokio::test]
async fn connections_of_those_who_come_for_many_are_not_counted_by_address() {
    let few = ("TELESTORE_ADDRESS_CONNECTIONS", "2");
    let proxied = [few, ("TELESTORE_LIMITED_ADDRESSES", "all"), ("TELESTORE_TRUSTED_PROXIES", "loopback")];
    // Local addresses, unless they are limited, too, and proxies anyway.
    for settings in [&proxied[..1], &proxied] {
        let stage = Stage::with(settings).await;
        let mut open = Vec::new();
        for _ in 0..6 {
            let mut raw = Raw::connect(&stage).await;
            raw.send(WHOLE).await;
            assert_eq!(raw.answer().await.status, 200);
            open.push(raw);
        }
    }
}
