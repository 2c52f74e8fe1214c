//! What keeps the stores in order: at the start, and while the engine runs.

mod pulse;
pub(crate) mod sweeper;
