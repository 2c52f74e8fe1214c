use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{
    ByteSource, Caption, ChatId, FileName, KeyStore, LoginGuard, ResumeState, SendAs, Sender, Stage,
    StoredFile, StoredMessage, TelegramCredentials, Thumbnail, TopicId, UploadId,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Capability, Error, ErrorKind, Found, Handover, Lost, Pool, Recalled, Requirement, Result, caption_of,
};

/// One attempt to send one file.
///
/// ```
/// use std::sync::Arc;
/// use telestore_types::{BytesSource, ChatId, FileName, TelegramCredentials, UploadId, UserId};
/// use telestore_uploader::UploadRequest;
///
/// let credentials = TelegramCredentials::new(UserId::new("alice"), ChatId::new("-1001234567890")?);
/// let (id, name) = (UploadId::new("a")?, FileName::new("a.txt")?);
/// let source = Arc::new(BytesSource::new(&b"hello"[..]));
/// let request = UploadRequest::new(id, Arc::new(credentials), name, source).with_mime_type("text/plain");
/// assert_eq!(request.caption.text(), "Uploaded: a.txt");
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UploadRequest {
    /// For log lines only.
    pub upload_id: UploadId,
    /// Whose file it is and where it goes.
    pub credentials: Arc<TelegramCredentials>,
    /// Who is to send it; `None` leaves the choice to the backend.
    pub sender: Option<Sender>,
    /// What is known of the senders; a file of several messages is shared out over all that can send.
    pub pool: Pool,
    /// The name of the file. The document gets what of it Telegram keeps.
    pub file_name: FileName,
    /// The content type that the document gets.
    pub mime_type: String,
    /// The text of the message. What of it is too long for the account is cut off.
    pub caption: Caption,
    /// The topic of the chat that the message goes into.
    pub topic: Option<TopicId>,
    /// Whether the chat's members are not notified.
    pub silent: bool,
    /// As what the file is sent. One that Telegram does not take as that is sent as a document.
    pub send_as: SendAs,
    /// The picture that stands for the file. A photo needs none.
    pub thumbnail: Option<Thumbnail>,
    /// The message of this chat whose document is sent once more instead of bytes: then the source has a length, and no bytes. It is
    /// given to backends only that [can do so](TelegramUploader::copies), and goes as a document.
    pub copy_of: Option<StoredMessage>,
    /// The bytes.
    pub source: Arc<dyn ByteSource>,
    /// How far an earlier attempt got. State [of](ResumeState::of) another backend, or of an older version that can no
    /// longer be read, is to be ignored.
    pub resume: Option<ResumeState>,
    /// The bytes of the file, as ranges, that are not those any more which the state in `resume` was made of; sorted,
    /// without overlaps. What was sent of them is to be sent again.
    pub changed: Vec<Range<u64>>,
    /// Whether it is sent once more if nobody can tell whether its message was made: at the risk of a second one.
    pub again: bool,
    /// Stop as soon as this is cancelled.
    pub cancel: CancellationToken,
}

impl UploadRequest {
    /// A first attempt to send `source` as a file without a known type of content, with the usual caption.
    pub fn new(
        upload_id: UploadId,
        credentials: Arc<TelegramCredentials>,
        file_name: FileName,
        source: Arc<dyn ByteSource>,
    ) -> Self {
        Self {
            upload_id,
            credentials,
            sender: None,
            pool: Pool::default(),
            caption: caption_of(&file_name).into(),
            topic: None,
            silent: false,
            send_as: SendAs::Document,
            thumbnail: None,
            copy_of: None,
            file_name,
            mime_type: "application/octet-stream".to_owned(),
            source,
            resume: None,
            changed: Vec::new(),
            again: false,
            cancel: CancellationToken::new(),
        }
    }

    /// The document gets this type of content.
    #[must_use]
    pub fn with_mime_type(self, mime_type: impl Into<String>) -> Self {
        Self { mime_type: mime_type.into(), ..self }
    }

    /// The message gets this text.
    #[must_use]
    pub fn with_caption(self, caption: impl Into<Caption>) -> Self {
        Self { caption: caption.into(), ..self }
    }

    /// The message goes into this topic, if any.
    #[must_use]
    pub fn in_topic(self, topic: Option<TopicId>) -> Self {
        Self { topic, ..self }
    }

