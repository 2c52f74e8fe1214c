//! The store of many workers against a real server: `.ci/postgres` starts one.

mod at_once;
mod contract;
mod server;
mod words;
