//! The floors of the house, and the one-way stairs between them.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Lower numbers are below. Rooms on one floor do not know each other.
fn floor(name: &str) -> Option<u32> {
    Some(match name {
        "telestore-types" => 0,
        "telestore-age" | "telestore-net" | "telestore-zstd" => 5,
        "telestore-client" | "telestore-fetch" | "telestore-store" | "telestore-mtproto"
        | "telestore-bot-api" | "telestore-progress" | "telestore-backend" => 10,
        "telestore-merger" | "telestore-reader" | "telestore-uploader" => 15,
        "telestore" => 20,
        "telestore-http" => 30,
        "telestore-worker" | "telestore-cli" => 40,
        "e2e" | "telestore-bench" => 50,
        _ => return None,
    })
}

/// The direct dependencies of every package of the workspace, without those of its tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata =
        MetadataCommand::new().no_deps().other_options(vec!["--offline".to_owned()]).exec().unwrap();
    let normal = |package: &cargo_metadata::Package| {
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        normal.map(|dependency| dependency.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), normal(package))).collect()
}

#[test]
fn dependencies_point_down_only() {
    for (package, dependencies) in dependencies() {
        let Some(from) = floor(&package) else {
            assert_eq!(package, "telestore-sandbox", "a room without a floor");
            continue;
        };
        for (dependency, to) in dependencies.iter().filter_map(|name| Some((name, floor(name)?))) {
            assert!(to < from, "{package} must not know {dependency}");
        }
    }
}

#[test]
fn the_sandbox_stands_in_the_yard() {
    let all = dependencies();
    let below: Vec<_> =
        all["telestore-sandbox"].iter().filter(|name| name.starts_with("telestore")).collect();
    assert!(below.is_empty(), "the sandbox knows {below:?}");
    for (package, dependencies) in &all {
        let may = ["telestore-worker", "e2e", "telestore-bench"].contains(&package.as_str());
        assert!(
            may || !dependencies.contains("telestore-sandbox"),
            "{package} knows the sandbox outside of its tests"
        );
    }
}

#[test]
fn only_the_http_floor_and_the_roof_know_actix() {
    for (package, dependencies) in dependencies() {
        let actix: Vec<_> = dependencies.iter().filter(|name| name.starts_with("actix")).collect();
        let may = ["telestore-http", "telestore-worker"].contains(&package.as_str());
        assert!(may || actix.is_empty(), "{package} knows {actix:?}");
    }
}

#[test]
fn the_client_knows_the_ground_floor_alone_and_its_program_the_client() {
    let all = dependencies();
    for (package, known) in [
        ("telestore-client", &["telestore-types"][..]),
        ("telestore-cli", &["telestore-client", "telestore-types"]),
    ] {
        let ours: Vec<_> = all[package].iter().filter(|name| name.starts_with("telestore")).collect();
        assert_eq!(ours, known, "{package}");
    }
}

#[test]
fn the_ground_floor_does_no_io() {
    let all = dependencies();
    for name in ["tokio", "reqwest", "sqlx"] {
        assert!(!all["telestore-types"].contains(name), "telestore-types knows {name}");
    }
}

/// Words of the documented API and names of settings. Who embeds a library below HTTP knows neither.
const FROM_ABOVE: [&str; 11] = [
    "uploadId",
    "chunkIndex",
    "totalChunks",
    "fileName",
    "fileSize",
    "authToken",
    "chunkSha256",
    "-upload\"",
    "form field",
    "TELESTORE_",
    "TELEGRAM_BOT_API_URL",
];

#[test]
fn what_is_below_http_speaks_without_its_words_and_without_names_of_settings() {
    let (mut seen, mut found) = (0, Vec::new());
    for krate in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates")).unwrap() {
        let krate = krate.unwrap().path();
        // The sandbox plays what clients and operators meet, and the client speaks the API from its other side.
        // Templates of captions are a language, whose words are the same wherever they are read.
        let language = krate.join("src/caption/piece.rs");
        let knows = ["telestore-http", "telestore-sandbox", "telestore-client"]
            .iter()
            .any(|name| krate.ends_with(name));
        if !knows {
            walk(&krate.join("src"), &mut |file, source| {
                if file == language {
                    return;
                }
                seen += 1;
                let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                found.extend(
                    lines
                        .filter(|line| FROM_ABOVE.iter().any(|word| line.contains(word)))
                        .map(|line| format!("{}: {}", file.display(), line.trim())),
                );
            });
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(seen > 100, "only {seen} files were seen");
}

/// Shows all Rust files below a folder, but for those of tests.
fn walk(folder: &std::path::Path, show: &mut impl FnMut(&std::path::Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, show);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            show(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
