#![doc = include_str!("../README.md")]

mod capability;
mod error;
mod forward;
mod metrics;
mod name;
#[cfg(any(feature = "bot-api", feature = "mtproto"))]
mod no_right;
#[cfg(any(feature = "bot-api", feature = "mtproto"))]
mod said;
mod select;
mod uploader;
#[cfg(any(feature = "bot-api", feature = "mtproto"))]
mod wait;

#[cfg(feature = "bot-api")]
mod bot_api;
#[cfg(feature = "mtproto")]
mod mtproto;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    //! Entries for fuzzers.

    pub use crate::mtproto::{answer, packet, session_string};
}
#[cfg(feature = "testsuite")]
pub mod testsuite;

pub use capability::{Capability, Requirement};
pub use error::{Error, ErrorKind, Result};
pub use metrics::describe_metrics;
pub use name::caption_of;
pub use select::{largest, select};
pub use telestore_types::Verdict;
#[cfg(feature = "mock")]
pub use uploader::MockTelegramUploader;
pub use uploader::{NoProgress, ProgressSink, TelegramUploader, UploadRequest};

#[cfg(any(feature = "bot-api", feature = "mtproto"))]
pub(crate) use no_right::NoRight;

#[cfg(feature = "bot-api")]
pub use bot_api::{BotApiConfig, BotApiUploader};
#[cfg(all(feature = "mtproto", feature = "testsuite"))]
#[doc(hidden)]
pub use mtproto::Packing;
#[cfg(feature = "mtproto")]
pub use mtproto::{AllowedAddresses, BadServerKey, MtprotoConfig, MtprotoUploader, ServerKey};
