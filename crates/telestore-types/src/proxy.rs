use std::fmt;

use crate::Secret;

/// A server that connections to Telegram go through. [`pasted::proxy`](crate::pasted::proxy) reads one of text.
///
/// `Display` and `Debug` show what kind of proxy it is and where, and never its user, its password or its secret.
///
/// ```
/// use telestore_types::{Proxy, ProxyProtocol, pasted};
///
/// let proxy: Proxy = pasted::proxy("socks5://files:pa%3Ass@proxy.example:1080").unwrap();
/// assert_eq!((proxy.host(), proxy.port()), ("proxy.example", 1080));
/// let ProxyProtocol::Socks5(Some(login)) = proxy.protocol() else { panic!("it is none") };
/// assert_eq!((login.user(), login.password().expose()), ("files", "pa:ss"));
/// assert_eq!(proxy.to_string(), "SOCKS5 proxy proxy.example:1080");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    protocol: ProxyProtocol,
}

/// What a proxy speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyProtocol {
    /// SOCKS 5 ([RFC 1928](https://www.rfc-editor.org/rfc/rfc1928)), with a user and a password if there is a login
    /// ([RFC 1929](https://www.rfc-editor.org/rfc/rfc1929)).
    Socks5(Option<ProxyLogin>),
    /// HTTP's `CONNECT`, with `Proxy-Authorization: Basic` if there is a login.
    Http(Option<ProxyLogin>),
    /// [MTProxy](https://core.telegram.org/mtproto/mtproto-transports#transport-obfuscation), which carries MTProto and
    /// nothing else.
    Mtproxy(MtproxySecret),
}

/// The user of a proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyLogin {
    user: String,
    password: Secret,
}

/// The secret of an MTProxy, and how its connections are to look.
#[derive(Clone, PartialEq, Eq)]
pub struct MtproxySecret {
    key: [u8; 16],
    disguise: Disguise,
}

/// How connections to an MTProxy look to those who watch the line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disguise {
    /// Like random bytes: a secret of 16 bytes.
    Random,
    /// Like random bytes of random lengths: a secret that begins with `dd`.
    Padded,
    /// Like HTTPS to the host of this name: a secret that begins with `ee`.
    Tls(String),
}

impl Proxy {
    /// A proxy at a host, a name or an IP address without brackets, and a port.
    pub fn new(host: impl Into<String>, port: u16, protocol: ProxyProtocol) -> Self {
        Self { host: host.into(), port, protocol }
    }

    /// Its host: a name, or an IP address, of IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it speaks, and the secrets for it.
    pub fn protocol(&self) -> &ProxyProtocol {
        &self.protocol
    }

    /// Whether it carries MTProto and nothing else.
    pub fn is_mtproxy(&self) -> bool {
        matches!(self.protocol, ProxyProtocol::Mtproxy(_))
    }

    /// Host and port, as URLs write them.
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.protocol {
            ProxyProtocol::Socks5(_) => "SOCKS5 proxy",
            ProxyProtocol::Http(_) => "HTTP proxy",
            ProxyProtocol::Mtproxy(_) => "MTProxy",
        };
        write!(f, "{kind} {}", self.authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl ProxyLogin {
    /// A user and a password, which may be empty.
    pub fn new(user: impl Into<String>, password: Secret) -> Self {
        Self { user: user.into(), password }
    }

    /// The name of the user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    pub fn password(&self) -> &Secret {
        &self.password
    }
}

impl fmt::Debug for ProxyLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl MtproxySecret {
    /// The key that both sides have, and how connections are to look.
    pub fn new(key: [u8; 16], disguise: Disguise) -> Self {
        Self { key, disguise }
    }

    /// The key that both sides have.
    pub fn key(&self) -> &[u8; 16] {
        &self.key
    }

    /// How connections are to look.
    pub fn disguise(&self) -> &Disguise {
        &self.disguise
    }
}

impl fmt::Debug for MtproxySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secret() {
        let login = ProxyLogin::new("someone", Secret::new("hush"));
        let secret = MtproxySecret::new([0xab; 16], Disguise::Tls("front.example".to_owned()));
        for (protocol, shown) in [
            (ProxyProtocol::Socks5(Some(login.clone())), "SOCKS5 proxy [::1]:1080"),
            (ProxyProtocol::Http(Some(login)), "HTTP proxy [::1]:1080"),
            (ProxyProtocol::Mtproxy(secret), "MTProxy [::1]:1080"),
        ] {
            let proxy = Proxy::new("::1", 1080, protocol);
            assert_eq!(proxy.to_string(), shown);
            let all = format!("{proxy:?} {:?}", proxy.protocol());
            let hidden = ["someone", "hush", "ab", "171", "front.example"];
            assert!(hidden.iter().all(|secret| !all.contains(secret)), "{all}");
        }
    }
}
