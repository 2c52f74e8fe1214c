//! Files that are fetched.

use std::fs;
use std::path::PathBuf;

use super::mock::Fault;
use super::{MIB, Ran, Running, Scene, content};

const CONTENT: &str = "GET /files/00000000000000000000000000000001/content";

impl Scene {
    /// `telestore get` into the folder, in JSON.
    async fn get(&self, args: &[&str]) -> Ran {
        self.begin_get(args).end().await
    }

    fn begin_get(&self, args: &[&str]) -> Running {
        let folder = self.files();
        self.start(self.program(&[&["get", "-o", folder.to_str().unwrap(), "--json"], args].concat()))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.files().join(name)
    }

    #[track_caller]
    fn holds(&self, name: &str, bytes: &[u8]) {
        assert!(fs::read(self.at(name)).unwrap() == bytes, "{name} has other bytes");
        assert!(!self.at(&format!("{name}.part")).exists());
    }

    /// All names in the folder.
    fn all(&self) -> Vec<String> {
        let names = fs::read_dir(self.files()).unwrap();
        let mut names: Vec<_> = names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Waits until so much of a file is on the disk.
    async fn has_part(&self, name: &str, length: usize) {
        let path = self.at(&format!("{name}.part"));
        let there = async {
            while fs::metadata(&path).map_or(0, |about| about.len()) < length as u64 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(120), there).await.expect("bytes on the disk");
    }

    /// What is known of downloads that were begun.
    fn parts(&self) -> usize {
        fs::read_dir(self.state().join("downloads")).map_or(0, Iterator::count)
    }
}

#[tokio::test]
async fn files_come_by_id_and_by_name() {
    let scene = Scene::new().await;
    let (one, other) = (content(1, 3 * MIB), content(2, 1000));
    let id = scene.mock.has("film é.mkv", &one);
    scene.mock.has("other film é.mkv", b"another one");
    scene.mock.has("a.bin", &other);
    let ran = scene.get(&[&id, "a.bin", &id]).await.ends(0);
    let (events, summary) = ran.json();
    assert_eq!(
        (&summary["files"], &summary["saved"], &summary["bytes"]),
        (&2.into(), &2.into(), &(3 * MIB + 1000).into())
    );
    let completed = events.iter().find(|event| event["event"] == "completed" && event["id"] == *id).unwrap();
    assert_eq!((&completed["digestChecked"], &completed["fetched"]), (&true.into(), &(3 * MIB).into()));
    assert_eq!(completed["path"], scene.at("film é.mkv").to_str().unwrap());
    scene.holds("film é.mkv", &one);
    scene.holds("a.bin", &other);
    let changed = fs::metadata(scene.at("a.bin")).unwrap().modified().unwrap();
    assert_eq!(humantime::format_rfc3339_seconds(changed).to_string(), "2026-11-22T05:40:00Z");
    assert_eq!(scene.parts(), 0);
    // Once more: there is nothing to fetch, also if only the digest tells.
    fs::File::options()
        .write(true)
        .open(scene.at("a.bin"))
        .unwrap()
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    let before = scene.mock.requests("GET /files/").len();
    let (_, summary) = scene.get(&[&id, "a.bin"]).await.ends(0).json();
    assert_eq!((&summary["saved"], &summary["thereAlready"]), (&0.into(), &2.into()));
    assert_eq!(scene.mock.requests("GET /files/").len(), before + 1, "one was looked up by its id");
}

#[tokio::test]
async fn people_read_lines_on_standard_error() {
    let scene = Scene::new().await;
    scene.mock.has("a.bin", b"old");
    let newest = scene.mock.has("a.bin", b"new");
    let mut command = scene.program(&["get", "a.bin"]);
    command.current_dir(scene.files());
    let ran = scene.start(command).end().await.ends(0);
    assert_eq!(ran.out, "");
    assert!(
        ran.err.contains(&format!("several files are called a.bin: this is the newest, {newest}")),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("a.bin: saved as a.bin\n1 of 1 file saved (3 B in "), "{}", ran.err);
    scene.holds("a.bin", b"new");
}

#[tokio::test]
async fn what_was_killed_or_interrupted_goes_on_with_what_is_there() {
    let scene = Scene::new().await;
    let bytes = content(1, 3 * MIB);
    let id = scene.mock.has("film.mkv", &bytes);
    scene.mock.fault(CONTENT, &[Fault::StallAnswer(MIB), Fault::StallAnswer(MIB)]);
    let running = scene.begin_get(&[&id]);
    scene.has_part("film.mkv", MIB).await;
    running.kill().await;
    assert_eq!((scene.all(), scene.parts()), (vec!["film.mkv.part".to_owned()], 1));
    let running = scene.begin_get(&[&id]);
    scene.has_part("film.mkv", 2 * MIB).await;
    running.signal("INT").await;
    let (_, summary) = running.end().await.ends(130).json();
    assert_eq!(summary["notEnded"], 1);
    let ran = scene.get(&[&id]).await.ends(0);
    let (events, _) = ran.json();
    let begun = events.iter().find(|event| event["event"] == "begun").unwrap();
    assert_eq!((&begun["here"], &begun["id"]), (&(2 * MIB).into(), &id.into()));
    scene.holds("film.mkv", &bytes);
    let ranges: Vec<_> = scene
        .mock
        .requests(CONTENT)
        .iter()
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, [None, Some(format!("bytes={MIB}-")), Some(format!("bytes={}-", 2 * MIB))]);
    assert_eq!((scene.all().len(), scene.parts()), (1, 0));
}

