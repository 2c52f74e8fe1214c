use std::time::{Duration, Instant};

use async_trait::async_trait;
use telestore_types::{StoredFile, TelegramCredentials};

use super::{Recorder, Subject, bytes, check, part_size, request_of};
use crate::{Result, UploadRequest};

/// The longest text that an error may have.
const WORDS_MAX: usize = 1000;

/// A backend, and a Telegram that means no good to one of its users.
#[async_trait]
pub trait Strangers: Subject {
    /// What Telegram can do to that user, by names for the panic of a clause that does not hold.
    fn tricks(&self) -> Vec<String>;

    /// That user's credentials. They would work.
    fn victim(&self) -> TelegramCredentials;

    /// From now on Telegram does that to the user, and to nobody else; nothing any more if there is no name.
    async fn play(&self, trick: Option<&str>);
}

/// Runs each trick: the victim's file fails within `patience` and in few words, another user's goes through meanwhile, and
/// afterwards the victim's does, too. Not part of [`conformance`](super::conformance), since it takes a hostile server.
///
/// # Panics
/// If one does not hold.
pub async fn strangers(subject: &dyn Strangers, patience: Duration) {
    let bytes = bytes(40, 2 * part_size(subject) + 1);
    let send = |credentials: TelegramCredentials, name: &str| {
        let mut request = request_of(subject, name, &bytes);
        request.credentials = credentials.into();
        send(subject, request, patience)
    };
    for trick in subject.tricks() {
        subject.play(Some(&trick)).await;
        let (hostile, honest) = futures_util::join!(
            send(subject.victim(), "victim.bin"),
            send(subject.credentials(), "honest.bin")
        );
        let (sent, stored) = honest;
        let stored =
            stored.unwrap_or_else(|error| panic!("{trick}: another user's file goes through: {error:?}"));
        check(subject, &stored, &sent, &bytes).await;
        let error = hostile.1.expect_err(&format!("{trick}: it is no success")).to_string();
        assert!(
            error.len() <= WORDS_MAX,
            "{trick}: an error is no longer than {WORDS_MAX} bytes: {}",
            error.len()
        );
        assert!(!error.contains(char::is_control), "{trick}: an error stands on a line: {error:?}");
        subject.play(None).await;
        let (_, stored) = send(subject.victim(), "after.bin").await;
        stored.unwrap_or_else(|error| panic!("{trick}: afterwards all is well: {error:?}"));
    }
}

async fn send(
    subject: &dyn Strangers,
    request: UploadRequest,
    patience: Duration,
) -> (UploadRequest, Result<StoredFile>) {
    let began = Instant::now();
    let ended = subject.uploader().upload(request.clone(), Recorder::new()).await;
    let took = began.elapsed();
    assert!(
        took <= patience,
        "{}: an attempt ends within {patience:?}: {took:?}",
        request.file_name.as_str()
    );
    (request, ended)
}
