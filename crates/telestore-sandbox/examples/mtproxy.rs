//! Starts MTProxies in front of a data centre that runs, one for each kind of secret, and says how to name them:
//!
//! ```sh
//! cargo run --example mtproxy -- 127.0.0.1:8443
//! ```

use std::error::Error;
use std::net::SocketAddr;

use telestore_sandbox::proxies::ProxyServer;

/// The data centre of session strings that the sandbox makes.
const HOME: i16 = 2;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let to: SocketAddr = std::env::args().nth(1).ok_or("say where the data centre listens")?.parse()?;
    let key = [0x1d; 16];
    let mut proxies = Vec::new();
    for (kind, builder) in [
        ("plain", ProxyServer::mtproxy(key)),
        ("padded", ProxyServer::padded_mtproxy(key)),
        ("tls", ProxyServer::tls_mtproxy(key, "front.example")),
    ] {
        let proxy = builder.route(HOME, to).start().await?;
        println!("{kind} {}", proxy.url());
        proxies.push(proxy);
    }
    println!("Ctrl-C ends them");
    Ok(tokio::signal::ctrl_c().await?)
}
