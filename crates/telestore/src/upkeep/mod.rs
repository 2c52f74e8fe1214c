//! What keeps the stores in order: at the start, and while the engine runs.

pub(crate) mod sweeper;
