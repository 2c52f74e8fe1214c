//! Several workers as one service, on a real PostgreSQL and an S3 server, which `.ci/cluster` starts; without it nothing
//! here is run, so that the tests need nothing but Rust.

#[path = "../api/support.rs"]
#[expect(dead_code, unused_imports, reason = "shared with the other black-box tests")]
mod support;

#[path = "../api/old_data"]
mod old_data {
    pub(crate) mod archive;
    pub(crate) mod goes_on;
    pub(crate) mod rows;
}

mod again;
mod at_random;
mod bucket;
mod client;
mod cluster;
mod database;
mod frozen;
mod killed;
mod left;
mod migrate;
mod proxy;
mod reading;
mod server;
mod together;
mod traffic;
mod under_way;
