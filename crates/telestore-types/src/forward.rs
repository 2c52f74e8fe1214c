//! What holds a clock or a source is one: both may be chosen at run time.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{ByteSource, Clock, Reading, SourceError, Timestamp};

macro_rules! forward {
    ($holder:ident) => {
        #[deny(clippy::missing_trait_methods)]
        impl<T: Clock + ?Sized> Clock for $holder<T> {
            fn now(&self) -> Timestamp {
                (**self).now()
            }

            fn wall(&self) -> Timestamp {
                (**self).wall()
            }

            fn reading(&self) -> Reading {
                (**self).reading()
            }

            fn go_on_from(&self, last: Reading) {
                (**self).go_on_from(last);
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: ByteSource + ?Sized> ByteSource for $holder<T> {
            fn len(&self) -> u64 {
                (**self).len()
            }

            fn is_empty(&self) -> bool {
                (**self).is_empty()
            }

            async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
                (**self).read_at(offset, length).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
