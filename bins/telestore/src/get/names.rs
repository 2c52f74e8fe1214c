//! What files are called here: names from a worker are text that anybody may have chosen.

use telestore_types::misleads;

/// The most bytes of a name: file systems take 255, and `.part` has its place.
const LONGEST: usize = 240;

/// What a file of no name that can be used is called.
const NAMELESS: &str = "file";

/// What Windows takes for devices, whatever stands behind a dot.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// A name that is one name in whatever folder it is: without separators, characters that terminals obey or nobody sees, dots at its
/// beginning, and names of devices. What cannot stay is `_`.
pub(super) fn safe(name: &str) -> String {
    of(name, cfg!(windows))
}

fn of(name: &str, windows: bool) -> String {
    let fits = |c: char| match c {
        '/' | '\\' => false,
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => !windows,
        c => !misleads(c),
    };
    let mut safe: String = name.trim().chars().map(|c| if fits(c) { c } else { '_' }).collect();
    // Windows takes blanks and dots off the end.
    safe.truncate(safe.trim_end_matches(|c: char| c == '.' || c.is_whitespace()).len());
    if safe.starts_with('.') {
        // Nothing is hidden, or read by a shell, because of a name that somebody chose.
        safe.replace_range(..1, "_");
    }
    let safe = cut(safe);
    match () {
        () if safe.is_empty() => NAMELESS.to_owned(),
        () if is_device(&safe) => format!("_{safe}"),
        () => safe,
    }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = |kind: &str| {
        let number = stem.strip_prefix(kind).map(|number| number.chars().collect::<Vec<_>>());
        matches!(number.as_deref(), Some(['0'..='9' | '¹' | '²' | '³']))
    };
    DEVICES.contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

/// Cuts a name that is too long, and keeps its extension.
fn cut(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let extension = name.rfind('.').map_or("", |at| &name[at..]);
    let extension = if extension.len() <= 20 { extension } else { "" };
    let most = name.floor_char_boundary(LONGEST - extension.len());
    format!("{}{extension}", name[..most].trim_end_matches(|c: char| c == '.' || c.is_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_what_they_are_where_they_can() {
        for name in [
            "film é.mkv",
            "a b (1).tar.gz",
            "фото.jpg",
            "100%.txt",
            "a..b",
            "_",
            "👨\u{200d}👩.png",
            "COMB.txt",
        ] {
            assert_eq!(of(name, true), name);
        }
        assert_eq!(of("a: b?.txt", false), "a: b?.txt");
    }

    #[test]
    fn no_name_leads_elsewhere() {
        for (name, safe) in [
            ("", "file"),
            (".", "file"),
            ("..", "file"),
            (" . . ", "file"),
            ("../../etc/passwd", "_._.._etc_passwd"),
            ("/etc/passwd", "_etc_passwd"),
            ("C:\\x.txt", "C__x.txt"),
            (".bashrc", "_bashrc"),
            ("a\nb\u{1b}[31m\u{202e}.txt", "a_b_[31m_.txt"),
            ("a\0b", "a_b"),
            ("a. . ", "a"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("com1 .tar.gz", "_com1 .tar.gz"),
            ("lpt\u{b9}", "_lpt\u{b9}"),
            ("a: b?.txt", "a_ b_.txt"),
        ] {
            assert_eq!(of(name, true), safe, "{name:?}");
        }
    }

    #[test]
    fn long_names_are_cut_before_their_extension() {
        let long = of(&format!("{}.mkv", "ä".repeat(251)), false);
        assert!(long.len() <= LONGEST && long.ends_with("ä.mkv"), "{long}");
        let long = of(&"文".repeat(255), false);
        assert!(long.len() <= LONGEST && long.chars().all(|c| c == '文'), "{long}");
        assert!(of(&format!("a.{}", "x".repeat(253)), false).len() <= LONGEST);
    }
}
