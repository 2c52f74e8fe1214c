//! Telegram at its worst, and what becomes of the file.

use serde_json::json;
use telestore_sandbox::{Fault, FaultAction, UserSpec};

use crate::support::{File, MIB, Stage, soon};

const PART: &str = "upload.saveBigFilePart";

#[tokio::test]
async fn fifty_flood_waits_during_one_file_use_up_no_attempt() {
    let stage = Stage::new().await;
    let flood = Fault::new(PART, FaultAction::FloodPremiumWait(1)).every(2).times(50);
    let flood = stage.sandbox.faults().inject(flood);
    let file = File::new(60 * MIB);
    let end = stage.send(&file).await;
    assert_eq!((&end["status"], &end["attempt"]), (&json!("completed"), &json!(1)));
    assert_eq!(stage.sandbox.faults().fired(flood), 50);
    stage.arrived(&file);
}

#[tokio::test]
async fn a_connection_that_drops_every_twenty_parts_does_not_stop_a_file() {
    let stage = Stage::new().await;
    stage.sandbox.faults().inject(Fault::drop_connection(PART).every(20));
    let file = File::new(60 * MIB);
    let end = stage.send(&file).await;
    assert_eq!((&end["status"], &end["attempt"]), (&json!("completed"), &json!(1)));
    stage.arrived(&file);
}

#[tokio::test]
async fn errors_that_pass_are_sent_over() {
    for fault in [
        Fault::new(PART, FaultAction::ReturnFalse),
        Fault::rpc_error(PART, 500, "RPC_CALL_FAIL"),
        Fault::rpc_error(PART, -503, "Timedout"),
        Fault::rpc_error(PART, 500, "WORKER_BUSY_TOO_LONG_RETRY"),
        Fault::lose_answer(PART),
        Fault::lose_answer("messages.sendMedia"),
        Fault::flood_wait("messages.sendMedia", 1),
        Fault::rpc_error("messages.sendMedia", 500, "RPC_CALL_FAIL"),
    ] {
        let limit = (8 * MIB).to_string();
        let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", &limit)]).await;
        let name = format!("{fault:?}");
        let times = if fault.at == PART { 3 } else { 1 };
        stage.sandbox.faults().inject(fault.times(times));
        let file = File::new(11 * MIB);
        assert_eq!(stage.send(&file).await["status"], "completed", "{name}");
        stage.arrived(&file);
    }
}

#[tokio::test]
async fn errors_that_are_for_good_fail_at_once_with_words_for_a_person() {
    for (name, code, text) in [
        ("AUTH_KEY_UNREGISTERED", 401, "Telegram session not authorized"),
        ("SESSION_REVOKED", 401, "Telegram session not authorized"),
        ("SESSION_EXPIRED", 401, "Telegram session not authorized"),
        ("AUTH_KEY_DUPLICATED", 406, "Telegram session not authorized"),
        ("USER_DEACTIVATED", 401, "Telegram session not authorized"),
        ("CHANNEL_INVALID", 400, "Could not resolve channel ID"),
        ("CHANNEL_PRIVATE", 400, "Could not resolve channel ID"),
        ("CHAT_WRITE_FORBIDDEN", 403, "Could not resolve channel ID"),
        ("PEER_ID_INVALID", 400, "Could not resolve channel ID"),
        ("FILE_PARTS_INVALID", 400, "FILE_PARTS_INVALID"),
    ] {
        let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "5")]).await;
        stage.sandbox.faults().inject(Fault::rpc_error("messages.sendMedia", code, name));
        let file = File::new(100);
        let end = stage.send(&file).await;
        assert_eq!((&end["status"], &end["attempt"]), (&json!("failed"), &json!(1)), "{name}");
        assert!(end["error"].as_str().unwrap().contains(text), "{name}: {}", end["error"]);
        stage.sandbox.faults().clear();
        stage.complete(&file.id).await.ok();
        assert_eq!(
            stage.end(&file.id).await["status"],
            "completed",
            "the chunks are still there after {name}"
        );
        stage.arrived(&file);
    }
}

#[tokio::test]
async fn a_bot_api_that_finds_a_file_too_large_leaves_it_to_mtproto() {
    let stage = Stage::new().await;
    let too_large = json!({ "ok": false, "error_code": 413, "description": "Request Entity Too Large" });
    stage.sandbox.faults().inject(Fault::http_status("sendDocument", 413, too_large));
    let file = File::new(MIB);
    assert_eq!(stage.send(&file).await["status"], "completed");
    assert_eq!(stage.arrived(&file).via, telestore_sandbox::Via::Mtproto);
}

