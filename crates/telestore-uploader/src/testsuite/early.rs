use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::sources::{BlockingSource, CountingSource};
use super::{Recorder, Subject, bytes, check, part_size, request};

/// The longest that anything may take before a test says that it hangs: the contract bounds the time without an answer,
/// and not how long a slow machine takes for each.
const SOON: Duration = Duration::from_secs(60);

/// A file that is large enough to be sent early, and how much of it is there when its arrival stops.
fn file(subject: &dyn Subject, seed: u64) -> (Bytes, u64) {
    let from = subject.uploader().capability().early_from.unwrap_or_default();
    let length = from + 9 * part_size(subject) as u64 + 77;
    (bytes(seed, usize::try_from(length).expect("a small file")), length / 2)
}

/// Sends the beginning of a file early, and gives the listener that heard it.
async fn beginning(subject: &dyn Subject, bytes: &Bytes, there: u64) -> std::sync::Arc<Recorder> {
    let source = BlockingSource::new(bytes.clone(), there);
    let request = request(subject, "early.bin", source.clone());
    let (uploader, listener, cancel) = (subject.uploader(), Recorder::new(), request.cancel.clone());
    let early = uploader.send_early(request, listener.clone());
    let stopper = async {
        source.reached().await;
        cancel.cancel();
    };
    let (ended, ()) = timeout(SOON, async { tokio::join!(early, stopper) }).await.expect("it ends at once");
    ended.expect("what was in flight is answered");
    listener
}

pub(super) async fn sends_what_is_there(subject: &dyn Subject) {
    let messages = subject.message_count().await;
    let (bytes, there) = file(subject, 30);
    let listener = beginning(subject, &bytes, there).await;
    assert_eq!(
        subject.message_count().await,
        messages,
        "there is no message before all of the file is there"
    );
    let early = listener.acknowledged().last().copied().unwrap_or_default();
    assert!(early > 0 && early <= there, "{early} of {there} bytes were sent");

    let source = CountingSource::new(bytes.clone());
    let mut rest = request(subject, "early.bin", source.clone());
    rest.resume = listener.checkpoints().pop();
    let listener = Recorder::new();
    let stored = subject.uploader().upload(rest.clone(), listener.clone()).await.expect("the rest is sent");
    check(subject, &stored, &rest, &bytes).await;
    assert_eq!(listener.acknowledged().first(), Some(&early), "what was sent early counts");
    assert_eq!(source.read(), bytes.len() as u64 - early, "nothing is sent twice");
    assert_eq!(subject.message_count().await, messages + 1);
}

pub(super) async fn sends_all_that_comes(subject: &dyn Subject) {
    let messages = subject.message_count().await;
    let (bytes, there) = file(subject, 31);
    let source = BlockingSource::new(bytes.clone(), there);
    let early = request(subject, "early.bin", source.clone());
    let (uploader, listener) = (subject.uploader(), Recorder::new());
    let opener = async {
        source.reached().await;
        source.open();
    };
    let (ended, ()) = tokio::join!(uploader.send_early(early, listener.clone()), opener);
    ended.expect("it is sent");
    assert_eq!(listener.acknowledged().last(), Some(&(bytes.len() as u64)));
    assert_eq!(subject.message_count().await, messages);
}

pub(super) async fn sends_again_what_has_changed(subject: &dyn Subject) {
    let (old, there) = file(subject, 32);
    let listener = beginning(subject, &old, there).await;
    let early = listener.acknowledged().last().copied().unwrap_or_default();
    let part = part_size(subject);
    // The end of the first part and the beginning of the second.
    let changed = part - 10..part + 10;
    let mut new = BytesMut::from(&old[..]);
    new[changed.clone()].iter_mut().for_each(|byte| *byte ^= 0xff);
    let new = new.freeze();

    let source = CountingSource::new(new.clone());
    let mut rest = request(subject, "early.bin", source.clone());
    rest.resume = listener.checkpoints().pop();
    rest.changed.push(changed.start as u64..changed.end as u64);
    let stored = subject.uploader().upload(rest.clone(), Recorder::new()).await.expect("it is sent");
    check(subject, &stored, &rest, &new).await;
    assert!(source.read() <= new.len() as u64 - early + 2 * part as u64, "only the changed parts go again");
}
