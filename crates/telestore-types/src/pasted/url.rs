use super::clean::unwrap;

/// Why a text is no address to call at. It never holds the text, which may carry a password; a suggestion holds its host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlFault {
    /// There is nothing.
    #[error("must be a URL such as https://backend.example")]
    Empty,
    /// No scheme.
    #[error("must be a URL such as https://backend.example: did you mean {0}?")]
    Scheme(String),
    /// A scheme that is not HTTP's.
    #[error("must be a URL such as https://backend.example: it begins with neither http:// nor https://")]
    NotHttp,
    /// No host.
    #[error("must be a URL such as https://backend.example: it names no host")]
    Host,
    /// A port that is none.
    #[error("must be a URL such as https://backend.example:8000: its port is not a number from 1 to 65535")]
    Port,
    /// A blank, or something else that no URL holds.
    #[error("must be a URL such as https://backend.example: its character {0} stands in no URL")]
    Character(usize),
    /// A query or a fragment, behind which no path can be put.
    #[error("must be a URL such as https://backend.example: nothing may stand behind ? or #")]
    Query,
}

/// Paths that people copy along with a base address, since documents show whole calls.
const CALLS: [&str; 2] = ["/api/worker/credentials", "/api/webhook/upload"];

/// Reads the base address of an HTTP service: of the TeleStore backend, or of a Bot API server.
///
/// Taken off are quotes, blanks, slashes at the end, and the call behind the base (`/bot<token>/getMe`,
/// `/api/worker/credentials`). A scheme is never guessed, since tokens are sent there.
///
/// ```
/// use telestore_types::pasted::base_url;
///
/// assert_eq!(base_url("'https://backend.example/'").unwrap(), "https://backend.example");
/// let error = base_url("localhost:8000").unwrap_err();
/// assert!(error.to_string().ends_with("did you mean http://localhost:8000?"));
/// ```
///
/// # Errors
/// [`UrlFault`] says what is missing.
pub fn base_url(text: &str) -> Result<String, UrlFault> {
    let mut url = read(text)?;
    // What was behind a call may be something to take off, too. Each turn makes it shorter.
    loop {
        let again = read(&url)?;
        if again == url {
            return Ok(url);
        }
        url = again;
    }
}

fn read(text: &str) -> Result<String, UrlFault> {
    let text = unwrap(text).trim_end_matches('/');
    if text.is_empty() {
        return Err(UrlFault::Empty);
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || super::clean::is_invisible(c);
    if let Some(at) = text.chars().position(odd) {
        return Err(UrlFault::Character(at + 1));
    }
    let (scheme, rest) = split(text)?;
    if rest.contains(['?', '#']) {
        return Err(UrlFault::Query);
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    check(authority)?;
    Ok(format!("{scheme}://{authority}{}", base_of(path)))
}

fn split(text: &str) -> Result<(String, &str), UrlFault> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let scheme = scheme.to_ascii_lowercase();
        return match scheme.as_str() {
            "http" | "https" => Ok((scheme, rest)),
            _ => Err(UrlFault::NotHttp),
        };
    }
    for scheme in ["https", "http"] {
        // One slash, or none, is a slip of the hand that has one reading only.
        let rest = text.get(..=scheme.len()).filter(|head| head.eq_ignore_ascii_case(&format!("{scheme}:")));
        if rest.is_some() {
            let rest = text[scheme.len() + 1..].trim_start_matches('/');
            return if rest.is_empty() { Err(UrlFault::Host) } else { Ok((scheme.to_owned(), rest)) };
        }
    }
    Err(suggestion(text).map_or(UrlFault::Empty, UrlFault::Scheme))
}

/// What was meant by an address without a scheme, unless it carries a password or is no address.
fn suggestion(text: &str) -> Option<String> {
    let text = text.trim_start_matches('/');
    let authority = text.split(['/', '?', '#']).next()?;
    if authority.contains('@') {
        return None;
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let is_host =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    if !is_host || !(host.contains('.') || host == "localhost" || port.is_some()) {
        return None;
    }
    check(authority).ok()?;
    let plain = port.is_some_and(|port| port != "443") || host == "localhost";
    Some(format!("{}://{authority}", if plain { "http" } else { "https" }))
}

fn check(authority: &str) -> Result<(), UrlFault> {
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = match place.rsplit_once(':') {
        // The colons of an IPv6 address stand within brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    };
    if host.is_empty() {
        return Err(UrlFault::Host);
    }
    match port {
        Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(()),
        Some(_) => Err(UrlFault::Port),
        None => Ok(()),
    }
}

/// The path without a call that stands behind it.
fn base_of(path: &str) -> &str {
    let is_call =
        |at: &usize| path[at + 4..].starts_with(|c: char| c.is_ascii_digit()) && path[*at..].contains(':');
    let end = path.match_indices("/bot").map(|(at, _)| at).find(is_call);
    let path = &path[..end.unwrap_or(path.len())];
    let path = path.strip_suffix("/file").filter(|_| end.is_some()).unwrap_or(path);
    let path = CALLS.iter().find_map(|call| path.strip_suffix(call)).unwrap_or(path);
    path.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_base_goes() {
        for (text, base) in [
            ("https://backend.example", "https://backend.example"),
            ("\"https://backend.example//\"\n", "https://backend.example"),
            ("BACKEND_URL=HTTPS://backend.example:8443/base/", "https://backend.example:8443/base"),
            ("https:/backend.example", "https://backend.example"),
            ("https://backend.example/api/worker/credentials", "https://backend.example"),
            ("https://api.telegram.org/bot1:a/getMe", "https://api.telegram.org"),
            ("http://127.0.0.1:8081/file/bot1:a/x", "http://127.0.0.1:8081"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("http://user:word@host", "http://user:word@host"),
            ("https://proxy.example/bots", "https://proxy.example/bots"),
            ("https://proxy.example/bot", "https://proxy.example/bot"),
        ] {
            assert_eq!(base_url(text).as_deref(), Ok(base), "{text:?}");
            assert_eq!(base_url(base).as_deref(), Ok(base));
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_asked_back() {
        for (text, meant) in [
            ("localhost:8000", "http://localhost:8000"),
            ("backend.example", "https://backend.example"),
            ("backend.example:8000/x", "http://backend.example:8000"),
            ("10.0.0.5:8081", "http://10.0.0.5:8081"),
            ("//backend.example", "https://backend.example"),
        ] {
            assert_eq!(base_url(text), Err(UrlFault::Scheme(meant.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_base_is_named_and_not_shown() {
        for (text, fault) in [
            ("", UrlFault::Empty),
            ("backend", UrlFault::Empty),
            ("user:word@host", UrlFault::Empty),
            ("ftp://x", UrlFault::NotHttp),
            ("http://", UrlFault::Host),
            ("https://:8000", UrlFault::Host),
            ("http://host:port", UrlFault::Port),
            ("http://host:99999", UrlFault::Port),
            ("http://ho st", UrlFault::Character(10)),
            ("https://x.example?a=b", UrlFault::Query),
        ] {
            assert_eq!(base_url(text), Err(fault), "{text:?}");
        }
    }
}
