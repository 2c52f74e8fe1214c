use std::error::Error as _;
use std::sync::Arc;

use telestore_types::{ChatId, Login, Secret, Sender, SourceError, TelegramCredentials};

use super::sources::FailingSource;
use super::{Recorder, Subject, bytes, part_size, request, request_of};
use crate::{Error, ErrorKind, Requirement, Verdict};

/// A channel that nobody has.
const NOWHERE: &str = "-1009999999999";

pub(super) async fn source_errors(subject: &dyn Subject) {
    let messages = subject.message_count().await;
    let part = part_size(subject);
    let damaged = SourceError::Damaged("a chunk is gone".to_owned());
    for (error, kind) in
        [(damaged, ErrorKind::SourceDamaged), (SourceError::Io("the disk".to_owned()), ErrorKind::Storage)]
    {
        let source = FailingSource::new(bytes(13, 3 * part), 2 * part as u64, error);
        let ended = subject.uploader().upload(request(subject, "damaged.bin", source), Recorder::new()).await;
        let error = ended.expect_err("a file that cannot be read is not sent");
        assert_eq!(error.kind(), kind, "an error of the source comes through: {error:?}");
    }
    assert_eq!(subject.message_count().await, messages, "a file that cannot be read makes no message");
}

async fn refused(subject: &dyn Subject, change: impl FnOnce(&mut TelegramCredentials)) -> Error {
    let mut request = request_of(subject, "refused.bin", &bytes(14, 1000));
    let mut credentials = subject.credentials();
    change(&mut credentials);
    request.credentials = Arc::new(credentials);
    let ended = subject.uploader().upload(request, Recorder::new()).await;
    ended.expect_err("nothing is sent with these credentials")
}

pub(super) async fn bad_credentials(subject: &dyn Subject) {
    if subject.uploader().capability().requirement == Requirement::Nothing {
        return;
    }
    let messages = subject.message_count().await;
    for token in [None, Some("1:wrong"), Some("../../x?y#z"), Some("1AAAA")] {
        let error = refused(subject, |credentials| {
            let nobody = TelegramCredentials::new(credentials.user_id.clone(), credentials.chat_id.clone());
            let bot = nobody.with_bot(token.map(Secret::new));
            *credentials = bot.with_session(token.map(Secret::new), None, None);
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::NotAuthorized, "bad credentials are not authorized: {error:?}");
        assert_eq!(error.verdict(), Verdict::Permanent);
    }
    assert_eq!(subject.message_count().await, messages);
}

pub(super) async fn unknown_channel(subject: &dyn Subject) {
    let nowhere = ChatId::new(NOWHERE).expect("a chat id");
    let error = refused(subject, |credentials| credentials.chat_id = nowhere).await;
    assert_eq!(
        error.kind(),
        ErrorKind::ChannelUnresolved,
        "an unknown channel cannot be resolved: {error:?}"
    );
}

fn secrets_of(sender: &Sender) -> Vec<String> {
    let secrets = match &sender.login {
        Login::Bot { token, api_hash, .. } => {
            [Some(token), api_hash.as_ref()].into_iter().flatten().collect()
        }
        Login::Session { session, api_hash, .. } => {
            [Some(session), api_hash.as_ref()].into_iter().flatten().collect()
        }
        _ => Vec::new(),
    };
    secrets.into_iter().map(|secret| secret.expose().to_owned()).collect()
}

/// The same login with one letter too many.
fn spoilt(sender: &Sender) -> Sender {
    let spoilt = |secret: &Secret| Secret::new(format!("{}x", secret.expose()));
    match &sender.login {
        Login::Bot { token, api_id, api_hash } => {
            Sender::bot(spoilt(token)).with_application(*api_id, api_hash.clone())
        }
        Login::Session { session, api_id, api_hash } => {
            Sender::session(spoilt(session), *api_id, api_hash.clone())
        }
        _ => sender.clone(),
    }
}

pub(super) async fn secrets(subject: &dyn Subject) {
    let credentials = subject.credentials();
    let secrets: Vec<_> = credentials.senders.iter().flat_map(secrets_of).collect();
    let nowhere = ChatId::new(NOWHERE).expect("a chat id");
    let mut errors = vec![refused(subject, |credentials| credentials.chat_id = nowhere).await];
    if subject.uploader().capability().requirement != Requirement::Nothing {
        let change = |credentials: &mut TelegramCredentials| {
            credentials.senders = credentials.senders.iter().map(spoilt).collect();
        };
        errors.push(refused(subject, change).await);
    }
    let mut texts = vec![format!("{:?}", subject.uploader()), format!("{credentials:?}")];
    for error in &errors {
        texts.extend([error.to_string(), format!("{error:?}")]);
        let mut cause = error.source();
        while let Some(error) = cause {
            texts.extend([error.to_string(), format!("{error:?}")]);
            cause = error.source();
        }
    }
    for text in &texts {
        assert!(!secrets.iter().any(|secret| text.contains(secret.as_str())), "no text holds a secret");
    }
}

pub(super) async fn checks(subject: &dyn Subject) {
    let (uploader, good) = (subject.uploader(), subject.credentials());
    let messages = subject.message_count().await;
    match uploader.check(&good).await {
        Ok(()) => {}
        // It cannot tell, and says so whatever it is given.
        Err(error) if error.kind() == ErrorKind::Rejected => return,
        Err(error) => panic!("good credentials will do: {error:?}"),
    }
    let nowhere = ChatId::new(NOWHERE).expect("a chat id");
    let mut wrong = vec![(good.clone().in_chat(nowhere), ErrorKind::ChannelUnresolved)];
    if uploader.capability().requirement != Requirement::Nothing {
        let dead = TelegramCredentials::new(good.user_id, good.chat_id);
        wrong.push((dead, ErrorKind::NotAuthorized));
    }
    for (credentials, kind) in wrong {
        let error = uploader.check(&credentials).await.expect_err("nothing could be sent with these");
        assert_eq!(error.kind(), kind, "a check fails as an upload would: {error:?}");
    }
    assert_eq!(subject.message_count().await, messages, "a check sends nothing");
}
