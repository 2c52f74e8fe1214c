#![doc = include_str!("../README.md")]

mod builder;
mod delivery;
mod engine;
mod fetching;
mod files;
mod intake;
mod operator;
mod sending;
mod service;
mod shared;
mod upkeep;
mod watching;

#[doc = include_str!("../GUIDE.md")]
pub mod guide {}

pub use builder::{BuildError, TelestoreBuilder};
pub use engine::Telestore;
pub use files::FilePage;
pub use files::content::FileContent;
pub use files::link::FileLink;
pub use intake::appending::Appending;
pub use intake::chunks::Admission;
pub use intake::remote::RemoteFile;
pub use intake::repeats::IdempotencyKey;
pub use intake::{
    AppendReceipt, AppendStatus, ChunkReceipt, DirectFile, FileInfo, IncomingChunk, InitReceipt, NewFile,
};
pub use operator::Operator;
pub use service::Running;
pub use shared::caller::Caller;
pub use shared::config::{Auth, EngineConfig, MessageDefaults, Unknown};
pub use shared::encoding::EncodingDefaults;
pub use shared::error::{Conflict, Error, MissingToken, Result};
pub use shared::keys::SealedKeys;
pub use shared::metrics::describe_metrics;
pub use shared::seal::{SealError, Sealer};
pub use watching::check::Check;
pub use watching::ending::DirectReceipt;
pub use watching::ready::Readiness;
pub use watching::report::ChunkStatus;
pub use watching::watch::Watch;

pub use telestore_age as age;
pub use telestore_backend as backend;
pub use telestore_fetch as fetch;
pub use telestore_merger as merger;
pub use telestore_progress as progress;
pub use telestore_reader as reader;
pub use telestore_store as store;
pub use telestore_types as types;
pub use telestore_uploader as uploader;
