use std::fmt::{self, Write};

/// A text from somewhere else, as a person may see it: in an error, a log line, a terminal, or on a page.
///
/// What [misleads](fn@misleads) is written as an escape (`\u{202e}`), everything else as it is. The text itself stays what
/// it is: programs get it to the letter.
///
/// ```
/// use telestore_types::Shown;
///
/// assert_eq!(Shown("invoice_\u{202e}fdp.exe").to_string(), r"invoice_\u{202e}fdp.exe");
/// assert_eq!(Shown("привет.txt").to_string(), "привет.txt");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match misleads(c) {
                true => write!(f, "{}", c.escape_default())?,
                false => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Whether a character is obeyed instead of shown, or cannot be seen at all: control characters, which terminals obey;
/// ends of lines; the marks, embeddings, overrides and isolates that turn the direction of the text behind them
/// ([UAX #9](https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters)); and characters without any width.
///
/// U+200C and U+200D are left alone: Persian, Indic scripts and emoji are written with them.
///
/// ```
/// use telestore_types::misleads;
///
/// assert!(misleads('\u{202e}') && misleads('\n') && misleads('\u{200b}'));
/// assert!(!misleads('é') && !misleads('\u{200d}') && !misleads(' '));
/// ```
pub fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_obeyed_or_unseen_is_escaped() {
        for (text, shown) in [
            ("a\u{1b}[2Jb\u{202e}c ü", "a\\u{1b}[2Jb\\u{202e}c ü"),
            ("a\u{2066}b\u{2069}", "a\\u{2066}b\\u{2069}"),
            ("a\r\nb\t\u{85}", "a\\r\\nb\\t\\u{85}"),
            ("x\u{2028}y\u{feff}", "x\\u{2028}y\\u{feff}"),
        ] {
            assert_eq!(Shown(text).to_string(), shown);
        }
    }

    #[test]
    fn what_people_write_is_left_alone() {
        for text in
            ["привет.txt", "ملف.pdf", "می\u{200c}خواهم", "👨\u{200d}👩\u{200d}👧.jpg", "cafe\u{301}", "a b"]
        {
            assert_eq!(Shown(text).to_string(), text);
        }
    }
}
