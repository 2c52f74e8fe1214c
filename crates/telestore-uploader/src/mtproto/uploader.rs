use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_mtproto::tl::enums::InputPeer;
use telestore_mtproto::{Account, Client, Logins, MtprotoConfig, User};
use telestore_types::{
    ChatId, KeyStore, LoginGuard, ResumeState, Sender, Stage, StoredFile, StoredMessage, TelegramCredentials,
};
use tokio::time::timeout;

use super::attempt::Attempt;
use super::copy;
use super::find;
use super::limits::{Limits, PART_SIZE, WHOLE_BYTES};
use super::logins::SharedLogins;
use super::parts::{self, BIG_FILE};
use super::recall;
use super::resume::{About, NAME, Resume};
use super::send::Sending;
use super::windows::{PARTS_IN_FLIGHT, Windows};
use super::withdraw;
use crate::media::Media;
use crate::{
    Capability, Error, ErrorKind, Found, Handover, Lost, NoProgress, ProgressSink, Recalled, Requirement,
    Result, TelegramUploader, UploadRequest,
};

/// How much longer than [`MtprotoConfig::lost_after`], when a lost answer is asked after, parts in flight may go without an answer after a
/// cancel: they would have to be sent once more.
const AFTER_ASKING: Duration = Duration::from_secs(4);

/// Whose logins it works with.
const REQUIREMENT: Requirement = Requirement::SessionOrBot;

/// Sends a file over MTProto, in parts, as an account or a bot with a session string, or as a bot with its token and an
/// application. Such a bot signs in once; its key is kept in the [`KeyStore`] that the engine gives, or else for as long as the
/// uploader lives.
///
/// Each account has one connection, which all of its uploads share; it is opened by the first call and closed when idle.
/// The parts of an account share one window too, so many uploads of one account are no faster than one.
///
/// ```
/// use telestore_uploader::{Client, MtprotoConfig, MtprotoUploader, TelegramUploader};
///
/// let client = Client::new(MtprotoConfig::default());
/// let uploader = MtprotoUploader::sharing(client).with_window(8);
/// assert_eq!(uploader.capability().whole_bytes, 2000 * 1024 * 1024);
/// ```
#[derive(Debug)]
pub struct MtprotoUploader {
    logins: SharedLogins,
    limits: Limits,
    windows: Windows,
}

/// Who works, and as which login.
struct Worker {
    sender: Sender,
    account: Arc<Account>,
}

impl MtprotoUploader {
    /// An uploader with a client of its own. Nothing is connected yet.
    pub fn new(config: MtprotoConfig) -> Self {
        Self::sharing(Client::new(config))
    }

    /// An uploader that shares the accounts, and so the connections, of a client with others: Telegram may end a login that
    /// it sees on two connections.
    pub fn sharing(client: Client) -> Self {
        let windows = Windows::new(PARTS_IN_FLIGHT);
        let logins = SharedLogins { client, bots: Arc::default() };
        Self { logins, limits: Limits::default(), windows }
    }

    /// The logins that it sends with, for others who work with the same ones, such as a reader of files: a bot signs in once for
    /// all, and each account has one connection.
    pub fn logins(&self) -> Arc<dyn Logins> {
        Arc::new(self.logins.clone())
    }

