//! Encrypting and decrypting files in memory, against the bare cipher.

use std::sync::Arc;

use bytes::BytesMut;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use serde::{Deserialize, Serialize};
use telestore_age::{CHUNK, Encrypted, Identity, Payload, Sealing};
use telestore_types::{ByteSource, BytesSource};
use tokio::runtime::{Builder, Runtime};

use crate::child::{self, Child, Role};
use crate::load::noise;
use crate::proc::Clock;
use crate::table::Table;
use crate::{Bench, MIB, Result, mb_per_s};

pub(crate) const COLUMNS: &[(&str, &str, usize)] =
    &[("per_cpu", "MB per CPU second", 0), ("to_cipher", "to the cipher", 2)];

/// As parts are sent, and as blocks are read.
const PART: usize = MIB / 2;
const BLOCK: usize = MIB / 4;

/// CPU seconds of each.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Done {
    cipher: f64,
    encrypting: f64,
    decrypting: f64,
}

/// All three in one process, in turn.
pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let (passes, size) = (bench.pick(8, 1), 255 * MIB);
    let done: Done = Child::does(Role::Cipher, &(passes, size))?;
    for (row, seconds) in [
        ("the bare cipher", done.cipher),
        ("encrypting, in parts of 512 KiB", done.encrypting),
        ("decrypting, in blocks of 256 KiB", done.decrypting),
    ] {
        let per_cpu = mb_per_s((passes * size) as f64, seconds);
        table.record(row, &[("per_cpu", per_cpu), ("to_cipher", done.cipher / seconds)]);
    }
    Ok(())
}

/// The child's part, on one thread: its job is the number of passes and the size of the file.
pub(crate) fn serve() -> Result<()> {
    let (passes, size): (usize, usize) = child::job()?;
    let runtime = Builder::new_current_thread().build()?;
    let sealing = Arc::new(Sealing::draw(&[Identity::generate()?.recipient()])?);
    let plain = Arc::new(BytesSource::new(noise().repeat(size / noise().len())));
    let file = Encrypted::new(plain, Arc::clone(&sealing));
    let sealed = BytesSource::new(runtime.block_on(file.read_at(0, file.len() as usize))?);
    let mut done = Done::default();
    for _ in 0..passes {
        done.cipher += cost(|| bare_cipher(size))?;
        done.encrypting += cost(|| encrypt(&runtime, &file))?;
        done.decrypting += cost(|| decrypt(&runtime, &sealed, sealing.payload()))?;
    }
    child::answer(&done)
}

/// The CPU seconds of some work.
fn cost(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let clock = Clock::start()?;
    work()?;
    Ok(clock.stop()?.cpu)
}

/// ChaCha20-Poly1305 over blocks as age has them, always the same one.
fn bare_cipher(size: usize) -> Result<()> {
    let cipher = ChaCha20Poly1305::new(&[3; 32].into());
    let mut block = noise()[..CHUNK].to_vec();
    for _ in 0..size / CHUNK {
        let block = InOutBuf::from(&mut block[..]);
        cipher.encrypt_inout_detached(&Nonce::default(), b"", block).map_err(|_| "a block is too long")?;
    }
    Ok(())
}

/// In order, as an upload reads it.
fn encrypt(runtime: &Runtime, file: &Encrypted) -> Result<()> {
    let mut offset = 0;
    while offset < file.len() {
        let length = PART.min((file.len() - offset) as usize);
        offset += runtime.block_on(file.read_at(offset, length))?.len() as u64;
    }
    Ok(())
}

/// In order, from blocks that have another size than what is encrypted as one.
fn decrypt(runtime: &Runtime, sealed: &BytesSource, payload: &Payload) -> Result<()> {
    let (mut index, mut chunk) = (0, BytesMut::new());
    let mut offset = payload.start();
    while offset < sealed.len() {
        let mut block =
            runtime.block_on(sealed.read_at(offset, BLOCK.min((sealed.len() - offset) as usize)))?;
        offset += block.len() as u64;
        while !block.is_empty() {
            let range = payload.chunk_range(index, sealed.len());
            let wanted = (range.end - range.start) as usize - chunk.len();
            chunk.extend_from_slice(&block.split_to(wanted.min(block.len())));
            if chunk.len() == (range.end - range.start) as usize {
                payload.decrypt_chunk(index, payload.is_last(index, sealed.len()), &mut chunk)?;
                // Whoever reads it has it now.
                (index, chunk) = (index + 1, BytesMut::new());
            }
        }
    }
    Ok(())
}
