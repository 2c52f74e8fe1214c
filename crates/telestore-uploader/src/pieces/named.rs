//! What a piece and its message are called.

use telestore_types::{Caption, FileName};

/// `video.mp4.001` for the first piece, behind as much of the name as may be.
pub(super) fn piece_name(whole: &FileName, number: usize) -> FileName {
    let ending = format!(".{number:03}");
    let room = FileName::MAX_CHARS - ending.len();
    let kept: String = whole.as_str().chars().take(room).collect();
    // Letters and digits behind a name that is one make one.
    FileName::of_file(&format!("{kept}{ending}")).unwrap_or_else(|_| whole.clone())
}

/// The caption with `(1/3)` behind it, which stays if the account may not send all of the caption.
pub(super) fn piece_caption(caption: &Caption, number: usize, count: usize) -> Caption {
    caption.clone().ending_in(&format!("({number}/{count})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_numbered_behind_the_whole_name() {
        let name = |text: &str, number| piece_name(&FileName::new(text).unwrap(), number).as_str().to_owned();
        assert_eq!(name("video.mp4", 1), "video.mp4.001");
        assert_eq!(name("archive.tar.gz", 1000), "archive.tar.gz.1000");
        assert_eq!(name(&"ж".repeat(255), 12), format!("{}.012", "ж".repeat(251)));
        assert_eq!(name(&"ж".repeat(255), 12).chars().count(), FileName::MAX_CHARS);
    }

    #[test]
    fn captions_say_which_piece_it_is_within_what_a_message_holds() {
        let caption = |text: &str, number, count| piece_caption(&text.into(), number, count);
        assert_eq!(caption("Uploaded: a", 2, 3).text(), "Uploaded: a (2/3)");
        assert_eq!(caption("", 1, 2).text(), "(1/2)");
        let longest = caption(&"👍".repeat(600), 10, 12).cut(1024);
        assert!(longest.text().ends_with("👍 (10/12)"), "{longest:?}");
        assert!((1022..=1024).contains(&longest.units()), "{}", longest.units());
    }
}
