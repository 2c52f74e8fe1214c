//! Proxies on loopback, and addresses that lead nowhere, to test clients with: does a client find its way through, and does
//! it go past?
//!
//! Each is written from the published descriptions, and has no code in common with a client. A proxy lets through to what a
//! test [routes](ProxyServer::route), and to nothing else, so a client reaches addresses that only the proxy knows, such as
//! Telegram's own, with a sandbox behind them.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use telestore_sandbox::Sandbox;
//! use telestore_sandbox::proxies::ProxyServer;
//!
//! let sandbox = Sandbox::start().await?;
//! let proxy = ProxyServer::socks5().login("user", "word").start().await?;
//! proxy.route("149.154.167.51:443", sandbox.mtproto_addr());
//! assert!(proxy.url().starts_with("socks5://user:word@127.0.0.1:"));
//! // … a client goes through the proxy to 149.154.167.51:443 …
//! assert_eq!((proxy.tunnels(), proxy.refused()), (0, Vec::<String>::new()));
//! # Ok::<(), telestore_sandbox::Error>(())
//! # }).unwrap();
//! ```

mod fake_tls;
mod http;
mod mtproxy;
mod nowhere;
mod server;
mod socks5;
mod state;

pub use nowhere::{BlackHole, RefusingPort};
pub use server::{ProxyBuilder, ProxyServer};
