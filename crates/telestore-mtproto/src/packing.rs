use std::fmt;

use crate::way::Framing;
use crate::wire::{Body, Envelope};

/// What happens to the bytes of a part before they are written to the socket, for the micro-benchmark.
pub struct Packing(Envelope);

impl Packing {
    /// With the key of a connection.
    pub fn new(auth_key: [u8; 256]) -> Self {
        Self(Envelope::new(auth_key, Framing::Intermediate))
    }

    /// Makes so many packets of a part; gives their length.
    pub fn pack(&mut self, part: &[u8], count: usize) -> usize {
        let call = || {
            let mut body = Body::with_capacity(part.len() + 32);
            body.put_tl_bytes(part);
            body
        };
        let packets = self.0.seal(std::iter::repeat_with(call).take(count).collect());
        packets.iter().map(|(_, packet)| packet.without_tag().len()).sum()
    }
}

impl fmt::Debug for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packing").finish_non_exhaustive()
    }
}
