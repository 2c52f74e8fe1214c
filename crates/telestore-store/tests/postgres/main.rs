//! The store of many workers against a real server: `.ci/postgres` starts one.

mod at_once;
mod contract;
mod files;
mod import;
mod lost;
mod proxy;
mod server;
mod shared;
mod words;
