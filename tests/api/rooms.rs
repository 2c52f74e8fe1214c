//! The rooms of each crate, and their sizes: what `floors.rs` proves for crates, proved for their modules.
//!
//! A module may know those that stand below it. Which ones these are follows from what it imports; that there is such an
//! order at all is what is proved here, for each folder of each crate. If the order is part of the plan, it is written down in [`PLANS`].

mod graph;
mod sizes;

use std::collections::{BTreeMap, BTreeSet};

use graph::{Crate, Edges, circles};

/// The floors of those folders whose order is the plan's, lowest first. Modules of one floor do not know each other, but
/// for those in one string, which are one room.
const PLANS: [(&str, &str, &[&[&str]]); 3] = [
    (
        "telestore",
        "",
        &[
            &["shared"],
            &["intake", "fetching", "files", "sending", "delivery", "watching", "upkeep"],
            // The façade: the handle, how it is made, what runs in the background, and the operator's handle.
            &["engine builder service operator", "guide"],
        ],
    ),
    (
        "telestore",
        "shared",
        &[
            &["encoding", "metrics", "seal", "caller", "fetches", "uncopied"],
            &["config"],
            &["error"],
            &["base", "ports", "source", "tasks"],
            &["keys", "logins", "lost"],
            &["backends", "bytes", "events", "sends"],
            &["access", "job"],
            &["quotas", "sendable"],
        ],
    ),
    (
        "telestore-http",
        "",
        &[&["shared"], &["forms", "layers", "server"], &["calls", "fuzzing"], &["routes"], &["service"]],
    ),
];

/// Circles that stay, each with its reason. A circle is named by its modules in order.
const CIRCLES: [(&str, &str, &str); 13] = [
    (
        "telestore-types",
        "credentials pasted sender",
        "credentials are read by what reads pasted text, which gives their parts",
    ),
    (
        "telestore-store testsuite",
        "append encoded fetching files handed_over leases outbox pieces quotas sessions strangers streamed sums views workers",
        "the suite of sessions runs those of its parts, which share its fixtures",
    ),
    ("telestore-uploader bot_api", "preflight uploader", "two halves of one implementation"),
    (
        "telestore-http calls",
        "chunked content deletion direct files from_url links openapi progress put sharex socket sse tus",
        "the API document names the calls, whose own documents name the errors that it describes",
    ),
    (
        "telestore-http calls::openapi",
        "refusals shared",
        "what calls share is described by refusals, which have headers that are shared",
    ),
    (
        "telestore-http shared",
        "answer error measures",
        "an error makes its answer and counts itself, by its own kinds",
    ),
    (
        "telestore-http shared",
        "client connections limiter options proxy token",
        "whose address counts is asked of the connection, which holds to the limits of addresses",
    ),
    ("telestore-worker settings", "file written", "what is written holds the file, which is read into it"),
    (
        "telestore-sandbox http",
        "bot_api bot_files bot_sends",
        "what has to do with files is one of the Bot API's calls",
    ),
    (
        "telestore-sandbox mtproto",
        "chats dispatch files history scheduled send sign_in",
        "each call is found by the one table, whose context all of them have",
    ),
    ("telestore-sandbox", "builder sandbox", "a builder and what it builds"),
    (
        "telestore-sandbox",
        "data_centres faults hostile http keys mtproto shared users",
        "a double of one server: its two protocols play the same users, keys, faults and data centres",
    ),
    ("telestore-worker", "log otlp", "the log starts the spans, which name what the log leaves out"),
];

fn shown(circle: &BTreeSet<String>) -> String {
    circle.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn modules_of_one_floor_do_not_know_each_other() {
    let mut wrong = Vec::new();
    for room in graph::crates() {
        for (folder, edges) in room.edges() {
            for circle in circles(&edges).iter().filter(|circle| !is_one_room(&room.name, &folder, circle)) {
                let circle = shown(circle);
                let name = format!("{} {folder}", room.name);
                if !CIRCLES.iter().any(|(place, modules, _)| *place == name.trim() && *modules == circle) {
                    wrong.push(format!("{}: {circle} ({})", name.trim(), told(&edges, &circle)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "modules that know each other in a circle: {wrong:#?}");
}

/// Whether the plan of the folder says that these modules are one room.
fn is_one_room(name: &str, folder: &str, circle: &BTreeSet<String>) -> bool {
    let plan = PLANS.iter().find(|(planned, below, _)| *planned == name && *below == folder);
    let mut rooms = plan.into_iter().flat_map(|(_, _, floors)| floors.iter().copied().flatten());
    rooms.any(|room| circle.iter().all(|module| room.split(' ').any(|one| one == module)))
}

/// Which file makes each arrow of a circle.
fn told(edges: &Edges, circle: &str) -> String {
    let within: Vec<&str> = circle.split(' ').collect();
    let arrows = edges
        .iter()
        .filter(|((from, to), _)| within.contains(&from.as_str()) && within.contains(&to.as_str()));
    arrows.map(|((from, to), why)| format!("{from} -> {to} by {why}")).collect::<Vec<_>>().join("; ")
}

#[test]
fn planned_folders_keep_to_their_floors() {
    let crates: BTreeMap<&str, &Crate> =
        graph::crates().iter().map(|room| (room.name.as_str(), room)).collect();
    for (name, folder, plan) in PLANS {
        let room = &crates[name];
        let mut stands = BTreeMap::new();
        for (height, floor) in plan.iter().enumerate() {
            for (place, modules) in floor.iter().enumerate() {
                stands.extend(modules.split(' ').map(|module| (module.to_owned(), (height, place))));
            }
        }
        let found: BTreeSet<String> = room.modules_of(folder).into_iter().collect();
        let planned: BTreeSet<String> = stands.keys().cloned().collect();
        assert_eq!(found, planned, "the plan of {name} {folder} names other modules than there are");
        let edges = room.edges().remove(folder).unwrap_or_default();
        for ((from, to), why) in edges {
            let (here, there) = (stands[&from], stands[&to]);
            assert!(there.0 < here.0 || there == here, "{name}: {from} must not know {to} ({why})");
        }
    }
}

#[test]
fn every_exception_is_still_needed_and_has_a_reason() {
    for (place, modules, reason) in CIRCLES {
        assert!(reason.len() > 20, "{place}: {modules} stays without a reason");
        let (name, folder) = place.split_once(' ').unwrap_or((place, ""));
        let room = graph::crates().iter().find(|room| room.name == name).expect("is there");
        let edges = room.edges().remove(folder).unwrap_or_default();
        let there = circles(&edges).iter().any(|circle| shown(circle) == modules);
        assert!(there, "{place}: {modules} is no circle any more");
    }
}
