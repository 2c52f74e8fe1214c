//! The name that a document gets, as Telegram keeps it.

use std::borrow::Cow;

use telestore_types::{CAPTION_MAX, FileName};
use unicode_segmentation::UnicodeSegmentation;

/// The longest name that Telegram keeps as it is: one of more than 60 characters is cut there, also within its extension,
/// and its blanks and dashes become `_`. No page of Telegram says so; users report 60 and a few more (tdesktop#16161,
/// tdesktop#16114, tdl#1136). A Bot API server cuts more generously, at 64 characters and an extension of 16, before
/// that.
///
/// Characters are counted as Telegram counts text, in UTF-16 units. If code points are meant, that is on the safe side.
#[cfg(any(test, feature = "bot-api", feature = "mtproto"))]
const NAME_MAX: usize = 60;

/// The longest extension that a Bot API server keeps, in code points (TDLib's `clean_filename`).
const EXTENSION_MAX: usize = 16;

/// What clients look for in front of a name.
const CAPTION: &str = "Uploaded: ";

/// The name that goes to Telegram: shortened before its extension, so that Telegram does not cut that off.
#[cfg(any(test, feature = "bot-api", feature = "mtproto"))]
pub(crate) fn for_telegram(name: &FileName) -> Cow<'_, str> {
    shortened(name.as_str(), NAME_MAX)
}

/// The caption that the TeleStore clients look for. A name that does not fit in a caption is shortened before its extension.
pub fn caption_of(file_name: &FileName) -> String {
    let name = shortened(file_name.as_str(), CAPTION_MAX - CAPTION.len());
    format!("{CAPTION}{name}")
}

/// `name` in at most so many UTF-16 units: whole characters, as people see them, go from before the extension.
fn shortened(name: &str, longest: usize) -> Cow<'_, str> {
    if units(name) <= longest {
        return Cow::Borrowed(name);
    }
    let (stem, extension) = name.split_at(name.len() - extension_of(name).len());
    let room = longest - units(extension);
    let mut kept = fitting(stem.graphemes(true), room);
    if kept == 0 {
        // A letter with so many marks that nothing of it fits as a whole.
        kept = fitting(stem.split_inclusive(|_: char| true), room);
    }
    // Telegram takes blanks and dots away where a name ends.
    Cow::Owned(format!("{}{extension}", stem[..kept].trim_end_matches([' ', '.'])))
}

/// How many bytes the first pieces have that fit into so many UTF-16 units.
fn fitting<'a>(pieces: impl Iterator<Item = &'a str>, room: usize) -> usize {
    let (mut used, mut bytes) = (0, 0);
    for piece in pieces {
        used += units(piece);
        if used > room {
            break;
        }
        bytes += piece.len();
    }
    bytes
}

/// The extension with its dot, and `.tar` before it; nothing if what stands behind the last dot is too long for one.
fn extension_of(name: &str) -> &str {
    let Some(dot) = name.rfind('.').filter(|dot| *dot > 0) else { return "" };
    let (stem, extension) = name.split_at(dot);
    if extension.chars().count() > 1 + EXTENSION_MAX {
        return "";
    }
    let archive = stem.len().checked_sub(4).filter(|at| *at > 0 && stem.is_char_boundary(*at));
    let archive = archive.filter(|at| stem[*at..].eq_ignore_ascii_case(".tar"));
    archive.map_or(extension, |at| &name[at..])
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_stay_to_the_letter() {
        let longest = format!("{} -.x.txt", "ж".repeat(52));
        for name in ["a.txt", "no extension", ".profile", "a b-c.tar.gz", &longest] {
            assert_eq!(shortened(name, NAME_MAX), name);
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        for (name, becomes) in [
            (format!("{}.txt", "字".repeat(90)), format!("{}.txt", "字".repeat(56))),
            (format!("{}.tar.gz", "a".repeat(90)), format!("{}.tar.gz", "a".repeat(53))),
            (format!("{}.TAR.xz", "a".repeat(90)), format!("{}.TAR.xz", "a".repeat(53))),
            ("a".repeat(90), "a".repeat(60)),
            (format!(".{}", "a".repeat(90)), format!(".{}", "a".repeat(59))),
            // No extension has a sentence.
            (
                format!("{}. {}", "a".repeat(40), "b".repeat(40)),
                format!("{}. {}", "a".repeat(40), "b".repeat(18)),
            ),
            // Nothing is left before an extension that blanks led up to.
            (format!("{}{}.md", "a".repeat(50), " ".repeat(30)), format!("{}.md", "a".repeat(50))),
        ] {
            assert_eq!(shortened(&name, NAME_MAX), becomes, "{name}");
        }
    }

    #[test]
    fn no_character_is_torn_apart() {
        let family = "👨‍👩‍👧‍👦";
        let name = format!("{}{family}{family}.jpg", "x".repeat(44));
        assert_eq!(shortened(&name, NAME_MAX), format!("{}{family}.jpg", "x".repeat(44)));
        let accented = format!("{}.txt", "e\u{301}".repeat(40));
        assert_eq!(shortened(&accented, NAME_MAX), format!("{}.txt", "e\u{301}".repeat(28)));
        let towering = format!("e{}.txt", "\u{301}".repeat(100));
        assert_eq!(shortened(&towering, NAME_MAX), format!("e{}.txt", "\u{301}".repeat(55)));
    }

    #[test]
    fn a_caption_has_the_whole_name_as_long_as_it_may() {
        let name = FileName::new(&format!("{}.txt", "字".repeat(80))).unwrap();
        assert_eq!(caption_of(&name), format!("Uploaded: {name}"));
        assert_eq!(units(&shortened(&"👍".repeat(2000), CAPTION_MAX)), CAPTION_MAX);
    }
}
