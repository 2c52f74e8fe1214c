//! Black-box tests: the real program, started as users start it, against the sandbox.

mod auth;
mod bad_input;
mod cancel;
mod complete;
mod config;
mod crash;
mod digests;
mod docs;
mod eager;
mod endpoints;
mod faults;
mod floors;
mod flows;
mod limits;
mod listeners;
mod observe;
mod openapi;
mod progress;
mod restart;
mod socket;
mod sse;
mod strict;
mod support;
mod tenants;
mod waiting;
mod webhook;
