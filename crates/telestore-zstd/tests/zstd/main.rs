//! The program `zstd` opens what this crate writes. `.ci/zstd` runs this; without it nothing here is run, so that the tests need
//! nothing but Rust.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use telestore_types::{ByteSource, BytesSource};
use telestore_zstd::{Compressed, DEFAULT_LEVEL, FRAME_SIZE, Frames, LEVELS};

/// Lines of text, with bytes that cannot be compressed in every fourth piece.
fn plain(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut bytes = Vec::with_capacity(length + 64);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if bytes.len() / 100_000 % 4 == 3 {
            bytes.extend_from_slice(&state.to_le_bytes());
        } else {
            bytes.extend_from_slice(format!("{} files, {} bytes\n", state % 100, state % 7919).as_bytes());
        }
    }
    bytes.truncate(length);
    bytes
}

/// Writes the compressed file, and gives how many frames it has.
async fn compress(plain: Vec<u8>, level: i32, path: &Path) -> usize {
    let source = Arc::new(BytesSource::new(plain));
    let frames = Arc::new(Frames::scan(source.clone(), level, |_| {}).await.unwrap().unwrap());
    let compressed = Compressed::new(source, Arc::clone(&frames));
    let length = usize::try_from(compressed.len()).unwrap();
    std::fs::write(path, compressed.read_at(0, length).await.unwrap()).unwrap();
    frames.count()
}

fn zstd(arguments: &[&str], file: &Path) -> Output {
    let done =
        Command::new("zstd").args(arguments).arg(file).output().expect("zstd is installed: run .ci/zstd");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    done
}

#[tokio::test]
async fn zstd_opens_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file.zst");
    let sizes = [200, 65_536, FRAME_SIZE - 1, FRAME_SIZE, FRAME_SIZE + 1, 3 * FRAME_SIZE + 5];
    for (level, size) in
        sizes.map(|size| (DEFAULT_LEVEL, size)).into_iter().chain(LEVELS.map(|level| (level, 2_000_000)))
    {
        let plain = plain(size);
        let frames = compress(plain.clone(), level, &file).await;
        assert!(zstd(&["-d", "-c"], &file).stdout == plain, "level {level}, {size} bytes");
        zstd(&["-t"], &file);

        // It tells frames, the plain length and the kind of checksum of what it can pass over without decompressing it.
        let listed = zstd(&["-l", "-v"], &file).stdout;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        for line in [
            format!("# Zstandard Frames: {frames}"),
            "# Skippable Frames: 1".to_owned(),
            format!("({size} B)"),
            "Check: XXH64".to_owned(),
        ] {
            assert!(listed.contains(&line), "{line:?} is not in {listed}");
        }
    }
}

#[tokio::test]
async fn files_are_one_after_the_other_as_zstd_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two, both) = (dir.path().join("1.zst"), dir.path().join("2.zst"), dir.path().join("both.zst"));
    compress(plain(1_500_000), 3, &one).await;
    compress(plain(70_000), 3, &two).await;
    std::fs::write(&both, [std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap()].concat()).unwrap();
    assert!(zstd(&["-d", "-c"], &both).stdout == [plain(1_500_000), plain(70_000)].concat());
}
