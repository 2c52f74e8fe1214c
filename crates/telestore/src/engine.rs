//! The façade: what the rooms do, under one handle.

mod appended;
mod direct;
mod fetching;
mod files;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use telestore_backend::WebhookSender;
use telestore_progress::Subscription;
use telestore_store::{More, Spool, SpooledChunk};
use telestore_types::{ContentDigest, Secret, UploadEvent, UploadId, UploadOptions, UserId};

use crate::builder::TelestoreBuilder;
use crate::delivery::outbox::Delivery;
use crate::fetching::Fetching;
use crate::files::Files;
use crate::intake::chunks::Admission;
use crate::intake::streams::Streams;
use crate::intake::{ChunkReceipt, FileInfo, IncomingChunk, InitReceipt, Intake};
use crate::sending::early::Early;
use crate::sending::runner::Runner;
use crate::shared::access::Access;
use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::caller::Caller;
use crate::shared::config::EngineConfig;
use crate::shared::error::{Error, Result};
use crate::shared::events::Events;
use crate::shared::fetches::Fetches;
use crate::shared::sends::Sends;
use crate::shared::tasks::Tasks;
use crate::upkeep::orphans::Orphans;
use crate::upkeep::sweeper::Upkeep;
use crate::watching::Watching;
use crate::watching::gauges::Gauges;
use crate::watching::observed::Observed;
use crate::watching::ready::{Health, Readiness};
use crate::watching::report::ChunkStatus;
use crate::watching::standing::Standing;
use crate::watching::watch::Watch;

/// The engine's handle. Clones are the same engine.
#[derive(Clone)]
pub struct Telestore(pub(crate) Arc<Rooms>);

/// What all rooms use.
pub(crate) struct Shared {
    pub(crate) base: Arc<Base>,
    pub(crate) backends: Arc<Backends>,
    pub(crate) access: Arc<Access>,
    pub(crate) bytes: Arc<Bytes>,
    pub(crate) events: Arc<Events>,
    pub(crate) sends: Arc<Sends>,
    pub(crate) fetches: Arc<Fetches>,
}

/// The rooms, which do not know each other.
pub(crate) struct Rooms {
    pub(crate) shared: Shared,
    pub(crate) intake: Intake,
    pub(crate) runner: Runner,
    pub(crate) fetching: Fetching,
    pub(crate) files: Files,
    pub(crate) early: Arc<Early>,
    pub(crate) delivery: Delivery,
    pub(crate) watching: Watching,
    pub(crate) health: Health,
    pub(crate) gauges: Gauges,
    pub(crate) upkeep: Upkeep,
    pub(crate) standing: Option<Arc<Standing>>,
    /// The tasks that must live.
    pub(crate) tasks: Arc<Tasks>,
}

impl Rooms {
    pub(crate) fn new(
        shared: Shared,
        webhooks: Arc<dyn WebhookSender>,
        standing: Option<Arc<Standing>>,
    ) -> Self {
        let Shared { base, backends, access, bytes, events, sends, .. } = &shared;
        let base = || Arc::clone(base);
        let backends = || Arc::clone(backends);
        let access = || Arc::clone(access);
        let bytes = || Arc::clone(bytes);
        let events = || Arc::clone(events);
        let sends = || Arc::clone(sends);
        let tasks = Arc::new(Tasks::default());
        let early = Arc::new(Early::new(base(), backends(), bytes(), sends()));
        let delivery =
            Delivery { base: base(), backends: backends(), sends: sends(), webhooks: Arc::clone(&webhooks) };
        let intake = intake(&shared, &early);
        Self {
            fetching: fetching::room(&shared, &intake),
            files: Files { base: base(), access: access(), backends: backends() },
            intake,
            runner: Runner {
                base: base(),
                backends: backends(),
                bytes: bytes(),
                events: events(),
                sends: sends(),
                webhooks,
                withdrawals: Arc::new(delivery.clone()),
            },
            early,
            delivery,
            watching: Watching {
                base: base(),
                access: access(),
                events: events(),
                observed: Arc::new(Observed::new(base())),
            },
            health: Health {
                base: base(),
                bytes: bytes(),
                backends: backends(),
                tasks: Arc::clone(&tasks),
                standing: standing.clone(),
                last: tokio::sync::Mutex::default(),
            },
            gauges: Gauges::new(base(), bytes(), backends()),
            upkeep: Upkeep {
                base: base(),
                backends: backends(),
                bytes: bytes(),
                events: events(),
                sends: sends(),
                orphans: Arc::new(Orphans::new(base(), bytes())),
            },
            standing,
            tasks,
            shared,
        }
    }
}

