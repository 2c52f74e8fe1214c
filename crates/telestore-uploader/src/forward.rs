//! What holds an uploader or a sink is one: both may be chosen at run time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{
    Caption, ChatId, KeyStore, LoginGuard, ResumeState, Stage, StoredFile, StoredMessage, TelegramCredentials,
};

use crate::{
    Capability, Found, Handover, Lost, ProgressSink, Recalled, Result, TelegramUploader, UploadRequest,
};

macro_rules! forward {
    ($holder:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: TelegramUploader + ?Sized> TelegramUploader for $holder<T> {
            fn name(&self) -> &'static str {
                (**self).name()
            }

            fn capability(&self) -> Capability {
                (**self).capability()
            }

            async fn upload(
                &self,
                request: UploadRequest,
                progress: Arc<dyn ProgressSink>,
            ) -> Result<StoredFile> {
                (**self).upload(request, progress).await
            }

            async fn send_early(
                &self,
                request: UploadRequest,
                progress: Arc<dyn ProgressSink>,
            ) -> Result<()> {
                (**self).send_early(request, progress).await
            }

            fn handover(&self, state: &ResumeState) -> Handover {
                (**self).handover(state)
            }

            fn may_exist(&self, state: &ResumeState) -> bool {
                (**self).may_exist(state)
            }

            fn copies(&self, message: &StoredMessage) -> bool {
                (**self).copies(message)
            }

            async fn message_bytes(&self, request: &UploadRequest) -> Result<u64> {
                (**self).message_bytes(request).await
            }

            async fn check(&self, credentials: &TelegramCredentials) -> Result<()> {
                (**self).check(credentials).await
            }

            async fn moved_to(&self, credentials: &TelegramCredentials) -> Result<Option<ChatId>> {
                (**self).moved_to(credentials).await
            }

            async fn find(&self, request: &UploadRequest, lost: &Lost) -> Result<Found> {
                (**self).find(request, lost).await
            }

            async fn withdraw(&self, credentials: &TelegramCredentials, stored: &StoredFile) -> Result<bool> {
                (**self).withdraw(credentials, stored).await
            }

            async fn recall(
                &self,
                credentials: &TelegramCredentials,
                state: &ResumeState,
                lost: &Lost,
            ) -> Result<Recalled> {
                (**self).recall(credentials, state, lost).await
            }

            fn guard_logins(&self, guard: Arc<dyn LoginGuard>) {
                (**self).guard_logins(guard);
            }

            fn keep_keys(&self, keys: Arc<dyn KeyStore>) {
                (**self).keep_keys(keys);
            }

            async fn close(&self) {
                (**self).close().await;
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: ProgressSink + ?Sized> ProgressSink for $holder<T> {
            fn stage(&self, stage: Stage) {
                (**self).stage(stage);
            }

            fn acknowledged(&self, bytes: u64) {
                (**self).acknowledged(bytes);
            }

            fn flood_wait(&self, wait: Duration) {
                (**self).flood_wait(wait);
            }

            async fn moved(&self, from: &ChatId, to: &ChatId) {
                (**self).moved(from, to).await;
            }

            async fn checkpoint(&self, state: ResumeState) -> Result<()> {
                (**self).checkpoint(state).await
            }

            async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
                (**self).commit(resume).await
            }

            async fn hand_over(&self, chat: &ChatId, caption: &Caption) -> Result<()> {
                (**self).hand_over(chat, caption).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
