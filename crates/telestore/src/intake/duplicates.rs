//! Files that their user has in the channel already: they become one more message, without their bytes.
//!
//! What a client says of its file decides nothing over users: only files of the one whose token came are looked at, so that nobody learns
//! what others have, and who names a digest of something else gets a file of their own.

use std::sync::Arc;
use std::time::Duration;

use telestore_store::FileListing;
use telestore_types::{Encoded, IndexedFile, SendAs, StoredMessage, TelegramCredentials, Upload, UploadKind};

use crate::intake::Intake;
use crate::shared::caller::Caller;
use crate::shared::metrics::METRICS;

/// How many files of one digest are looked at: the newest.
const LOOKED_AT: u32 = 4;

/// How long Telegram is asked whether they are there; then the file is sent as ever.
const PATIENCE: Duration = Duration::from_secs(10);

impl Intake {
    /// Makes a new upload, which is not stored yet, one more message of a file that is there, and completes it, if there is such a file:
    /// one of this user with the same digest, length and name, in the same channel and form, as one message.
    pub(super) async fn look_for_duplicate(&self, upload: &mut Upload, caller: &Caller, thumbnail: bool) {
        if !self.base.config.dedup || thumbnail || upload.kind == UploadKind::Partial {
            return;
        }
        let Ok(Some((user, _))) = self.access.user_of(caller).await else { return };
        if upload.user_id.as_ref() != Some(&user.user_id) {
            return;
        }
        let user = self.access.backends.where_it_is(Arc::clone(user)).await;
        let looking = self.known(upload, &user);
        let Ok(found) = tokio::time::timeout(PATIENCE, looking).await else {
            tracing::info!("[{}] Telegram does not say in time whether the file is there", upload.id);
            return;
        };
        if let Some((message, encoded)) = found {
            let message_id = message.message_id;
            if upload.duplicate(message, encoded, self.base.now()) {
                tracing::info!(message_id, "[{}] The file is in the channel already", upload.id);
            }
        }
    }

    /// An upload that was made one more message is stored.
    pub(super) async fn tell_duplicate(&self, upload: &Upload) {
        METRICS.duplicates.increment(1);
        METRICS.spared.increment(upload.size());
        self.completed_itself(upload).await;
    }

    async fn known(
        &self,
        upload: &Upload,
        user: &Arc<TelegramCredentials>,
    ) -> Option<(StoredMessage, Encoded)> {
        let (options, config) = (&upload.options, &self.base.config);
        let (sha256, size) = (options.sha256?, upload.file_size?);
        let wanted = config.encoding.wanted(options);
        // For whom a file in the channel is encrypted does not show in it.
        if wanted.encrypt || options.send_as.unwrap_or(config.message.send_as) != SendAs::Document {
            return None;
        }
        let listing = FileListing::first(LOOKED_AT).with_content(sha256, size);
        let files = match self.base.sessions.files(&user.user_id, &listing).await {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(upload = %upload.id, %error, "cannot look whether the file is there");
                return None;
            }
        };
        for file in &files {
            let fits = !file.encoded.encrypted
                && (wanted.compress || !file.encoded.compressed)
                && file.file_name.is_same(&upload.file_name);
            let Some(message) = self.copied_from(file, user).filter(|_| fits) else { continue };
            if self.is_there(upload, message, user).await {
                return Some((message.clone(), file.encoded));
            }
        }
        None
    }

    /// The message of a file, if another one can be made of it where this user's files go now.
    fn copied_from<'a>(
        &self,
        file: &'a IndexedFile,
        user: &TelegramCredentials,
    ) -> Option<&'a StoredMessage> {
        let [message] = file.stored.messages() else { return None };
        let is_able = self.access.backends.uploaders.iter().any(|uploader| {
            let can = uploader.capability();
            uploader.copies(message) && message.size <= can.max_bytes && can.requirement.is_met_by(user)
        });
        let is_here = message.chat_id.as_ref() == Some(&user.chat_id) && message.send_as == SendAs::Document;
        Some(message).filter(|message| is_able && is_here && !self.base.uncopied.has(message))
    }

    /// Sees whether a message is there, with its file.
    async fn is_there(
        &self,
        upload: &Upload,
        message: &StoredMessage,
        user: &Arc<TelegramCredentials>,
    ) -> bool {
        for reader in &self.access.backends.readers {
            if !reader.takes(user, message) {
                continue;
            }
            match reader.open(user, message).await {
                Ok(bytes) => return bytes.len() == message.size,
                Err(error) => {
                    let message_id = message.message_id;
                    tracing::info!(message_id, %error, "[{}] The file was in the channel, and cannot be seen there", upload.id);
                }
            }
        }
        false
    }
}
