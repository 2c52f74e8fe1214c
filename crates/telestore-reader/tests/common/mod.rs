//! A sandbox with a user, an uploader, and readers with its logins.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use telestore_reader::{Content, MtprotoReader, Result, TelegramReader};
use telestore_sandbox::{Sandbox, SandboxUser};
use telestore_types::{
    ApiId, BytesSource, ChatId, FileName, Secret, StoredFile, TelegramCredentials, UploadId, UserId,
};
pub(crate) use telestore_uploader::testsuite::bytes;
use telestore_uploader::{
    AllowedAddresses, MtprotoConfig, MtprotoUploader, NoProgress, TelegramUploader, UploadRequest,
};

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) user: SandboxUser,
    pub(crate) uploader: MtprotoUploader,
    pub(crate) readers: Vec<Arc<dyn TelegramReader>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(Sandbox::builder().enforce_single_connection(true).start().await.unwrap())
    }

    /// With a second data centre, number 4. The user is at home in 2.
    pub(crate) async fn with_another_data_centre() -> Self {
        let sandbox = Sandbox::builder().enforce_single_connection(true).data_centre(4);
        Self::of(sandbox.start().await.unwrap())
    }

    pub(crate) fn of(sandbox: Sandbox) -> Self {
        let uploader = uploader(&sandbox);
        let readers = readers(&uploader);
        Self { user: sandbox.user(), sandbox, uploader, readers }
    }

    /// Readers with logins of their own, which remember nothing.
    pub(crate) fn other_readers(&self) -> Vec<Arc<dyn TelegramReader>> {
        readers(&uploader(&self.sandbox))
    }

    pub(crate) fn credentials(&self) -> TelegramCredentials {
        credentials_of(&self.user)
    }

    /// Puts a file into the channel.
    pub(crate) async fn send(&self, bytes: &[u8]) -> StoredFile {
        let file_name = FileName::new("file.bin").unwrap();
        let source = BytesSource::new(Bytes::copy_from_slice(bytes));
        let id = UploadId::new("test").unwrap();
        let request = UploadRequest::new(id, Arc::new(self.credentials()), file_name, Arc::new(source));
        self.uploader.upload(request, Arc::new(NoProgress)).await.unwrap()
    }

    pub(crate) async fn open(&self, stored: &StoredFile) -> Result<Content> {
        Content::open(&self.readers, &self.credentials(), stored.messages()).await
    }
}

fn uploader(sandbox: &Sandbox) -> MtprotoUploader {
    let quick = std::time::Duration::from_millis(2);
    let mut config = MtprotoConfig::default();
    config.allowed = AllowedAddresses::any();
    config.address = Some(sandbox.mtproto_addr());
    config.server_keys = vec![sandbox.server_key().parse().unwrap()];
    (config.backoff_base, config.backoff_max) = (quick, quick * 10);
    MtprotoUploader::new(config)
}

fn readers(uploader: &MtprotoUploader) -> Vec<Arc<dyn TelegramReader>> {
    vec![Arc::new(MtprotoReader::new(uploader.logins()))]
}

/// All that a stream brings.
pub(crate) async fn read(content: &Content, range: Range<u64>) -> Result<Vec<u8>> {
    let pieces: Vec<Bytes> = content.read(range).try_collect().await?;
    Ok(pieces.concat())
}

pub(crate) fn nobody(user: &SandboxUser) -> TelegramCredentials {
    TelegramCredentials::new(UserId::new(&user.user_id), ChatId::new(&user.channel_id).unwrap())
}

pub(crate) fn credentials_of(user: &SandboxUser) -> TelegramCredentials {
    let session = user.telethon_session.as_deref().map(Secret::new);
    let hash = Some(Secret::new(&user.api_hash));
    nobody(user).with_session(session, ApiId::new(user.api_id).ok(), hash)
}

/// The user's bot, with the application that it signs in with, and no session.
pub(crate) fn bot_of(user: &SandboxUser) -> TelegramCredentials {
    let bot = nobody(user).with_bot(Secret::new(&user.bot_token));
    bot.with_application(ApiId::new(user.api_id).ok(), Some(Secret::new(&user.api_hash)))
}