#[tokio::test]
async fn a_lost_bot_api_answer_is_never_followed_by_a_second_message() {
    let stage = Stage::of(UserSpec::new("bob").without_session(), &[]).await;
    stage.sandbox.faults().inject(Fault::lose_answer("sendDocument").once());
    let file = File::new(MIB);
    let end = stage.send(&file).await;
    assert_eq!(end["status"], "failed");
    assert!(end["error"].as_str().unwrap().contains("may be in the channel already"), "{}", end["error"]);
    stage.arrived(&file);
}

#[tokio::test]
async fn a_stop_lets_a_bot_finish_its_file() {
    let mut stage = Stage::new().await;
    let hold = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    let file = File::new(10);
    stage.queue(&file).await;
    soon("the send", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.signal("TERM").await;
    stage.sandbox.faults().release(hold);
    assert!(stage.ended().await.success());
    stage.arrived(&file);
    stage.start().await;
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn a_second_signal_ends_a_stop_that_takes_its_time() {
    let mut stage = Stage::with(&[("TELESTORE_SHUTDOWN_GRACE", "1h")]).await;
    let hold = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    let waiting = File::new(10);
    let request = stage.client.post(stage.url("/upload")).multipart(waiting.direct(&stage.user.auth_token));
    let waiting = tokio::spawn(request.send());
    soon("the send", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.signal("TERM").await;
    // A client that waits is told at once, and not to send it again; that shows that the stop has begun.
    let answer = soon("an answer", waiting).await.unwrap().unwrap();
    assert_eq!(answer.status().as_u16(), 500);
    assert!(answer.text().await.unwrap().contains("do not send it again"));
    stage.signal("INT").await;
    assert!(stage.ended().await.success());
}

#[tokio::test]
async fn a_failed_direct_upload_leaves_no_bytes() {
    let stage = Stage::new().await;
    stage.sandbox.remove_bot(&stage.user.channel_id, &stage.user);
    assert_eq!(stage.direct(&File::new(10)).await.error(500), "Could not resolve channel ID");
    let left = crate::support::files_below(&stage.data_dir().join("chunks"));
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn one_users_long_wait_keeps_nobody_else_waiting() {
    let stage = Stage::with(&[("TELESTORE_MAX_CONCURRENT_UPLOADS", "1")]).await;
    let bob = stage.sandbox.add_user(telestore_sandbox::UserSpec::new("bob"));
    let flood = Fault::flood_wait("sendDocument", 3600).user(&bob.user_id);
    let flood = stage.sandbox.faults().inject(flood);
    let (bobs, mine) = (File::new(10), File::new(10));
    stage.form("/upload-chunk", bobs.chunk(0, &bob.auth_token)).await.ok();
    stage.complete(&bobs.id).await.ok();
    soon("the flood wait", stage.sandbox.faults().wait_fired(flood, 1)).await;
    assert_eq!(stage.send(&mine).await["status"], "completed");
    let waiting = stage.progress(&bobs.id).await.ok();
    assert_eq!((&waiting["status"], &waiting["attempt"]), (&json!("uploading"), &json!(1)));
    assert!(waiting["retryAfter"].as_u64().unwrap() > 3000, "{waiting}");
}

#[tokio::test]
async fn moves_to_another_data_centre_where_telegram_says_so() {
    let mut stage = Stage::new().await;
    stage.sandbox.add_data_centre(4).await.unwrap();
    let hold = stage.sandbox.faults().inject(Fault::hold(PART).part(60).once());
    let file = File::new(60 * MIB);
    stage.queue(&file).await;
    soon("part 60", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.sandbox.move_account(&stage.user, 4);
    stage.sandbox.faults().release(hold);
    let end = stage.end(&file.id).await;
    assert_eq!((&end["status"], &end["attempt"]), (&json!("completed"), &json!(1)), "{end}");
    stage.arrived(&file);

    // A new process begins where the session string says, and finds the way again.
    stage.kill().await;
    stage.start().await;
    let next = File::new(60 * MIB);
    assert_eq!(stage.send(&next).await["status"], "completed");
    let messages = stage.sandbox.messages_of(&stage.user);
    assert_eq!(messages.len(), 2, "{messages:?}");
    next.assert_is(&messages[1]);
    assert_eq!(stage.sandbox.stats().calls("auth.importAuthorization"), 2);
    assert_eq!(stage.sandbox.stats().max_connections(&stage.user.user_id), 1);
}

#[tokio::test]
async fn waits_for_a_data_centre_that_is_down() {
    let stage = Stage::new().await;
    stage.sandbox.add_data_centre(4).await.unwrap();
    stage.sandbox.stop_data_centre(4).await;
    stage.sandbox.move_account(&stage.user, 4);
    let file = File::new(60 * MIB);
    stage.queue(&file).await;
    let away = stage.sandbox.wait_until(|stats| stats.calls("channels.getChannels") >= 2);
    soon("a second try", away).await;
    stage.sandbox.move_account(&stage.user, 2);
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}
