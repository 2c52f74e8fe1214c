#![doc = include_str!("../README.md")]

#[cfg(any(feature = "bot-api", feature = "mtproto"))]
mod account_fault;
mod capability;
mod error;
mod forward;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod lost;
#[cfg(any(feature = "bot-api", feature = "mtproto"))]
mod media;
mod metrics;
mod name;
mod pieces;
pub mod pool;
mod select;
#[cfg(any(feature = "bot-api", feature = "mtproto"))]
mod staying;
#[cfg(any(feature = "bot-api", feature = "mtproto"))]
mod topic_fault;
mod uploader;

#[cfg(feature = "bot-api")]
mod bot_api;
#[cfg(feature = "mtproto")]
mod mtproto;
#[cfg(feature = "testsuite")]
pub mod testsuite;

pub use capability::{Capability, Handover, Requirement};
pub use error::{Error, ErrorKind, Result};
pub use lost::{Found, Known, Lost, Recalled};
pub use metrics::describe_metrics;
#[cfg(feature = "mock")]
pub use mockall;
pub use name::caption_of;
pub use pieces::PiecesUploader;
pub use pool::Pool;
pub use select::{Chosen, fault_of_better, largest, select};
pub use telestore_types::Verdict;
pub use tokio_util::sync::CancellationToken;
#[cfg(feature = "mock")]
pub use uploader::MockTelegramUploader;
pub use uploader::{NoProgress, ProgressSink, TelegramUploader, UploadRequest};

#[cfg(feature = "bot-api")]
pub use bot_api::BotApiUploader;
#[cfg(feature = "mtproto")]
pub use mtproto::MtprotoUploader;
/// What a [`BotApiUploader`] is made of.
#[cfg(feature = "bot-api")]
pub use telestore_bot_api::BotApiConfig;
/// What an [`MtprotoUploader`] is made of; the whole client is the crate `telestore-mtproto`.
#[cfg(feature = "mtproto")]
pub use telestore_mtproto::{AllowedAddresses, BadServerKey, Client, MtprotoConfig, ServerKey, User};
