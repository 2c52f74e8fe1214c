//! Answers to `upload.getFile` that are not what was asked for.

use grammers_tl_types::{Deserializable, Serializable, enums, types};

/// An answer with other bytes; what is no answer with bytes stays as it is.
fn with_bytes(answer: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    match enums::upload::File::from_bytes(&answer) {
        Ok(enums::upload::File::File(mut file)) => {
            change(&mut file.bytes);
            enums::upload::File::File(file).to_bytes()
        }
        _ => answer,
    }
}

/// So many bytes more than were asked for.
pub(super) fn longer(answer: Vec<u8>, by: usize) -> Vec<u8> {
    with_bytes(answer, |bytes| bytes.resize(bytes.len() + by, 0x5a))
}

/// So many bytes fewer than there are.
pub(super) fn shorter(answer: Vec<u8>, by: usize) -> Vec<u8> {
    with_bytes(answer, |bytes| bytes.truncate(bytes.len().saturating_sub(by)))
}

/// As many bytes, and the first one is another.
pub(super) fn other(answer: Vec<u8>) -> Vec<u8> {
    with_bytes(answer, |bytes| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1))
}

/// Sends a client to a CDN: <https://core.telegram.org/cdn>.
pub(super) fn cdn() -> Vec<u8> {
    enums::upload::File::CdnRedirect(types::upload::FileCdnRedirect {
        dc_id: 203,
        file_token: vec![7; 32],
        encryption_key: vec![8; 32],
        encryption_iv: vec![9; 16],
        file_hashes: Vec::new(),
    })
    .to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> Vec<u8> {
        let r#type = enums::storage::FileType::FileUnknown;
        enums::upload::File::File(types::upload::File { r#type, mtime: 1, bytes: bytes.to_vec() }).to_bytes()
    }

    #[test]
    fn only_bytes_are_changed() {
        assert_eq!(longer(file(b"abc"), 2), file(b"abcZZ"));
        assert_eq!(shorter(file(b"abc"), 2), file(b"a"));
        assert_eq!(shorter(file(b"abc"), 9), file(b""));
        assert_eq!(other(file(b"abc")), file(b"`bc"));
        assert_eq!(other(true.to_bytes()), true.to_bytes());
        assert_eq!(longer(cdn(), 4), cdn());
    }
}
