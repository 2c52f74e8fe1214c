#![doc = include_str!("../README.md")]

mod merged;
mod verify;

pub use merged::MergedFile;
pub use verify::GapError;
