//! What holds a bus is one: it may be chosen at run time.

use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::{UploadEvent, UploadId};

use crate::{ProgressBus, Subscription};

macro_rules! forward {
    ($holder:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: ProgressBus + ?Sized> ProgressBus for $holder<T> {
            fn publish(&self, event: UploadEvent) {
                (**self).publish(event);
            }

            fn subscribe(&self, id: &UploadId) -> Subscription {
                (**self).subscribe(id)
            }

            async fn latest(&self, id: &UploadId) -> Option<UploadEvent> {
                (**self).latest(id).await
            }

            fn forget(&self, id: &UploadId) {
                (**self).forget(id);
            }

            fn release(&self, id: &UploadId) {
                (**self).release(id);
            }
        }
    };
}

forward!(Arc);
forward!(Box);
