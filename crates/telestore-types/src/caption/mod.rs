//! The text of a message, as Telegram counts and formats it.

mod html;
mod piece;
mod template;
mod writer;

use std::fmt;

pub use piece::TemplateError;
pub use template::{CaptionTemplate, CaptionValues};

/// The most units of UTF-16 that a caption of a bot, or of an account without Premium, may have:
/// <https://core.telegram.org/api/config>.
pub const CAPTION_MAX: usize = 1024;

/// The text of a message, and how parts of it look.
///
/// It is as Telegram would keep it, so that what comes back is the same text: no blanks at its ends, no carriage returns, other
/// control characters are blanks.
///
/// ```
/// use telestore_types::Caption;
///
/// let caption = Caption::from(" two\r\nlines \n");
/// assert_eq!(caption.text(), "two\nlines");
/// assert_eq!(Caption::from("👍👍").cut(3).text(), "👍", "a thumb is two units of UTF-16");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caption {
    text: String,
    entities: Vec<Entity>,
    /// How many bytes at the end of the text a cut keeps.
    ending: usize,
}

/// How a part of a caption looks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entity {
    /// Where the part begins, in units of UTF-16.
    pub offset: usize,
    /// How long it is, in units of UTF-16.
    pub length: usize,
    /// How it looks.
    pub kind: EntityKind,
}

impl Entity {
    /// So many units of UTF-16 at `offset` look like this.
    pub fn new(offset: usize, length: usize, kind: EntityKind) -> Self {
        Self { offset, length, kind }
    }
}

/// How a part of a text may look. It is exhaustive, because each backend must say how it tells Telegram of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EntityKind {
    /// Bold.
    Bold,
    /// Italic.
    Italic,
    /// Underlined.
    Underline,
    /// Struck through.
    Strike,
    /// Hidden until a reader touches it.
    Spoiler,
    /// Of letters of one width, within a line.
    Code,
    /// Of letters of one width, in lines of its own.
    Pre {
        /// The programming language; empty for none.
        language: String,
    },
    /// Leads to an address.
    Link {
        /// The address.
        url: String,
    },
    /// Set off as a quotation.
    Blockquote {
        /// Whether only its beginning is shown until a reader opens it.
        collapsed: bool,
    },
}

impl Caption {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How parts of it look: in the order in which they begin, those that hold others first.
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// How long it is, in units of UTF-16, as Telegram counts.
    pub fn units(&self) -> usize {
        units(&self.text)
    }

    /// The same with a blank and plain text behind it, which a [`cut`](Self::cut) keeps.
    ///
    /// ```
    /// use telestore_types::Caption;
    ///
    /// let caption = Caption::from("a long story").ending_in("(1/3)");
    /// assert_eq!(caption.text(), "a long story (1/3)");
    /// assert_eq!(caption.cut(12).text(), "a long (1/3)");
    /// ```
    #[must_use]
    pub fn ending_in(mut self, ending: &str) -> Self {
        let before = self.text.len();
        if !self.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(ending);
        self.ending = self.text.len() - before;
        self
    }

    /// Its beginning, of at most so many units of UTF-16, with its [ending](Self::ending_in) if that fits. No character is torn
    /// apart, and what looks like something ends where the text does.
    #[must_use]
    pub fn cut(self, longest: usize) -> Self {
        if self.units() <= longest {
            return self;
        }
        let (text, ending) = self.text.split_at(self.text.len() - self.ending);
        match longest.checked_sub(units(ending)) {
            Some(room) if !ending.is_empty() => {
                Self::trimmed(first(text, room), self.entities).ending_in(ending.trim_start())
            }
            _ => Self::trimmed(first(&self.text, longest), self.entities),
        }
    }

    /// `text` without the blanks at its ends, with what of `entities` lies in the rest.
    fn trimmed(text: &str, entities: Vec<Entity>) -> Self {
        let behind = text.trim_start();
        let before = units(text) - units(behind);
        let text = behind.trim_end();
        let end = units(text);
        let kept = entities.into_iter().filter_map(|entity| {
            let from = entity.offset.saturating_sub(before);
            let to = (entity.offset + entity.length).saturating_sub(before).min(end);
            (from < to).then(|| Entity::new(from, to - from, entity.kind))
        });
        Self { entities: kept.collect(), text: text.to_owned(), ending: 0 }
    }
}

