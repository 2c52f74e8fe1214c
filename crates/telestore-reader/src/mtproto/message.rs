//! The file of one message, as it is read.

use std::fmt;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use telestore_mtproto::tl::enums::InputPeer;
use telestore_mtproto::{Account, Calls, Document, Error as Failed, Failures, Logins, Remedy};
use telestore_types::{Sender, StoredMessage};

use super::blocks::Block;
use super::budget::Budget;
use super::failure::{gone, is_stale, lies_in};
use crate::{Error, ErrorKind, Result};

/// How long Telegram may ask to wait, all in all for one block, before the stream ends: clients do not wait for ever.
const FLOOD_MAX: Duration = Duration::from_secs(120);

/// How often the message is read again for one block, and how often the file is looked for elsewhere.
const REPEATED_MAX: u32 = 3;

/// Who reads.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) logins: Arc<dyn Logins>,
    pub(super) sender: Sender,
    pub(super) account: Arc<Account>,
}

impl Login {
    pub(super) fn calls(&self) -> Calls<'static> {
        Calls::new(Arc::clone(&self.account), ())
    }

    /// What is said of the end of a piece of work; see [`Logins::failed`].
    pub(super) async fn ended<T>(&self, ended: Result<T, Failed>) -> Result<T, Failed> {
        match ended {
            Err(error) => Err(self.failed(error).await),
            done => done,
        }
    }

    async fn failed(&self, error: Failed) -> Failed {
        match error.remedy() {
            Remedy::LogIn => self.logins.failed(&self.sender, &self.account, error).await,
            _ => error,
        }
    }
}

/// A message whose file was found.
pub(super) struct OpenMessage {
    login: Login,
    peer: InputPeer,
    message_id: i32,
    pub(super) budget: Budget,
    pub(super) length: u64,
    /// How it is named; renewed if that expires.
    document: Mutex<Arc<Document>>,
    /// Held while the message is read again, so that all blocks in flight do so once.
    renewing: tokio::sync::Mutex<()>,
    /// The data centre that has the file.
    dc: AtomicI32,
    /// Held by the one block that is asked for again: if many in flight are what a connection breaks of, one of them comes.
    again: tokio::sync::Mutex<()>,
    /// How many blocks have come.
    came: AtomicU64,
}

impl fmt::Debug for OpenMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenMessage")
            .field("sender", &self.login.sender.id)
            .field("id", &self.message_id)
            .finish()
    }
}

impl OpenMessage {
    /// Finds the file of a message, and sees that it is the one that was stored, if one was.
    pub(super) async fn find(
        login: Login,
        peer: InputPeer,
        (message_id, stored): (i64, Option<&StoredMessage>),
        budget: Budget,
    ) -> Result<Self> {
        let message_id = i32::try_from(message_id).map_err(|_| gone())?;
        let document = document(&login, &peer, message_id).await?;
        if stored.is_some_and(|stored| !is_same(&document, stored)) {
            let text = "the message holds another file than the one that was stored";
            return Err(Error::new(ErrorKind::Gone, text));
        }
        let (dc, length) = (AtomicI32::new(document.dc_id), document.size);
        let document = Mutex::new(Arc::new(document));
        let renewing = tokio::sync::Mutex::default();
        Ok(Self {
            login,
            peer,
            message_id,
            budget,
            length,
            document,
            renewing,
            dc,
            again: tokio::sync::Mutex::default(),
            came: AtomicU64::new(0),
        })
    }

