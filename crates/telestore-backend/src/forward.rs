//! What holds a provider or a sender is one: both may be chosen at run time.

use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::{Identity, Secret, TelegramCredentials};

use crate::{CredentialProvider, Result, WebhookEvent, WebhookSender};

macro_rules! forward {
    ($holder:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: CredentialProvider + ?Sized> CredentialProvider for $holder<T> {
            async fn credentials(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
                (**self).credentials(token).await
            }

            async fn identify(&self, token: &Secret) -> Result<Identity> {
                (**self).identify(token).await
            }

            async fn known(&self, token: &Secret) -> Option<Arc<TelegramCredentials>> {
                (**self).known(token).await
            }

            async fn forget(&self, token: &Secret) {
                (**self).forget(token).await;
            }

            async fn reach(&self) -> Result<()> {
                (**self).reach().await
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: WebhookSender + ?Sized> WebhookSender for $holder<T> {
            fn is_wanted(&self) -> bool {
                (**self).is_wanted()
            }

            async fn send(&self, event_id: &str, event: &WebhookEvent) -> Result<()> {
                (**self).send(event_id, event).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
