use std::time::Duration;

use async_trait::async_trait;

use super::{Recorder, Subject, arrives, bytes, request_of};
use crate::{Error, ErrorKind, Verdict};

/// A wait that no backend waits out itself, in seconds.
const LONG: u32 = 3600;

/// A backend, and a Telegram that asks to wait.
#[async_trait]
pub trait Waits: Subject {
    /// The shapes in which Telegram can ask, by names for the panic of a clause that does not hold.
    fn shapes(&self) -> Vec<String>;

    /// From now on Telegram asks in that shape to wait so many seconds; not any more if there is no name.
    async fn ask(&self, shape: Option<&str>, seconds: u32);
}

/// Has Telegram ask for a wait in each shape: one of no time at all is known for a wait and ends, so that the file goes
/// through behind it; a long one is given back with its length. None makes a message. Not part of
/// [`conformance`](super::conformance), since it takes a server that asks.
///
/// # Panics
/// If one does not hold.
pub async fn waits(subject: &dyn Waits) {
    let messages = subject.message_count().await;
    for shape in subject.shapes() {
        let wait = asked(subject, &shape, 0).await;
        assert!(wait.is_zero(), "{shape}: one that names no time is known as that: {wait:?}");
    }
    assert_eq!(subject.message_count().await, messages, "waits make no message");
    let bytes = bytes(50, 1000);
    arrives(subject, request_of(subject, "after.bin", &bytes), &bytes).await;
    // Last, since a backend may keep an account to them.
    for shape in subject.shapes() {
        let seconds = asked(subject, &shape, LONG).await.as_secs();
        let kept = u64::from(LONG) - 60..=u64::from(LONG) + 2;
        assert!(kept.contains(&seconds), "{shape}: it is kept to: {seconds}");
    }
    assert_eq!(subject.message_count().await, messages + 1, "waits make no message");
}

async fn asked(subject: &dyn Waits, shape: &str, seconds: u32) -> Duration {
    subject.ask(Some(shape), seconds).await;
    let request = request_of(subject, "waits.bin", &bytes(51, 1000));
    let ended = subject.uploader().upload(request, Recorder::new()).await;
    subject.ask(None, 0).await;
    let error: Error = ended.expect_err(&format!("{shape}: nothing is sent"));
    assert_eq!(error.verdict(), Verdict::Temporary, "{shape}: a wait passes: {error:?}");
    match error.kind() {
        ErrorKind::FloodWait(wait) => wait,
        _ => panic!("{shape}: it is known as a wait: {error:?}"),
    }
}
