//! The TeleStore backend from outside.

use reqwest::StatusCode;
use serde_json::{Value, json};
use telestore_sandbox::{Fault, Sandbox, SandboxUser, UserSpec};

use crate::bot_api::http;

async fn credentials(sandbox: &Sandbox, token: &str) -> (StatusCode, Value) {
    let url = format!("{}/api/worker/credentials", sandbox.backend_url());
    let response = http().get(url).bearer_auth(token).send().await.expect("an answer");
    (response.status(), response.json().await.expect("json"))
}

fn expected(sandbox: &Sandbox, user: &SandboxUser) -> Value {
    json!({
        "bot_token": user.bot_token,
        "channel_id": user.channel_id,
        "telegram_session": user.telethon_session,
        "telegram_api_id": user.api_id.to_string(),
        "telegram_api_hash": user.api_hash,
        "user_id": user.user_id,
        "backend_url": sandbox.backend_url(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_belong_to_a_token() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let alice = sandbox.user();
    assert_eq!(credentials(&sandbox, &alice.auth_token).await, (StatusCode::OK, expected(&sandbox, &alice)));
    let bob = sandbox.add_user(UserSpec::new("bob").without_session());
    let (_, body) = credentials(&sandbox, &bob.auth_token).await;
    let absent =
        ["telegram_session", "telegram_api_id", "telegram_api_hash"].map(|name| body[name].is_null());
    assert_eq!((absent, &body["user_id"]), ([true; 3], &json!(bob.user_id)));
    let carol = sandbox.add_user(UserSpec::new("carol").not_configured());
    let detail = "Telegram not fully configured. Please complete setup in Settings.";
    let refused = (StatusCode::BAD_REQUEST, json!({"detail": detail}));
    assert_eq!(credentials(&sandbox, &carol.auth_token).await, refused);
    let invalid = (StatusCode::UNAUTHORIZED, json!({"detail": "Invalid token"}));
    assert_eq!(credentials(&sandbox, "nobody's").await, invalid);
    sandbox.revoke_token(&alice);
    assert_eq!(credentials(&sandbox, &alice.auth_token).await, invalid);
    assert_eq!(sandbox.stats().credential_calls(&alice.auth_token), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_recorded_with_what_they_were_answered() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let url = format!("{}/api/webhook/upload", sandbox.backend_url());
    let call =
        json!({"userId": "u", "fileName": "a", "messageId": 2, "fileId": "f", "size": 1, "mimeType": "t"});
    sandbox.faults().inject(Fault::http_status("backend.webhook", 503, json!({})).once());
    let post = async || {
        let request = http().post(&url).header("x-delivery", "7").json(&call);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!([post().await, post().await], [503, 200]);
    sandbox.faults().inject(Fault::lose_answer("backend.webhook").once());
    assert!(http().post(&url).json(&call).send().await.is_err());
    let calls = sandbox.wait_for_webhooks(3).await;
    assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [503, 200, 0]);
    assert_eq!(calls[0].body, call);
    assert!(calls[1].headers.contains(&("x-delivery".into(), "7".into())));
}
