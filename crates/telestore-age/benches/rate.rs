//! Encrypting in parts of 512 KiB, beside the bare cipher over blocks of 64 KiB. `just bench-micro`.

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use divan::Bencher;
use divan::counter::BytesCount;
use telestore_age::{CHUNK, Encrypted, Identity, SEALED_CHUNK, Sealing};
use telestore_types::{ByteSource, BytesSource};
use tokio::runtime::{Builder, Runtime};

const PART: usize = 512 * 1024;
const PARTS: usize = 32;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

fn main() {
    divan::main();
}

fn encrypted() -> (Encrypted, Arc<Sealing>) {
    let sealing = Arc::new(Sealing::draw(&[Identity::generate().unwrap().recipient()]).unwrap());
    (Encrypted::new(Arc::new(BytesSource::new(vec![7; PART * PARTS])), sealing.clone()), sealing)
}

fn read(file: &Encrypted, offset: usize, length: usize) -> bytes::Bytes {
    RUNTIME.block_on(file.read_at(offset as u64, length)).unwrap()
}

#[divan::bench]
fn bare_cipher(bencher: Bencher<'_, '_>) {
    let cipher = ChaCha20Poly1305::new(&[3; 32].into());
    let mut block = vec![7; CHUNK];
    bencher.counter(BytesCount::new(PART * PARTS)).bench_local(|| {
        for _ in 0..PART * PARTS / CHUNK {
            let block = InOutBuf::from(&mut block[..]);
            cipher.encrypt_inout_detached(&Nonce::default(), b"", block).unwrap();
        }
    });
}

#[divan::bench]
fn encrypt_in_parts(bencher: Bencher<'_, '_>) {
    let (file, _) = encrypted();
    bencher.counter(BytesCount::new(PART * PARTS)).bench_local(|| {
        for part in 0..PARTS {
            divan::black_box(read(&file, part * PART, PART));
        }
    });
}

#[divan::bench]
fn decrypt(bencher: Bencher<'_, '_>) {
    let (file, sealing) = encrypted();
    let sealed = read(&file, 0, file.len() as usize);
    let sealed = sealed.slice(sealing.header_len() as usize..);
    bencher.counter(BytesCount::new(PART * PARTS)).bench_local(|| {
        let chunks = sealed.chunks(SEALED_CHUNK);
        let last = chunks.len() - 1;
        for (index, chunk) in chunks.enumerate() {
            let mut chunk = BytesMut::from(chunk);
            sealing.payload().decrypt_chunk(index as u64, index == last, &mut chunk).unwrap();
            divan::black_box(chunk);
        }
    });
}
