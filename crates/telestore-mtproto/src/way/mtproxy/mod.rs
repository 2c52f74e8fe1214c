//! MTProxy: a proxy that knows Telegram's data centres by their numbers, and carries MTProto that looks like something else.
//! <https://core.telegram.org/mtproto/mtproto-transports#transport-obfuscation>

mod hello;
mod obfuscated;
mod tls;
mod veil;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use tls::read_hello;
pub(super) use veil::{Inbound, Outbound};

use telestore_types::{Disguise, MtproxySecret};
use tokio::net::TcpStream;

use super::failure::Failure;
use super::framing::Framing;
use obfuscated::Begun;

/// Begins to speak to the proxy behind `socket`. What goes to it before the first packet waits for that one, unless the
/// connection is disguised as TLS: then the proxy has answered the greeting, which proves that it knows the secret.
pub(super) async fn begin(
    socket: &mut TcpStream,
    secret: &MtproxySecret,
    dc: i16,
    proxy: &str,
) -> Result<(Framing, Inbound, Outbound), Failure> {
    let (framing, tls) = match secret.disguise() {
        Disguise::Random => (Framing::Intermediate, false),
        Disguise::Tls(domain) => {
            tls::greet(socket, secret.key(), domain, proxy).await?;
            (Framing::Padded, true)
        }
        _ => (Framing::Padded, false),
    };
    let Begun { header, outbound, inbound } =
        obfuscated::begin(secret.key(), framing.tag(), dc, rand::random);
    Ok((framing, Inbound::new(inbound, tls), Outbound::new(outbound, &header, tls)))
}
