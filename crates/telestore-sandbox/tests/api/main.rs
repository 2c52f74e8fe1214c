//! The sandbox from outside: stock clients, and raw calls where the rules are.

mod backend;
mod bot_api;
mod client;
mod control;
mod data_centres;
mod faults;
mod handshake;
mod rights;
mod rules;
mod sign_in;
mod upload;
