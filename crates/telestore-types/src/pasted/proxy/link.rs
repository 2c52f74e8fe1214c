//! Telegram's links to proxies. <https://core.telegram.org/api/links#mtproxy-links>

use super::fault::{ProxyFault, ProxyShape};
use super::{decoded, login, read_host, read_port, secret};
use crate::pasted::link::HOSTS;
use crate::{Proxy, ProxyProtocol};

/// What a link is to, and its query.
pub(super) enum Link<'a> {
    Mtproxy(&'a str),
    Socks(&'a str),
}

/// `tg://proxy?…`, `tg:proxy?…`, `https://t.me/proxy?…`, `t.me/proxy?…`, and `socks` in its place.
pub(super) fn find(text: &str) -> Option<Link<'_>> {
    let is = |text: &str, word: &str| text.eq_ignore_ascii_case(word);
    let path = match text.split_once(':') {
        Some((scheme, rest)) if is(scheme, "tg") => rest.trim_start_matches('/'),
        Some((scheme, rest)) if is(scheme, "http") || is(scheme, "https") => of_host(rest)?,
        _ => of_host(text)?,
    };
    let (what, query) = path.split_once('?')?;
    match what.trim_end_matches('/') {
        what if is(what, "proxy") => Some(Link::Mtproxy(query)),
        what if is(what, "socks") => Some(Link::Socks(query)),
        _ => None,
    }
}

fn of_host(text: &str) -> Option<&str> {
    let (host, path) = text.trim_start_matches('/').split_once('/')?;
    HOSTS.iter().any(|known| host.eq_ignore_ascii_case(known)).then_some(path)
}

pub(super) fn read(link: Link<'_>) -> Result<Proxy, ProxyFault> {
    let (Link::Mtproxy(query) | Link::Socks(query)) = &link;
    // A fragment is of the browser's.
    let query = query.split('#').next().unwrap_or_default();
    let value = |key: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(name, value)| *name == key && !value.is_empty())
            .map(|(_, value)| decoded(value))
            .transpose()
    };
    let needed = |key: &str, fault| value(key)?.ok_or(ProxyFault::Shape(fault));
    let server = needed("server", ProxyShape::LinkServer)?;
    let host = read_host(server.trim_start_matches('[').trim_end_matches(']'))?;
    let port = read_port(&needed("port", ProxyShape::LinkPort)?)?;
    let protocol = match link {
        Link::Mtproxy(_) => ProxyProtocol::Mtproxy(secret::read(&needed("secret", ProxyShape::LinkSecret)?)?),
        Link::Socks(_) => match (value("user")?, value("pass")?) {
            (None, None) => ProxyProtocol::Socks5(None),
            (user, password) => {
                ProxyProtocol::Socks5(Some(login(user.unwrap_or_default(), password.unwrap_or_default())?))
            }
        },
    };
    Ok(Proxy::new(host, port, protocol))
}
