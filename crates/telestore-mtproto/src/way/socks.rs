//! SOCKS5, by tokio-socks. Its answers have 262 bytes at most, so it needs no bound of ours but time.

use std::net::SocketAddr;

use telestore_types::ProxyLogin;
use tokio::net::TcpStream;
use tokio_socks::Error as Socks;
use tokio_socks::tcp::Socks5Stream;

use super::failure::Failure;

/// Asks the proxy behind `socket` for a connection to `target`, and gives it.
pub(super) async fn tunnel(
    socket: TcpStream,
    target: SocketAddr,
    login: Option<&ProxyLogin>,
    proxy: &str,
) -> Result<TcpStream, Failure> {
    let opened = match login {
        None => Socks5Stream::connect_with_socket(socket, target).await,
        Some(login) => {
            let (user, password) = (login.user(), login.password().expose());
            // The protocol has no empty passwords, and servers take any one where there is none.
            let password = if password.is_empty() { " " } else { password };
            Socks5Stream::connect_with_password_and_socket(socket, target, user, password).await
        }
    };
    opened.map(Socks5Stream::into_inner).map_err(|error| failure(&error, target, proxy.to_owned()))
}

fn failure(error: &Socks, target: SocketAddr, proxy: String) -> Failure {
    let beyond = |why: &str| Failure::Beyond { proxy: proxy.clone(), target, why: why.to_owned() };
    match error {
        Socks::Io(error) => Failure::NotOne { proxy, why: closed(error.kind()) },
        Socks::PasswordAuthFailure(_) | Socks::NoAcceptableAuthMethods | Socks::AuthorizationRequired => {
            Failure::Login { proxy }
        }
        Socks::ConnectionNotAllowedByRuleset => Failure::Forbidden { proxy, target },
        Socks::NetworkUnreachable => beyond("no network leads there"),
        Socks::HostUnreachable => beyond("no way leads there"),
        Socks::ConnectionRefused => beyond("the connection is refused there"),
        Socks::TtlExpired => beyond("no answer from there"),
        Socks::GeneralSocksServerFailure => beyond("it says no more"),
        Socks::AddressTypeNotSupported => beyond("it knows no addresses of this kind"),
        Socks::CommandNotSupported => Failure::NotOne { proxy, why: "it opens no connections for others" },
        _ => Failure::NotOne { proxy, why: "its answer is not SOCKS5" },
    }
}

fn closed(kind: std::io::ErrorKind) -> &'static str {
    match kind {
        std::io::ErrorKind::UnexpectedEof => "it closes the connection instead of answering in SOCKS5",
        _ => "the connection to it breaks instead of an answer in SOCKS5",
    }
}
