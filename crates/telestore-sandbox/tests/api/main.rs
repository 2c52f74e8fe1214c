//! The sandbox from outside: stock clients, and raw calls where the rules are.

mod backend;
mod bot_api;
mod bot_downloads;
mod client;
mod control;
mod copies;
mod data_centres;
mod download_faults;
mod downloads;
mod faults;
mod handshake;
mod reading;
mod rights;
mod rules;
mod sign_in;
mod upload;
