use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::sources::BlockingSource;
use super::{Recorder, Subject, arrives, bytes, part_size, request, request_of};
use crate::{ErrorKind, Result};

/// The contract says a second after the cancel; the rest is for machines that have much else to do.
const SOON: Duration = Duration::from_secs(5);

pub(super) async fn before(subject: &dyn Subject) {
    let messages = subject.message_count().await;
    let request = request_of(subject, "cancelled.bin", &bytes(9, 1000));
    let cancel = request.cancel.clone();
    cancel.cancel();
    cancelled(subject.uploader().upload(request, Recorder::new()), cancel).await;
    assert_eq!(
        subject.message_count().await,
        messages,
        "what is cancelled before it begins makes no message"
    );
}

pub(super) async fn during(subject: &dyn Subject) {
    let messages = subject.message_count().await;
    let part = part_size(subject);
    let source = BlockingSource::new(bytes(10, 4 * part), 2 * part as u64);
    let request = request(subject, "cancelled.bin", source.clone());
    let cancel = request.cancel.clone();
    let uploader = subject.uploader();
    let upload = uploader.upload(request, Recorder::new());
    let stopper = async {
        source.reached().await;
        cancel.cancel();
    };
    cancelled(async { futures_util::future::join(upload, stopper).await.0 }, cancel.clone()).await;
    source.open();
    still_works(subject, messages).await;
}

pub(super) async fn dropped(subject: &dyn Subject) {
    let messages = subject.message_count().await;
    let part = part_size(subject);
    let source = BlockingSource::new(bytes(11, 4 * part), 2 * part as u64);
    let uploader = subject.uploader();
    let upload = uploader.upload(request(subject, "dropped.bin", source.clone()), Recorder::new());
    tokio::select! {
        done = upload => panic!("a file that cannot be read is not sent: {done:?}"),
        () = source.reached() => {}
    }
    source.open();
    still_works(subject, messages).await;
}

async fn cancelled<T: std::fmt::Debug>(upload: impl Future<Output = Result<T>>, cancel: CancellationToken) {
    let late = async {
        cancel.cancelled().await;
        tokio::time::sleep(SOON).await;
    };
    let ended = tokio::select! {
        ended = upload => ended,
        () = late => panic!("a cancelled upload ends at once"),
    };
    assert_eq!(
        ended.expect_err("it is not sent").kind(),
        ErrorKind::Cancelled,
        "it says that it was cancelled"
    );
}

/// The next file arrives, and is the only new message.
async fn still_works(subject: &dyn Subject, messages: usize) {
    let bytes = bytes(12, 1000);
    arrives(subject, request_of(subject, "next.bin", &bytes), &bytes).await;
    assert_eq!(subject.message_count().await, messages + 1, "what was stopped makes no message");
}