#[tokio::test]
async fn what_is_there_of_another_file_is_not_mixed_in() {
    let scene = Scene::new().await;
    let bytes = content(1, 2 * MIB);
    let id = scene.mock.has("film.mkv", &bytes);
    scene.mock.fault(CONTENT, &[Fault::StallAnswer(MIB)]);
    let running = scene.begin_get(&[&id]);
    scene.has_part("film.mkv", MIB).await;
    running.kill().await;
    // A newer one of the same name and length, of which no digest is known.
    let newer = scene.mock.has("film.mkv", &content(9, 2 * MIB));
    scene.mock.change(&newer, |file| file.sha256 = None);
    scene.get(&["film.mkv"]).await.ends(0);
    scene.holds("film.mkv", &content(9, 2 * MIB));
}

#[tokio::test]
async fn nothing_that_is_there_is_overwritten_unless_it_is_wanted() {
    let scene = Scene::new().await;
    let id = scene.mock.has("a.bin", b"theirs");
    fs::write(scene.at("a.bin"), "mine").unwrap();
    let ran = scene.get(&[&id]).await.ends(1);
    assert!(
        ran.out.contains("a.bin is there already, and is another file: --force replaces it"),
        "{}",
        ran.out
    );
    scene.holds("a.bin", b"mine");
    // What somebody else has begun, too.
    fs::write(scene.at("b.bin.part"), "of another program").unwrap();
    scene.mock.has("b.bin", b"theirs, too");
    let ran = scene.get(&["b.bin"]).await.ends(1);
    assert!(ran.out.contains("b.bin.part is there, and it is not known here of what"), "{}", ran.out);
    assert_eq!(fs::read(scene.at("b.bin.part")).unwrap(), b"of another program");
    scene.get(&["a.bin", "b.bin", "--force"]).await.ends(0);
    scene.holds("a.bin", b"theirs");
    scene.holds("b.bin", b"theirs, too");
    assert_eq!(scene.all(), ["a.bin", "b.bin"]);
    // Two of one name, in one run.
    let other = scene.mock.has("c.bin", b"one");
    let another = scene.mock.has("C.bin", b"other");
    let ran = scene.get(&[&other, &another]).await.ends(3);
    assert!(ran.out.contains("another one of these files is"), "{}", ran.out);
    fs::create_dir(scene.at("d.bin")).unwrap();
    scene.mock.has("d.bin", b"no folder");
    let ran = scene.get(&["d.bin"]).await.ends(1);
    assert!(ran.out.contains("a folder is called so"), "{}", ran.out);
}

#[tokio::test]
async fn names_lead_nowhere_else() {
    let scene = Scene::new().await;
    let inner = scene.files().join("inner");
    fs::create_dir(&inner).unwrap();
    let names = ["../x", "/etc/y", "..", ".profile", "NUL.txt", "a\u{1b}[2J\n.txt"];
    let ids: Vec<String> = names.iter().map(|name| scene.mock.has(name, name.as_bytes())).collect();
    let mut args = vec!["get", "-o", inner.to_str().unwrap()];
    args.extend(ids.iter().map(String::as_str));
    let ran = scene.run(&args).await.ends(0);
    assert!(!ran.err.contains('\u{1b}'), "{:?}", ran.err);
    let mut there: Vec<_> =
        fs::read_dir(&inner).unwrap().map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(
        there,
        [".__x", "_NUL.txt", "_etc_y", "_profile", "a_[2J_.txt", "file"]
            .map(|name| name.replace(".__x", "_._x"))
    );
    assert_eq!(scene.all(), ["inner"]);
}

