//! Bech32 (BIP 173) without its limit of length, as age writes keys.

use zeroize::Zeroizing;

const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM: usize = 6;

/// The text of `bytes` behind the human-readable `prefix`, in small letters.
pub(crate) fn encode(prefix: &str, bytes: &[u8]) -> Zeroizing<String> {
    // In one piece from the beginning: a text that grows leaves copies behind, and this one may be a secret.
    let mut values = Zeroizing::new(Vec::with_capacity((bytes.len() * 8).div_ceil(5) + CHECKSUM));
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            values.push((held >> bits & 31) as u8);
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        values.push((held << (5 - bits) & 31) as u8);
    }
    let sum = polymod(expanded(prefix).chain(values.iter().copied()).chain([0; CHECKSUM])) ^ 1;
    values.extend((0..CHECKSUM).map(|at| (sum >> (5 * (CHECKSUM - 1 - at)) & 31) as u8));
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 1 + values.len()));
    text.push_str(prefix);
    text.push('1');
    text.extend(values.iter().map(|value| char::from(CHARSET[usize::from(*value)])));
    text
}

/// The bytes of a text whose prefix is `prefix`, which is in small letters; the text is all in small or all in large ones.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn decode(prefix: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    if text.bytes().any(|byte| byte.is_ascii_lowercase())
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
    {
        return Err("it has small and large letters");
    }
    let (found, data) = text.rsplit_once('1').ok_or("it has no 1 behind its prefix")?;
    if !found.eq_ignore_ascii_case(prefix) {
        return Err("it has another prefix");
    }
    let mut values = Zeroizing::new(Vec::with_capacity(data.len()));
    for byte in data.bytes().map(|byte| byte.to_ascii_lowercase()) {
        let value =
            CHARSET.iter().position(|char| *char == byte).ok_or("it has a character that none may have")?;
        values.push(value as u8);
    }
    if values.len() < CHECKSUM || polymod(expanded(prefix).chain(values.iter().copied())) != 1 {
        return Err("its checksum is wrong: a character is missing or mistyped");
    }
    let data = values.len() - CHECKSUM;
    let mut bytes = Zeroizing::new(Vec::with_capacity(data * 5 / 8));
    let (mut held, mut bits) = (0_u32, 0);
    for value in &values[..data] {
        held = (held << 5) | u32::from(*value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
        held &= (1 << bits) - 1;
    }
    if bits >= 5 || held != 0 {
        return Err("it does not hold whole bytes");
    }
    Ok(bytes)
}

/// The prefix, as it goes into the checksum.
fn expanded(prefix: &str) -> impl Iterator<Item = u8> {
    prefix.bytes().map(|byte| byte >> 5).chain([0]).chain(prefix.bytes().map(|byte| byte & 31))
}

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum: u32, value| {
        let next = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let top = sum >> 25;
        (0..5).filter(|bit| top >> bit & 1 == 1).fold(next, |next, bit| next ^ GENERATOR[bit])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valid_texts_of_bip_173_are_taken() {
        for (prefix, text) in [
            ("a", "A12UEL5L"),
            ("a", "a12uel5l"),
            ("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"),
            ("?", "?1ezyfcl"),
        ] {
            let bytes = decode(prefix, text).unwrap();
            assert_eq!(*encode(prefix, &bytes), text.to_ascii_lowercase());
        }
        let expected: Vec<u8> = hex::decode("00443214c74254b635cf84653a56d7c675be77df").unwrap();
        assert_eq!(*decode("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw").unwrap(), expected);
    }

    #[test]
    fn whatever_is_encoded_is_decoded() {
        for length in 0..100 {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 37) as u8).collect();
            let text = encode("age", &bytes);
            assert_eq!(*decode("age", &text).unwrap(), bytes);
            assert_eq!(*decode("age", &text.to_ascii_uppercase()).unwrap(), bytes);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = encode("age", &[7; 32]);
        for (at, char) in text.char_indices().skip(4) {
            let other = if char == 'q' { "p" } else { "q" };
            let mut wrong = text.to_string();
            wrong.replace_range(at..=at, other);
            assert!(decode("age", &wrong).unwrap_err().contains("checksum"), "{wrong}");
        }
        for (wrong, why) in [
            ("age", "no 1"),
            ("bge12uel5l", "prefix"),
            ("age1", "checksum"),
            ("age1b", "character that none"),
            ("age1Qq", "small and large"),
        ] {
            assert!(decode("age", wrong).unwrap_err().contains(why), "{wrong}");
        }
        for values in [&[0_u8][..], &[0, 1], &[0, 0, 0]] {
            let sum = polymod(expanded("age").chain(values.iter().copied()).chain([0; CHECKSUM])) ^ 1;
            let all =
                values.iter().copied().chain((0..CHECKSUM).map(|at| (sum >> (5 * (5 - at)) & 31) as u8));
            let data: String = all.map(|value| char::from(CHARSET[usize::from(value)])).collect();
            assert_eq!(decode("age", &format!("age1{data}")).unwrap_err(), "it does not hold whole bytes");
        }
    }
}