    pub(super) fn document(&self) -> Arc<Document> {
        Arc::clone(&self.document.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the message again, unless somebody has done so since `stale` was in use.
    async fn renew(&self, stale: &Arc<Document>) -> Result<()> {
        let _renewing = self.renewing.lock().await;
        if !Arc::ptr_eq(&self.document(), stale) {
            return Ok(());
        }
        let renewed = document(&self.login, &self.peer, self.message_id).await?;
        if (renewed.id, renewed.size) != (stale.id, stale.size) {
            return Err(Error::new(ErrorKind::Gone, "the message holds another file by now"));
        }
        *self.document.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
        Ok(())
    }

    /// Reads a block, however often that takes.
    pub(super) async fn block(&self, block: &Block) -> Result<Bytes> {
        let calls = self.login.calls();
        calls.unless_stalled(self.read(&calls, block)).await
    }

    async fn read(&self, calls: &Calls<'_>, block: &Block) -> Result<Bytes> {
        let _step = calls.step();
        let (mut came, mut turn) = (self.came.load(Ordering::Relaxed), None);
        let (mut failures, mut renewed, mut moved, mut waited) = (Failures::default(), 0, 0, Duration::ZERO);
        loop {
            let (document, dc) = (self.document(), self.dc.load(Ordering::Relaxed));
            let read = self.login.account.read_file(dc, document.location(), block.offset, block.limit).await;
            let error = match read.and_then(|bytes| wanted(&bytes, block)) {
                Ok(bytes) => {
                    self.came.fetch_add(1, Ordering::Relaxed);
                    return Ok(bytes);
                }
                Err(error) => error,
            };
            // A connection that is cut takes all blocks in flight along: as long as others come, it is worth another try.
            let now = self.came.load(Ordering::Relaxed);
            if std::mem::replace(&mut came, now) != now {
                failures = Failures::default();
            }
            if is_stale(&error) && renewed < REPEATED_MAX {
                renewed += 1;
                self.renew(&document).await?;
            } else if let Some(elsewhere) =
                lies_in(&error).filter(|dc_now| moved < REPEATED_MAX && *dc_now != dc)
            {
                moved += 1;
                self.dc.store(elsewhere, Ordering::Relaxed);
            } else if lies_in(&error).is_some() {
                // The account itself must not go there.
                return Err(error.into());
            } else if let Some(wait) = wait(&error).filter(|wait| waited + *wait <= FLOOD_MAX) {
                waited += wait;
                tracing::debug!(
                    seconds = wait.as_secs(),
                    "Telegram asks to wait before it gives more of a file"
                );
                tokio::time::sleep(wait).await;
                calls.reached();
            } else {
                let error = self.login.failed(error).await;
                if turn.is_none() {
                    turn = Some(self.again.lock().await);
                }
                calls.recover(error, &mut failures).await?;
            }
        }
    }
}

fn wait(failed: &Failed) -> Option<Duration> {
    match failed.remedy() {
        Remedy::Wait(wait) => Some(wait.max(telestore_types::telegram::LEAST_WAIT)),
        _ => None,
    }
}

/// The bytes that are wanted of an answer.
fn wanted(bytes: &Bytes, block: &Block) -> Result<Bytes, Failed> {
    let (from, to) = (block.wanted.start - block.offset, block.wanted.end - block.offset);
    if (bytes.len() as u64) < to {
        return Err(Failed::lost("it gave fewer bytes of the file than there are"));
    }
    Ok(bytes.slice(from as usize..to as usize))
}

async fn document(login: &Login, peer: &InputPeer, message_id: i32) -> Result<Document> {
    let calls = login.calls();
    let found = calls.unless_stalled(calls.message(peer, message_id)).await;
    let message = login.ended(found).await?.ok_or_else(gone)?;
    if message.document.is_none() && message.photo_id.is_some() {
        let text =
            "it was sent as a photo, of which Telegram keeps smaller pictures only: open it in Telegram";
        return Err(Error::new(ErrorKind::Refused, text));
    }
    message.document.ok_or_else(gone)
}

/// Numbers of messages of groups that are not channels are the account's own, so a number alone says nothing.
fn is_same(document: &Document, stored: &StoredMessage) -> bool {
    use telestore_types::StoredAs;
    match &stored.stored_as {
        StoredAs::Mtproto { document_id } => document.id == *document_id && document.size == stored.size,
        _ => document.size == stored.size,
    }
}
