//! Uploads whose bytes the worker fetches itself.

use super::{Upload, UploadState};
use crate::{FileName, Outcome, Timestamp, WorkerId};

impl Upload {
    /// Whether bytes of it are still to be fetched.
    pub fn is_to_fetch(&self) -> bool {
        self.state == UploadState::Receiving && self.source.is_some()
    }

    /// Whether this worker fetches it.
    pub fn is_fetched_by(&self, worker: &WorkerId) -> bool {
        self.is_to_fetch() && self.worker.as_ref() == Some(worker)
    }

    /// Gives it to a worker that fetches it.
    pub fn begin_fetch(&mut self, worker: WorkerId, now: Timestamp) {
        self.worker = Some(worker);
        self.next_attempt_at = None;
        self.updated_at = now;
    }

    /// Records what its server has said: what is to be fetched next, and, before its first byte, how it is called and what it is.
    pub fn fetch_goes_on(&mut self, source: Vec<u8>, called: Option<FileName>, mime_type: Option<String>) {
        self.source = Some(source);
        if self.received_bytes > 0 {
            return;
        }
        if let Some(file_name) = called {
            self.file_name = file_name;
        }
        self.mime_type = mime_type.or_else(|| self.mime_type.take());
    }

    /// Lets it go until `at`, for any worker.
    pub fn fetch_later(&mut self, source: Vec<u8>, at: Timestamp, now: Timestamp) {
        self.source = Some(source);
        self.worker = None;
        self.next_attempt_at = Some(at);
        self.updated_at = now;
    }

    /// Gives it up. Nobody can bring the rest, so what came of it goes.
    pub fn fail_fetch(&mut self, error: &str, outcome: Outcome, now: Timestamp) {
        self.fail(error, outcome, now);
        (self.source, self.sealed_token, self.resume, self.early) = (None, None, None, false);
        (self.received_bytes, self.received_chunks) = (0, 0);
    }

    /// Lets another worker fetch it, after its own has ended. Says whether there was one.
    pub(super) fn leave_fetch(&mut self) -> bool {
        if !self.is_to_fetch() || self.worker.is_none() {
            return false;
        }
        self.worker = None;
        if std::mem::take(&mut self.early) {
            self.crashes = self.crashes.saturating_add(1);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::NOW;
    use super::*;
    use crate::{NewUpload, Recovery, Stage, StorageKey, UploadId, UserId};

    fn upload() -> Upload {
        let (id, name) = (UploadId::new("a").unwrap(), FileName::new("a.bin").unwrap());
        let new = NewUpload::new(id, StorageKey::from_random([0; 16]), name, NOW);
        Upload { user_id: Some(UserId::new("u")), ..Upload::new(new.with_source(Some(vec![1]))) }
    }

    #[test]
    fn a_fetch_is_let_go_with_its_worker_and_ends_with_its_bytes() {
        let (mut upload, one) = (upload(), WorkerId::new("one").unwrap());
        assert_eq!(upload.event(NOW).unwrap().stage, Stage::Fetching);
        assert_eq!(upload.recover(NOW), Recovery::Untouched, "nobody fetches it");
        upload.begin_fetch(one.clone(), NOW);
        assert!(upload.is_fetched_by(&one));
        upload.fetch_goes_on(vec![2], Some(FileName::new("b.bin").unwrap()), Some("text/plain".to_owned()));
        upload.append(0, 5, NOW).unwrap();
        upload.fetch_goes_on(vec![3], Some(FileName::new("c.bin").unwrap()), None);
        assert_eq!((upload.file_name.as_str(), upload.mime_type.as_deref()), ("b.bin", Some("text/plain")));
        assert_eq!(upload.recover(NOW), Recovery::GoesOn);
        assert!(!upload.is_fetched_by(&one) && upload.is_to_fetch() && upload.received_bytes == 5);
        upload.begin_fetch(one.clone(), NOW);
        upload.declare_size(5, NOW).unwrap();
        upload.complete(NOW).unwrap();
        assert!(!upload.is_to_fetch() && upload.source.is_none(), "its address is of no more use");
    }

    #[test]
    fn a_fetch_that_fails_or_is_cancelled_keeps_nothing() {
        let mut failed = upload();
        failed.append(0, 5, NOW).unwrap();
        failed.fail_fetch("gone", Outcome::Refused, NOW);
        assert_eq!(
            (failed.received_bytes, &failed.source, failed.error.as_deref()),
            (0, &None, Some("gone"))
        );
        assert!(failed.complete(NOW).is_err());
        let mut cancelled = upload();
        assert!(cancelled.cancel(NOW) && cancelled.source.is_none());
    }
}
