//! Users do not mix.

use futures_util::future::join_all;
use telestore_sandbox::{Fault, UserSpec};

use crate::support::{File, MIB, Stage};

#[tokio::test]
async fn files_of_many_users_at_once_end_up_where_they_belong() {
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "1000000")]).await;
    let users: Vec<_> = (0..4).map(|n| stage.sandbox.add_user(UserSpec::new(format!("user{n}")))).collect();
    let jobs: Vec<_> =
        users.iter().flat_map(|user| [(user, File::new(10)), (user, File::new(2 * MIB))]).collect();
    join_all(jobs.iter().map(|(user, file)| async {
        stage.form("/upload-chunk", file.chunk(0, &user.auth_token)).await.ok();
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
    }))
    .await;
    for user in &users {
        let mut sizes: Vec<u64> =
            stage.sandbox.messages_of(user).iter().map(|message| message.size).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [10, 2 * MIB as u64]);
        for message in stage.sandbox.messages_of(user) {
            assert_eq!(message.user_id, user.user_id, "sent with somebody else's credentials");
        }
    }
    let webhooks = stage.sandbox.wait_for_webhooks(8).await;
    for user in &users {
        let of_user = webhooks.iter().filter(|call| call.body["userId"] == user.user_id.as_str()).count();
        assert_eq!(of_user, 2);
    }
}

#[tokio::test]
async fn a_users_trouble_is_not_anothers() {
    let stage = Stage::new().await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    stage.sandbox.faults().inject(Fault::rpc_error("sendDocument", 403, "Forbidden").user(&bob.user_id));
    let (mine, bobs) = (File::new(10), File::new(10));
    stage.form("/upload-chunk", bobs.chunk(0, &bob.auth_token)).await.ok();
    stage.complete(&bobs.id).await.ok();
    assert_eq!(stage.end(&bobs.id).await["status"], "failed");
    assert_eq!(stage.send(&mine).await["status"], "completed");
    stage.arrived(&mine);
}
