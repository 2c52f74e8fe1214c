//! The documents agree with the program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::{files_below, program};

pub(crate) fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_api_document_has_exactly_the_routes() {
    let routes: BTreeSet<String> = telestore_http::endpoints()
        .iter()
        .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
        .collect();
    let api = document("docs/API.md");
    let documented: BTreeSet<String> = api
        .lines()
        .filter_map(|line| line.strip_prefix("## ")?.strip_prefix('`')?.strip_suffix('`'))
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, routes, "the headings of docs/API.md are the endpoints");
}

#[tokio::test]
async fn the_operations_document_has_exactly_the_settings() {
    let output = program().arg("--help").output().await.unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let in_help: BTreeSet<&str> =
        help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next()).collect();
    let operations = document("docs/OPERATIONS.md");
    let documented: BTreeSet<&str> = operations
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .collect();
    assert_eq!(documented, in_help);
}

/// Markdown files of the repository that a reader is led through.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![
        root.join("README.md"),
        root.join("CONTRIBUTING.md"),
        root.join("CHANGELOG.md"),
        root.join("SECURITY.md"),
    ];
    for dir in ["docs", "crates", "deploy", "fuzz"] {
        let dir = root.join(dir);
        pages.extend(
            files_below_if_there(&dir).into_iter().filter(|path| path.extension() == Some("md".as_ref())),
        );
    }
    pages
}

fn files_below_if_there(dir: &Path) -> Vec<PathBuf> {
    if dir.is_dir() { files_below(dir) } else { Vec::new() }
}

/// The text outside of code blocks.
fn prose(page: &str) -> Vec<&str> {
    let mut code = false;
    page.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            code ^= fence;
            !code && !fence
        })
        .collect()
}

/// What `](…)` of these lines point to.
fn links(page: &str) -> Vec<String> {
    let text = prose(page).join("\n");
    let pieces = text.split("](").skip(1);
    pieces.filter_map(|rest| rest.split_once(')')).map(|(link, _)| link.trim().to_owned()).collect()
}

/// The anchors that a heading makes: lower case, without punctuation, `-` for a space.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).into_iter().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// Items of a crate are rustdoc's to look for.
fn is_relative(link: &str) -> bool {
    !link.contains("::") && !link.contains("://") && !link.starts_with("mailto:")
}

#[test]
fn every_relative_link_of_the_documents_leads_somewhere() {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let (mut lost, mut seen) = (Vec::new(), 0);
    for page in pages() {
        let text = read(&page);
        for link in links(&text).into_iter().filter(|link| is_relative(link)) {
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let found = target.exists() && (anchor.is_empty() || anchors(&read(&target)).contains(anchor));
            if !found {
                lost.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(seen > 20, "only {seen} links were seen");
}

/// Where texts are that a client may see.
const SPOKEN: [&str; 10] = [
    "crates/telestore-backend/src/error.rs",
    "crates/telestore/src/shared/error.rs",
    "crates/telestore-http/src/forms/digest.rs",
    "crates/telestore-http/src/forms/form.rs",
    "crates/telestore-http/src/forms/json.rs",
    "crates/telestore-http/src/shared/number.rs",
    "crates/telestore-http/src/calls/progress.rs",
    "crates/telestore-http/src/calls/socket.rs",
    "crates/telestore-http/src/shared/token.rs",
    "crates/telestore-http/src/shared/words.rs",
];

/// What such a text follows in the sources.
const SPEAKS: [&str; 6] =
    ["#[error(", "ApiError::invalid(", "ApiError::MediaType(", "Error::Invalid(", "f.write_str(", "write!("];

/// The texts of errors in `source`.
fn spoken(source: &str) -> Vec<String> {
    let after = SPEAKS.iter().flat_map(|marker| source.split(marker).skip(1));
    after
        .filter_map(|rest| {
            let (before, text) = rest.split_once('"')?;
            let near = matches!(before.trim(), "" | "format!(" | "f,");
            let text = text.split_once('"').filter(|_| near)?.0;
            // A literal may go on in the next line.
            let lines = text.lines().map(|line| line.trim_start().trim_end_matches('\\'));
            Some(lines.collect())
        })
        .collect()
}

#[test]
fn every_error_that_a_client_can_see_stands_in_the_api_document() {
    // Not for clients, who read them in the words of the API (`words.rs`).
    let inner = [
        "a worker's name must be",
        "a token is needed",
        "no token was seen",
        "token is not valid",
        "upload was cancelled: start again with a new id",
        "file name, file size or number of chunks contradict",
        "differs from the one that is already on its way: use a new id",
        ": use a new id for another file",
        "bytes were declared, the chunks hold",
        "the next byte of this upload is at offset",
        "an idempotency key has 1 to",
        "visible ASCII characters",
        "this idempotency key was used for another file",
        "bytes, the most that can be sent with these Telegram credentials: larger files need a Telegram session, or",
    ];
    let (api, mut unknown, mut seen) = (document("docs/API.md"), Vec::new(), 0);
    for place in SPOKEN {
        let source = document(place);
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for text in spoken(source) {
            // What stands between the values.
            let pieces = text.split(['{', '}']).step_by(2).map(str::trim).filter(|piece| piece.len() > 7);
            for piece in pieces.filter(|piece| !inner.iter().any(|inner| piece.starts_with(inner))) {
                seen += 1;
                if !api.contains(piece) {
                    unknown.push(format!("{place}: {piece}"));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "docs/API.md does not have {unknown:#?}");
    assert!(seen > 30, "only {seen} texts were seen");
}
