//! Reads over MTProto.

mod blocks;
mod budget;
mod failure;
mod flow;
mod message;
mod open;

pub use open::MtprotoReader;
