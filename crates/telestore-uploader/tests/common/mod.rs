//! A sandbox with a user, and requests for it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;

use bytes::Bytes;
use telestore_sandbox::{Sandbox, SandboxMessage, SandboxUser, UserSpec};
use telestore_types::{
    ApiId, BytesSource, ChatId, FileName, Secret, Sender, StoredFile, TelegramCredentials, UploadId, UserId,
};
use telestore_uploader::testsuite::{Recorder, sha256};
use telestore_uploader::{
    AllowedAddresses, BotApiConfig, BotApiUploader, MtprotoConfig, MtprotoUploader, Result, TelegramUploader,
    UploadRequest,
};

pub(crate) const PART: usize = 512 * 1024;

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) user: SandboxUser,
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

    /// With a channel of the user's bot and of as many others as there are names. Nobody has a session.
    pub(crate) async fn with_more_bots(names: &[&str]) -> Self {
        let sandbox = Sandbox::builder().default_user(false).start().await.unwrap();
        let user = sandbox.add_user(UserSpec::new("one").without_session().with_api_id());
        for name in names {
            let channel = Some(user.channel_id.as_str());
            sandbox.add_user(UserSpec::new(*name).without_session().channel(channel));
        }
        Self { sandbox, user }
    }

    /// The bots of all users, with the user's application.
    pub(crate) fn bots(&self) -> Vec<Sender> {
        let application = bot_of(&self.user).senders.remove(0);
        let (id, hash) = application.application().unwrap();
        let bots = self.sandbox.users().into_iter().map(|user| Sender::bot(user.bot_token.as_str().into()));
        bots.map(|bot| bot.with_application(Some(id), Some(hash.clone()))).collect()
    }

    /// A backend that takes this world's data centres for Telegram's.
    pub(crate) fn mtproto(&self) -> MtprotoUploader {
        self.mtproto_with(|_| {})
    }

    pub(crate) fn mtproto_with(&self, change: impl FnOnce(&mut MtprotoConfig)) -> MtprotoUploader {
        mtproto_with(|config| {
            config.server_keys = vec![self.sandbox.server_key().parse().unwrap()];
            change(config);
        })
    }

    /// One that finds this world with a bot's token alone, too.
    pub(crate) fn mtproto_for_bots(&self) -> MtprotoUploader {
        self.mtproto_for_bots_with(|_| {})
    }

    pub(crate) fn mtproto_for_bots_with(&self, change: impl FnOnce(&mut MtprotoConfig)) -> MtprotoUploader {
        self.mtproto_with(|config| {
            config.address = Some(self.sandbox.mtproto_addr());
            change(config);
        })
    }

    pub(crate) fn of(sandbox: Sandbox) -> Self {
        Self { user: sandbox.user(), sandbox }
    }

    pub(crate) fn credentials(&self) -> TelegramCredentials {
        credentials_of(&self.user)
    }

    pub(crate) fn request(&self, bytes: &Bytes) -> UploadRequest {
        let file_name = FileName::new("file.bin").unwrap();
        let (id, source) = (UploadId::new("test").unwrap(), BytesSource::new(bytes.clone()));
        UploadRequest::new(id, Arc::new(self.credentials()), file_name, Arc::new(source))
    }

    pub(crate) fn messages(&self) -> Vec<SandboxMessage> {
        self.sandbox.messages_of(&self.user)
    }

    /// Checks that the channel holds just this file.
    pub(crate) fn holds_once(&self, stored: &StoredFile, bytes: &Bytes) {
        let messages = self.messages();
        assert_eq!(messages.len(), 1, "one message");
        assert_eq!(i64::from(messages[0].message_id), stored.message_id());
        assert_eq!(
            (messages[0].size, messages[0].sha256.as_str()),
            (bytes.len() as u64, sha256(bytes).as_str())
        );
    }

    /// Sends `bytes` and checks that they arrive as one message.
    pub(crate) async fn sends_once(&self, uploader: &dyn TelegramUploader, bytes: &Bytes) -> Arc<Recorder> {
        let listener = Recorder::new();
        let stored = uploader.upload(self.request(bytes), listener.clone()).await.unwrap();
        self.holds_once(&stored, bytes);
        listener
    }

    pub(crate) async fn fails(
        &self,
        uploader: &dyn TelegramUploader,
        bytes: &Bytes,
    ) -> telestore_uploader::Error {
        let ended: Result<StoredFile> = uploader.upload(self.request(bytes), Recorder::new()).await;
        ended.expect_err("nothing is sent")
    }
}

pub(crate) fn credentials_of(user: &SandboxUser) -> TelegramCredentials {
    let session = user.telethon_session.as_deref().map(Secret::new);
    nobody(user).with_bot(Secret::new(&user.bot_token)).with_session(
        session,
        ApiId::new(user.api_id).ok(),
        Some(Secret::new(&user.api_hash)),
    )
}

/// The user's bot, with the application that it signs in with, and no session.
pub(crate) fn bot_of(user: &SandboxUser) -> TelegramCredentials {
    let bot = nobody(user).with_bot(Secret::new(&user.bot_token));
    bot.with_application(ApiId::new(user.api_id).ok(), Some(Secret::new(&user.api_hash)))
}

/// The user and the channel, for which nobody sends.
pub(crate) fn nobody(user: &SandboxUser) -> TelegramCredentials {
    TelegramCredentials::new(UserId::new(&user.user_id), ChatId::new(&user.channel_id).unwrap())
}

/// The same with a session that may be another than the user's.
pub(crate) fn with_session(user: &SandboxUser, session: Option<&str>, api_id: i32) -> TelegramCredentials {
    nobody(user).with_session(session.map(Secret::new), ApiId::new(api_id).ok(), None)
}

/// A backend that does not wait long between tries.
pub(crate) fn mtproto() -> MtprotoUploader {
    mtproto_with(|_| {})
}

pub(crate) fn mtproto_with(change: impl FnOnce(&mut MtprotoConfig)) -> MtprotoUploader {
    let quick = std::time::Duration::from_millis(2);
    let mut config = MtprotoConfig::default();
    config.allowed = AllowedAddresses::any();
    (config.backoff_base, config.backoff_max) = (quick, quick * 10);
    change(&mut config);
    MtprotoUploader::new(config)
}

pub(crate) fn bot_api(sandbox: &Sandbox) -> BotApiUploader {
    bot_api_with(sandbox, |_| {})
}

pub(crate) fn bot_api_with(sandbox: &Sandbox, change: impl FnOnce(&mut BotApiConfig)) -> BotApiUploader {
    BotApiUploader::new(BotApiConfig::at(sandbox.bot_api_url()).with(change)).unwrap()
}
