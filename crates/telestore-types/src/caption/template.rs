use std::fmt;
use std::str::FromStr;

use super::piece::{Piece, Placeholder, TemplateError, USUAL};
use super::writer::Writer;
use super::{Caption, html};
use crate::{FileName, Timestamp, UserId};

/// How captions are made of what is known of a file: text in Telegram's HTML, with placeholders.
///
/// `{fileName}`, `{size}` (as people read it: `12.3 MiB`), `{userId}` and `{date}` (UTC, as `2026-11-26`) stand for values, which
/// are taken to the letter, whatever is in them. The tags are those of the
/// [Bot API](https://core.telegram.org/bots/api#html-style): `b`, `i`, `u`, `s`, `a`, `code`, `pre`, `tg-spoiler`, `blockquote`
/// and their other names. `&lt;`, `&gt;` and `&amp;` stand for characters, and `&#123;` for a brace.
///
/// ```
/// use telestore_types::{CaptionTemplate, CaptionValues, FileName, Timestamp, UserId};
///
/// let template: CaptionTemplate = "<b>{fileName}</b> ({size}) of {date}".parse()?;
/// let (name, user) = (FileName::new("a<b>.txt").unwrap(), UserId::new("alice"));
/// let caption = template.render(&CaptionValues::new(&name, 12_900_000, &user, Timestamp::from_millis(0)));
/// assert_eq!(caption.text(), "a<b>.txt (12.3 MiB) of 1970-01-01");
/// assert_eq!((caption.entities()[0].offset, caption.entities()[0].length), (0, 8));
/// assert!("{filename}".parse::<CaptionTemplate>().is_err());
/// # Ok::<(), telestore_types::TemplateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptionTemplate(Vec<Piece>);

/// What is known of a file that a caption is made for.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CaptionValues<'a> {
    /// Its name.
    pub file_name: &'a FileName,
    /// Its length in bytes.
    pub size: u64,
    /// Whose it is.
    pub user_id: &'a UserId,
    /// When its upload began.
    pub date: Timestamp,
}

impl<'a> CaptionValues<'a> {
    /// A file of this name and length, of this user, whose upload began then.
    pub fn new(file_name: &'a FileName, size: u64, user_id: &'a UserId, date: Timestamp) -> Self {
        Self { file_name, size, user_id, date }
    }
}

impl CaptionTemplate {
    /// The caption of a file, however long it gets.
    pub fn render(&self, values: &CaptionValues<'_>) -> Caption {
        let mut writer = Writer::default();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => writer.text(text),
                Piece::Value(Placeholder::FileName) => writer.text(values.file_name.as_str()),
                Piece::Value(Placeholder::Size) => writer.text(&Size(values.size).to_string()),
                Piece::Value(Placeholder::UserId) => writer.text(values.user_id.as_str()),
                Piece::Value(Placeholder::Date) => writer.text(&Day(values.date).to_string()),
                Piece::Start(kind) => writer.start(kind),
                Piece::End => writer.end(),
            }
        }
        writer.finish()
    }
}

impl FromStr for CaptionTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        html::parse(text).map(Self)
    }
}

impl Default for CaptionTemplate {
    /// `Uploaded: {fileName}`.
    fn default() -> Self {
        // A test reads it.
        Self(html::parse(USUAL).unwrap_or_default())
    }
}

/// A size as people read it.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        // What would be shown as 1024.0 is one of the next unit.
        let (mut shown, mut unit) = (self.0 as f64 / 1024.0, 0);
        while shown >= 1023.95 && unit + 1 < UNITS.len() {
            (shown, unit) = (shown / 1024.0, unit + 1);
        }
        write!(f, "{shown:.1} {}", UNITS[unit])
    }
}

/// The day of a moment, in UTC.
struct Day(Timestamp);

impl fmt::Display for Day {
    /// Howard Hinnant's `civil_from_days`: years begin in March, so that the day that not all have is the last one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.as_secs().div_euclid(86_400) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caption::{Entity, EntityKind};

    fn rendered(template: &str, name: &str) -> Caption {
        let template: CaptionTemplate =
            template.parse().unwrap_or_else(|error| panic!("{template}: {error}"));
        let (name, user) = (FileName::of_file(name).unwrap(), UserId::new("u&1"));
        template.render(&CaptionValues::new(&name, 1536, &user, Timestamp::from_millis(1_795_651_200_000)))
    }

    fn looks(caption: &Caption) -> Vec<(usize, usize, EntityKind)> {
        let look = |entity: &Entity| (entity.offset, entity.length, entity.kind.clone());
        caption.entities().iter().map(look).collect()
    }

    #[test]
    fn values_are_taken_to_the_letter() {
        let name = "<b>&amp;{size}\n👍.txt";
        let caption = rendered("{fileName}|{size}|{userId}|{date}", name);
        assert_eq!(caption.text(), format!("{name}|1.5 KiB|u&1|2026-11-26"));
        assert_eq!(caption.entities(), []);
        assert_eq!(rendered(USUAL, "a b.txt").text(), "Uploaded: a b.txt");
        let template = CaptionTemplate::default();
        assert_eq!(template, USUAL.parse().unwrap());
    }

    #[test]
    fn what_parts_look_like_is_counted_in_utf_16() {
        let caption = rendered("👍<b>{fileName}<i>👍</i></b>&lt;<u>é</u>", "字👍");
        assert_eq!(caption.text(), "👍字👍👍<é");
        assert_eq!(
            looks(&caption),
            [(2, 5, EntityKind::Bold), (5, 2, EntityKind::Italic), (8, 1, EntityKind::Underline)]
        );
        let same = rendered("<b><i>x</i></b><s></s> ", "a");
        assert_eq!(looks(&same), [(0, 1, EntityKind::Bold), (0, 1, EntityKind::Italic)]);
        let blank = rendered("<b> {fileName} </b><i> </i>", "a");
        assert_eq!((blank.text(), looks(&blank)), ("a", vec![(0, 1, EntityKind::Bold)]));
    }

    #[test]
    fn sizes_and_days_are_as_people_read_them() {
        for (size, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (12_900_000, "12.3 MiB"),
            (2_097_152_000, "2.0 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(Size(size).to_string(), shown);
        }
        for (seconds, shown) in [
            (-1, "1969-12-31"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_735_689_599, "2024-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Day(Timestamp::from_millis(seconds * 1000)).to_string(), shown);
        }
    }
}