impl fmt::Display for Caption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<&str> for Caption {
    fn from(text: &str) -> Self {
        Self::trimmed(&text.chars().filter_map(kept).collect::<String>(), Vec::new())
    }
}

impl From<String> for Caption {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// What becomes of a character in a message: Telegram's servers drop those that turn or break lines or are drawn over
/// others, and make blanks of the other ones that control something (TDLib's `clean_input_string`). Done here, so that
/// both APIs give the same text.
fn kept(c: char) -> Option<char> {
    match c {
        '\r' | '\u{2028}'..='\u{202e}' | '\u{30a}' | '\u{333}' | '\u{33f}' => None,
        '\n' => Some('\n'),
        c if c.is_ascii_control() => Some(' '),
        c => Some(c),
    }
}

/// The beginning of a text, of at most so many units.
fn first(text: &str, longest: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.len_utf16();
        used > longest
    });
    end.map_or(text, |(end, _)| &text[..end])
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caption(text: &str, entities: &[(usize, usize)]) -> Caption {
        let bold = |(offset, length): &(usize, usize)| Entity::new(*offset, *length, EntityKind::Bold);
        Caption { text: text.to_owned(), entities: entities.iter().map(bold).collect(), ending: 0 }
    }

    #[test]
    fn text_is_as_telegram_keeps_it() {
        for (sent, is) in [
            ("plain", "plain"),
            ("", ""),
            (" \n\t ", ""),
            ("a\tb\u{1}c", "a b c"),
            ("\r\na\r\n\r\nb\r", "a\n\nb"),
            ("a\u{202e}b\u{2028}", "ab"),
            ("<b>&amp;</b> {fileName}", "<b>&amp;</b> {fileName}"),
            ("e\u{301}\u{200d}", "e\u{301}\u{200d}"),
        ] {
            assert_eq!(Caption::from(sent).text(), is, "{sent:?}");
        }
    }

    #[test]
    fn a_cut_tears_no_character_apart_and_ends_every_entity() {
        for (longest, is) in [
            (7, caption("a👍 b👍", &[(0, 3), (1, 6), (5, 2)])),
            (6, caption("a👍 b", &[(0, 3), (1, 4)])),
            (5, caption("a👍 b", &[(0, 3), (1, 4)])),
            // The blank at the new end goes, too.
            (4, caption("a👍", &[(0, 3), (1, 2)])),
            (3, caption("a👍", &[(0, 3), (1, 2)])),
            (2, caption("a", &[(0, 1)])),
            (0, caption("", &[])),
        ] {
            let whole = caption("a👍 b👍", &[(0, 3), (1, 6), (5, 2)]);
            assert_eq!(whole.cut(longest), is, "{longest}");
        }
    }

    #[test]
    fn a_cut_keeps_the_ending() {
        let whole = caption("a👍 b👍", &[(0, 3), (1, 6), (5, 2)]).ending_in("(10/12)");
        assert_eq!(whole.units(), 15);
        for (longest, text, entities) in [
            (15, "a👍 b👍 (10/12)", &[(0, 3), (1, 6), (5, 2)][..]),
            (14, "a👍 b (10/12)", &[(0, 3), (1, 4)]),
            (12, "a👍 (10/12)", &[(0, 3), (1, 2)]),
            (9, "a (10/12)", &[(0, 1)]),
            (8, "(10/12)", &[]),
            (7, "a👍 b👍", &[(0, 3), (1, 6), (5, 2)]),
        ] {
            let cut = whole.clone().cut(longest);
            assert_eq!((cut.text(), cut.entities()), (text, caption("", entities).entities()), "{longest}");
            assert!(cut.units() <= longest);
        }
        assert_eq!(Caption::default().ending_in("(1/2)").text(), "(1/2)");
    }

    #[test]
    fn blanks_at_the_ends_move_what_looks_like_something() {
        let trimmed = |text: &str, entities| Caption::trimmed(text, caption("", entities).entities);
        assert_eq!(trimmed("  ab ", &[(0, 5)]), caption("ab", &[(0, 2)]));
        assert_eq!(trimmed("\u{2003}\n👍b", &[(0, 2), (2, 2), (4, 1)]), caption("👍b", &[(0, 2), (2, 1)]));
        assert_eq!(trimmed("a  ", &[(1, 2)]), caption("a", &[]));
    }
}
