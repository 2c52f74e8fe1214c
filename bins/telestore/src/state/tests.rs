use std::sync::LazyLock;

use super::*;

/// Of all records: two calls of the clock can be on either side of a second.
static BEGUN: LazyLock<u64> = LazyLock::new(now);

fn print(n: u8) -> (tempfile::TempDir, Fingerprint) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(n.to_string());
    fs::write(&path, vec![n; usize::from(n)]).unwrap();
    let print = Fingerprint::new("http://worker", &path, &fs::metadata(&path).unwrap());
    (dir, print)
}

fn record() -> Record {
    Record {
        server: "http://worker".to_owned(),
        path: "/a".to_owned(),
        size: 7,
        url: "http://worker/tus/x".parse().unwrap(),
        begun: *BEGUN,
        options: String::new(),
        by: "00000000".to_owned(),
        ending: false,
    }
}

fn line(print: &Fingerprint) -> Line {
    let Record { server, path, size, begun, by, .. } = record();
    Line {
        fingerprint: print.clone(),
        server,
        path,
        size,
        upload_id: "x".to_owned(),
        message_id: 5,
        at: begun,
        by,
    }
}

#[test]
fn what_was_begun_is_known_to_the_next_process_until_it_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (_file, print) = print(7);
    let state = State::open(dir.path()).unwrap();
    let held = state.hold(&print).unwrap().unwrap();
    state.save(&print, &record()).unwrap();
    assert!(State::open(dir.path()).unwrap().hold(&print).unwrap().is_none(), "it is worked on");
    drop(held);
    let next = State::open(dir.path()).unwrap();
    let held = next.hold(&print).unwrap().unwrap();
    assert_eq!(held.record().unwrap(), Some(record()));
    assert_eq!(held.sent().unwrap(), None);
    held.done(line(&print)).unwrap();
    // The line and the record: killed here, the file is one that was sent.
    assert_eq!(next.records().unwrap(), [record()]);
    assert_eq!(
        state.hold(&print).unwrap().unwrap().sent().unwrap(),
        Some(line(&print)),
        "of another process"
    );
    next.settle().unwrap();
    assert!(next.records().unwrap().is_empty());
    assert_eq!(State::open(dir.path()).unwrap().sent().unwrap(), [line(&print)]);
    let left: Vec<_> = fs::read_dir(dir.path().join("uploads")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_key_is_the_same_until_the_upload_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let (_file, print) = print(7);
    let state = State::open(dir.path()).unwrap();
    let key = |options: &str| state.hold(&print).unwrap().unwrap().key(options).unwrap();
    let (first, is_old) = key("a");
    assert!(!is_old);
    assert_eq!(key("a"), (first.clone(), true), "of the next process");
    let (other, is_old) = key("b");
    assert!(!is_old && other != first, "with other options it is another upload");
    assert_eq!(key("b"), (other.clone(), true));
    fs::write(dir.path().join(format!("uploads/{print}.key")), "{\"key").unwrap();
    assert_ne!(key("b").0, other, "cut off");
    assert!(state.records().unwrap().is_empty());
    state.forget_key(&print).unwrap();
    state.forget_key(&print).unwrap();
    let left: Vec<_> = fs::read_dir(dir.path().join("uploads")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_file_that_changes_is_another_one() {
    let (dir, before) = print(7);
    let path = dir.path().join("7");
    fs::write(&path, "longer than before").unwrap();
    let about = fs::metadata(&path).unwrap();
    assert_ne!(before, Fingerprint::new("http://worker", &path, &about));
    assert_ne!(
        Fingerprint::new("http://other", &path, &about),
        Fingerprint::new("http://worker", &path, &about)
    );
}

#[test]
fn a_line_that_was_cut_off_hides_none_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_file, print) = print(7);
    fs::write(dir.path().join("sent.jsonl"), b"{\"fingerprint\":\"ab").unwrap();
    let state = State::open(dir.path()).unwrap();
    assert!(state.sent().unwrap().is_empty());
    state.hold(&print).unwrap().unwrap().done(line(&print)).unwrap();
    assert_eq!(State::open(dir.path()).unwrap().sent().unwrap(), [line(&print)]);
}

#[test]
fn a_record_that_cannot_be_read_is_not_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    let (_file, print) = print(7);
    let state = State::open(dir.path()).unwrap();
    fs::write(dir.path().join(format!("uploads/{print}.json")), "{}").unwrap();
    let error = state.hold(&print).unwrap().unwrap().record().unwrap_err();
    assert!(error.to_string().contains("delete it if"), "{error}");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;

    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("telestore");
    let (_file, print) = print(7);
    let state = State::open(&dir).unwrap();
    let _held = state.hold(&print).unwrap().unwrap();
    state.save(&print, &record()).unwrap();
    for (path, mode) in [
        (dir.clone(), 0o700),
        (dir.join("sent.jsonl"), 0o600),
        (dir.join("uploads"), 0o700),
        (dir.join(format!("uploads/{print}.json")), 0o600),
    ] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
    }
}
