//! What becomes of a file's name on its way into a message.

/// So many characters of a name are kept.
const KEPT: usize = 60;
/// So many characters a Bot API server keeps before the extension, and of it.
const STEM: usize = 64;
const EXTENSION: usize = 16;

/// A name as Telegram stores it. One of more than 60 characters is cut, wherever that is, and its blanks and dashes
/// become `_`. No document says so; clients report it: tdesktop#16161, tdesktop#16114, tdl#1136.
pub(crate) fn stored(sent: &str) -> String {
    if sent.chars().count() <= KEPT {
        return sent.to_owned();
    }
    sent.chars().take(KEPT).map(|c| if matches!(c, ' ' | '-') { '_' } else { c }).collect()
}

/// A name as a Bot API server hands it on to Telegram: TDLib's `clean_filename` (`tdutils/td/utils/filesystem.cpp`).
/// Stem and extension are cleaned and cut one by one.
pub(crate) fn through_bot_api(sent: &str) -> String {
    let name = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension),
        _ => (name, ""),
    };
    let (stem, extension) = (clean(stem, STEM), clean(extension, EXTENSION));
    match (stem.is_empty(), extension.is_empty()) {
        (true, true) => "file".to_owned(),
        (false, true) => stem,
        (true, false) => extension,
        (false, false) => format!("{stem}.{extension}"),
    }
}

/// Letters, digits and most of ASCII stay, marks that join the letter before them go, and all else becomes a blank. None
/// of it begins or ends with blanks and dots.
fn clean(part: &str, longest: usize) -> String {
    let mut kept = String::new();
    let shown = part.chars().filter(|c| !joins(*c)).map(|c| if is_kept(c) { c } else { ' ' });
    for c in shown.skip_while(|c| matches!(c, ' ' | '.')).take(longest) {
        kept.push(c);
    }
    kept.trim_end_matches([' ', '.']).to_owned()
}

fn is_kept(c: char) -> bool {
    match c {
        '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' | '&' | '`' | '\'' => false,
        ' '..='~' => true,
        c => c.is_alphanumeric(),
    }
}

/// Combining marks, joiners and selectors of a form.
fn joins(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200b}'..='\u{200f}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_lose_their_end_and_their_blanks() {
        let short = format!("{}- b.txt", "a".repeat(53));
        assert_eq!(stored(&short), short);
        let long = format!("a-b {}.txt", "ж".repeat(60));
        assert_eq!(stored(&long), format!("a_b_{}", "ж".repeat(56)));
    }

    #[test]
    fn a_bot_api_server_cleans_each_part_of_a_name() {
        for (sent, becomes) in [
            ("report.pdf", "report.pdf"),
            ("say \"hi\" & bye's.txt", "say  hi    bye s.txt"),
            ("cafe\u{301}.txt", "cafe.txt"),
            ("привет 日本.tar.gz", "привет 日本.tar.gz"),
            ("..hidden.txt", "hidden.txt"),
            ("🎉", "file"),
            (".profile", "profile"),
        ] {
            assert_eq!(through_bot_api(sent), becomes, "{sent}");
        }
        let long = format!("{}.{}", "a".repeat(70), "b".repeat(20));
        assert_eq!(through_bot_api(&long), format!("{}.{}", "a".repeat(64), "b".repeat(16)));
    }
}
