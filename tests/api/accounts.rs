//! What Telegram says of an account rather than of a file.

use serde_json::json;
use telestore_sandbox::{Fault, HostileHttp};

use crate::support::{File, Stage};

#[tokio::test]
async fn a_frozen_or_limited_account_fails_for_good_with_words_that_say_what_to_do() {
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "5")]).await;
    for (method, code, name, words) in [
        ("messages.sendMedia", 420, "FROZEN_METHOD_INVALID", "Telegram froze this account"),
        ("messages.sendMedia", 406, "FROZEN_METHOD_INVALID", "Telegram froze this account"),
        ("messages.sendMedia", 400, "FROZEN_PARTICIPANT_MISSING", "Telegram froze this account"),
        ("upload.saveFilePart", 420, "FROZEN_METHOD_INVALID", "@SpamBot"),
        ("messages.sendMedia", 400, "PEER_FLOOD", "@SpamBot"),
        ("messages.sendMedia", 403, "USER_RESTRICTED", "@SpamBot"),
        ("messages.sendMedia", 401, "USER_DEACTIVATED_BAN", "recover@telegram.org"),
        ("messages.sendMedia", 401, "USER_DEACTIVATED", "sign in with another"),
        ("messages.sendMedia", 406, "AUTH_KEY_DUPLICATED", "in this worker only"),
        ("messages.sendMedia", 401, "SESSION_REVOKED", "list of devices"),
        ("messages.sendMedia", 401, "SESSION_EXPIRED", "sign in to Telegram again"),
    ] {
        let fault = stage.sandbox.faults().inject(Fault::rpc_error(method, code, name));
        let file = File::new(100);
        let end = stage.send(&file).await;
        assert_eq!((&end["status"], &end["attempt"]), (&json!("failed"), &json!(1)), "{name}: {end}");
        let error = end["error"].as_str().unwrap();
        assert!(error.contains(words) && !error.contains("refused the file"), "{name}: {error}");
        stage.sandbox.faults().release(fault);
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed", "the chunks are still there");
    }
}

#[tokio::test]
async fn a_frozen_account_is_named_also_where_its_channel_is_looked_for() {
    for method in ["help.getConfig", "channels.getChannels", "messages.getDialogs"] {
        let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "5")]).await;
        let fault = Fault::rpc_error(method, 420, "FROZEN_METHOD_INVALID");
        let fault = stage.sandbox.faults().inject(fault);
        let end = stage.send(&File::new(100)).await;
        // An account that can name its channel needs no dialogs.
        let struck = stage.sandbox.faults().fired(fault) > 0;
        assert_eq!(end["status"], if struck { "failed" } else { "completed" }, "{method}: {end}");
        assert!(!struck || end["error"].as_str().unwrap().contains("froze this account"), "{method}: {end}");
    }
}

#[tokio::test]
async fn a_frozen_account_behind_a_bot_is_named_too() {
    let stage = Stage::new().await;
    let frozen = json!({"ok": false, "error_code": 420, "description": "Forbidden: FROZEN_METHOD_INVALID"});
    for (code, body) in [(420, frozen.clone()), (403, frozen)] {
        stage.sandbox.faults().inject(Fault::http_status("sendDocument", code, body).once());
        let end = stage.send(&File::new(100)).await;
        assert_eq!((&end["status"], &end["attempt"]), (&json!("failed"), &json!(1)), "{end}");
        assert!(end["error"].as_str().unwrap().contains("froze this account"), "{end}");
    }
    stage.sandbox.faults().inject(Fault::hostile_http("sendDocument", HostileHttp::Words(1000)).once());
    let end = stage.send(&File::new(100)).await;
    assert!(end["error"].as_str().unwrap().contains("refused the file"), "another refusal stays one: {end}");
}
