//! A proxy, as people write one down or get one sent.

mod fault;
mod link;
mod secret;
#[cfg(test)]
mod tests;

pub use fault::{MtproxySecretFault, ProxyFault, ProxyShape};

use percent_encoding::percent_decode_str;

use super::clean::{is_invisible, unwrap};
use crate::{Proxy, ProxyLogin, ProxyProtocol, Secret};

/// The longest user and the longest password that SOCKS5 carries, in bytes.
const LOGIN_MAX: usize = 255;

/// Reads a proxy: `socks5://user:password@host:port` (or `socks5h://`), `http://user:password@host:port`, and Telegram's
/// links `tg://proxy?server=…&port=…&secret=…` (MTProxy) and `tg://socks?server=…&port=…&user=…&pass=…`, also as
/// `https://t.me/proxy?…`.
///
/// Taken off are quotes, blanks, the name of a setting, and slashes at the end. What stands in a user or password and means
/// something in URLs is written as `%40` for `@`, `%3A` for `:` and so on. The secret of an MTProxy is read in hexadecimal
/// digits and in both alphabets of Base64. A scheme is never guessed, since a password is sent there.
///
/// ```
/// use telestore_types::pasted::proxy;
///
/// let link = "https://t.me/proxy?server=proxy.example&port=443&secret=dd00112233445566778899aabbccddeeff";
/// assert_eq!(proxy(link).unwrap().to_string(), "MTProxy proxy.example:443");
/// assert!(proxy("proxy.example:1080").unwrap_err().to_string().contains("socks5://"));
/// ```
///
/// # Errors
/// [`ProxyFault`] says what is wrong, and holds nothing of the text.
pub fn proxy(text: &str) -> Result<Proxy, ProxyFault> {
    let text = unwrap(text).trim_end_matches('/');
    if text.is_empty() {
        return Err(ProxyFault::Empty);
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || is_invisible(c);
    if let Some(at) = text.chars().position(odd) {
        return Err(ProxyFault::Character(at + 1));
    }
    if let Some(link) = link::find(text) {
        return link::read(link);
    }
    let Some((scheme, rest)) = text.split_once("://") else { return Err(without_scheme(text)) };
    let protocol = match scheme.to_ascii_lowercase().as_str() {
        "socks5" | "socks5h" | "socks" => ProxyProtocol::Socks5,
        "http" => ProxyProtocol::Http,
        "https" => return Err(ProxyFault::Shape(ProxyShape::Tls)),
        "socks4" | "socks4a" => return Err(ProxyFault::Shape(ProxyShape::Socks4)),
        "mtproxy" | "mtproto" | "tg" => return Err(ProxyFault::Shape(ProxyShape::Mtproxy)),
        _ => return Err(ProxyFault::Shape(ProxyShape::Scheme)),
    };
    if rest.contains(['/', '?', '#']) {
        return Err(ProxyFault::Shape(ProxyShape::Path));
    }
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(read_login(login)?), place),
        None => (None, rest),
    };
    let (host, port) = read_place(place)?;
    Ok(Proxy::new(host, port, protocol(login)))
}

/// Sellers of proxies write `host:port:user:password`.
fn without_scheme(text: &str) -> ProxyFault {
    let parts: Vec<_> = text.split(':').collect();
    let is_port = |text: &&str| text.parse::<u16>().is_ok();
    match parts.as_slice() {
        [_, port, _, _] if is_port(port) => ProxyFault::Shape(ProxyShape::Sellers),
        _ => ProxyFault::Shape(ProxyShape::NoScheme),
    }
}

fn read_login(text: &str) -> Result<ProxyLogin, ProxyFault> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    login(decoded(user)?, decoded(password)?)
}

fn login(user: String, password: String) -> Result<ProxyLogin, ProxyFault> {
    if user.is_empty() {
        return Err(ProxyFault::Shape(ProxyShape::User));
    }
    if user.len().max(password.len()) > LOGIN_MAX {
        return Err(ProxyFault::Shape(ProxyShape::LongLogin));
    }
    Ok(ProxyLogin::new(user, Secret::new(password)))
}

fn decoded(text: &str) -> Result<String, ProxyFault> {
    let decoded =
        percent_decode_str(text).decode_utf8().map_err(|_| ProxyFault::Shape(ProxyShape::Encoding))?;
    // They end up in a line of HTTP, or in a field of SOCKS.
    if decoded.chars().any(char::is_control) {
        return Err(ProxyFault::Shape(ProxyShape::Encoding));
    }
    Ok(decoded.into_owned())
}

/// `host:port`, `[::1]:port`.
fn read_place(text: &str) -> Result<(String, u16), ProxyFault> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(ProxyFault::Shape(ProxyShape::Host))?;
            (host, rest.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let host = read_host(host)?;
    let port = port.ok_or(ProxyFault::Shape(ProxyShape::NoPort))?;
    Ok((host, read_port(port)?))
}

fn read_host(text: &str) -> Result<String, ProxyFault> {
    let is_name = |text: &str| {
        text.len() <= 253
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    if text.is_empty() || !(is_address || is_name(text)) {
        return Err(ProxyFault::Shape(ProxyShape::Host));
    }
    Ok(text.to_ascii_lowercase())
}

fn read_port(text: &str) -> Result<u16, ProxyFault> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0).ok_or(ProxyFault::Shape(ProxyShape::Port))
}
