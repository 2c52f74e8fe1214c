//! The size of a picture, from its beginning.

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// Width and height in pixels of a JPEG or PNG picture that begins like this. `None` for what is none, or does not tell so far.
///
/// ```
/// let head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0";
/// assert_eq!(telestore_types::picture_size(head), Some((640, 480)));
/// ```
pub fn picture_size(head: &[u8]) -> Option<(u32, u32)> {
    match head.strip_prefix(PNG) {
        Some(rest) => Some((long(rest, 0)?, long(rest, 4)?)),
        None => of_jpeg(head.strip_prefix(b"\xff\xd8")?),
    }
}

/// Looks at one segment behind the other for the one that a frame begins with (ITU T.81, B.2).
fn of_jpeg(mut rest: &[u8]) -> Option<(u32, u32)> {
    loop {
        let marker = rest.iter().position(|byte| *byte != 0xff).filter(|fill| *fill > 0)?;
        let kind = rest[marker];
        rest = &rest[marker + 1..];
        match kind {
            // These have no length.
            0x01 | 0xd0..=0xd7 => {}
            // C4, C8 and CC are tables and such.
            0xc0..=0xcf if !matches!(kind, 0xc4 | 0xc8 | 0xcc) => {
                return Some((short(rest, 5)?, short(rest, 3)?));
            }
            // Without a frame before it, there is no picture.
            0xd8..=0xda | 0x00 => return None,
            _ => rest = rest.get(short(rest, 0)?.max(2) as usize..)?,
        }
    }
}

fn short(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_be_bytes(bytes).into())
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The beginning of a JPEG picture of this size.
#[cfg(test)]
pub(crate) fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xff\xc0\0\x11\x08".to_vec();
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_tell_their_size() {
        assert_eq!(picture_size(&jpeg(640, 65_535)), Some((640, 65_535)));
        let mut png = PNG.to_vec();
        png.extend(b"\0\0\x02\x80\0\0\x01\xe0");
        assert_eq!(picture_size(&png), Some((640, 480)));
    }

    #[test]
    fn what_is_cut_or_nonsense_has_no_size() {
        let whole = jpeg(1, 1);
        for end in 0..whole.len() - 10 {
            assert_eq!(picture_size(&whole[..end]), None, "{end}");
        }
        for bytes in [
            &b"\xff\xd8\xff\xe0\0\0"[..],
            b"\xff\xd8\xff\xff\xff",
            b"\xff\xd8\0\xc0",
            b"\xff\xd8\xff\xda\0\x02",
        ] {
            assert_eq!(picture_size(bytes), None, "{bytes:?}");
        }
        assert_eq!(picture_size(&PNG[..12]), None);
    }
}
