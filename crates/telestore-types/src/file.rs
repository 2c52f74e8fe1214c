use unicode_normalization::UnicodeNormalization;

use crate::{Encoded, FileDigest, FileId, FileName, StoredFile, Timestamp, Upload, UploadId, UserId};

/// What a completed upload has become: a file of its user, which stays until it is deleted. It does not change.
///
/// It is exhaustive, as [`Upload`] is: a store reads it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedFile {
    /// Its name in the index.
    pub id: FileId,
    /// Its place in the index, which a store gives it: files that came later have higher ones. Zero before that.
    pub place: u64,
    /// The upload that it was, whose name the client chose.
    pub upload_id: UploadId,
    /// Whose it is.
    pub user_id: UserId,
    /// The client's name for it.
    pub file_name: FileName,
    /// How many bytes it has.
    pub size: u64,
    /// Its type of content, if the client said one.
    pub mime_type: Option<String>,
    /// The SHA-256 of its bytes, if the client said it; it was compared before the file was sent.
    pub sha256: Option<FileDigest>,
    /// When it was there, by the clock of the machine that sent it: it is for people, and no due time is counted from it.
    pub created_at: Timestamp,
    /// The messages that hold it.
    pub stored: StoredFile,
    /// What they hold: its bytes, or another form of them.
    pub encoded: Encoded,
}

impl IndexedFile {
    /// The file that an upload has become by then; `None` if it is not completed, or nobody's.
    pub fn of(upload: &Upload, created_at: Timestamp) -> Option<Self> {
        Some(Self {
            id: FileId::of(&upload.key),
            place: 0,
            upload_id: upload.id.clone(),
            user_id: upload.user_id.clone()?,
            file_name: upload.file_name.clone(),
            size: upload.size(),
            mime_type: upload.mime_type.clone(),
            sha256: upload.options.sha256,
            created_at,
            stored: upload.result()?.clone(),
            encoded: upload.encoding.as_ref().map(Encoded::from).unwrap_or_default(),
        })
    }

    /// Its name as a search compares it.
    pub fn folded_name(&self) -> String {
        Self::folded(self.file_name.as_str())
    }

    /// A text as a search compares it: small and capital letters are the same, and a letter with a mark is one, however it is
    /// written (NFC).
    ///
    /// ```
    /// # use telestore_types::IndexedFile;
    /// assert_eq!(IndexedFile::folded("U\u{308}BUNG.pdf"), "\u{fc}bung.pdf");
    /// assert_eq!(IndexedFile::folded("Straße"), IndexedFile::folded("STRASSE"));
    /// ```
    pub fn folded(text: &str) -> String {
        if text.is_ascii() {
            return text.to_ascii_lowercase();
        }
        // Each character by itself, and over its capital: so σ and the ς that ends a word are one, wherever a part of a name ends,
        // and ß is ss.
        let small = text.nfd().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
        small.flat_map(char::to_lowercase).nfc().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_text_are_folded_alike() {
        for (one, two, folded) in [
            ("ÜBUNG.PDF", "u\u{308}bung.pdf", "\u{fc}bung.pdf"),
            ("CAFE\u{301}", "caf\u{e9}", "caf\u{e9}"),
            ("ОТЧЁТ", "отче\u{308}т", "отч\u{451}т"),
            ("ΟΔΟΣ", "οδος", "οδοσ"),
            ("STRA\u{1e9e}E", "straße", "strasse"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}", "\u{d55c}"),
            ("\u{212b}\u{212a}", "a\u{30a}k", "\u{e5}k"),
            ("100%_A.TXT", "100%_a.txt", "100%_a.txt"),
        ] {
            assert_eq!(IndexedFile::folded(one), folded, "{one}");
            assert_eq!(IndexedFile::folded(two), folded, "{two}");
        }
        assert_ne!(IndexedFile::folded("\u{fc}"), IndexedFile::folded("u"));
    }

    #[test]
    fn each_character_is_folded_as_its_other_spellings_and_once_is_enough() {
        // Behind them there are ideographs, which have one spelling.
        for char in (0..0x2_0000).filter_map(char::from_u32) {
            let (text, folded) = (char.to_string(), IndexedFile::folded(&char.to_string()));
            let composed: String = text.nfc().collect();
            let apart: String = text.nfd().collect();
            for other in [text.to_lowercase(), text.to_uppercase(), composed, apart, folded.clone()] {
                assert_eq!(IndexedFile::folded(&other), folded, "{char:?} as {other:?}");
            }
        }
    }
}
