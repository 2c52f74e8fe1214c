//! Reads over MTProto.

mod blocks;
mod budget;
mod failure;
mod flow;
mod message;
mod open;
mod window;

pub use open::MtprotoReader;
