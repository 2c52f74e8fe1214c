//! What a part costs before it is written to the socket: here, by the cipher of grammers alone, and by grammers with a
//! message around it, uncompressed and as stock grammers packs it. `just bench-micro`.

use divan::Bencher;
use divan::counter::BytesCount;
use grammers_crypto::{AuthKey, DequeBuffer, encrypt_data_v2};
use grammers_mtproto::mtp::{Encrypted, Mtp};
use grammers_tl_types::Serializable;
use grammers_tl_types::functions::upload::SaveBigFilePart;
use telestore_mtproto::Packing;

const PART: usize = 512 * 1024;

/// Room for headers in front of a packet.
const FRONT: usize = 256;

fn main() {
    divan::main();
}

fn random() -> Vec<u8> {
    std::iter::repeat_with(rand::random::<[u8; 16]>).take(PART / 16).flatten().collect()
}

/// One part, and two side by side.
#[divan::bench(args = [1, 2])]
fn pack(bencher: Bencher<'_, '_>, count: usize) {
    let (mut packing, part) = (Packing::new([3; 256]), random());
    bencher.counter(BytesCount::new(count * PART)).bench_local(|| packing.pack(&part, count));
}

#[divan::bench]
fn grammers_encrypts(bencher: Bencher<'_, '_>) {
    let (key, part) = (AuthKey::from_bytes([3; 256]), random());
    let mut packet = DequeBuffer::with_capacity(2 * PART, FRONT);
    bencher.counter(BytesCount::new(PART)).bench_local(|| {
        packet.clear();
        packet.extend(part.iter());
        encrypt_data_v2(&mut packet, &key);
    });
}

#[divan::bench(args = [None, Some(512)])]
fn grammers_packs(bencher: Bencher<'_, '_>, compression_threshold: Option<usize>) {
    let mut mtp = Encrypted::build().compression_threshold(compression_threshold).finish([3; 256]);
    let call =
        SaveBigFilePart { file_id: 1, file_part: 0, file_total_parts: 4000, bytes: random() }.to_bytes();
    let mut packet = DequeBuffer::with_capacity(2 * PART, FRONT);
    bencher.counter(BytesCount::new(PART)).bench_local(|| {
        packet.clear();
        assert!(mtp.push(&mut packet, &call).is_some() && mtp.finalize(&mut packet).is_some());
    });
}
