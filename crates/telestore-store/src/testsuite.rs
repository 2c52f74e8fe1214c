//! What every [`SessionStore`](crate::SessionStore) and every [`ChunkStore`](crate::ChunkStore) must do.
//!
//! Call [`session_store`] with a function that opens an *empty* store twice, as two workers do, and [`chunk_store`] with one
//! that opens an empty store. They panic if the contract is broken.

mod append;
mod bot_keys;
mod chunks;
mod encoded;
mod fetching;
mod files;
mod handed_over;
mod in_turn;
mod leases;
mod moved;
mod outbox;
mod pieces;
mod quotas;
mod sessions;
mod strangers;
mod streamed;
mod sums;
mod views;
mod workers;

pub use chunks::chunk_store;
pub(crate) use in_turn::InTurn;
pub use sessions::session_store;
