#![doc = include_str!("../README.md")]

mod access;
mod builder;
mod caller;
mod config;
mod direct;
mod early;
mod error;
mod intake;
mod metrics;
mod moved;
mod operator;
mod outbox;
mod ready;
mod report;
mod runner;
mod seal;
mod sendable;
mod sends;
mod service;
mod sink;
mod space;
mod stop;
mod sweeper;
mod tasks;
mod waiting;
mod watch;

pub use builder::{BuildError, Telestore, TelestoreBuilder};
pub use caller::Caller;
pub use config::{Auth, EngineConfig};
pub use direct::DirectReceipt;
pub use error::{Error, Result};
pub use intake::{ChunkReceipt, FileInfo, IncomingChunk};
pub use metrics::describe_metrics;
pub use operator::Operator;
pub use ready::{Check, Readiness};
pub use report::ChunkStatus;
pub use seal::{SealError, Sealer};
pub use service::Running;
pub use watch::Watch;

pub use telestore_backend as backend;
pub use telestore_merger as merger;
pub use telestore_progress as progress;
pub use telestore_store as store;
pub use telestore_types as types;
pub use telestore_uploader as uploader;
