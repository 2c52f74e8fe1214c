//! Credentials that all uploads go with: tried from the start on, so that an operator hears of wrong ones before a user does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use telestore_types::TelegramCredentials;
use telestore_uploader::{Error, ErrorKind, TelegramUploader, Verdict};
use tokio::sync::watch;

use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::watching::check::{Check, in_time};

/// The first pause before wrong credentials are tried again, and the longest: they may be put right on Telegram's side.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5 * 60));

/// What Telegram has against the credentials, in words for everybody: by the name of the way there.
type Wrong = BTreeMap<&'static str, &'static str>;

/// What was said last of each way, and of each sender by it.
type Told = BTreeMap<String, String>;

/// The credentials, and what was found of them.
#[derive(Debug)]
pub(crate) struct Standing {
    base: Arc<Base>,
    backends: Arc<Backends>,
    credentials: Arc<TelegramCredentials>,
    /// `None` until they were looked at.
    found: watch::Sender<Option<Wrong>>,
}

impl Standing {
    pub(crate) fn new(base: Arc<Base>, backends: Arc<Backends>, credentials: TelegramCredentials) -> Self {
        Self { base, backends, credentials: Arc::new(credentials), found: watch::Sender::new(None) }
    }

    /// What `/ready` tells. It asks nobody, and waits for the first look only.
    pub(crate) async fn check(&self) -> Check {
        let mut found = self.found.subscribe();
        let _ = in_time(found.wait_for(Option::is_some)).await;
        let wrong = found.borrow().clone().unwrap_or_default();
        let words: Vec<String> = wrong.iter().map(|(way, why)| format!("{way}: {why}")).collect();
        Check { name: "telegram", wrong: (!words.is_empty()).then(|| words.join("; ")) }
    }

    /// Tries the credentials by every way that they serve for, until nothing is against them.
    pub(crate) async fn keep_trying(&self) {
        let (mut pause, longest) = PAUSES;
        let mut told = Told::new();
        loop {
            let looked = self.look_at(&mut told);
            let well = tokio::select! {
                well = looked => well,
                () = self.base.shutdown.cancelled() => return,
            };
            if well {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.base.shutdown.cancelled() => return,
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Says whether there is nothing to look at again.
    async fn look_at(&self, told: &mut Told) -> bool {
        let (mut wrong, mut open) = (Wrong::new(), false);
        if !self.base.hold_account(&self.credentials.user_id).await.unwrap_or(false) {
            // Another worker uses the account, and tries it.
            self.found.send_replace(Some(wrong));
            return false;
        }
        for uploader in &self.backends.uploaders {
            let Err(error) = self.try_all_by(uploader.as_ref(), told).await else {
                if told.remove(uploader.name()).is_some() {
                    tracing::info!(by = uploader.name(), "Telegram takes the credentials now");
                }
                continue;
            };
            match words(&error) {
                Some(words) => _ = wrong.insert(uploader.name(), words),
                None => open |= error.verdict() == Verdict::Temporary,
            }
            tell(uploader.name(), &error, told);
        }
        let well = wrong.is_empty() && !open;
        self.found.send_replace(Some(wrong));
        well
    }

    /// Several bots share the files, so that one that works is enough: those that do not are told of.
    async fn try_all_by(&self, uploader: &dyn TelegramUploader, told: &mut Told) -> Result<(), Error> {
        let all = uploader.capability().requirement.senders(&self.credentials);
        let senders: Vec<_> = all.cloned().collect();
        if senders.len() < 2 {
            return self.try_by(uploader, &self.credentials).await;
        }
        let (mut works, mut failed) = (false, None);
        for sender in senders {
            let only = self.credentials.only(&sender);
            let tried = self.try_by(uploader, &only).await;
            self.backends.pool.note(&sender, &only.chat_id, tried.as_ref().err());
            let Err(error) = tried else {
                works = true;
                continue;
            };
            let name = format!("{} {}", uploader.name(), sender.id);
            let is_new = words(&error).is_some() && told.get(&name) != Some(&error.to_string());
            if is_new {
                told.insert(name, error.to_string());
                tracing::warn!(by = uploader.name(), sender = %sender.id, "{error}: the others send in its place");
            }
            failed = Some(error);
        }
        failed.filter(|_| !works).map_or(Ok(()), Err)
    }

    /// A way that needs other credentials is not looked at, nor is one that cannot tell without a file.
    async fn try_by(
        &self,
        uploader: &dyn TelegramUploader,
        credentials: &TelegramCredentials,
    ) -> Result<(), Error> {
        let requirement = uploader.capability().requirement;
        if let Some(fault) = requirement.fault(credentials) {
            return Err(fault);
        }
        if !requirement.is_met_by(credentials) {
            return Ok(());
        }
        match uploader.check(credentials).await {
            // As with a file: another way may tell where the chat is.
            Err(error) if error.kind() == ErrorKind::GroupUpgraded => {
                match self.backends.follow(credentials).await {
                    Some(moved) => uploader.check(&moved).await,
                    None => Err(error),
                }
            }
            checked => checked,
        }
    }
}

/// What is wrong for good, unless somebody mends it.
fn words(error: &Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::NotAuthorized => Some("Telegram does not take the credentials; the log says why"),
        ErrorKind::ChannelUnresolved | ErrorKind::GroupUpgraded => {
            Some("the channel cannot be found or written to; the log says why")
        }
        _ => None,
    }
}

/// Once for each text: it is looked at again and again.
fn tell(by: &'static str, error: &Error, told: &mut Told) {
    let text = error.to_string();
    if error.kind() == ErrorKind::Rejected || told.get(by) == Some(&text) {
        return;
    }
    match words(error) {
        Some(_) => tracing::error!(by, "{text}: no file can be sent this way until that is put right"),
        None => tracing::warn!(by, "the credentials could not be tried yet: {text}"),
    }
    told.insert(by.to_owned(), text);
}
