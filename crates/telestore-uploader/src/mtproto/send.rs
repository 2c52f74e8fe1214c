use md5::{Digest, Md5};
use telestore_mtproto::tl::{self, enums::InputMedia, enums::InputPeer};
use telestore_mtproto::{
    Document, Error as CallError, ErrorKind as CallKind, Failures, Remedy, RpcError, Sent, Wanted,
    media_message,
};
use telestore_types::{BytesSource, Caption, ChatId, Stage, StoredAs, StoredFile, StoredMessage};

use super::attempt::Attempt;
use super::error::{is_failure_of_telegram, is_repeated, may_have_been_made};
use super::message;
use super::parts::{self, Parts};
use super::resume::{AskedFor, Pending, Resume, random_id};
use crate::media::Media;
use crate::{Error, ErrorKind, Result, UploadRequest, Verdict};

/// So many missing parts mean that Telegram has forgotten the file; then all of it is sent anew.
const MAX_MISSING: u32 = 16;

/// How often Telegram may say that it had the call before until its message is looked for: as long as it is worked on,
/// there is none.
const PATIENT: u32 = 2;

/// What is said if the answer does not come. The next attempt makes the same message.
const UNCONFIRMED: &str = "Telegram did not confirm the message, which may be in the channel";

/// A file whose parts are all confirmed, and what has been tried to make a message of it.
pub(crate) struct Sending<'a> {
    pub(crate) attempt: &'a Attempt<'a>,
    pub(crate) request: &'a UploadRequest,
    /// What of the caption the account may send.
    pub(super) caption: Caption,
    /// As what the file goes.
    pub(super) media: Media,
    /// The picture that stands for the file, once it is sent.
    thumb: Option<tl::enums::InputFile>,
    pub(crate) resume: Resume,
    pub(crate) peer: InputPeer,
    pub(crate) md5: Option<String>,
    /// What the listener knows of.
    pub(crate) reported: u64,
    /// The message that an earlier call has made.
    pub(super) found: Option<StoredFile>,
    /// What is sent once more instead of parts.
    pub(super) copied: Option<Document>,
    pub(super) history: History,
}

#[derive(Debug, Default)]
pub(super) struct History {
    /// The caption was cut once more.
    pub(super) shortened: bool,
    pub(super) failures: Failures,
    missing: u32,
    restarted: bool,
    resolved: bool,
    /// How often the document that is sent once more was named anew.
    pub(super) renewed: u32,
    /// It is written down that the message may exist.
    pub(super) committed: bool,
    /// It was so before this attempt.
    pub(super) before: bool,
    /// A call was written and has no answer: the message may exist.
    pub(super) ambiguous: bool,
    /// Telegram has failed at a call, which names no message then.
    unsure: bool,
    /// How often Telegram said that it had the call before.
    pub(super) repeated: u32,
    /// That Telegram will make the message could not be written down, since the attempt was over.
    pub(super) unwritten: bool,
    /// A second message was begun, since nobody could tell what became of the first.
    pub(super) anew: bool,
}

impl<'a> Sending<'a> {
    pub(crate) fn new(
        attempt: &'a Attempt<'a>,
        request: &'a UploadRequest,
        media: Media,
        resume: Resume,
        peer: InputPeer,
    ) -> Self {
        let history = History { before: resume.may_exist(), ..History::default() };
        Self {
            attempt,
            request,
            caption: request.caption.clone(),
            media,
            thumb: None,
            resume,
            peer,
            md5: None,
            reported: 0,
            found: None,
            copied: None,
            history,
        }
    }

