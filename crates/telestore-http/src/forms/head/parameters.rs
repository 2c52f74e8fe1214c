/// A header's value with what stands behind it, such as `form-data; name="a"` ([RFC 9110, 5.6.6][1]): blanks may stand
/// around each `;`, and the names of parameters have no case.
///
/// [1]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.6
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// What stands before the first `;`, in lower case.
    pub(crate) kind: String,
    list: Vec<(String, Vec<u8>)>,
}

/// Which pairs of a backslash and a character stand for the character, within quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// All, as RFC 9110 says (5.6.4).
    All,
    /// `\"` and `\\`, as in the names of files: browsers escape no backslash, so `C:\Users` means what it says. Go's
    /// mime package and others read names like this, too.
    Quotes,
}

/// A parameter whose quotes do not end: its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unclosed(pub(crate) String);

impl Parameters {
    pub(crate) fn parse(value: &[u8], pairs: Pairs) -> Result<Self, Unclosed> {
        let (kind, mut rest) = split(value, b';');
        let kind = lower(kind);
        let mut quotes = Quotes { pairs, hopeless: [pairs == Pairs::All; 2] };
        let mut list = Vec::new();
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| b"=;".contains(byte));
            let name = lower(&rest[..end.unwrap_or(rest.len())]);
            if end.is_none_or(|end| rest[end] == b';') {
                // A word without a value says nothing.
                rest = split(rest, b';').1;
                continue;
            }
            let value = split(rest, b'=').1.trim_ascii_start();
            let (value, after) = match value.strip_prefix(b"\"") {
                Some(quoted) => quotes.read(quoted).ok_or_else(|| Unclosed(name.clone()))?,
                None => {
                    let (token, after) = split(value, b';');
                    (token.trim_ascii().to_vec(), after)
                }
            };
            list.push((name, value));
            rest = after;
        }
        Ok(Self { kind, list })
    }

    /// The first parameter of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All of them, with their names in lower case.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.list.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

/// What stands before the first `at`, and behind it.
fn split(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(at, text) {
        Some(place) => (&text[..place], &text[place + 1..]),
        None => (text, &[]),
    }
}

fn lower(text: &[u8]) -> String {
    String::from_utf8_lossy(text.trim_ascii()).to_ascii_lowercase()
}

/// Reads the values in quotes of one header, from the first to the last.
struct Quotes {
    pairs: Pairs,
    /// Which of the readings that look for more than the next quote are not tried.
    hopeless: [bool; 2],
}

impl Quotes {
    /// A value behind its opening quote, and what stands behind the next `;`.
    ///
    /// Some clients escape nothing in names: `"say "hi".txt"` ends at the quote that a `;` or nothing follows, and in
    /// `"C:\dir\"` the last backslash is none before a quote. So the readings are tried in this order.
    ///
    /// A reading that finds no such quote up to the end of the header would find none from a later value on, either: a
    /// value begins behind a `=`, which is no half of a pair. It is not tried again, or heads full of quotes would cost
    /// the square of their length.
    fn read<'a>(&mut self, text: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
        let is_pair = |next: u8| self.pairs == Pairs::All || b"\"\\".contains(&next);
        let ends = |after: &[u8]| matches!(after.trim_ascii_start().first(), None | Some(b';'));
        for (reading, hopeless) in self.hopeless.iter_mut().enumerate().filter(|(_, hopeless)| !**hopeless) {
            let found = closed(text, |next| reading == 0 && is_pair(next), ends);
            if found.is_some() {
                return found;
            }
            *hopeless = true;
        }
        closed(text, is_pair, |_| true)
    }
}

fn closed(
    text: &[u8],
    is_pair: impl Fn(u8) -> bool,
    ends: impl Fn(&[u8]) -> bool,
) -> Option<(Vec<u8>, &[u8])> {
    let (mut value, mut at) = (Vec::new(), 0);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'\\' if text.get(at).is_some_and(|next| is_pair(*next)) => {
                value.push(text[at]);
                at += 1;
            }
            b'"' if ends(&text[at..]) => return Some((value, split(&text[at..], b';').1)),
            byte => value.push(byte),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(value: &str, name: &str, pairs: Pairs) -> Option<String> {
        let parameters = Parameters::parse(value.as_bytes(), pairs).ok()?;
        parameters.get(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    #[test]
    fn blanks_case_order_and_empty_parameters_do_not_matter() {
        for value in [
            "x/y; b=v",
            "x/y;b=v",
            "x/y ;\tb=v ; c=d",
            "x/y; c=d; B=v",
            "x/y; b = v",
            "x/y;;; b=v;",
            "x/y; flag; b=v",
            "X/Y; c=\"; b=w\"; b=v; b=u",
            "x/y; b=\"v\" ; c",
        ] {
            assert_eq!(get(value, "b", Pairs::All).as_deref(), Some("v"), "{value}");
            assert_eq!(Parameters::parse(value.as_bytes(), Pairs::Quotes).unwrap().kind, "x/y");
        }
    }

    #[test]
    fn quotes_and_backslashes_are_read_as_they_are_meant() {
        for (value, expected) in [
            (r#"f; n="a \"b\".txt""#, r#"a "b".txt"#),
            (r#"f; n="C:\Users\me\x.txt""#, r"C:\Users\me\x.txt"),
            (r#"f; n="a\\b""#, r"a\b"),
            (r#"f; n="C:\dir\""#, r"C:\dir\"),
            (r#"f; n="C:\dir\"; m=x"#, r"C:\dir\"),
            (r#"f; n="say "hi".txt""#, r#"say "hi".txt"#),
            (r#"f; n="say "hi".txt" ; m="x""#, r#"say "hi".txt"#),
            (r#"f; n="a" b"#, "a"),
            (r#"f; n="a;b=c.txt""#, "a;b=c.txt"),
            (r#"f; n="""#, ""),
            ("f; n=a=b?c", "a=b?c"),
        ] {
            assert_eq!(get(value, "n", Pairs::Quotes).as_deref(), Some(expected), "{value}");
        }
        assert_eq!(get(r#"f; n="a\=\b""#, "n", Pairs::All).as_deref(), Some("a=b"));
    }

    #[test]
    fn what_one_value_was_not_ended_by_ends_none_behind_it() {
        for (value, expected) in [
            (r#"f; n="a"x; m="b"y; o="c"z"#, ["a", "b", "c"]),
            (r#"f; n="a\"b"x; m="c"y; o=d"#, ["a\"b", "c", "d"]),
            (r#"f; n="a\"; m="b\"; o="c\";"#, [r"a\", r"b\", r"c\"]),
        ] {
            let read = ["n", "m", "o"].map(|name| get(value, name, Pairs::Quotes).unwrap_or_default());
            assert_eq!(read, expected, "{value}");
        }
    }

    #[test]
    fn quotes_that_do_not_end_are_told() {
        for pairs in [Pairs::All, Pairs::Quotes] {
            assert_eq!(Parameters::parse(b"f; N=\"a", pairs), Err(Unclosed("n".to_owned())));
        }
    }
}
