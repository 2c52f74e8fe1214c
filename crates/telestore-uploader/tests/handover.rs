//! Whether another sender may go on with a file: never if the message may exist.

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{PART, World, bot_of, mtproto_with};
use telestore_sandbox::{Fault, Standing};
use telestore_types::{ResumeState, Sender};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{
    Error, ErrorKind, Handover, MtprotoUploader, PiecesUploader, Pool, TelegramUploader, UploadRequest,
};

const SEND: &str = "messages.sendMedia";

/// A world whose user has a second bot; both are the senders of its requests.
struct Two {
    world: World,
    uploader: MtprotoUploader,
}

impl Two {
    async fn new() -> Self {
        let world = World::with_more_bots(&["two"]).await;
        let uploader = world.mtproto_for_bots_with(|config| config.max_failures = 1);
        Self { world, uploader }
    }

    fn senders(&self) -> Vec<Sender> {
        self.world.bots()
    }

    /// A file that the bot of this number is to send.
    fn request(&self, bytes: &Bytes, by: usize) -> UploadRequest {
        let mut credentials = bot_of(&self.world.user);
        credentials.senders = self.senders();
        let sender = Some(credentials.senders[by].clone());
        self.world.request(bytes).with_credentials(Arc::new(credentials)).with_sender(sender)
    }

    /// Has the first bot try to send, and gives what is written down of that.
    async fn fails(&self, bytes: &Bytes, resume: Option<ResumeState>) -> (Error, ResumeState) {
        let listener = Recorder::new();
        let request = self.request(bytes, 0).resuming(resume);
        let error = self.uploader.upload(request, listener.clone()).await.expect_err("it is refused");
        (error, listener.checkpoints().pop().unwrap())
    }

    fn kick(&self) {
        let World { sandbox, user } = &self.world;
        sandbox.set_standing_of_bot(&user.channel_id, user, Standing::Kicked);
    }
}

#[tokio::test]
async fn a_message_that_was_refused_each_time_is_not_there_and_another_bot_makes_it() {
    for length in [1000, 22 * PART] {
        let (two, bytes) = (Two::new().await, bytes(1, length));
        let fault = two.world.sandbox.faults().inject(Fault::flood_wait(SEND, 300).once());
        let (error, state) = two.fails(&bytes, None).await;
        assert!(matches!(error.kind(), ErrorKind::FloodWait(_)), "{error}");
        assert_eq!(two.world.sandbox.faults().fired(fault), 1);
        assert_eq!(two.uploader.handover(&state), Handover::Anew);
        let held = two.world.sandbox.faults().inject(Fault::hold(SEND).once());
        let failing = two.fails(&bytes, None);
        let kicking = async {
            two.world.sandbox.faults().wait_fired(held, 1).await;
            two.kick();
            two.world.sandbox.faults().release(held);
        };
        let ((error, state), ()) = tokio::join!(failing, kicking);
        assert_eq!(error.kind(), ErrorKind::ChannelUnresolved, "{error}");
        assert_eq!(two.uploader.handover(&state), Handover::Anew);
        let stored = two.uploader.upload(two.request(&bytes, 1), Recorder::new()).await.unwrap();
        two.world.holds_once(&stored, &bytes);
    }
}

#[tokio::test]
async fn a_message_at_which_telegram_has_failed_is_its_bots() {
    for (code, name) in [(500, "WORKER_BUSY_TOO_LONG_RETRY"), (-503, "Timeout")] {
        let (two, bytes) = (Two::new().await, bytes(2, 1000));
        let faults = two.world.sandbox.faults();
        // It may have made the message first, which no later refusal denies.
        faults.inject(Fault::rpc_error(SEND, code, name).once());
        faults.inject(Fault::flood_wait(SEND, 300).once());
        let (error, state) = two.fails(&bytes, None).await;
        assert!(matches!(error.kind(), ErrorKind::FloodWait(_)), "{error}");
        assert_eq!(two.uploader.handover(&state), Handover::Never);
        let request = two.request(&bytes, 0).resuming(Some(state));
        let stored = two.uploader.upload(request, Recorder::new()).await.unwrap();
        two.world.holds_once(&stored, &bytes);
    }
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_its_bots() {
    let (two, bytes) = (Two::new().await, bytes(2, 1000));
    let faults = two.world.sandbox.faults();
    // The message is made. Whatever comes next says nothing of the first call.
    faults.inject(Fault::lose_answer(SEND).once());
    let flood = faults.inject(Fault::flood_wait(SEND, 300));
    let (error, state) = two.fails(&bytes, None).await;
    assert!(matches!(error.kind(), ErrorKind::FloodWait(_) | ErrorKind::AnswerLost), "{error}");
    assert_eq!(two.uploader.handover(&state), Handover::Never);
    // Nor does a refusal in a later attempt.
    let (_, state) = two.fails(&bytes, Some(state)).await;
    assert_eq!(two.uploader.handover(&state), Handover::Never);
    faults.release(flood);
    let request = two.request(&bytes, 0).resuming(Some(state));
    let stored = two.uploader.upload(request, Recorder::new()).await.unwrap();
    two.world.holds_once(&stored, &bytes);
}

#[tokio::test]
async fn a_piece_that_may_be_a_message_waits_for_its_bot_and_the_others_do_not() {
    let two = Two::new().await;
    let bytes = bytes(3, 60 * PART);
    let pieces = PiecesUploader::new(mtproto_with(|config| {
        config.server_keys = vec![two.world.sandbox.server_key().parse().unwrap()];
        config.address = Some(two.world.sandbox.mtproto_addr());
        config.max_failures = 1;
    }));
    let pieces = pieces.with_piece_bytes(11 * 1024 * 1024);
    let (faults, user) = (two.world.sandbox.faults(), &two.world.user.user_id);
    faults.inject(Fault::lose_answer(SEND).user(user).once());
    let flood = faults.inject(Fault::flood_wait(SEND, 300).user(user));
    let (pool, listener) = (Pool::default(), Recorder::new());
    let request = two.request(&bytes, 0).among(pool.clone());
    let error = pieces.upload(request, listener.clone()).await.expect_err("one piece is left");
    assert_eq!(error.sender(), Some(&two.senders()[0].id), "{error}");
    let state = listener.checkpoints().pop().unwrap();
    assert_eq!((pieces.handover(&state), state.made.len()), (Handover::Whole, 2));
    assert_eq!(two.world.messages().len(), 3);
    // The second bot is chosen now, and leaves that piece to the first.
    let request = two.request(&bytes, 1).among(pool).resuming(Some(state));
    let error = pieces.upload(request.clone(), Recorder::new()).await.expect_err("its bot must wait");
    assert!(matches!(error.kind(), ErrorKind::FloodWait(_)), "{error}");
    faults.release(flood);
    let stored = pieces.upload(request, Recorder::new()).await.unwrap();
    assert_eq!((stored.messages().len(), two.world.messages().len()), (3, 3), "each piece once");
}
