#![doc = include_str!("../README.md")]

mod growing;
mod hashed;
mod merged;
mod pieces;
#[cfg(test)]
mod testing;
mod verify;

pub use growing::{GrowingFile, changed};
pub use hashed::HashedFile;
pub use merged::MergedFile;
pub use verify::GapError;
