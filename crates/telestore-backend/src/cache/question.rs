use std::sync::Arc;
use std::time::Duration;

use telestore_types::{Secret, TelegramCredentials};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::Shared;
use super::lane::{Admitted, pause};
use crate::credentials::TokenDigest;
use crate::{CredentialProvider, Error, Result};

/// The longest that a provider may take to answer, if it has no limit of its own.
const LONGEST: Duration = Duration::from_secs(30);

pub(super) type Outcome = Result<Arc<TelegramCredentials>>;

/// A question that somebody has asked, for all who want to know.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) began: Instant,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Asked {
    pub(super) async fn outcome(mut self) -> Outcome {
        let interrupted = || Error::Unavailable("the question was interrupted".to_owned());
        let outcome = self.outcome.wait_for(Option::is_some).await.map_err(|_| interrupted())?;
        outcome.clone().unwrap_or_else(|| Err(interrupted()))
    }
}

/// The asking, which goes on whether or not anybody still waits. However it ends, it makes room for the next one.
struct Question<P: CredentialProvider> {
    shared: Arc<Shared<P>>,
    token: TokenDigest,
    was_good: bool,
    admitted: Admitted,
    tell: watch::Sender<Option<Outcome>>,
    over: bool,
}

impl<P: CredentialProvider> Drop for Question<P> {
    fn drop(&mut self) {
        self.make_room();
    }
}

/// Begins to ask about `secret`, whose digest is `token`.
pub(super) fn begin<P: CredentialProvider>(
    shared: &Arc<Shared<P>>,
    token: TokenDigest,
    secret: &Secret,
    was_good: bool,
    admitted: Admitted,
) -> Asked {
    let (tell, outcome) = watch::channel(None);
    let question = Question { shared: Arc::clone(shared), token, was_good, admitted, tell, over: false };
    let secret = secret.clone();
    tokio::spawn(async move { question.ask(&secret).await }.in_current_span());
    Asked { began: Instant::now(), outcome }
}

impl<P: CredentialProvider> Question<P> {
    fn make_room(&mut self) {
        // The place in the map may be the next question's by now.
        if !std::mem::replace(&mut self.over, true) {
            self.shared.lane(self.was_good).leave(&self.admitted);
            self.shared.asking().remove(&self.token);
        }
    }

    async fn ask(mut self, secret: &Secret) {
        let outcome = match self.shared.lane(self.was_good).place(&self.admitted).await {
            Ok(_place) => self.put(secret).await,
            Err(error) => Err(error),
        };
        // Before it is told: a caller that hears it and asks again asks anew.
        self.make_room();
        self.tell.send_replace(Some(outcome));
    }

    async fn put(&self, secret: &Secret) -> Outcome {
        let began = Instant::now();
        let answer = timeout(LONGEST, self.shared.behind.credentials(secret)).await;
        let hangs = |_| Err(Error::Unavailable(format!("no answer within {} s", LONGEST.as_secs())));
        let outcome = answer.unwrap_or_else(hangs);
        self.learn(&outcome, began);
        outcome
    }

    fn learn(&self, outcome: &Outcome, began: Instant) {
        let (now, lane) = (Instant::now(), self.shared.lane(self.was_good));
        let until = now + pause(began.elapsed());
        let mut memory = self.shared.memory();
        match outcome {
            Ok(credentials) => {
                memory.remember(self.token, now, credentials);
                lane.answered();
            }
            Err(error @ (Error::Unavailable(_) | Error::BadAnswer(_))) => {
                memory.fail(self.token, now, until, error);
                match error {
                    Error::BadAnswer(_) => lane.answered(),
                    _ => lane.failed(until, error),
                }
                if memory.older(&self.token, now).is_some() {
                    tracing::warn!(%error, "serving older credentials");
                }
            }
            Err(error) => {
                memory.refuse(self.token, now, error);
                lane.answered();
            }
        }
    }
}
