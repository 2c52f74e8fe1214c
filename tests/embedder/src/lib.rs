//! A service that keeps files in a folder, by a backend of its own, and their chunks in one file; it counts what its session
//! store is asked. It is made of public items alone, as somebody else's crate is, and outside of the workspace.

pub mod counting;
pub mod folder;
pub mod pack;
pub mod service;
