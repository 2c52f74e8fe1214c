//! What comes in: uploads are made, their chunks are put and recorded, and completion and cancellation are asked for.

pub(crate) mod chunks;
pub(crate) mod direct;
mod waiting;
