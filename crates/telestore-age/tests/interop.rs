//! Both ways against Debian's `age` (in Go) and pyrage (rage, in Rust). `.ci/age` installs them and runs this.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::FutureExt;
use telestore_age::{Encrypted, Header, Identity, Parsed, Sealing};
use telestore_types::{ByteSource, BytesSource};

const SIZES: [usize; 9] = [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 5_000_000, 20_000_000];

/// Bytes that are the same each time, and alike nowhere.
fn bytes(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..size).map(next).collect()
}

fn people() -> Vec<Identity> {
    (0..3).map(|_| Identity::generate().unwrap()).collect()
}

/// Encrypts in parts, as an upload does.
fn encrypted(plain: Vec<u8>, people: &[Identity]) -> Vec<u8> {
    let recipients: Vec<_> = people.iter().map(Identity::recipient).collect();
    let sealing = Sealing::draw(&recipients).unwrap();
    let file = Encrypted::new(Arc::new(BytesSource::new(plain)), Arc::new(sealing));
    let mut whole = Vec::new();
    while (whole.len() as u64) < file.len() {
        let length = (file.len() - whole.len() as u64).min(512 * 1024) as usize;
        let part = file.read_at(whole.len() as u64, length).now_or_never().unwrap().unwrap();
        whole.extend_from_slice(&part);
    }
    whole
}

fn decrypted(file: &[u8], identity: &Identity) -> Vec<u8> {
    let Parsed::Whole(header) = Header::parse(file).unwrap() else { panic!("the header is cut off") };
    let payload = header.open(std::slice::from_ref(identity)).unwrap();
    let length = file.len() as u64;
    let (mut plain, mut index) = (Vec::new(), 0);
    loop {
        let range = payload.chunk_range(index, length);
        let mut chunk = BytesMut::from(&file[range.start as usize..range.end as usize]);
        payload.decrypt_chunk(index, payload.is_last(index, length), &mut chunk).unwrap();
        plain.extend_from_slice(&chunk);
        if payload.is_last(index, length) {
            assert_eq!(payload.plain_len(length), Ok(plain.len() as u64));
            return plain;
        }
        index += 1;
    }
}

/// Another program that speaks age.
struct Other {
    decrypt: fn(identity: &Path, file: &Path, plain: &Path) -> Command,
    encrypt: fn(recipients: &[String], plain: &Path, file: &Path) -> Command,
}

const AGE: Other = Other {
    decrypt: |identity, file, plain| {
        let mut age = Command::new("age");
        age.arg("-d").arg("-i").arg(identity).arg("-o").arg(plain).arg(file);
        age
    },
    encrypt: |recipients, plain, file| {
        let mut age = Command::new("age");
        for recipient in recipients {
            age.args(["-r", recipient]);
        }
        age.arg("-o").arg(file).arg(plain);
        age
    },
};

const PYRAGE: Other = Other {
    decrypt: |identity, file, plain| {
        let program = "import sys, pyrage
lines = open(sys.argv[1]).read().split()
key = pyrage.x25519.Identity.from_str(lines[-1])
open(sys.argv[3], 'wb').write(pyrage.decrypt(open(sys.argv[2], 'rb').read(), [key]))";
        python(program, [identity, file, plain])
    },
    encrypt: |recipients, plain, file| {
        let program = "import sys, pyrage
keys = [pyrage.x25519.Recipient.from_str(key) for key in sys.argv[3:]]
open(sys.argv[2], 'wb').write(pyrage.encrypt(open(sys.argv[1], 'rb').read(), keys))";
        let mut python = python(program, [plain, file]);
        python.args(recipients);
        python
    },
};

fn python<const N: usize>(program: &str, paths: [&Path; N]) -> Command {
    let python =
        std::env::var_os("TELESTORE_TEST_PYRAGE").expect("TELESTORE_TEST_PYRAGE names a Python with pyrage");
    let mut command = Command::new(python);
    command.args(["-c", program]).args(paths);
    command
}

fn run(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn both_ways(other: &Other) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (key, plain, file) = (at("key"), at("plain"), at("file.age"));
    for size in SIZES {
        for count in 1..=3 {
            let (bytes, people) = (bytes(size), &people()[..count]);
            std::fs::write(&file, encrypted(bytes.clone(), people)).unwrap();
            for person in people {
                std::fs::write(&key, format!("# a comment\n{}\n", *person.expose())).unwrap();
                let _ = std::fs::remove_file(&plain);
                run((other.decrypt)(&key, &file, &plain));
                // Of nothing, age makes no file.
                assert!(std::fs::read(&plain).unwrap_or_default() == bytes, "{size} bytes for {count}");
            }
            std::fs::write(&plain, &bytes).unwrap();
            std::fs::remove_file(&file).unwrap();
            let recipients: Vec<_> = people.iter().map(|person| person.recipient().to_string()).collect();
            run((other.encrypt)(&recipients, &plain, &file));
            let file = std::fs::read(&file).unwrap();
            for person in people {
                assert!(decrypted(&file, person) == bytes, "{size} bytes by the other for {count}");
            }
        }
    }
}

#[test]
fn age_opens_ours_and_we_open_its() {
    both_ways(&AGE);
}

#[test]
fn pyrage_opens_ours_and_we_open_its() {
    both_ways(&PYRAGE);
}

#[test]
fn keys_are_written_as_age_keygen_writes_them() {
    let made = Command::new("age-keygen").output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let found = telestore_age::identities(&text).unwrap();
    assert_eq!(found.len(), 1);
    assert!(text.contains(&*found[0].expose()));
    assert!(text.contains(&format!("# public key: {}\n", found[0].recipient())));
}

#[test]
fn age_refuses_a_file_that_was_changed_or_cut() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let people = people();
    std::fs::write(at("key"), &*people[0].expose()).unwrap();
    let whole = encrypted(bytes(200_000), &people[..1]);
    let mut changed = whole.clone();
    changed[150_000] ^= 1;
    for wrong in [&changed[..], &whole[..184 + 2 * 65_552], &whole[..whole.len() - 1]] {
        std::fs::write(at("file"), wrong).unwrap();
        let output = (AGE.decrypt)(&at("key"), &at("file"), &at("plain")).output().unwrap();
        assert!(!output.status.success());
    }
}
