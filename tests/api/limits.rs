//! How often calls may come, and how often tokens may be guessed.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;
use telestore_sandbox::UserSpec;

use crate::support::{File, Stage};

/// A stage whose limits hold for this machine's addresses too.
async fn limited(settings: &[(&str, &str)]) -> Stage {
    Stage::with(&[settings, &[("TELESTORE_LIMITED_ADDRESSES", "all")]].concat()).await
}

/// The JSON of a 429, and its `Retry-After` in seconds.
async fn too_many(request: reqwest::RequestBuilder) -> (Value, u64) {
    told_too_many(request.send().await.unwrap()).await
}

async fn told_too_many(answer: reqwest::Response) -> (Value, u64) {
    assert_eq!(answer.status().as_u16(), 429);
    let retry_after = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["retryAfter"], retry_after);
    (body, retry_after)
}

/// What so many calls give, one after the other.
async fn calls(count: usize, call: impl AsyncFn() -> u16) -> Vec<u16> {
    let mut told = Vec::new();
    for _ in 0..count {
        told.push(call().await);
    }
    told
}

/// What a scene gives if it takes less than a second, in which a limit lets one more call in. Each try has another number.
async fn within_a_second<T>(scene: impl AsyncFn(u8) -> (Instant, T)) -> T {
    for number in 0..=u8::MAX {
        let (began, told) = scene(number).await;
        if began.elapsed() < Duration::from_millis(900) {
            return told;
        }
    }
    panic!("this machine needs a second for some calls, however often they are tried");
}

#[tokio::test]
async fn an_address_that_calls_too_often_is_told_when_to_come_back_and_may_ask_for_health() {
    // The body is larger than what a connection holds, so the answer comes before it.
    let file = File::new(8 * 1024 * 1024);
    let (stage, before, answer) = within_a_second(async |_| {
        let stage = limited(&[("TELESTORE_ADDRESS_REQUESTS_PER_SECOND", "1")]).await;
        let request = stage.client.post(stage.url("/upload")).multipart(file.direct(&stage.user.auth_token));
        let began = Instant::now();
        // Five seconds' worth at once; more only as time goes by.
        let before = calls(5, async || stage.get("/upload-status/unknown").await.status).await;
        let answer = request.send().await.unwrap();
        (began, (stage, before, answer))
    })
    .await;
    assert_eq!(before, [404; 5]);
    let (body, retry_after) = told_too_many(answer).await;
    assert_eq!(retry_after, 1);
    assert!(body["error"].as_str().unwrap().starts_with("too many requests from this address"), "{body}");
    for _ in 0..20 {
        stage.get("/").await.ok();
    }
    assert!(stage.sandbox.stats().credential_calls(&stage.user.auth_token) == 0, "refused before anything");
}

#[tokio::test]
async fn a_page_of_another_origin_can_read_that_it_was_too_much() {
    let (before, answer) = within_a_second(async |_| {
        let stage = limited(&[("TELESTORE_ADDRESS_REQUESTS_PER_SECOND", "1")]).await;
        let path = "/upload-status/unknown";
        let request = stage.client.get(stage.url(path)).header("Origin", "https://a.example");
        let began = Instant::now();
        let before = calls(5, async || stage.get(path).await.status).await;
        (began, (before, request.send().await.unwrap()))
    })
    .await;
    assert_eq!(before, [404; 5]);
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
        (429, &"*".parse().unwrap())
    );
}

#[tokio::test]
async fn two_users_and_the_one_at_its_limit_does_not_hold_up_the_other() {
    let stage = Stage::with(&[("TELESTORE_USER_REQUESTS_PER_SECOND", "1")]).await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let file = File::in_chunks(100, &[5]);
    stage.chunk(&file, 0).await.ok();
    let answers = join_all((1..20).map(|index| stage.chunk(&file, index))).await;
    let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status != 200).collect();
    assert!(refused.len() >= 10, "{} of 19 were refused", refused.len());
    for answer in refused {
        assert!(answer.error(429).starts_with("too many requests of this user"));
    }
    let bobs = File::new(10);
    stage.form("/upload-chunk", bobs.chunk(0, &bob.auth_token)).await.ok();
    stage.complete(&bobs.id).await.ok();
    assert_eq!(stage.end(&bobs.id).await["status"], "completed");
}

#[tokio::test]
async fn nobody_meets_a_limit_who_does_what_clients_do() {
    let stage = limited(&[]).await;
    let file = File::in_chunks(3000, &[10]);
    for round in 0..6 {
        join_all((round * 50..round * 50 + 50).map(async |index| {
            stage.chunk(&file, index).await.ok();
            stage.progress(&file.id).await.error(404);
        }))
        .await;
    }
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
}

#[tokio::test]
async fn where_many_tokens_were_guessed_only_known_ones_are_taken() {
    let stage = limited(&[("TELESTORE_ADDRESS_REFUSED_TOKENS_PER_MINUTE", "5")]).await;
    let file = File::in_chunks(10, &[5]);
    stage.chunk(&file, 0).await.ok();
    for guess in 0..5 {
        stage.form("/upload", File::new(10).direct(&format!("guess-{guess}"))).await.error(401);
    }
    let large = File::new(8 * 1024 * 1024);
    let before_the_body =
        stage.client.post(stage.url("/upload")).bearer_auth("guess-6").multipart(large.direct(""));
    let (body, retry_after) = too_many(before_the_body).await;
    assert!(
        body["error"].as_str().unwrap().starts_with("too many invalid tokens from this address"),
        "{body}"
    );
    assert!((1..=12).contains(&retry_after), "{retry_after}");
    stage.form("/upload", File::new(10).direct("guess-7")).await.error(429);
    for guess in ["guess-6", "guess-7"] {
        assert_eq!(stage.sandbox.stats().credential_calls(guess), 0, "not asked for");
    }
    stage.chunk(&file, 1).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed", "whose token is known goes on");
}

