use std::sync::Arc;

use telestore_backend::{CredentialProvider, Result};
use telestore_reader::TelegramReader;
use telestore_types::{ChatId, Secret, TelegramCredentials, Upload, UserId};
use telestore_uploader::{Pool, TelegramUploader};

use crate::shared::base::Base;
use crate::shared::logins::Logins;
use crate::shared::seal::Sealer;

/// The ways to Telegram, and what each file goes there with.
///
/// A group may have become a supergroup: the TeleStore backend goes on naming the old one, and Telegram tells the new
/// one's id once, so it is written down here.
#[derive(Debug)]
pub(crate) struct Backends {
    pub(crate) base: Arc<Base>,
    pub(crate) uploaders: Vec<Arc<dyn TelegramUploader>>,
    pub(crate) readers: Vec<Arc<dyn TelegramReader>>,
    pub(crate) credentials: Arc<dyn CredentialProvider>,
    pub(crate) sealer: Sealer,
    pub(crate) logins: Logins,
    /// What is known of those who send.
    pub(crate) pool: Pool,
}

impl Backends {
    /// The way of this name, as states and events name it.
    pub(crate) fn uploader(&self, name: &str) -> Option<&Arc<dyn TelegramUploader>> {
        self.uploaders.iter().find(|known| known.name() == name)
    }

    /// The token that the upload is sent with, if this process can read it.
    pub(crate) fn token_of(&self, upload: &Upload) -> Option<Secret> {
        let sealed = upload.sealed_token.as_deref()?;
        self.sealer.open(&upload.key, sealed).ok()
    }

    /// What the files of `token` are sent with: if the chat is a group that has become a supergroup, to that one.
    pub(crate) async fn credentials_of(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        let credentials = self.credentials.credentials(token).await?;
        Ok(self.where_it_is(credentials).await)
    }

    /// These credentials, to the supergroup that their chat has become, if it has.
    pub(crate) async fn where_it_is(
        &self,
        credentials: Arc<TelegramCredentials>,
    ) -> Arc<TelegramCredentials> {
        let (user, chat) = (&credentials.user_id, &credentials.chat_id);
        if !chat.is_basic_group() {
            return credentials;
        }
        match self.base.sessions.moved_chat(user, chat).await {
            Ok(Some(moved_to)) => Arc::new(TelegramCredentials::clone(&credentials).in_chat(moved_to)),
            Ok(None) => credentials,
            Err(error) => {
                tracing::warn!(%user, %error, "could not look whether the chat has moved");
                credentials
            }
        }
    }

    /// Writes down which supergroup a user's group has become. A failure costs no more than finding it out again.
    pub(crate) async fn note_moved(&self, user: &UserId, from: &ChatId, to: &ChatId) {
        if !from.is_basic_group() {
            return;
        }
        match self.base.sessions.save_moved_chat(user, from, to).await {
            Ok(()) => {
                tracing::info!(%user, %from, %to, "the group became a supergroup; files go there from now on")
            }
            Err(error) => tracing::warn!(%user, %error, "could not write down that the chat has moved"),
        }
    }

    /// Asks those ways to Telegram that can tell which supergroup a group has become, and writes it down.
    pub(crate) async fn follow(&self, credentials: &TelegramCredentials) -> Option<Arc<TelegramCredentials>> {
        let able =
            |uploader: &&Arc<dyn TelegramUploader>| uploader.capability().requirement.is_met_by(credentials);
        for uploader in self.uploaders.iter().filter(able) {
            match uploader.moved_to(credentials).await {
                Ok(Some(chat)) => {
                    self.note_moved(&credentials.user_id, &credentials.chat_id, &chat).await;
                    return Some(Arc::new(credentials.clone().in_chat(chat)));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, backend = uploader.name(), "cannot tell where the chat is")
                }
            }
        }
        None
    }
}
