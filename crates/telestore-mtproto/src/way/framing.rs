//! How packets are told apart in a stream: the intermediate transport, and its padded form.
//! <https://core.telegram.org/mtproto/mtproto-transports#intermediate>

/// The first bytes of a connection with the intermediate transport.
pub(crate) const TAG: [u8; 4] = [0xee; 4];

/// The bytes of a packet's length, in front of it.
pub(crate) const LENGTH: usize = 4;

/// `auth_key_id` and `msg_key`, in front of what is encrypted in whole blocks.
/// <https://core.telegram.org/mtproto/description#encrypted-message>
pub(crate) const KEY_HEADER: usize = 8 + 16;
const BLOCK: usize = 16;

/// Fewer bytes than any packet has: its header, and one block.
const PACKET_MIN: usize = KEY_HEADER + BLOCK;

/// The most padding behind a packet.
const PADDING_MAX: usize = BLOCK - 1;

/// What stands around a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Its length in front.
    Intermediate,
    /// The same, and up to 15 random bytes behind it, which its length counts.
    Padded,
}

impl Framing {
    /// The tag that names it in the header of an MTProxy.
    pub(super) fn tag(self) -> [u8; 4] {
        match self {
            Self::Intermediate => TAG,
            Self::Padded => [0xdd; 4],
        }
    }

    /// The random bytes that go behind the next packet.
    pub(crate) fn padding(self) -> Vec<u8> {
        match self {
            Self::Intermediate => Vec::new(),
            Self::Padded => {
                let count = usize::from(rand::random::<u8>()) % (PADDING_MAX + 1);
                rand::random::<[u8; PADDING_MAX]>()[..count].to_vec()
            }
        }
    }

    /// A packet as it goes over the line, behind the tag if it is the first one.
    pub(crate) fn framed(self, tag: &[u8], packet: &[u8]) -> Vec<u8> {
        let padding = self.padding();
        let length = ((packet.len() + padding.len()) as u32).to_le_bytes();
        [tag, &length, packet, &padding].concat()
    }

    /// How long an encrypted packet is that came in a frame of so many bytes.
    pub(crate) fn packet(self, frame: usize) -> usize {
        match self {
            Self::Padded if frame >= PACKET_MIN => frame - (frame - KEY_HEADER) % BLOCK,
            _ => frame,
        }
    }

    /// Whether a frame of so many bytes can hold nothing but a status.
    fn is_status(self, frame: usize) -> bool {
        let padding = if self == Self::Padded { PADDING_MAX } else { 0 };
        (4..=4 + padding).contains(&frame)
    }
}

/// What stands at the beginning of what was read.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    /// Not all of it yet; how long the packet is to be, if that is known.
    Partial(Option<usize>),
    /// A frame of so many bytes, behind its length.
    Packet(usize),
    /// Telegram's reason for not taking a packet, such as 404.
    Status(u32),
}

impl Frame {
    pub(crate) fn of(read: &[u8], framing: Framing) -> Self {
        let Some((length, rest)) = read.split_first_chunk() else { return Self::Partial(None) };
        match (u32::from_le_bytes(*length) as usize, rest.first_chunk()) {
            (length, Some(status)) if framing.is_status(length) => {
                Self::Status(i32::from_le_bytes(*status).unsigned_abs())
            }
            (length, _) if length <= rest.len() => Self::Packet(length),
            (length, _) => Self::Partial(Some(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_packets_and_statuses_apart() {
        let of = |read: &[u8]| Frame::of(read, Framing::Intermediate);
        assert_eq!(of(&[8, 0, 0]), Frame::Partial(None));
        assert_eq!(of(&[8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]), Frame::Partial(Some(8)));
        assert_eq!(of(&[8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), Frame::Packet(8));
        assert_eq!(of(&[4, 0, 0, 0, 1]), Frame::Partial(Some(4)));
        assert_eq!(of(&[4, 0, 0, 0, 0x6c, 0xfe, 0xff, 0xff]), Frame::Status(404));
        assert_eq!(of(&[0, 0, 0, 0]), Frame::Packet(0));
    }

    #[test]
    fn padding_is_no_part_of_a_packet_and_makes_none_of_a_status() {
        let padded = |read: &[u8]| Frame::of(read, Framing::Padded);
        assert_eq!(padded(&[9, 0, 0, 0, 0x6c, 0xfe, 0xff, 0xff, 1, 2]), Frame::Status(404));
        assert_eq!(padded(&[[40, 0, 0, 0].as_slice(), &[1; 40]].concat()), Frame::Packet(40));
        for (frame, packet) in [(40, 40), (41, 40), (55, 40), (56, 56), (71, 56), (39, 39)] {
            assert_eq!(Framing::Padded.packet(frame), packet, "{frame}");
            assert_eq!(Framing::Intermediate.packet(frame), frame);
        }
        assert!(
            (0..1000)
                .all(|_| Framing::Padded.padding().len() < 16 && Framing::Intermediate.padding().is_empty())
        );
    }
}