    /// Everything up to the message: learns what the account may send, and sends the parts.
    pub(crate) async fn prepare(&mut self) -> Result<()> {
        self.fit_caption().await;
        if self.resume.scheduled.is_some() {
            // Telegram has all of it.
            self.attempt.progress.acknowledged(self.request.source.len());
            return Ok(());
        }
        if self.resume.unnamed {
            self.found = self.look_once_more().await?;
            if self.found.is_some() {
                return Ok(());
            }
        }
        if self.request.copy_of.is_some() {
            return self.read_copied().await;
        }
        let sent = match self.attempt.check_length(self.request.source.len()).await {
            Ok(()) => self.send_parts().await,
            refused => refused,
        };
        if let Err(error) = sent {
            self.found = Some(self.instead_of(error).await?);
        }
        Ok(())
    }

    async fn send_parts(&mut self) -> Result<()> {
        if self.request.copy_of.is_some() {
            return self.read_copied().await;
        }
        let Self { attempt, request, resume, md5, reported, .. } = self;
        let source = request.source.as_ref();
        *md5 = parts::send_parts(attempt, source, resume, reported, &request.cancel).await?;
        Ok(())
    }

    /// Makes the message. However often it is tried, `random_id` makes it one: also by a later attempt, if this one
    /// gets nowhere.
    pub(crate) async fn run(&mut self) -> Result<StoredFile> {
        let attempt = self.attempt;
        attempt.progress.stage(Stage::Finishing);
        attempt.calls.reached();
        let _step = attempt.step();
        let ended = tokio::select! {
            biased;
            ended = self.make() => ended,
            // A call may be under way.
            () = attempt.calls.stalled() => return Err(attempt.calls.stall_error(UNCONFIRMED).into()),
        };
        if ended.is_err() {
            self.uncommit().await;
        }
        ended
    }

    /// Writes down that there is no message, if each call of this attempt was refused and none was made before: then another
    /// sender may send the file. If it cannot be written, the file stays with this one.
    async fn uncommit(&mut self) {
        let may_be_made = self.history.before || self.history.ambiguous || self.history.unsure;
        // A video that Telegram converts will be a message: that call was taken.
        let is_taken = self.resume.scheduled.is_some();
        if may_be_made || is_taken || !self.resume.may_exist() {
            return;
        }
        self.resume.uncommit();
        if let Err(error) = self.attempt.progress.checkpoint(self.resume.to_state()).await {
            tracing::debug!(%error, upload_id = %self.request.upload_id, "could not write down that there is no message");
        }
    }

