//! Files of all kinds, always the same ones.

/// Numbers that follow no pattern that zstd finds.
pub(crate) fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

/// Bytes that cannot be compressed.
pub(crate) fn random(length: usize) -> Vec<u8> {
    numbers(1).flat_map(u64::to_le_bytes).take(length).collect()
}

/// Words in lines, as in a log.
pub(crate) fn text(length: usize) -> Vec<u8> {
    let words = ["upload ", "chunk ", "message ", "channel ", "a ", "of ", "sent\n", "received\n"];
    let lines = numbers(2).flat_map(|number| {
        let mut line = format!("{:04x} ", number >> 48);
        line.extend((0..6).map(|at| words[(number >> (at * 3)) as usize % words.len()]));
        line.into_bytes()
    });
    lines.take(length).collect()
}

/// Both in turn, in pieces of a quarter of a frame.
pub(crate) fn mixed(length: usize) -> Vec<u8> {
    let (text, random) = (text(length), random(length));
    let piece = crate::FRAME_SIZE / 4;
    (0..length).map(|at| if (at / piece).is_multiple_of(2) { text[at] } else { random[at] }).collect()
}
