#![doc = include_str!("../README.md")]

mod changes;
mod check;
mod chunk;
mod durability;
mod error;
mod forward;
mod local;
mod memory;
mod metrics;
#[cfg(feature = "object-store")]
mod objects;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "mock")]
mod mock;
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
pub use chunk::{Blob, BlobName, ChunkStore, Digest, Spool, SpooledChunk};
pub use durability::Durability;
pub use error::{Error, Result};
pub use local::{DataDisk, FileSystem, LocalChunkStore};
pub use memory::{MemoryChunkStore, MemorySessionStore};
pub use metrics::describe_metrics;
#[cfg(feature = "object-store")]
pub use objects::{ObjectChunkStore, ObjectOptions};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresSessionStore};
#[cfg(feature = "mock")]
pub use mock::{MockChunkCalls, MockChunkStore, MockSessionCalls, MockSessionStore};
#[cfg(feature = "mock")]
pub use mockall;
pub use quota::{Exceeded, Limits, More, Quota, Resource, Subject, Usage, Whose, until_midnight};
pub use rules::NewChunk;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use schema::Schema;
pub use session::{
    Appended, Cancelled, ChunkRecord, Claim, Completed, Counts, Created, Cursor, Declared, Expired, Expiry,
    Lease, Listing, NewEvent, OutboxEvent, OutboxKind, Owner, Recorded, Released, SessionStore,
};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteSessionStore;
