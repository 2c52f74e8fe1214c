use unicode_normalization::UnicodeNormalization;

use crate::{FileName, misleads};

impl FileName {
    /// Whether both are one name for a reader: the same after NFC.
    ///
    /// Unicode calls texts canonically equivalent that are to look and mean the same ([UAX 15]): `é` is one character on
    /// Linux and Windows, and `e` with an accent behind it as macOS's HFS+ writes names. Clients mix them, since the name
    /// of one call comes from the disk and that of another from a form. NFKC is not it: it makes one of `①` and `1`, which
    /// are two names.
    ///
    /// [UAX 15]: https://www.unicode.org/reports/tr15/
    ///
    /// ```
    /// # use telestore_types::FileName;
    /// let (one, two) = (FileName::new("caf\u{e9}.mp4")?, FileName::new("cafe\u{301}.mp4")?);
    /// assert!(one.is_same(&two) && one != two);
    /// # Ok::<(), telestore_types::Error>(())
    /// ```
    pub fn is_same(&self, other: &Self) -> bool {
        self == other || self.as_str().nfc().eq(other.as_str().nfc())
    }

    /// The name for an answer that tells it apart from `other`.
    ///
    /// What nobody sees, or what turns the text around, is escaped as `\u{202e}`. If the first difference is in
    /// another letter than those of ASCII, the two may look alike (`а` is no `a`): all such letters are escaped then.
    pub fn apart_from(&self, other: &Self) -> String {
        let ascii = |c: Option<char>| c.is_none_or(|c| c.is_ascii_graphic());
        let (mut one, mut two) = (self.as_str().nfc(), other.as_str().nfc());
        let first = loop {
            match (one.next(), two.next()) {
                (None, None) => break None,
                (one, two) if one != two => break Some((one, two)),
                _ => {}
            }
        };
        let plain = first.is_some_and(|(one, two)| ascii(one) && ascii(two));
        let shown = |c: char| match c {
            ' ' | '!'..='~' => c.to_string(),
            c if plain && !misleads(c) => c.to_string(),
            c => c.escape_unicode().to_string(),
        };
        self.as_str().nfc().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        FileName::new(text).unwrap()
    }

    #[test]
    fn names_are_the_same_after_nfc_and_only_then() {
        for (one, two) in [
            ("caf\u{e9}.mp4", "cafe\u{301}.mp4"),
            // Hangul in jamo, two marks in the other order, the sign of Ångström, Japanese with its mark apart.
            ("\u{d55c}.txt", "\u{1112}\u{1161}\u{11ab}.txt"),
            ("q\u{307}\u{323}", "q\u{323}\u{307}"),
            ("\u{212b}", "\u{c5}"),
            ("\u{30c7}\u{30fc}", "\u{30c6}\u{3099}\u{30fc}"),
        ] {
            assert!(name(one).is_same(&name(two)), "{one} {two}");
        }
        for (one, two) in
            [("a", "A"), ("1", "\u{2460}"), ("fi", "\u{fb01}"), ("a", "\u{430}"), ("a", "a\u{200b}")]
        {
            assert!(!name(one).is_same(&name(two)), "{one} {two}");
        }
    }

    #[test]
    fn names_that_look_alike_are_told_apart() {
        for (stored, sent, shown) in [
            ("report.txt", "invoice.txt", "report.txt"),
            ("отчёт1.txt", "отчёт2.txt", "отчёт1.txt"),
            ("p\u{430}y.txt", "pay.txt", "p\\u{430}y.txt"),
            ("pay.txt", "p\u{430}y.txt", "pay.txt"),
            ("a\u{200b}.txt", "a.txt", "a\\u{200b}.txt"),
            ("a\u{a0}b", "a b", "a\\u{a0}b"),
            ("invoice_\u{202e}fdp.exe", "other.exe", "invoice_\\u{202e}fdp.exe"),
            ("文件", "文档", "\\u{6587}\\u{4ef6}"),
        ] {
            assert_eq!(name(stored).apart_from(&name(sent)), shown);
        }
    }
}