#[tokio::test]
async fn it_goes_where_it_is_told_to() {
    let scene = Scene::new().await;
    let one = scene.mock.has("one.txt", b"one\n");
    let other = scene.mock.has("other.txt", b"other\n");
    let ran = scene.run(&["get", &other, &one, "-o", "-"]).await.ends(0);
    assert_eq!(ran.out, "other\none\n", "one behind the other");
    let path = scene.at("called.txt");
    scene.run(&["get", &one, "-o", path.to_str().unwrap()]).await.ends(0);
    scene.holds("called.txt", b"one\n");
    scene.run(&["get", &one, "-o", "/dev/null"]).await.ends(0);
    let ran = scene.run(&["get", &one, "-o", "/dev/full"]).await.ends(1);
    assert!(ran.err.contains("cannot write what comes: No space left"), "{}", ran.err);
    for (args, words) in [
        (vec!["get", &one, &other, "-o", path.to_str().unwrap()], "is no folder"),
        (vec!["get", &one, "-o", "/nowhere/"], "there is no folder"),
        (vec!["get", &one, "-o", "-", "--json"], "standard output"),
    ] {
        let ran = scene.run(&args).await.ends(2);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    let ran = scene.run(&["get", &one, "-o", "/nowhere/x"]).await.ends(1);
    assert!(ran.err.contains("/nowhere: "), "{}", ran.err);
    assert_eq!(scene.parts(), 0);
}

#[tokio::test]
async fn what_is_not_what_was_sent_stays_nowhere() {
    let scene = Scene::new().await;
    let id = scene.mock.has("photo.jpg", &content(1, 1000));
    scene.mock.change(&id, |file| file.bytes = content(2, 900));
    let ran = scene.get(&[&id]).await.ends(1);
    assert!(ran.out.contains("\"kind\":\"mismatch\""), "{}", ran.out);
    assert!(scene.all().is_empty() && scene.parts() == 0);
    scene.get(&[&id, "--no-check"]).await.ends(0);
    scene.holds("photo.jpg", &content(2, 900));
    let (_, summary) = scene.get(&[&id, "--no-check"]).await.ends(0).json();
    assert_eq!(summary["thereAlready"], 1);
}

#[tokio::test]
async fn two_at_once_do_not_write_one_file() {
    let scene = Scene::new().await;
    let id = scene.mock.has("film.mkv", &content(1, 2 * MIB));
    scene.mock.fault(CONTENT, &[Fault::StallAnswer(MIB)]);
    let running = scene.begin_get(&[&id]);
    scene.has_part("film.mkv", MIB).await;
    let ran = scene.get(&[&id]).await.ends(1);
    assert!(ran.out.contains("another telestore is fetching"), "{}", ran.out);
    running.kill().await;
    scene.get(&[&id]).await.ends(0);
    scene.holds("film.mkv", &content(1, 2 * MIB));
}

#[tokio::test]
async fn the_end_tells_scripts_what_to_do() {
    let scene = Scene::new().await;
    let id = scene.mock.has("a.bin", b"bytes");
    let (_, summary) = scene.get(&[&id, "nothing.bin"]).await.ends(3).json();
    assert_eq!((&summary["files"], &summary["saved"], &summary["failed"]), (&2.into(), &1.into(), &1.into()));
    let ran = scene.get(&["nothing.bin"]).await.ends(1);
    assert!(ran.out.contains("no file has this id or name"), "{}", ran.out);
    let folder = scene.files();
    let mut command = scene.program(&["get", &id, "other.bin", "-o", folder.to_str().unwrap()]);
    command.env("TELESTORE_TOKEN", "hush");
    let ran = scene.start(command).end().await.ends(4);
    assert!(!ran.err.contains("hush") && ran.err.contains("not tried: "), "{}", ran.err);
    scene.mock.fault(CONTENT, &vec![Fault::Status(503, "", ""); 100]);
    scene.get(&[&id, "--force", "--patience", "1s"]).await.ends(5);
    scene.holds("a.bin", b"bytes");
    scene.run(&["get"]).await.ends(2);
}
