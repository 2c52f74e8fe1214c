/// How like each other two names must be, from 0 to 1, for one to be meant by the other.
const LIKE: f64 = 0.75;

/// How much of a name tells which is meant, if its end is left out.
const MIN_BEGINNING: usize = 5;

/// The known name that was meant by one that is not known.
pub(super) fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = plain(name);
    let likeness = |known: &str| {
        let known = plain(known);
        // The end is what people leave out.
        let begins =
            name.len() >= MIN_BEGINNING && known.strip_prefix(&name).is_some_and(|end| end.starts_with('_'));
        strsim::normalized_damerau_levenshtein(&name, &known).max(if begins { LIKE } else { 0.0 })
    };
    let best = known.map(|known| (likeness(known), known)).max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness >= LIKE).map(|(_, known)| known)
}

/// What tells names apart: not their case, their dashes, or whose they are.
fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase().replace('-', "_");
    let bare = ["TELESTORE_", "TELEGRAM_"].iter().find_map(|prefix| name.strip_prefix(prefix));
    bare.unwrap_or(&name).to_owned()
}