    async fn make(&mut self) -> Result<StoredFile> {
        loop {
            if let Some(found) = self.found.take() {
                return Ok(found);
            }
            if let Some(pending) = self.resume.scheduled {
                return self.await_video(pending).await;
            }
            // What was begun ends, but after a cancel nothing new is begun.
            let cancelled = self.request.cancel.is_cancelled();
            if cancelled && !self.history.ambiguous {
                return Err(Error::cancelled());
            }
            self.send_thumbnail().await?;
            self.commit().await?;
            let error = match self.attempt.call_for_parts(&self.message_call()).await {
                Ok(Some(Sent::Pending(scheduled))) => {
                    self.schedule(scheduled.into()).await?;
                    continue;
                }
                Ok(found) => match self.stored(found).await {
                    Some(stored) => return Ok(stored),
                    None => CallError::lost("Telegram's answer does not name the message"),
                },
                Err(error) => error,
            };
            let may_exist = may_have_been_made(&error);
            self.history.ambiguous |= may_exist;
            self.history.unsure |= is_failure_of_telegram(&error);
            if error.is("FILE_PARTS_INVALID") {
                return self.instead_of(error.into()).await;
            }
            if is_repeated(&error) {
                match self.made_before().await? {
                    Some(stored) => return Ok(stored),
                    None if self.resume.scheduled.is_some() => continue,
                    None => {}
                }
            }
            let again = may_exist || matches!(error.remedy(), Remedy::Again | Remedy::Wait(_));
            if cancelled && !again {
                return Err(Error::cancelled());
            }
            // The parts that may have to go again can take long; the call above is never dropped, since its answer
            // alone tells whether there is a message. If it was lost, the same call names the message, so that it
            // can be taken back.
            let cancel = self.request.cancel.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled(), if !cancelled => {}
                recovered = self.recover(error) => if let Err(error) = recovered {
                    if self.history.repeated == 0 {
                        return Err(self.given_up(error));
                    }
                    self.found = self.unnamed(error, cancelled).await?;
                },
            }
        }
    }

    /// What an earlier call with this `random_id` has made: a message that waits for its video, or one that is in the channel.
    /// As long as the call is worked on, there is none.
    async fn made_before(&mut self) -> Result<Option<StoredFile>> {
        self.history.repeated += 1;
        if let Some(pending) = self.search_scheduled().await {
            self.schedule(pending).await?;
            return Ok(None);
        }
        Ok(if self.history.repeated > PATIENT { self.search().await } else { None })
    }

    /// Why it is not tried any more. What is for good does not say that there is no message, if an answer was lost
    /// before.
    pub(super) fn given_up(&self, error: Error) -> Error {
        let for_good = error.verdict() == Verdict::Permanent && error.kind() != ErrorKind::Cancelled;
        let may_exist = self.history.ambiguous || self.history.anew;
        if !may_exist || !for_good {
            return error;
        }
        let text = format!("{error}; an earlier call, whose answer was lost, may have made the message");
        Error::new(ErrorKind::AnswerLost, text)
    }

    /// What the message is known by; `None` if nothing tells it from older ones.
    pub(super) fn wanted(&self) -> Option<Wanted<'_>> {
        let (caption, length) = (self.caption.text(), self.request.source.len());
        // Of a photo, Telegram keeps other bytes.
        let length = (self.media != Media::Photo).then_some(length);
        let document_id = self.resume.scheduled.and_then(|pending| pending.document_id);
        let since = self.resume.asked_at.or(document_id.map(|_| 0))?;
        Some(Wanted { caption, length, since, behind: self.behind(), own: true, document_id })
    }

    /// Looks for the message in the channel.
    pub(super) async fn search(&self) -> Option<StoredFile> {
        self.find().await.unwrap_or_else(|error| {
            tracing::debug!(%error, upload_id = %self.request.upload_id, "the message cannot be looked for");
            None
        })
    }

    pub(super) async fn find(&self) -> Result<Option<StoredFile>> {
        let Some(wanted) = self.wanted() else { return Ok(None) };
        let found = self.attempt.calls.find_message(&self.peer, &wanted).await?;
        let named = found.and_then(|found| Some((found.id, found.file_id()?)));
        Ok(named.map(|(message_id, document_id)| {
            tracing::info!(message_id, "[{}] Message found in the channel", self.request.upload_id);
            self.made(message_id, document_id)
        }))
    }

    /// Writes down that Telegram will make the message, and that nothing is to be sent any more.
    async fn schedule(&mut self, pending: Pending) -> Result<()> {
        let id = self.request.upload_id.as_str();
        tracing::info!(
            scheduled = pending.id,
            "[{id}] Telegram converts the video before it makes the message"
        );
        self.resume.scheduled = Some(pending);
        match self.attempt.progress.checkpoint(self.resume.to_state()).await {
            // The cancel came first, and knows nothing of the message.
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                self.history.unwritten = true;
                Ok(())
            }
            written => written,
        }
    }

    /// What is known of the message.
    fn made(&self, message_id: i32, document_id: i64) -> StoredFile {
        self.attempt.calls.account().sent_messages().note(&self.peer, message_id);
        let stored_as = StoredAs::Mtproto { document_id };
        let mut message = StoredMessage::new(i64::from(message_id), stored_as, self.request.source.len());
        message.chat_id = chat_of(&self.peer);
        StoredFile::new(message.sent_as(self.media.shown_as()))
    }

    /// Writes down, once for each name that the parts have, that the message may exist from here on.
    async fn commit(&mut self) -> Result<()> {
        if !self.history.committed {
            let now = match self.resume.asked_at {
                Some(known) => Some(known),
                None => self.attempt.calls.account().time().await.ok(),
            };
            let asked_for = AskedFor {
                caption: self.caption.text().to_owned(),
                send_as: self.request.send_as,
                behind: self.behind(),
            };
            self.resume.commit(now, asked_for);
            self.attempt.progress.commit(Some(self.resume.to_state())).await?;
            self.history.committed = true;
        }
        Ok(())
    }

    /// Sends the thumbnail, if it is not where the account is now. It is small, so that nothing is written down of it.
    async fn send_thumbnail(&mut self) -> Result<()> {
        let wanted =
            self.request.thumbnail.as_ref().filter(|_| self.thumb.is_none() && self.media != Media::Photo);
        let Some(thumbnail) = wanted else { return Ok(()) };
        let source = BytesSource::new(thumbnail.bytes().clone());
        let id = random_id();
        let parts = Parts { attempt: self.attempt, source: &source, file_id: id, total: 1 };
        match parts.send_one(0, thumbnail.bytes().len()).await {
            // The call for the message finds that out, too, and has the parts sent again first.
            Err(_) if self.attempt.has_migrated() => return Ok(()),
            sent => sent?,
        };
        let (name, md5_checksum) = ("thumbnail.jpg".to_owned(), hex::encode(Md5::digest(thumbnail.bytes())));
        self.thumb = Some(tl::types::InputFile { id, parts: 1, name, md5_checksum }.into());
        Ok(())
    }

    async fn recover(&mut self, error: CallError) -> Result<()> {
        tracing::debug!(error = %error, upload_id = %self.request.upload_id, "message not sent");
        if self.is_about_copied(&error) {
            return self.copy_again(error).await;
        }
        match &error {
            error if error.is("FILE_PART_MISSING") => return self.part_missing(error).await,
            error if let Some(media) = self.media.instead(&error.to_string()) => {
                tracing::info!("[{}] Sent as a document: Telegram refused the photo", self.request.upload_id);
                self.media = media;
                return Ok(());
            }
            error if error.is("MD5_CHECKSUM_INVALID") => return self.start_over(error).await,
            error if error.is("MEDIA_CAPTION_TOO_LONG") => return self.shorten_caption(error.clone()).await,
            // The first call is still being worked on: its message is found once that is over.
            error if is_repeated(error) => {
                let lost = CallError::lost("Telegram still works on an earlier call");
                return self.again(lost).await;
            }
            error if *error.kind() == CallKind::Migrated => return self.follow().await,
            _ => {}
        }
        if error.remedy() == Remedy::Resolve {
            return self.resolve_again(error).await;
        }
        self.again(error).await
    }

    async fn again(&mut self, error: CallError) -> Result<()> {
        let eased = self.attempt.calls.recover(error, &mut self.history.failures).await;
        eased.map_err(|error| match error.remedy() {
            Remedy::Again | Remedy::Migrate(_) if self.history.ambiguous => {
                let (kind, words) = match self.history.repeated {
                    // As long as Telegram does not say that it had the call, that of the next attempt makes the message, or names it.
                    0 => (ErrorKind::Unavailable, UNCONFIRMED),
                    _ => (ErrorKind::AnswerLost, "Telegram did not confirm the message"),
                };
                Error::new(kind, format!("{words}: {error}"))
            }
            _ => error.into(),
        })
    }

    async fn part_missing(&mut self, error: &CallError) -> Result<()> {
        self.history.missing += 1;
        let part = error.rpc().and_then(RpcError::value).filter(|part| *part < self.resume.parts());
        let Some(part) = part.filter(|_| self.history.missing <= MAX_MISSING) else {
            return self.start_over(error).await;
        };
        let parts = Parts {
            attempt: self.attempt,
            source: self.request.source.as_ref(),
            file_id: self.resume.file_id,
            total: self.resume.parts(),
        };
        match parts.send_one(part, self.resume.part_length(part)).await {
            // The next call for the message finds that out too.
            Err(_) if self.attempt.has_migrated() => Ok(()),
            sent => sent.map(drop),
        }
    }

    /// Sends every part under a new name, once.
    async fn start_over(&mut self, error: &CallError) -> Result<()> {
        if std::mem::replace(&mut self.history.restarted, true) {
            let text = format!("Telegram does not keep the parts of the file: {error}");
            return Err(Error::new(ErrorKind::Unavailable, text));
        }
        self.resume.restart(self.attempt.now());
        self.attempt.progress.checkpoint(self.resume.to_state()).await?;
        self.follow().await
    }

    /// Sends the parts to where the account is now. The message stays the same one.
    pub(super) async fn follow(&mut self) -> Result<()> {
        self.history.missing = 0;
        // It stayed behind, too.
        self.thumb = None;
        self.send_parts().await?;
        self.history.committed = false;
        Ok(())
    }

    async fn resolve_again(&mut self, error: CallError) -> Result<()> {
        self.attempt.calls.forget(&self.request.credentials.chat_id);
        if std::mem::replace(&mut self.history.resolved, true) {
            return Err(error.into());
        }
        let found = self.attempt.resolve(None).await?;
        self.resume.access_hash = found.access_hash();
        // If the group became a supergroup meanwhile, that is written down before the message can be there: the
        // credentials of a later attempt name that one.
        if self.resume.follow(found.moved_to.as_ref()) {
            self.history.committed = false;
        }
        self.peer = found.peer;
        Ok(())
    }

    async fn stored(&self, found: Option<Sent>) -> Option<StoredFile> {
        let Sent::Message { message_id, document_id } = found? else { return None };
        let document_id = match document_id {
            Some(id) => id,
            None => self.document_of(message_id).await?,
        };
        Some(self.made(message_id, document_id))
    }

    /// Asks for the document of a message whose id is known.
    async fn document_of(&self, message_id: i32) -> Option<i64> {
        let message = self.attempt.calls.message(&self.peer, message_id).await.ok()??;
        // The number may be that of a scheduled message, and what has it in the channel any other message.
        let is_it = !matches!(self.media, Media::Video(_)) || self.wanted()?.is(&message);
        message.file_id().filter(|_| is_it)
    }

    fn message_call(&self) -> tl::functions::messages::SendMedia {
        let (text, random_id) = (self.caption.text().to_owned(), self.resume.random_id);
        tl::functions::messages::SendMedia {
            silent: self.request.silent,
            reply_to: message::reply_to(self.request.topic),
            entities: message::entities(&self.caption),
            ..media_message(self.peer.clone(), self.input_media(), text, random_id)
        }
    }

    fn input_media(&self) -> InputMedia {
        if let Some(document) = &self.copied {
            return message::known_media(document);
        }
        let name = crate::name::for_telegram(&self.request.file_name).into_owned();
        let (file, mime_type) = (self.file(name.clone()), self.request.mime_type.clone());
        message::input_media(&self.media, file, self.thumb.clone(), name, mime_type)
    }

    fn file(&self, name: String) -> tl::enums::InputFile {
        let (id, parts) = (self.resume.file_id, self.resume.parts().cast_signed());
        match &self.md5 {
            Some(md5) => tl::types::InputFile { id, parts, name, md5_checksum: md5.clone() }.into(),
            None => tl::types::InputFileBig { id, parts, name }.into(),
        }
    }
}

/// The number by which every API knows the chat: a name may be another chat's later.
pub(super) fn chat_of(peer: &InputPeer) -> Option<ChatId> {
    match peer {
        InputPeer::Channel(channel) => ChatId::of_channel(channel.channel_id).ok(),
        InputPeer::Chat(group) => ChatId::of_group(group.chat_id).ok(),
        _ => None,
    }
}