/// What takes uploads in, and tells early sending of each chunk.
fn intake(shared: &Shared, early: &Arc<Early>) -> Intake {
    Intake {
        base: Arc::clone(&shared.base),
        access: Arc::clone(&shared.access),
        bytes: Arc::clone(&shared.bytes),
        events: Arc::clone(&shared.events),
        sends: Arc::clone(&shared.sends),
        streams: Streams::default(),
        arrivals: Arc::new(Arc::clone(early)),
        fetches: Arc::clone(&shared.fetches),
    }
}

impl fmt::Debug for Telestore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telestore")
            .field("uploaders", &self.0.shared.backends.uploaders)
            .finish_non_exhaustive()
    }
}

impl Telestore {
    /// Begins an engine.
    pub fn builder() -> TelestoreBuilder {
        TelestoreBuilder::default()
    }

    /// Its limits and times.
    pub fn config(&self) -> &EngineConfig {
        &self.0.shared.base.config
    }
}

/// Who calls, and what the caller may.
impl Telestore {
    /// The caller with this token and address, to be made once for each call and handed on. In strict mode it is found
    /// out here whose the token is; otherwise as soon as an answer depends on it.
    ///
    /// # Errors
    /// In strict mode those of [`authenticate`](Self::authenticate), and [`Error::Unauthorized`]
    /// without a token.
    pub async fn caller(&self, token: Option<Secret>, address: Option<IpAddr>) -> Result<Caller, Error> {
        let caller = Caller::new(token, address);
        self.0.shared.access.admit(&caller).await?;
        Ok(caller)
    }

    /// Finds out whose the caller's token is, if one was sent.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], [`Error::NotConfigured`] or
    /// [`Error::BackendUnavailable`].
    pub async fn authenticate(&self, caller: &Caller) -> Result<()> {
        self.0.shared.access.user_of(caller).await.map(drop)
    }

    /// Whose the caller's token was when the backend was asked last, if that is remembered; nobody is asked. That lets
    /// nobody in, but is enough to count by.
    pub async fn known<'a>(&self, caller: &'a Caller) -> Option<&'a UserId> {
        self.0.shared.access.known(caller).await.map(|user| &user.user_id)
    }

    /// Refuses what the caller may not have in addition, as far as that is known before the bytes are there: of the
    /// user, if it is known whose the token is. Recording looks again.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`], [`Error::QuotaFull`],
    /// [`Error::Storage`].
    pub async fn check_quotas(&self, caller: &Caller, more: &More) -> Result<()> {
        self.0.shared.access.check_quotas(caller, more).await
    }

    /// Refuses a file of `length` bytes that no backend sends with what is known of the caller's credentials. Nobody is
    /// asked about the token: if nothing is known of it, nothing is refused.
    ///
    /// A refusal lets the credentials be forgotten, so that a user who adds what was missing and tries again is not held
    /// to an older answer.
    ///
    /// # Errors
    /// [`Error::NeedsSession`], [`Error::TooLarge`];
    /// [`Error::NotConfigured`] if what would send it can never do, with the reason.
    pub async fn check_sendable(&self, caller: &Caller, length: u64) -> Result<()> {
        self.0.shared.access.check_sendable(caller, length).await
    }
}

/// Taking uploads in.
impl Telestore {
    /// Creates an upload. Doing so again with the same words changes nothing. One of a file that its user has in the channel already may
    /// be complete at once, see [`EngineConfig::dedup`].
    ///
    /// # Errors
    /// [`Error::Conflict`] if the id stands for another file, [`Error::Forbidden`] if it is somebody else's;
    /// [`Error::InvalidToken`], and in strict mode [`Error::Unauthorized`] without a token;
    /// [`Error::Invalid`], [`Error::TooLarge`] and [`Error::NeedsSession`] for values that are not allowed.
    pub async fn init(&self, file: &FileInfo, caller: &Caller) -> Result<InitReceipt> {
        self.0.intake.init(file, caller).await
    }

