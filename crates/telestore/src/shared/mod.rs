//! What the rooms above stand on. Nothing here knows a room.

pub(crate) mod access;
pub(crate) mod caller;
pub(crate) mod config;
pub(crate) mod error;
pub(crate) mod metrics;
pub(crate) mod moved;
pub(crate) mod seal;
pub(crate) mod sendable;
pub(crate) mod sends;
pub(crate) mod space;
pub(crate) mod tasks;
