#![doc = include_str!("../README.md")]

mod compressed;
mod error;
mod frame;
mod frames;
mod kept;
mod mark;
mod table;
#[cfg(test)]
mod testing;
mod worth;

pub use compressed::Compressed;
pub use error::{Error, Result};
pub use frame::{DEFAULT_LEVEL, FRAME_SIZE, LEVELS, MAX_FRAME_SIZE, decompress_frame};
pub use frames::Frames;
pub use mark::Mark;
pub use table::{MAX_FRAMES, SeekTable, TableFrame};
pub use worth::{gains, skips};
