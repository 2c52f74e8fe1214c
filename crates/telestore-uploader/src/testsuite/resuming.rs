use telestore_types::ResumeState;

use super::sources::{BlockingSource, CountingSource};
use super::{Recorder, Subject, arrives, bytes, check, request, request_of};

/// Large enough that a checkpoint comes before the end, whatever a backend thinks worth one.
const LENGTH: usize = 36 * 1024 * 1024 + 777;

pub(super) async fn sends_only_the_rest(subject: &dyn Subject) {
    let messages = subject.message_count().await;
    let bytes = bytes(20, LENGTH);
    let source = BlockingSource::new(bytes.clone(), LENGTH as u64 - 1);
    let (listener, uploader) = (Recorder::new(), subject.uploader());
    let first = uploader.upload(request(subject, "resumed.bin", source.clone()), listener.clone());
    let enough = LENGTH as u64 - 4 * 1024 * 1024;
    tokio::select! {
        done = first => panic!("a file that cannot be read is not sent: {done:?}"),
        () = async {
            source.reached().await;
            listener.wait_until(|heard| heard.acknowledged().last().is_some_and(|bytes| *bytes > enough)).await;
        } => {}
    }
    let state = listener.checkpoints().pop().expect("there is a checkpoint before the end");
    let (source, listener) = (CountingSource::new(bytes.clone()), Recorder::new());
    let mut rest = request(subject, "resumed.bin", source.clone());
    rest.resume = Some(state);
    let stored = uploader.upload(rest.clone(), listener.clone()).await.expect("the rest is sent");
    check(subject, &stored, &rest, &bytes).await;
    assert!(source.read() < LENGTH as u64, "only the rest is read: {} bytes", source.read());
    assert!(listener.acknowledged().first().is_some_and(|bytes| *bytes > 0), "what was sent before counts");
    assert_eq!(listener.acknowledged().last(), Some(&(LENGTH as u64)));
    assert_eq!(subject.message_count().await, messages + 1);
}

pub(super) async fn ignores_foreign_state(subject: &dyn Subject) {
    let bytes = bytes(21, 2000);
    for state in [&b""[..], b"\xff\x00garbage", b"{}", b"null", br#"{"backend":"another","version":1}"#] {
        let mut request = request_of(subject, "foreign.bin", &bytes);
        // Of another backend, and as it was stored before names were kept.
        for backend in ["another", ""] {
            request.resume = Some(ResumeState::new(backend, state));
            arrives(subject, request.clone(), &bytes).await;
        }
    }
}

pub(super) async fn makes_one_message(subject: &dyn Subject) {
    let messages = subject.message_count().await;
    let (bytes, listener) = (bytes(22, 700_000), Recorder::new());
    let mut request = request_of(subject, "once.bin", &bytes);
    let first = subject.uploader().upload(request.clone(), listener.clone()).await.expect("the file is sent");
    let first_state = listener.checkpoints().first().cloned();
    for state in [first_state, listener.checkpoints().pop()] {
        request.resume = Some(state.expect("there is a checkpoint before the message"));
        let again =
            subject.uploader().upload(request.clone(), Recorder::new()).await.expect("it is sent again");
        assert_eq!(
            again.message_id(),
            first.message_id(),
            "an attempt with the same state makes no second message"
        );
    }
    assert_eq!(subject.message_count().await, messages + 1);
}
