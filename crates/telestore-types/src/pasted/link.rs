//! Telegram's links (core.telegram.org/api/links), as far as they name a chat.

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link<'a> {
    /// A public name, and a number behind it.
    Name(&'a str, Option<&'a str>),
    /// A number as links write it, without `-100`, and a number behind it.
    Bare(&'a str, Option<&'a str>),
    /// A number as the Bot API writes it.
    Number(&'a str),
    /// A number in Telegram Web K, which writes channels and groups alike.
    WebK(&'a str),
    /// An invitation, which names no chat to those who are not asked.
    Invite,
    /// A person, by phone number.
    Person,
    /// Stickers, proxies, and what else Telegram has links for.
    Other,
}

/// Hosts of public links.
pub(super) const HOSTS: [&str; 6] =
    ["t.me", "telegram.me", "telegram.dog", "www.t.me", "www.telegram.me", "www.telegram.dog"];

/// First parts of a path that are no names.
const RESERVED: [&str; 22] = [
    "addemoji",
    "addlist",
    "addstickers",
    "addtheme",
    "bg",
    "boost",
    "call",
    "confirmphone",
    "contact",
    "giftcode",
    "invoice",
    "iv",
    "login",
    "m",
    "msg",
    "nft",
    "proxy",
    "setlanguage",
    "share",
    "socks",
    "stargift",
    "startapp",
];

/// Reads a link; `None` if the text is none of Telegram's.
pub(super) fn read(text: &str) -> Option<Link<'_>> {
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if is(scheme, &["tg"]) => return Some(of_app(rest.trim_start_matches('/'))),
        Some((scheme, rest)) if is(scheme, &["http", "https"]) => (true, rest.trim_start_matches('/')),
        _ => (false, text.trim_start_matches('/')),
    };
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path_and_query = path.trim_start_matches('/');
    if is(host, &HOSTS) {
        return Some(of_path(path_and_query));
    }
    if is(host, &["web.telegram.org"]) {
        return Some(of_web(path_and_query));
    }
    let name =
        ["t.me", "T.me", "T.ME"].iter().find_map(|host_of| host.strip_suffix(host_of)?.strip_suffix('.'));
    match name {
        Some(name) if !name.is_empty() => Some(Link::Name(name, None)),
        _ => scheme.then_some(Link::Other),
    }
}

fn is(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// `name`, `name/5`, `s/name`, `c/1953958128/5`, `+hash`, `joinchat/hash`.
fn of_path(path: &str) -> Link<'_> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let Some(first) = parts.next() else { return Link::Other };
    let mut next = || parts.next();
    match first {
        "c" => next().map_or(Link::Other, |id| Link::Bare(id, next())),
        "s" => next().map_or(Link::Other, |name| Link::Name(name, next())),
        "joinchat" => Link::Invite,
        _ if is(first, &RESERVED) => Link::Other,
        _ => match first.strip_prefix('+').or_else(|| first.strip_prefix("%2B")) {
            Some(number) if number.bytes().all(|b| b.is_ascii_digit()) => Link::Person,
            Some(_) => Link::Invite,
            None => Link::Name(first.trim_start_matches('@'), next().filter(|part| is_digits(part))),
        },
    }
}

/// `resolve?domain=name&post=5`, `privatepost?channel=1953958128&post=5`, `join?invite=hash`.
fn of_app(rest: &str) -> Link<'_> {
    let (what, query) = rest.split_once('?').unwrap_or((rest, ""));
    let value = |key: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    let behind = value("post").or_else(|| value("thread"));
    match what.trim_end_matches('/') {
        "resolve" => match (value("domain"), value("phone")) {
            (Some(name), _) => Link::Name(name, behind),
            (None, Some(_)) => Link::Person,
            _ => Link::Other,
        },
        "privatepost" => value("channel").map_or(Link::Other, |id| Link::Bare(id, behind)),
        "openmessage" => value("chat_id").map_or(Link::Other, |id| Link::Bare(id, value("message_id"))),
        "join" => Link::Invite,
        "user" => Link::Person,
        _ => Link::Other,
    }
}

/// `a/#-1001953958128`, `k/#-1953958128`, `k/#@name`.
fn of_web(path: &str) -> Link<'_> {
    let Some((version, chat)) = path.split_once('#') else { return Link::Other };
    let chat = chat.split(['?', '&']).next().unwrap_or_default().trim_start_matches('/');
    match chat.strip_prefix('@') {
        Some(name) => Link::Name(name, None),
        None if version.trim_end_matches('/').eq_ignore_ascii_case("k") => Link::WebK(chat),
        None => Link::Number(chat.split('_').next().unwrap_or_default()),
    }
}

pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_say_what_they_lead_to() {
        for (text, link) in [
            ("https://t.me/files", Link::Name("files", None)),
            ("t.me/files/5", Link::Name("files", Some("5"))),
            ("HTTPS://T.ME/s/files", Link::Name("files", None)),
            ("telegram.me/files?boost", Link::Name("files", None)),
            ("https://telegram.dog/@files", Link::Name("files", None)),
            ("files.t.me", Link::Name("files", None)),
            ("https://files.t.me/", Link::Name("files", None)),
            ("t.me/c/1953958128/5/6", Link::Bare("1953958128", Some("5"))),
            ("t.me/c/1953958128", Link::Bare("1953958128", None)),
            ("tg://resolve?domain=files&post=5", Link::Name("files", Some("5"))),
            ("tg:resolve?domain=files", Link::Name("files", None)),
            ("tg://privatepost?channel=1953958128&post=5&thread=2", Link::Bare("1953958128", Some("5"))),
            ("tg://join?invite=abc", Link::Invite),
            ("t.me/+AbCd", Link::Invite),
            ("https://t.me/joinchat/AbCd", Link::Invite),
            ("t.me/+491234567", Link::Person),
            ("tg://user?id=1", Link::Person),
            ("t.me/addstickers/x", Link::Other),
            ("t.me/", Link::Other),
            ("https://example.org/x", Link::Other),
            ("https://web.telegram.org/a/#-1001953958128_5", Link::Number("-1001953958128")),
            ("https://web.telegram.org/k/#-1953958128", Link::WebK("-1953958128")),
            ("web.telegram.org/k/#@files", Link::Name("files", None)),
        ] {
            assert_eq!(read(text), Some(link), "{text}");
        }
        for text in ["files", "@files", "-1001953958128", "-1001953958128:5", ".t.me", "a title"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
