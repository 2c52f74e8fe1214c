//! What every [`SessionStore`](crate::SessionStore) and every [`ChunkStore`](crate::ChunkStore) must do.
//!
//! Call [`session_store`] with a function that opens an *empty* store, and [`chunk_store`] likewise. They panic where
//! the contract is broken.

mod append;
mod chunks;
mod leases;
mod moved;
mod outbox;
mod quotas;
mod sessions;
mod strangers;
mod sums;
mod views;

pub use chunks::chunk_store;
pub use sessions::session_store;
