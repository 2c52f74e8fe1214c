//! The documents agree with the program.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::program;

fn document(name: &str) -> String {
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
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();
    assert_eq!(documented, in_help);
}
