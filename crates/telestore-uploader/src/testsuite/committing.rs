use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::{ResumeState, Stage};

use super::{Recorder, Subject, bytes, part_size, request_of};
use crate::{Error, ErrorKind, Handover, ProgressSink, Result};

/// A listener who cannot write down that a message may exist.
#[derive(Debug)]
struct Unwritable;

#[async_trait]
impl ProgressSink for Unwritable {
    fn stage(&self, _: Stage) {}

    fn acknowledged(&self, _: u64) {}

    fn flood_wait(&self, _: std::time::Duration) {}

    async fn checkpoint(&self, _: ResumeState) -> Result<()> {
        Ok(())
    }

    async fn commit(&self, _: Option<ResumeState>) -> Result<()> {
        Err(Error::new(ErrorKind::Storage, "the disk is full"))
    }
}

pub(super) async fn before_the_message(subject: &dyn Subject) {
    for length in [1, 3 * part_size(subject) + 1] {
        let (bytes, uploader) = (bytes(30, length), subject.uploader());
        let messages = subject.message_count().await;
        let request = request_of(subject, "uncommitted.bin", &bytes);
        let ended = uploader.upload(request.clone(), Arc::new(Unwritable)).await;
        let error = ended.expect_err("what cannot be written down is not sent");
        assert_eq!(error.kind(), ErrorKind::Storage, "an error of a commit comes through: {error:?}");
        assert_eq!(subject.message_count().await, messages, "a commit comes before the message");
        let listener = Recorder::new();
        uploader.upload(request, listener.clone()).await.expect("the file is sent");
        let commits = listener.commits();
        assert!(!commits.is_empty(), "a message is committed to");
        if uploader.capability().idempotent {
            assert!(commits.iter().all(Option::is_some), "an attempt that can be repeated says from where");
            let may_go_on = |state: &ResumeState| uploader.handover(state) == Handover::Anew;
            assert!(!commits.iter().flatten().any(may_go_on), "another sender would make a second message");
        }
    }
}
