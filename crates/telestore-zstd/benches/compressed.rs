//! Scanning a file, reading its compressed form in parts, and decompressing it. Rates are of plain bytes. `just bench-micro`.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use telestore_types::{ByteSource, BytesSource};
use telestore_zstd::{Compressed, DEFAULT_LEVEL, FRAME_SIZE, Frames, SeekTable, decompress_frame};
use tokio::runtime::{Builder, Runtime};

const LENGTH: usize = 32 * FRAME_SIZE;
const PART: usize = 512 * 1024;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// Numbers that follow no pattern that zstd finds.
fn numbers() -> impl Iterator<Item = u64> {
    let mut state = 88_172_645_463_325_252_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

/// Lines as in a log.
fn text() -> Arc<BytesSource> {
    let line =
        |number: u64| format!("{} INFO upload={:x} part={} sent\n", number >> 44, number >> 48, number % 997);
    source(numbers().flat_map(|number| line(number).into_bytes()).take(LENGTH).collect())
}

/// Bytes that cannot be compressed, and a few at the end that can.
fn random() -> Arc<BytesSource> {
    let mut bytes: Vec<u8> = numbers().flat_map(u64::to_le_bytes).take(LENGTH).collect();
    bytes[LENGTH - 100_000..].fill(0);
    source(bytes)
}

fn source(bytes: Vec<u8>) -> Arc<BytesSource> {
    Arc::new(BytesSource::new(bytes))
}

fn scanned(runtime: &Runtime, source: &Arc<BytesSource>) -> Frames {
    let frames = runtime.block_on(Frames::scan(Arc::clone(source) as _, DEFAULT_LEVEL, |_| {}));
    frames.expect("a scan").expect("a gain")
}

#[divan::bench(args = ["text", "random"])]
fn scan(bencher: Bencher<'_, '_>, kind: &str) {
    let (runtime, source) = (runtime(), of(kind));
    bencher.counter(BytesCount::new(LENGTH)).bench(|| scanned(&runtime, &source));
}

#[divan::bench(args = ["text", "random"])]
fn read(bencher: Bencher<'_, '_>, kind: &str) {
    let (runtime, source) = (runtime(), of(kind));
    let frames = Arc::new(scanned(&runtime, &source));
    bencher.counter(BytesCount::new(LENGTH)).bench(|| {
        let file = Compressed::new(Arc::clone(&source) as _, Arc::clone(&frames));
        runtime.block_on(async {
            for offset in (0..file.len()).step_by(PART) {
                let length = PART.min((file.len() - offset) as usize);
                divan::black_box(file.read_at(offset, length).await.expect("a part"));
            }
        });
    });
}

#[divan::bench(args = ["text", "random"])]
fn decompress(bencher: Bencher<'_, '_>, kind: &str) {
    let (runtime, source) = (runtime(), of(kind));
    let file = Compressed::new(Arc::clone(&source) as _, Arc::new(scanned(&runtime, &source)));
    let bytes = runtime.block_on(file.read_at(0, file.len() as usize)).expect("all of it");
    let table = SeekTable::parse(&bytes, file.len()).expect("a table");
    bencher.counter(BytesCount::new(LENGTH)).bench(|| {
        for frame in table.frames_of(0..table.len()) {
            let range = frame.compressed.start as usize..frame.compressed.end as usize;
            let plain = decompress_frame(&bytes[range], (frame.plain.end - frame.plain.start) as usize);
            divan::black_box(plain.expect("a frame"));
        }
    });
}

fn of(kind: &str) -> Arc<BytesSource> {
    if kind == "text" { text() } else { random() }
}