    /// The message notifies nobody, or it does.
    #[must_use]
    pub fn silently(self, silent: bool) -> Self {
        Self { silent, ..self }
    }

    /// It is sent as this.
    #[must_use]
    pub fn sent_as(self, send_as: SendAs) -> Self {
        Self { send_as, ..self }
    }

    /// This picture stands for it, if any.
    #[must_use]
    pub fn with_thumbnail(self, thumbnail: Option<Thumbnail>) -> Self {
        Self { thumbnail, ..self }
    }

    /// It is the document of this message, if any.
    #[must_use]
    pub fn copying(self, copy_of: Option<StoredMessage>) -> Self {
        Self { copy_of, ..self }
    }

    /// This sender sends it.
    #[must_use]
    pub fn with_sender(self, sender: Option<Sender>) -> Self {
        Self { sender, ..self }
    }

    /// This is known of the senders.
    #[must_use]
    pub fn among(self, pool: Pool) -> Self {
        Self { pool, ..self }
    }

    /// It goes with these credentials.
    #[must_use]
    pub fn with_credentials(self, credentials: Arc<TelegramCredentials>) -> Self {
        Self { credentials, ..self }
    }

    /// It goes on from what an earlier attempt wrote down.
    #[must_use]
    pub fn resuming(self, resume: Option<ResumeState>) -> Self {
        Self { resume, ..self }
    }

    /// It is sent once more if nobody can tell whether its message was made, or it is not.
    #[must_use]
    pub fn again_if_unknown(self, again: bool) -> Self {
        Self { again, ..self }
    }

    /// It stops as soon as this is cancelled.
    #[must_use]
    pub fn stopped_by(self, cancel: CancellationToken) -> Self {
        Self { cancel, ..self }
    }

    /// The bot that is to send it: the chosen one, or the first of the credentials.
    pub fn bot(&self) -> Option<&Sender> {
        let chosen = self.sender.as_ref().filter(|sender| sender.bot_token().is_some());
        chosen.or_else(|| self.credentials.bots().next())
    }

    /// The session that is to send it: the chosen one, or the first of the credentials.
    pub fn session(&self) -> Option<&Sender> {
        let chosen = self.sender.as_ref().filter(|sender| sender.session_string().is_some());
        chosen.or_else(|| self.credentials.sessions().next())
    }

    /// Who is to send it by MTProto: the chosen session or bot, or the first of the credentials; see
    /// [`Requirement::SessionOrBot`](crate::Requirement::SessionOrBot).
    pub fn session_or_bot(&self) -> Option<&Sender> {
        let able = |sender: &&Sender| sender.session_string().is_some() || sender.application().is_some();
        let chosen = self.sender.as_ref().filter(able);
        chosen.or_else(|| Requirement::SessionOrBot.senders(&self.credentials).next())
    }
}

/// Where a backend tells how far it is. All calls are quick except for [`checkpoint`](Self::checkpoint).
#[async_trait]
pub trait ProgressSink: fmt::Debug + Send + Sync {
    /// A new stage has begun.
    fn stage(&self, stage: Stage);

    /// Telegram has acknowledged this many bytes of the file in total. Never less than before within one attempt.
    fn acknowledged(&self, bytes: u64);

    /// Telegram asked to wait this long; work goes on by itself afterwards.
    fn flood_wait(&self, wait: Duration);

    /// The chat of the credentials was a group that has become this supergroup. Later credentials are to name that one,
    /// also after a restart: Telegram may not tell again. A sink that forgets it costs a question for each file.
    async fn moved(&self, from: &ChatId, to: &ChatId) {
        let _ = (from, to);
    }

    /// Writes down how far the backend is. When it returns, a restart finds the state.
    ///
    /// # Errors
    /// If it cannot be written, or the attempt has lost its lease: the backend must stop with this error.
    async fn checkpoint(&self, state: ResumeState) -> Result<()>;

