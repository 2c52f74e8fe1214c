//! Reads over MTProto.

mod blocks;
mod failure;
mod flow;
mod message;
mod open;

pub use open::MtprotoReader;
