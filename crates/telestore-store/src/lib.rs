#![doc = include_str!("../README.md")]

mod changes;
mod check;
mod chunk;
mod digest;
mod durability;
mod error;
mod forward;
#[cfg(all(feature = "postgres", feature = "sqlite"))]
mod import;
mod local;
mod memory;
mod metrics;
#[cfg(feature = "mock")]
mod mock;
#[cfg(feature = "object-store")]
mod objects;
#[cfg(feature = "postgres")]
mod postgres;
pub mod private;
mod quota;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod row;
pub mod rules;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod schema;
mod session;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "testsuite")]
pub mod testsuite;

pub use changes::{Change, Changes};
pub use check::Check;
pub use chunk::{Blob, BlobName, ChunkStore, Spool, SpooledChunk};
pub use digest::Digest;
pub use durability::Durability;
pub use error::{Error, Result};
#[cfg(all(feature = "postgres", feature = "sqlite"))]
pub use import::{Import, Imported};
pub use local::{DataDisk, FileSystem, LocalChunkStore};
pub use memory::{MemoryChunkStore, MemorySessionStore};
pub use metrics::describe_metrics;
#[cfg(feature = "mock")]
pub use mock::{MockChunkCalls, MockChunkStore, MockSessionCalls, MockSessionStore};
#[cfg(feature = "mock")]
pub use mockall;
#[cfg(feature = "object-store")]
pub use objects::{ObjectChunkStore, ObjectOptions};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresSessionStore};
pub use quota::{Exceeded, Limits, More, Quota, Resource, Subject, Usage, Whose, until_midnight};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use schema::Schema;
pub use session::{
    Appended, Cancelled, ChunkRecord, Claim, Completed, Concatenated, Concatenation, Counts, Created, Cursor,
    Declared, Expired, Expiry, FetchNote, FileListing, JoinedExtent, KnownWorker, Lease, Listing, NewChunk,
    NewEvent, NewExtent, OptionsSet, OutboxEvent, OutboxKind, Owner, Recall, Recorded, Released,
    SessionStore, Withdrawal, WorkerInfo,
};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteSessionStore;