    /// [Commits](Self::commit), for a backend whose message cannot be made again from a state, and says by what the message can be
    /// found: the chat that it goes to and the caption that it gets. A sink that can have it looked for repeats the attempt
    /// only once it is known not to be there.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    async fn hand_over(&self, chat: &ChatId, caption: &Caption) -> Result<()> {
        let _ = (chat, caption);
        self.commit(None).await
    }

    /// Writes down that from here on the message may exist, and returns once that survives a power cut. To be called
    /// before the step that makes the message: the last byte of a body, or the call that names the parts.
    ///
    /// With a `resume` state, an attempt that is cut off now is repeated from that state, which makes the same message.
    /// With `None`, it is not repeated unless a person asks for it: nobody could tell whether the message was made.
    ///
    /// That holds for an attempt that has no end. One that ends with an error whose verdict is not
    /// [`Ambiguous`](crate::Verdict::Ambiguous) has made no message, whatever it has committed.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint). Nothing may be sent then.
    async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
        match resume {
            Some(state) => self.checkpoint(state).await,
            None => Ok(()),
        }
    }
}

/// A sink that forgets everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

#[async_trait]
impl ProgressSink for NoProgress {
    fn stage(&self, _: Stage) {}

    fn acknowledged(&self, _: u64) {}

    fn flood_wait(&self, _: Duration) {}

    async fn checkpoint(&self, _: ResumeState) -> Result<()> {
        Ok(())
    }
}