    /// Begins to take in a chunk, or a whole file, whose bytes come before anything is known of them.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Storage`], [`Error::ShuttingDown`].
    pub async fn spool(&self) -> Result<Box<dyn Spool>> {
        self.0.intake.spool().await
    }

    /// Whether new bytes are taken now, to be asked before a client sends them.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Storage`], [`Error::ShuttingDown`].
    pub async fn check_intake(&self) -> Result<Admission> {
        self.0.intake.check_intake().await
    }

    /// Refuses new bytes while the data disk is nearly full: to be asked again and again while they come, since bodies
    /// that began when there was space may be more than it holds.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Storage`].
    pub async fn check_space(&self) -> Result<()> {
        self.0.shared.bytes.check_space().await
    }

    /// How many bytes may still come before new ones are refused, if the data disk tells.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn spare_bytes(&self) -> Result<Option<u64>> {
        self.0.shared.bytes.spare_bytes().await
    }

    /// Compares spooled bytes with a digest that only came after them. One that comes before is for
    /// [`Spool::expect`], which does not read them again.
    ///
    /// # Errors
    /// [`Error::Invalid`] if they are other bytes, [`Error::Storage`].
    pub async fn verify(&self, spooled: &SpooledChunk, digest: ContentDigest) -> Result<()> {
        self.0.intake.verify(spooled, digest).await
    }

    /// Takes spooled bytes away that are not to be a chunk, such as those of a form that ends too early. Dropped instead,
    /// they may stay until the store finds them.
    pub async fn discard(&self, spooled: SpooledChunk) {
        self.0.intake.discard(spooled).await;
    }

    /// Makes spooled bytes a chunk. When it returns, the chunk survives a crash.
    ///
    /// The upload is created if it is not there. The same chunk may come again, also while the file is on its way;
    /// other bytes replace a chunk until completion was asked for.
    ///
    /// # Errors
    /// Nothing was recorded then. [`Error::Unauthorized`] without a token for a new upload, [`Error::InvalidToken`],
    /// [`Error::Forbidden`], [`Error::Conflict`], [`Error::Invalid`], [`Error::TooLarge`], [`Error::NeedsSession`]; [`Error::TooManyRequests`] and
    /// [`Error::QuotaFull`] if the user or the address may have no more.
    pub async fn write_chunk(
        &self,
        chunk: &IncomingChunk,
        spooled: SpooledChunk,
        caller: &Caller,
    ) -> Result<ChunkReceipt> {
        self.0.intake.write_chunk(chunk, spooled, caller).await
    }

    /// Names options for an upload that is there. The first value of each counts; none comes once completion was asked for, unless
    /// the file failed.
    ///
    /// # Errors
    /// [`Error::Conflict`] for another value, or one that comes too late; [`Error::NotFound`], [`Error::Forbidden`],
    /// [`Error::InvalidToken`]. Nothing has changed then.
    pub async fn set_options(&self, id: &UploadId, named: &UploadOptions, caller: &Caller) -> Result<()> {
        self.0.intake.set_options(id, named, caller).await
    }

    /// Asks for the file to be sent, in the background. Asking again changes nothing, except after a failure: then it
    /// starts over with what is there.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::MissingChunks`], [`Error::SizeMismatch`], [`Error::Forbidden`],
    /// [`Error::Unauthorized`] if nobody is known to send it for, [`Error::Conflict`] after a cancel.
    pub async fn complete(&self, id: &UploadId, caller: &Caller) -> Result<()> {
        self.0.intake.complete(id, caller).await
    }

    /// Stops an upload and deletes its chunks. Cancelling again, or what is not there, is a success.
    ///
    /// Gives the upload's last event if it was too late: the message is in the channel.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::InvalidToken`]; in strict mode [`Error::Unauthorized`] without a token.
    pub async fn cancel(&self, id: &UploadId, caller: &Caller) -> Result<Option<UploadEvent>> {
        self.0.intake.cancel(id, caller).await
    }
}