    /// Sets the largest file that is sent, in bytes. Unless set, it is what the account may send: 2000 MiB, and 4000 MiB with
    /// Premium.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.limits.max_bytes = Some(bytes);
        self
    }

    /// Sets the most parts in flight of one account, over all of its uploads. 16 unless set. How many there are depends on
    /// the round trip: as many as fill the line. Each takes 512 KiB of memory.
    #[must_use]
    pub fn with_window(mut self, parts: usize) -> Self {
        self.limits.window = parts;
        self
    }

    /// Sets the most parts in flight of all accounts together, beside one for each account. 64 unless set.
    #[must_use]
    pub fn with_parts_in_flight(mut self, parts: usize) -> Self {
        self.windows = Windows::new(parts);
        self
    }

    /// Sets how old confirmed parts may be: Telegram forgets the parts of an unsent file after a while. Two hours unless
    /// set. An older resume state keeps its `random_id` only.
    #[must_use]
    pub fn with_resume_max_age(mut self, age: Duration) -> Self {
        self.limits.resume_max_age = age;
        self
    }

    /// Whose session string, or which bot, it is that these credentials hold.
    ///
    /// # Errors
    /// As [`check`](TelegramUploader::check), but for those about the channel.
    pub async fn user(&self, credentials: &TelegramCredentials) -> Result<User> {
        self.with(credentials, async |attempt| Ok(attempt.calls.own_user().await?)).await
    }

    /// Tries the way to Telegram, through the proxy if there is one, without anybody's account: see
    /// [`Client::try_way`](telestore_mtproto::Client::try_way).
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`], with a text that names the hop at which the way ends.
    pub async fn try_way(&self) -> Result<()> {
        Ok(self.logins.client.try_way().await?)
    }

    /// Who works with these credentials; a bot may sign in for that.
    async fn worker(&self, sender: Option<&Sender>, credentials: &TelegramCredentials) -> Result<Worker> {
        let nobody = || REQUIREMENT.fault(credentials).unwrap_or_else(Error::not_authorized);
        let sender = sender.ok_or_else(nobody)?.clone();
        let account = self.logins.enter(&sender).await?;
        Ok(Worker { sender, account })
    }

    fn attempt<'a>(
        &'a self,
        worker: &Worker,
        credentials: &'a TelegramCredentials,
        progress: &'a dyn ProgressSink,
    ) -> Attempt<'a> {
        let account = worker.account.clone();
        let window = self.windows.of(&account, self.limits.window);
        Attempt::new(account, window, &self.limits, credentials, progress)
    }

    /// Notes how work has ended, if a bot did it that this uploader signs in.
    async fn ended<T>(&self, worker: &Worker, ended: Result<T>) -> Result<T> {
        self.logins.note(&worker.sender, &worker.account, ended).await
    }

    /// Does something small with the best login of these credentials.
    async fn with<T>(
        &self,
        credentials: &TelegramCredentials,
        work: impl AsyncFnOnce(&Attempt<'_>) -> Result<T>,
    ) -> Result<T> {
        let worker = self.worker(REQUIREMENT.senders(credentials).next(), credentials).await?;
        let attempt = self.attempt(&worker, credentials, &NoProgress);
        let ended = attempt.unless_stalled(work(&attempt)).await;
        self.ended(&worker, ended).await
    }

    async fn upload_as(
        &self,
        worker: &Worker,
        request: &UploadRequest,
        progress: &dyn ProgressSink,
    ) -> Result<StoredFile> {
        let attempt = self.attempt(worker, &request.credentials, progress);
        let mut sending = tokio::select! {
            biased;
            () = request.cancel.cancelled() => return Err(Error::cancelled()),
            prepared = attempt.unless_stalled(self.prepare(&attempt, request)) => prepared?,
        };
        sending.run().await.map_err(|error| error.about(&request.credentials.chat_id))
    }

    async fn send_early_as(
        &self,
        worker: &Worker,
        request: &UploadRequest,
        progress: &dyn ProgressSink,
    ) -> Result<()> {
        let attempt = self.attempt(worker, &request.credentials, progress);
        let (mut resume, _) = tokio::select! {
            biased;
            () = request.cancel.cancelled() => return Ok(()),
            begun = attempt.unless_stalled(self.begin(&attempt, request)) => begun?,
        };
        let (source, mut reported) = (request.source.as_ref(), 0);
        let sending = async {
            attempt.check_length(source.len()).await?;
            let sent = parts::send_parts(&attempt, source, &mut resume, &mut reported, &request.cancel).await;
            if let Err(error) = sent {
                return Err(attempt.explained(error, source.len()).await);
            }
            progress.checkpoint(resume.to_state()).await
        };
        let too_late = async {
            request.cancel.cancelled().await;
            let patience = attempt.calls.config().lost_after + AFTER_ASKING;
            while timeout(patience, attempt.confirmed.notified()).await.is_ok() {}
        };
        tokio::select! {
            biased;
            sent = attempt.unless_stalled(sending) => sent,
            () = too_late => Err(Error::cancelled()),
        }
    }

    fn check_length(&self, length: u64) -> Result<()> {
        if let Some(most) = self.limits.max_bytes.filter(|most| length > *most) {
            return Err(Error::too_large(length, most));
        }
        if length == 0 {
            return Err(Error::new(ErrorKind::Rejected, "an empty file cannot be sent to Telegram"));
        }
        Ok(())
    }

    /// Everything up to the message: connects, finds the channel, sends the parts.
    async fn prepare<'a>(&self, attempt: &'a Attempt<'a>, request: &'a UploadRequest) -> Result<Sending<'a>> {
        let (resume, peer) = self.begin(attempt, request).await?;
        let media = Media::of(request).await;
        let mut sending = Sending::new(attempt, request, media, resume, peer);
        sending.prepare().await?;
        Ok(sending)
    }

    /// Connects, finds the channel and writes down what the parts and the message will be known by.
    async fn begin(&self, attempt: &Attempt<'_>, request: &UploadRequest) -> Result<(Resume, InputPeer)> {
        let source = request.source.as_ref();
        attempt.calls.connect().await?;
        let account = attempt.calls.account().location().fingerprint();
        let of =
            About { chat: request.credentials.chat_id.as_str(), account: &account, length: source.len() };
        let mut resume =
            Resume::go_on(request.resume.as_ref(), &of, attempt.now(), self.limits.resume_max_age);
        resume.forget(&request.changed);
        attempt.progress.stage(Stage::Resolving);
        let found = {
            // As a whole: a stranger may have any number of pages of dialogs.
            let _step = attempt.step();
            attempt.resolve(resume.access_hash).await?
        };
        attempt.calls.reached();
        resume.access_hash = found.access_hash();
        resume.follow(found.moved_to.as_ref());
        attempt.progress.stage(Stage::Sending);
        // Before the first part, so that whatever happens next the message stays the same one.
        attempt.progress.checkpoint(resume.to_state()).await?;
        Ok((resume, found.peer))
    }
}

#[async_trait]
impl TelegramUploader for MtprotoUploader {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capability(&self) -> Capability {
        Capability::new(self.limits.max_bytes(), REQUIREMENT)
            .whole_up_to(WHOLE_BYTES)
            .in_parts(PART_SIZE as u32)
            .resumable()
            .idempotent()
            .early_from(BIG_FILE + 1)
            .finding()
    }

    async fn upload(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        progress.stage(Stage::Connecting);
        self.check_length(request.source.len())?;
        let worker = tokio::select! {
            biased;
            () = request.cancel.cancelled() => return Err(Error::cancelled()),
            worker = self.worker(request.session_or_bot(), &request.credentials) => worker?,
        };
        let ended = self.upload_as(&worker, &request, progress.as_ref()).await;
        self.ended(&worker, ended).await
    }

    async fn send_early(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<()> {
        self.check_length(request.source.len())?;
        let worker = tokio::select! {
            biased;
            () = request.cancel.cancelled() => return Ok(()),
            worker = self.worker(request.session_or_bot(), &request.credentials) => worker?,
        };
        let ended = self.send_early_as(&worker, &request, progress.as_ref()).await;
        self.ended(&worker, ended).await
    }

    fn handover(&self, state: &ResumeState) -> Handover {
        Resume::handover(state)
    }

    fn copies(&self, message: &StoredMessage) -> bool {
        copy::copies(message)
    }

    async fn message_bytes(&self, request: &UploadRequest) -> Result<u64> {
        let asking = async {
            let worker = self.worker(request.session_or_bot(), &request.credentials).await?;
            let attempt = self.attempt(&worker, &request.credentials, &NoProgress);
            let ended = attempt.unless_stalled(attempt.message_bytes(Duration::ZERO)).await;
            self.ended(&worker, ended).await
        };
        tokio::select! {
            biased;
            () = request.cancel.cancelled() => Err(Error::cancelled()),
            asked = asking => asked,
        }
    }

    async fn check(&self, credentials: &TelegramCredentials) -> Result<()> {
        let checking = async |attempt: &Attempt<'_>| {
            attempt.calls.connect().await?;
            attempt.resolve(None).await.map(drop)
        };
        self.with(credentials, checking).await
    }

    async fn moved_to(&self, credentials: &TelegramCredentials) -> Result<Option<ChatId>> {
        let asking = async |attempt: &Attempt<'_>| {
            attempt.calls.connect().await?;
            Ok(attempt.calls.moved_to(&credentials.chat_id).await?)
        };
        self.with(credentials, asking).await
    }

    async fn find(&self, request: &UploadRequest, lost: &Lost) -> Result<Found> {
        self.with(&request.credentials, async |attempt| find::find(attempt, request, lost).await).await
    }

    async fn withdraw(&self, credentials: &TelegramCredentials, stored: &StoredFile) -> Result<bool> {
        self.with(credentials, async |attempt| withdraw::withdraw(attempt, stored).await).await
    }

    async fn recall(
        &self,
        credentials: &TelegramCredentials,
        state: &ResumeState,
        lost: &Lost,
    ) -> Result<Recalled> {
        let Some(resume) = Resume::read(state).filter(Resume::may_exist) else { return Ok(Recalled::Gone) };
        let asked = recall::asked(credentials, state)?;
        let recalling = async |attempt: &Attempt<'_>| recall::recall(attempt, &resume, lost).await;
        let recalled = self.with(&asked.credentials, recalling).await?;
        Ok(asked.as_seen(recalled))
    }

    fn guard_logins(&self, guard: Arc<dyn LoginGuard>) {
        self.logins.client.guard_logins(guard);
    }

    fn keep_keys(&self, keys: Arc<dyn KeyStore>) {
        self.logins.bots.keep_in(keys);
    }

    async fn close(&self) {
        self.logins.client.close().await;
    }
}