/// Puts files into a Telegram channel.
///
/// # Contract
/// - [`upload`](Self::upload) returns after the message exists, or with an error. It sends the file as the request
///   says, with its name, its content type and its caption; silently, and into a topic, if the request says so.
/// - It reads every byte of the source that Telegram does not have yet and holds a bounded piece of it, whatever the
///   size. If the source says that its bytes are damaged, nothing that was sent of them is used later.
/// - It reports [`Stage::Connecting`], [`Stage::Resolving`] (if there is something to resolve), [`Stage::Sending`]
///   and [`Stage::Finishing`], in this order, and acknowledged bytes that end at the length of the file.
/// - Whether the account may post is looked at before the first byte, if Telegram tells, also by
///   [`send_early`](Self::send_early).
/// - A name that is too long for Telegram is shortened before its extension.
/// - It [commits](ProgressSink::commit) before each step that may make the message.
/// - If Telegram has a message that no call names and that is not found, it ends with
///   [`ErrorKind::AnswerLost`](crate::ErrorKind::AnswerLost), or makes another one if [`UploadRequest::again`] says so. An
///   attempt that goes on from the state of one that ended so is what a person wants: it looks once more, and makes another one.
/// - If [`Capability::resumable`] is declared, it checkpoints whatever a later attempt needs *before* that matters;
///   if [`Capability::idempotent`] is declared, attempts that are given each other's state make one message.
/// - After `cancel` it ends within a second with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), unless Telegram
///   has been asked for the message: then it waits for the answer, which alone tells whether there is one, as long as
///   it would without the cancel, and reports a message that was made as success. A message that Telegram makes much later it
///   leaves to [`recall`](Self::recall) or to the next attempt, since whoever stops may want either.
/// - A dropped future leaves no task behind that would still send the message.
/// - One uploader serves many files of many users at once; nothing of one user is used for another.
/// - Errors say in their [`Verdict`](crate::Verdict) whether the message may exist, and never hold a secret.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TelegramUploader: fmt::Debug + Send + Sync + 'static {
    /// A name for log lines. Rows keep it beside what the backend wrote, so it does not change between versions.
    fn name(&self) -> &'static str;

    /// What this backend can do. It does not change.
    fn capability(&self) -> Capability;

    /// Sends one file.
    ///
    /// # Errors
    /// See [`ErrorKind`](crate::ErrorKind); [`Error::verdict`](crate::Error::verdict) says what may be done.
    async fn upload(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<StoredFile>;

    /// Sends what can be sent of a file that is still arriving, and makes no message. Called if
    /// [`Capability::early_from`] says that the backend can.
    ///
    /// Reads of the source wait until their bytes have arrived, which may never happen. Before the first read it
    /// checkpoints, and later as [`upload`](Self::upload) does; that goes on from the last state.
    ///
    /// It ends when everything is sent. After `cancel` it begins nothing new and ends once what was in flight is answered
    /// and checkpointed, which is well: bytes may be sent again with other content afterwards. If nothing is answered
    /// for two seconds, it drops what is left.
    ///
    /// # Errors
    /// As [`upload`](Self::upload). What was in flight may still arrive.
    async fn send_early(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<()> {
        let _ = (request, progress);
        Ok(())
    }

    /// Whether a file may go on with another sender than the one by which an attempt has written `state`. Nobody is asked: the
    /// state says so. Unless a backend knows better, nothing goes on of which there is a state.
    fn handover(&self, state: &ResumeState) -> Handover {
        if state.bytes.is_empty() { Handover::Anew } else { Handover::Never }
    }

    /// Whether an attempt that has written `state` may have made a message that the state does not name, so that a person is to look for
    /// it if the upload ends badly. Nobody is asked. Of a file that goes as one, that is what binds it to its sender.
    fn may_exist(&self, state: &ResumeState) -> bool {
        self.handover(state) == Handover::Never
    }

    /// Whether it makes another message of the document of this one, if [a request says so](UploadRequest::copy_of), without its
    /// bytes. If that document is not there any more, the attempt ends with [`ErrorKind::Rejected`](crate::ErrorKind::Rejected).
    fn copies(&self, message: &StoredMessage) -> bool {
        let _ = message;
        false
    }

    /// The most bytes that one message holds which the sender of `request` makes; [`Capability::max_bytes`] if that does not
    /// depend on who sends.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    async fn message_bytes(&self, request: &UploadRequest) -> Result<u64> {
        let _ = request;
        Ok(self.capability().max_bytes)
    }

    /// Whether these credentials would do: signs in and finds the channel, and sends nothing. It is for an operator's
    /// question; an upload does not need it.
    ///
    /// # Errors
    /// As [`upload`](Self::upload); [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) by a backend that cannot tell.
    async fn check(&self, credentials: &TelegramCredentials) -> Result<()> {
        let _ = credentials;
        Err(Error::new(ErrorKind::Rejected, "this backend cannot be checked without a file"))
    }

    /// Which supergroup the group of these credentials has become; `None` if it has not, or nobody can tell. A bot
    /// alone cannot always.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    async fn moved_to(&self, credentials: &TelegramCredentials) -> Result<Option<ChatId>> {
        let _ = credentials;
        Ok(None)
    }

    /// Looks for the message that a request of another backend may have made whose answer was lost. Called if
    /// [`Capability::finds`] says that this one can. `request` is what was sent.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    async fn find(&self, request: &UploadRequest, lost: &Lost) -> Result<Found> {
        let _ = (request, lost);
        Ok(Found::Unclear)
    }

    /// Deletes the messages that [`upload`](Self::upload) has made and that are not wanted any more: the upload was
    /// cancelled while Telegram worked on it. Says whether all are gone; a backend that cannot delete them says no. It may
    /// be asked again after an error, with those of [`Error::made`](crate::Error::made).
    ///
    /// One that cannot be deleted keeps none of the others: the error names those that stay. If any of them may be deleted
    /// later, it is [temporary](crate::Verdict::Temporary).
    ///
    /// Each message is deleted in the chat that it names, whatever chat the credentials name by now; one that names none
    /// is in the chat of the credentials. In a basic group each account has numbers of its own: what is there under the number of a
    /// message and is another file stays.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    async fn withdraw(&self, credentials: &TelegramCredentials, stored: &StoredFile) -> Result<bool> {
        let _ = (credentials, stored);
        Ok(false)
    }

    /// Takes back the message that may come of an upload which was cancelled between two attempts, and of which this backend has
    /// written `state`, or finds it, so that the caller can take it back. It may be asked again after an error.
    ///
    /// What the state tells from all messages of others, such as one that Telegram has named and makes much later, is taken
    /// back. What only looks like it is found and left to the caller, who knows of other files; `lost` says what is not it.
    ///
    /// The credentials are the user's; which of their senders was asked for the message, the state says.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    async fn recall(
        &self,
        credentials: &TelegramCredentials,
        state: &ResumeState,
        lost: &Lost,
    ) -> Result<Recalled> {
        let _ = (credentials, state, lost);
        Ok(Recalled::Gone)
    }

    /// Asks `guard` before each connection to Telegram from now on that must be the only one of its login. Called by an
    /// engine that shares its stores with other processes; a backend without such connections ignores it.
    fn guard_logins(&self, guard: Arc<dyn LoginGuard>) {
        let _ = guard;
    }

    /// Keeps the keys that bots sign in with in `keys` from now on, and looks there before one signs in. Called by an engine; a
    /// backend that signs nobody in ignores it.
    fn keep_keys(&self, keys: Arc<dyn KeyStore>) {
        let _ = keys;
    }

    /// Closes whatever connections to Telegram are open, and returns once they are: another process may use the same
    /// accounts then. Calls that are on their way fail; later ones connect again.
    async fn close(&self) {}
}