/// Telling how uploads get on.
impl Telestore {
    /// Which chunks are there.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an upload that is not there or was cancelled, [`Error::Forbidden`], [`Error::InvalidToken`];
    /// in strict mode [`Error::Unauthorized`] without a token.
    pub async fn status(&self, id: &UploadId, caller: &Caller) -> Result<ChunkStatus> {
        self.0.watching.status(id, caller).await
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`Error::NotStarted`] for an upload that is not there or was not completed yet, [`Error::Forbidden`],
    /// [`Error::InvalidToken`]; in strict mode [`Error::Unauthorized`] without a token.
    pub async fn progress(&self, id: &UploadId, caller: &Caller) -> Result<UploadEvent> {
        self.0.watching.progress(id, caller).await
    }

    /// Listens to what this engine does with an upload from now on. If other engines share the stores, one of them may go on
    /// with it, of which nothing is heard here; and a bus of the embedder's may end the subscription while the upload waits.
    /// [`watch`](Self::watch) tells of all of that, too, of the state before, and of the end.
    pub fn subscribe(&self, id: &UploadId) -> Subscription {
        self.0.shared.events.bus.subscribe(id)
    }

    /// Watches an upload. One that still receives chunks may be watched already; its first state comes when completion
    /// is asked for.
    ///
    /// # Errors
    /// [`Error::NotStarted`] for an upload that is not there; [`Error::Forbidden`], [`Error::InvalidToken`]; in strict mode
    /// [`Error::Unauthorized`] without a token.
    pub async fn watch(&self, id: &UploadId, caller: &Caller) -> Result<Watch> {
        self.0.watching.watch(id, caller).await
    }

    /// Looks at the database, the data disk and the TeleStore backend, and does with a file of nobody what an upload does
    /// with a chunk. It takes two seconds at most; an answer serves
    /// for three.
    pub async fn readiness(&self) -> Readiness {
        self.0.health.readiness().await
    }

    /// Brings the metrics up to date that the stores have to be asked for: uploads by state, the outbox, the disk. To
    /// be called before metrics are read; what it found serves for a second. A store that does not answer leaves them
    /// as they are.
    pub async fn refresh_metrics(&self) {
        self.0.gauges.refresh().await;
    }
}

/// Single steps of what [`start`](Self::start) runs in the background.
impl Telestore {
    /// Sends one upload that is due, if there is one, and says whether there was.
    ///
    /// How it ended is written down as often as the session store needs, and nothing new is sent meanwhile.
    ///
    /// # Errors
    /// [`Error::Storage`] if the session store fails before anything was sent, or while the
    /// worker stops; the upload is tried again when its lease has run out.
    pub async fn step(&self) -> Result<bool> {
        self.0.runner.step().await
    }

    /// Works off the events that are due (webhooks, and messages to take back) and says how many it took on.
    ///
    /// # Errors
    /// [`Error::Storage`] if the session store fails. What was delivered but not recorded
    /// is delivered again, with the same event id.
    pub async fn deliver(&self) -> Result<usize> {
        self.0.delivery.deliver().await
    }

    /// Puts in order what an earlier process left: uploads that it was sending are queued again, and spooled bytes go. So
    /// do chunks without a record if the engine is [alone](EngineConfig::alone); [`sweep`](Self::sweep) finds them
    /// otherwise. To be called before anything else.
    ///
    /// What was handed over to Telegram in full, with no answer written down, has failed and is not sent again by itself;
    /// and so has what ended [`MAX_CRASHES`](telestore_types::MAX_CRASHES) processes in a row without getting further.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn recover(&self) -> Result<()> {
        self.0.upkeep.recover().await
    }

    /// Lets other workers on the same stores have at once what this one had in hand: connections to Telegram are closed,
    /// leases, claims and accounts end. For a process that ends, once [`Running::shutdown`](crate::Running::shutdown) has
    /// returned and nobody calls any more. Without it the others wait until leases have run out.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn leave(&self) -> Result<()> {
        let Rooms { shared, upkeep, .. } = &*self.0;
        for uploader in &shared.backends.uploaders {
            uploader.close().await;
        }
        upkeep.leave().await
    }

    /// Deletes what is past its time and says how many uploads that were. Chunks without a record go, too, which are found
    /// some thousands with each call: those that are older than [`EngineConfig::orphan_grace`] and have none at two looks.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn sweep(&self) -> Result<usize> {
        self.0.upkeep.sweep().await
    }

    /// Gives back what is being sent and was not handed over yet, for a process that waits no longer for its end. Being
    /// stopped does not count against a file.
    pub async fn give_back_sends(&self) {
        self.0.runner.give_back_sends().await;
    }
}
