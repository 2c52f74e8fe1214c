//! `telestore-worker health`: for health checks of containers, which have no curl and no shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::Client;

use crate::settings::ServerSettings;

/// How long the worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Asks the worker that runs with these settings on this machine whether it is alive.
pub(crate) async fn health(settings: ServerSettings) -> Result<(), String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The certificate is for the name that clients use, which this address is not; nothing secret is said or believed.
    let client = Client::builder().no_proxy().timeout(PATIENCE).tls_danger_accept_invalid_certs(true);
    let client = client.build().map_err(|error| error.to_string())?;
    let scheme = if settings.tls_cert.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/health", authority(&settings.host, settings.port));
    let answer = client.get(&url).send().await.map_err(|_| format!("no worker answers at {url}"))?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("the worker at {url} answers {status}")) }
}

/// Where a worker that listens on `host` is reached from this machine.
fn authority(host: &str, port: u16) -> String {
    let ip = match host.parse() {
        Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.into(),
        Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Ipv6Addr::LOCALHOST.into(),
        Ok(ip) => ip,
        Err(_) => return format!("{host}:{port}"),
    };
    SocketAddr::new(ip, port).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_reached_at_one_of_them() {
        for (host, reached) in [
            ("0.0.0.0", "127.0.0.1:1"),
            ("::", "[::1]:1"),
            ("10.0.0.7", "10.0.0.7:1"),
            ("::1", "[::1]:1"),
            ("localhost", "localhost:1"),
        ] {
            assert_eq!(authority(host, 1), reached);
        }
    }
}