#[tokio::test]
async fn a_flood_of_bad_tokens_does_not_stop_anybody_and_the_backend_hears_of_each_once() {
    let stage = Stage::new().await;
    let same = join_all((0..100).map(|_| stage.form("/upload", File::new(10).direct("the-same-guess"))));
    let distinct: Vec<_> = (0..200).map(|guess| format!("guess-{guess}")).collect();
    let distinct = join_all(distinct.iter().map(|guess| stage.form("/upload", File::new(10).direct(guess))));
    let file = File::in_chunks(100, &[10]);
    let (same, distinct, end) = tokio::join!(same, distinct, stage.send(&file));
    assert_eq!(end["status"], "completed");
    stage.arrived(&file);
    for answer in same.into_iter().chain(distinct) {
        assert!(answer.error(401).contains("invalid authToken"));
    }
    let stats = stage.sandbox.stats();
    assert_eq!(stats.credential_calls("the-same-guess"), 1);
    assert_eq!(stats.calls("backend.credentials"), 202, "one each, and one for the user");
}

#[tokio::test]
async fn a_session_string_does_not_lead_the_worker_to_its_own_machine() {
    let settings = [("TELESTORE_BOT_API_MAX_BYTES", "5"), ("TELESTORE_MTPROTO_ADDRESSES", "public")];
    let mut stage = Stage::with(&settings).await;
    let file = File::new(10);
    let end = stage.send(&file).await;
    assert_eq!(end["status"], "failed");
    let error = end["error"].as_str().unwrap();
    assert!(error.starts_with("Telegram session not authorized") && error.contains("127.0.0.1"), "{error}");
    assert_eq!(stage.sandbox.stats().connections_accepted, 0);
    stage.set("TELESTORE_MTPROTO_ADDRESSES", "auto");
    stage.kill().await;
    stage.start().await;
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed", "the backend is on this machine");
    stage.arrived(&file);
}

#[tokio::test]
async fn a_client_is_known_by_what_a_trusted_proxy_says() {
    let settings =
        [("TELESTORE_ADDRESS_REQUESTS_PER_SECOND", "1"), ("TELESTORE_TRUSTED_PROXIES", "loopback")];
    let stage = Stage::with(&settings).await;
    let from = async |address: &str| {
        let get = stage.client.get(stage.url("/upload-status/unknown")).header("X-Forwarded-For", address);
        stage.ask(get).await.status
    };
    // Five calls of one address, and what the next one gets, of it, of its network, and of others.
    for (own, last, expected) in [
        ("203.0.113.N", "203.0.113.N", 429),
        ("2001:db8:0:N::1", "2001:db8:0:N::2", 429),
        ("198.51.100.N", "198.51.101.N", 404),
        ("2001:db8:1:N::1", "2001:db8:2:N::1", 404),
    ] {
        let told = within_a_second(async |number| {
            let [own, last] = [own, last].map(|address| address.replace('N', &number.to_string()));
            let began = Instant::now();
            let mut told = calls(5, async || from(&own).await).await;
            told.push(from(&last).await);
            (began, told)
        })
        .await;
        assert_eq!(told, [404, 404, 404, 404, 404, expected], "{last}");
    }
    for _ in 0..10 {
        assert_eq!(from("10.0.0.1").await, 404);
    }
}

/// Asks for a path with a header.
fn asking(stage: &Stage) -> impl AsyncFn(&str, &str, &str) -> u16 {
    async |path: &str, header: &str, value: &str| {
        stage.ask(stage.client.get(stage.url(path)).header(header, value)).await.status
    }
}

#[tokio::test]
async fn a_client_hides_neither_itself_nor_as_its_proxy() {
    let settings =
        [("TELESTORE_ADDRESS_REQUESTS_PER_SECOND", "1"), ("TELESTORE_TRUSTED_PROXIES", "loopback")];
    let stage = Stage::with(&settings).await;
    let ask = asking(&stage);
    // What a client wrote, and what its proxy appends.
    for (n, written) in ["\"", "127.0.0.1", "\"\\", "unknown", ""].into_iter().enumerate() {
        let told = within_a_second(async |number| {
            let client = format!("{written}, 203.0.{n}.{number}");
            let began = Instant::now();
            let mut told = vec![ask("/metrics", "X-Forwarded-For", &client).await];
            told.extend(
                calls(5, async || ask("/upload-status/unknown", "X-Forwarded-For", &client).await).await,
            );
            (began, told)
        })
        .await;
        assert_eq!(told, [403, 404, 404, 404, 404, 429], "{written}");
    }
    // Those whom a proxy does not name are one client.
    let told = within_a_second(async |_| {
        let stage = Stage::with(&settings).await;
        let ask = asking(&stage);
        let began = Instant::now();
        let told = [
            ask("/metrics", "Forwarded", "for=\"").await,
            ask("/metrics", "X-Forwarded-For", "unknown, 127.0.0.1").await,
            ask("/upload-status/unknown", "X-Forwarded-For", "\"").await,
            ask("/upload-status/unknown", "X-Forwarded-For", "\"").await,
            ask("/upload-status/unknown", "X-Forwarded-For", "\"").await,
            ask("/upload-status/unknown", "Forwarded", "for=unknown").await,
        ];
        (began, told)
    })
    .await;
    assert_eq!(told, [403, 403, 404, 404, 404, 429]);
}
