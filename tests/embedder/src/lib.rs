//! A service that keeps files in a folder, by a backend of its own, and their chunks in one file; it counts what its session
//! store is asked, and its processes tell each other of progress by lines of JSON. It is made of public items alone, as somebody else's crate is, and outside of the workspace.

pub mod bus;
pub mod counting;
pub mod folder;
pub mod pack;
pub mod service;
