//! What keeps the stores in order: at the start, and while the engine runs.

pub(crate) mod orphans;
mod pulse;
pub(crate) mod sweeper;
