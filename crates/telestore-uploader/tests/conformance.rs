//! Both backends through the one suite, against the sandbox.

use std::sync::Arc;

use async_trait::async_trait;
use telestore_sandbox::{Sandbox, SandboxUser};
use telestore_types::{ApiId, ChatId, Secret, StoredFile, TelegramCredentials, UserId};
use telestore_uploader::testsuite::{Received, Subject, conformance};
use telestore_uploader::{
    AllowedAddresses, BotApiConfig, BotApiUploader, MtprotoConfig, MtprotoUploader, TelegramUploader,
};

struct Tested {
    sandbox: Sandbox,
    user: SandboxUser,
    uploader: Arc<dyn TelegramUploader>,
}

#[async_trait]
impl Subject for Tested {
    fn uploader(&self) -> Arc<dyn TelegramUploader> {
        self.uploader.clone()
    }

    fn credentials(&self) -> TelegramCredentials {
        TelegramCredentials {
            user_id: UserId::new(&self.user.user_id),
            chat_id: ChatId::new(&self.user.channel_id).unwrap(),
            bot_token: Some(Secret::new(&self.user.bot_token)),
            session: self.user.telethon_session.as_deref().map(Secret::new),
            api_id: ApiId::new(self.user.api_id).ok(),
            api_hash: Some(Secret::new(&self.user.api_hash)),
        }
    }

    async fn received(&self, stored: &StoredFile) -> Option<Received> {
        let messages = self.sandbox.messages_of(&self.user);
        let named =
            |id: &str, document: i64| id == stored.file_id() || document.to_string() == stored.file_id();
        let message = messages.into_iter().find(|message| {
            i64::from(message.message_id) == stored.message_id && named(&message.file_id, message.document_id)
        })?;
        assert!(message.force_file, "it is sent as a document");
        Some(Received {
            length: message.size,
            sha256: message.sha256,
            file_name: message.file_name,
            mime_type: message.mime_type,
            caption: message.caption,
        })
    }

    async fn message_count(&self) -> usize {
        self.sandbox.messages_of(&self.user).len()
    }
}

async fn tested(uploader: impl FnOnce(&Sandbox) -> Arc<dyn TelegramUploader>) -> Tested {
    let sandbox = Sandbox::builder().enforce_single_connection(true).start().await.unwrap();
    Tested { user: sandbox.user(), uploader: uploader(&sandbox), sandbox }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_api_backend_conforms() {
    let subject = tested(|sandbox| {
        let config = BotApiConfig { base_url: sandbox.bot_api_url(), ..BotApiConfig::default() };
        Arc::new(BotApiUploader::new(config).unwrap())
    });
    conformance(&subject.await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mtproto_backend_conforms() {
    let allowed = AllowedAddresses::any();
    let config = MtprotoConfig { allowed, ..MtprotoConfig::default() };
    let subject = tested(|_| Arc::new(MtprotoUploader::new(config))).await;
    conformance(&subject).await;
    assert_eq!(subject.sandbox.stats().max_connections(&subject.user.user_id), 1);
}
