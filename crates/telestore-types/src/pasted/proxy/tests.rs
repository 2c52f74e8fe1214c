use super::fault::MtproxySecretFault;
use super::*;
use crate::{Disguise, MtproxySecret};

const KEY: [u8; 16] =
    [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];

fn with_login(user: &str, password: &str) -> Option<ProxyLogin> {
    Some(ProxyLogin::new(user, Secret::new(password)))
}

#[test]
fn urls_are_read_with_all_that_is_around_them() {
    use ProxyProtocol::{Http, Socks5};
    for (text, host, port, protocol) in [
        ("socks5://127.0.0.1:1080", "127.0.0.1", 1080, Socks5(None)),
        ("socks5h://Proxy.Example:1080/", "proxy.example", 1080, Socks5(None)),
        ("'SOCKS5://a:b@[::1]:9'\n", "::1", 9, Socks5(with_login("a", "b"))),
        ("TELESTORE_TELEGRAM_PROXY=http://proxy:3128", "proxy", 3128, Http(None)),
        ("http://u%40x:p%3A%2F%20@h:1", "h", 1, Http(with_login("u@x", "p:/ "))),
        ("http://user@h:1", "h", 1, Http(with_login("user", ""))),
        ("socks5://a:b@c@h:1", "h", 1, Socks5(with_login("a", "b@c"))),
        (
            "tg://socks?server=h.example&port=1080&user=a&pass=b%26",
            "h.example",
            1080,
            Socks5(with_login("a", "b&")),
        ),
        ("https://t.me/socks?server=1.2.3.4&port=1", "1.2.3.4", 1, Socks5(None)),
    ] {
        assert_eq!(proxy(text), Ok(Proxy::new(host, port, protocol)), "{text}");
    }
}

#[test]
fn secrets_are_read_in_each_spelling() {
    let hex = "00112233445566778899aabbccddeeff";
    let tls = [&[0xee][..], &KEY, b"front.example"].concat();
    let tls_hex: String = tls.iter().map(|byte| format!("{byte:02x}")).collect();
    let domain = || Disguise::Tls("front.example".to_owned());
    for (secret, disguise) in [
        (hex.to_owned(), Disguise::Random),
        (hex.to_uppercase(), Disguise::Random),
        ("ABEiM0RVZneImaq7zN3u_w".to_owned(), Disguise::Random),
        ("ABEiM0RVZneImaq7zN3u/w==".to_owned(), Disguise::Random),
        ("ABEiM0RVZneImaq7zN3u%2Fw%3D%3D".to_owned(), Disguise::Random),
        (format!("dd{hex}"), Disguise::Padded),
        ("3QARIjNEVWZ3iJmqu8zd7v8".to_owned(), Disguise::Padded),
        (tls_hex, domain()),
        ("7gARIjNEVWZ3iJmqu8zd7v9mcm9udC5leGFtcGxl".to_owned(), domain()),
    ] {
        for link in
            ["tg://proxy?", "https://t.me/proxy?", "t.me/proxy?", "TG:proxy?", "http://telegram.me/proxy/?"]
        {
            let text = format!("{link}server=h&port=443&secret={secret}");
            let expected = ProxyProtocol::Mtproxy(MtproxySecret::new(KEY, disguise.clone()));
            assert_eq!(proxy(&text).as_ref().map(Proxy::protocol), Ok(&expected), "{text}");
        }
    }
}

#[test]
fn what_is_no_proxy_is_named_and_not_shown() {
    use ProxyFault::{Character, Empty, Shape as Wrong};
    for (text, fault) in [
        ("", Empty),
        ("socks5://", Wrong(ProxyShape::NoScheme)),
        ("socks5://a b:c@h:1", Character(11)),
        ("h.example:1080", Wrong(ProxyShape::NoScheme)),
        ("h.example:1080:hidden:hidden", Wrong(ProxyShape::Sellers)),
        ("https://hidden:hidden@h:443", Wrong(ProxyShape::Tls)),
        ("socks4://h:1", Wrong(ProxyShape::Socks4)),
        ("ftp://h:1", Wrong(ProxyShape::Scheme)),
        ("mtproxy://h:1", Wrong(ProxyShape::Mtproxy)),
        ("socks5://h", Wrong(ProxyShape::NoPort)),
        ("socks5://h:0", Wrong(ProxyShape::Port)),
        ("socks5://h:99999", Wrong(ProxyShape::Port)),
        ("socks5://h:+1", Wrong(ProxyShape::Port)),
        ("socks5://:1080", Wrong(ProxyShape::Host)),
        ("socks5://::1:1080", Wrong(ProxyShape::Host)),
        ("socks5://hö:1", Wrong(ProxyShape::Host)),
        ("socks5://:hidden@h:1", Wrong(ProxyShape::User)),
        ("socks5://a:%ff@h:1", Wrong(ProxyShape::Encoding)),
        ("http://a:b%0d%0aX@h:1", Wrong(ProxyShape::Encoding)),
        ("http://h:1/path", Wrong(ProxyShape::Path)),
        ("tg://proxy?port=1&secret=aa", Wrong(ProxyShape::LinkServer)),
        ("tg://proxy?server=h&secret=aa", Wrong(ProxyShape::LinkPort)),
        ("tg://proxy?server=h&port=1", Wrong(ProxyShape::LinkSecret)),
        ("tg://proxy?server=h&port=1&secret=hidden!", ProxyFault::Secret(MtproxySecretFault::Alphabet)),
        ("tg://proxy?server=h&port=1&secret=aabb", ProxyFault::Secret(MtproxySecretFault::Length(2))),
        (
            "tg://proxy?server=h&port=1&secret=ab00112233445566778899aabbccddeeff",
            ProxyFault::Secret(MtproxySecretFault::Kind),
        ),
        (
            "tg://proxy?server=h&port=1&secret=ee00112233445566778899aabbccddeeff20",
            ProxyFault::Secret(MtproxySecretFault::Domain),
        ),
        (
            "tg://proxy?server=h&port=1&secret=ee00112233445566778899aabbccddeeff",
            ProxyFault::Secret(MtproxySecretFault::Length(17)),
        ),
    ] {
        let error = proxy(text).unwrap_err();
        assert_eq!(error, fault, "{text}");
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
    }
    let long = format!("socks5://{}:b@h:1", "a".repeat(256));
    assert_eq!(proxy(&long), Err(Wrong(ProxyShape::LongLogin)));
}
