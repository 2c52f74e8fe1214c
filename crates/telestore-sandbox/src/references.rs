//! File references: what a message gives an account to fetch its file with, <https://core.telegram.org/api/file-references>.

use crate::standing::Who;

/// Kind, channel, message, count and seal.
const LENGTH: usize = 1 + 8 + 4 + 4 + 8;

/// What a file reference says. To clients it is opaque; it only has to come back unchanged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reference {
    pub(crate) channel_id: i64,
    pub(crate) message_id: i32,
    /// How often those of the message had expired when it was given out.
    pub(crate) count: u32,
}

impl Reference {
    /// As it is given to somebody. It is worth something to nobody else.
    pub(crate) fn seal(self, document_id: i64, who: &Who) -> Vec<u8> {
        let mut bytes = vec![2];
        bytes.extend(self.channel_id.to_be_bytes());
        bytes.extend(self.message_id.to_be_bytes());
        bytes.extend(self.count.to_be_bytes());
        bytes.extend(self.seal_number(document_id, who).to_be_bytes());
        bytes
    }

    /// Reads one; `None` if nobody gave it to this account or bot for this document.
    pub(crate) fn open(bytes: &[u8], document_id: i64, who: &Who) -> Option<Self> {
        if bytes.len() != LENGTH {
            return None;
        }
        let reference = Self {
            channel_id: i64::from_be_bytes(bytes[1..9].try_into().ok()?),
            message_id: i32::from_be_bytes(bytes[9..13].try_into().ok()?),
            count: u32::from_be_bytes(bytes[13..17].try_into().ok()?),
        };
        (reference.seal(document_id, who) == bytes).then_some(reference)
    }

    fn seal_number(self, document_id: i64, who: &Who) -> i64 {
        let Self { channel_id, message_id, count } = self;
        who.access_hash(format_args!("reference {document_id} {channel_id} {message_id} {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_good_for_one_account_and_one_document() {
        let (alice, bot) = (Who::account("alice"), Who::bot("alice"));
        let reference = Reference { channel_id: -1_001_234, message_id: 7, count: 1 };
        let mut bytes = reference.seal(5, &alice);
        assert_eq!(Reference::open(&bytes, 5, &alice), Some(reference));
        assert_eq!(Reference::open(&bytes, 6, &alice), None);
        assert_eq!(Reference::open(&bytes, 5, &bot), None);
        bytes[16] ^= 1;
        assert_eq!(Reference::open(&bytes, 5, &alice), None);
        assert_eq!(Reference::open(&bytes[..10], 5, &alice), None);
    }
}
