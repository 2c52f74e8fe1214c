//! What the worker is made of: licences, sources, and a reason for each dependency.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::docs::document;

/// Never, not even by way of another crate.
const BANNED: [&str; 6] = ["openssl-sys", "openssl", "native-tls", "aws-lc-sys", "aws-lc-rs", "libsql"];

fn metadata() -> Metadata {
    // What other systems and features need is fetched, if it is not there yet.
    let all = ["--locked".to_owned(), "--all-features".to_owned()];
    MetadataCommand::new().other_options(all).exec().expect("the packages can be read")
}

/// The texts of a list in deny.toml: `key = ["…", …]`.
fn listed(deny: &str, key: &str) -> BTreeSet<String> {
    let list = deny.split(&format!("{key} = [")).nth(1).and_then(|rest| rest.split("]\n").next());
    let list = list.unwrap_or_else(|| panic!("deny.toml has no {key}"));
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a licence expression can be kept to with these licences.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Old crates write `/` for OR.
    let expression = expression.replace('/', " OR ");
    parse(&mut expression.replace('(', " ( ").replace(')', " ) ").split_whitespace().peekable(), allowed)
}

type Words<'w> = std::iter::Peekable<std::str::SplitWhitespace<'w>>;

fn parse(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut any = conjunction(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        any |= conjunction(words, allowed);
    }
    any
}

fn conjunction(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut all = licence(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        all &= licence(words, allowed);
    }
    all
}

fn licence(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let name = words.next().expect("a licence");
    if name == "(" {
        let inner = parse(words, allowed);
        assert_eq!(words.next(), Some(")"));
        return inner;
    }
    if words.next_if_eq(&"WITH").is_some() {
        let exception = words.next().expect("an exception");
        return allowed.contains(&format!("{name} WITH {exception}")) || allowed.contains(name);
    }
    allowed.contains(name)
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned(), "Apache-2.0".to_owned()]);
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "MIT AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND OpenSSL", "GPL-2.0 WITH LLVM-exception"] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}

#[test]
fn every_licence_is_allowed() {
    let allowed = listed(&document("deny.toml"), "allow");
    for package in metadata().packages {
        let licence = package.license.as_deref().unwrap_or_default();
        assert!(is_allowed(licence, &allowed), "{}: {licence:?}", package.name);
    }
}

#[test]
fn no_banned_crate_comes_in_and_deny_toml_says_so_too() {
    let deny = document("deny.toml");
    for name in BANNED {
        assert!(deny.contains(&format!("name = \"{name}\"")), "deny.toml does not ban {name}");
    }
    for package in metadata().packages {
        assert!(!BANNED.contains(&package.name.as_str()), "{} is banned", package.name);
    }
}

#[test]
fn advisories_count_and_each_exception_says_why() {
    let deny = document("deny.toml");
    let section = deny.split("[advisories]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let section = section.expect("deny.toml asks for advisories");
    for line in ["version = 2", "yanked = \"deny\"", "unsound = \"all\""] {
        assert!(section.contains(line), "{line} is not in {section}");
    }
    let ignored =
        section.split("ignore = [").nth(1).and_then(|rest| rest.split("]\n").next()).expect("a list");
    for entry in ignored.split('{').skip(1) {
        assert!(entry.contains("id = \"RUSTSEC-") && entry.contains("reason = \""), "{entry}");
    }
    assert!(document(".ci/deny").contains("deny check advisories"));
    assert!(
        document("CONTRIBUTING.md").contains("`.ci/deny --advisories`"),
        "somebody must be told to run it"
    );
}

#[test]
fn every_crate_is_ours_or_of_crates_io() {
    for package in metadata().packages {
        match package.source {
            None => {
                assert!(package.name.starts_with("telestore") || package.name == "e2e", "{}", package.name)
            }
            Some(source) => assert!(source.is_crates_io(), "{} comes from {source}", package.name),
        }
    }
}

#[test]
fn every_crate_of_ours_forbids_unsafe_code() {
    let root = document("Cargo.toml");
    assert!(root.contains("unsafe_code = \"forbid\""));
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
    }
}

#[test]
fn each_direct_dependency_has_its_reason() {
    let metadata = metadata();
    let mut used = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let foreign = package.dependencies.iter().filter(|dependency| dependency.path.is_none());
        used.extend(foreign.filter(|d| d.kind != DependencyKind::Build).map(|d| d.name.clone()));
    }
    let dependencies = document("docs/DEPENDENCIES.md");
    let mut reasons = BTreeSet::new();
    // Behind the two lines of the table's head.
    for row in dependencies.lines().filter_map(|line| line.strip_prefix("| ")).skip(2) {
        let names = row.split(" |").next().unwrap_or_default();
        // Programs come from elsewhere, and say from where.
        let crates = names
            .split(", ")
            .filter(|name| !["(npm)", "(Debian)", "(PyPI)", "(tool)"].iter().any(|at| name.ends_with(at)));
        reasons.extend(crates.map(|name| name.split(" (").next().unwrap_or(name).to_owned()));
    }
    assert_eq!(used, reasons, "the crates that are used, and those with a reason in docs/DEPENDENCIES.md");
    let declared: BTreeSet<String> =
        declared().into_iter().filter(|name| !name.starts_with("telestore")).collect();
    assert_eq!(declared, used, "the crates that Cargo.toml declares, and those that are used");
}

/// The names below `[workspace.dependencies]`.
fn declared() -> BTreeSet<String> {
    let root = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")).unwrap();
    let section = root.split("[workspace.dependencies]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let lines = section.expect("dependencies").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" = ").map(|(name, _)| name.to_owned())).collect()
}

/// What a crate is made of with these features, by name, without what its tests need.
fn tree(package: &str, features: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tree = std::process::Command::new(env!("CARGO"));
    tree.current_dir(root).args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--package", package, "--no-default-features", "--features", features, "--format", "{p}"]);
    let tree = tree.output().expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout).expect("text");
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn an_embedder_gets_the_parts_that_it_names_and_no_others() {
    let heavy =
        ["sqlx", "reqwest", "rustls", "telestore-mtproto", "grammers-tl-types", "actix-web", "mockall"];
    let of = |features| {
        let tree = tree("telestore", features);
        heavy.into_iter().filter(|name| tree.contains(*name)).collect::<Vec<_>>()
    };
    assert_eq!(of(""), [""; 0]);
    assert_eq!(of("sqlite"), ["sqlx"]);
    assert_eq!(of("bot-api"), ["reqwest", "rustls"]);
    assert_eq!(of("http"), ["reqwest", "rustls"]);
    assert_eq!(of("mtproto"), ["telestore-mtproto", "grammers-tl-types"]);
    // With the few that age needs: whoever asks for encryption must never get a file sent as it is.
    let smallest = tree("telestore", "").len();
    assert!(smallest <= 95, "{smallest} crates for the smallest embedding");
}
