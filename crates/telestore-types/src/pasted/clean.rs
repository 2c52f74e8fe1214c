//! What is around a value and not of it.

/// The longest name of a setting that is taken off, in bytes.
const LONGEST_NAME: usize = 64;

/// Characters that nobody sees: of no width, marks of direction, the byte order mark, the soft hyphen. Chats and web pages
/// put them into copied text.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

pub(super) const fn is_quote(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | '`' | '´' | '\u{2018}'..='\u{201f}' | '«' | '»' | '‹' | '›' | '\u{300c}' | '\u{300d}'
    )
}

/// What may stand around a value: blanks, quotes, and the marks that lists and examples put there.
fn is_around(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || is_invisible(c)
        || is_quote(c)
        || matches!(c, ',' | ';' | '<' | '>')
}

/// The value alone: without quotes and blanks around it, and without the name of its setting (`KEY=value`,
/// `export KEY=value`, `key: value`, `"key": "value"`).
///
/// `docker run --env-file` and systemd's `EnvironmentFile` differ from a shell in what they do with quotes, so env files
/// that work for one leave them in the value for the other.
pub(super) fn unwrap(text: &str) -> &str {
    let mut text = text;
    loop {
        let bare = without_name(without_ends(text));
        if bare == text {
            return text;
        }
        text = bare;
    }
}

/// Env files that are no shell's keep `\n` as two characters.
fn without_ends(text: &str) -> &str {
    let text = text.trim_matches(is_around);
    ["\\n", "\\r"].iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text)
}

fn without_name(text: &str) -> &str {
    let rest = ["export ", "set ", "ENV "].iter().find_map(|word| text.strip_prefix(word));
    let rest = rest.unwrap_or(text).trim_start();
    let end =
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    if !is_name(name) {
        return text;
    }
    let behind = behind.trim_start_matches(|c: char| is_quote(c) || c == ' ');
    let value = behind.strip_prefix('=').or_else(|| {
        // A colon may be a part of the value, unless something is between.
        behind.strip_prefix(':').filter(|value| value.starts_with(|c: char| c.is_whitespace() || is_quote(c)))
    });
    value.filter(|value| !value.trim_matches(is_around).trim_matches('=').is_empty()).unwrap_or(text)
}

/// Whether it may be the name of a setting.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// A character of a value that must not be shown, for an error: what it is, without what is around it.
pub(super) fn name_of(c: char) -> String {
    match c {
        c if c.is_ascii_graphic() => format!("`{c}`"),
        c => format!("U+{:04X}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_value_goes() {
        for text in [
            "value",
            "  value\r\n",
            "\"value\"",
            "'value",
            "\u{feff}value\u{200b}",
            "“value”",
            "KEY=value",
            "KEY = 'value'",
            "export KEY=\"value\"",
            "key: value",
            "\"key\": \"value\",",
            "<value>",
            "value\\n",
            "`KEY=value`;",
        ] {
            assert_eq!(unwrap(text), "value", "{text:?}");
            assert_eq!(unwrap(unwrap(text)), "value", "{text:?}");
        }
    }

    #[test]
    fn what_is_of_the_value_stays() {
        for text in ["bot123:AA", "https://x.example/a=b", "AQID=", "AQID==", "a:b", "-100", "12=3"] {
            assert_eq!(unwrap(text), text);
        }
        assert_eq!((unwrap(""), unwrap("\"\""), unwrap("KEY=")), ("", "", "KEY="));
    }
}
