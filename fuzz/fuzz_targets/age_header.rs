//! Headers of age files, and keys as people paste them.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use telestore_age::{Header, Identity, Parsed, Recipient, Sealing, identities, recipients};

/// That of the first seeds.
static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX".parse().unwrap()
});

fuzz_target!(|input: &[u8]| {
    header(input);
    keys(&String::from_utf8_lossy(input));
    if let Ok(sealing) = Sealing::from_bytes(input) {
        assert_eq!(sealing.to_bytes()[..], *input);
    }
});

fn header(input: &[u8]) {
    let whole = Header::parse(input);
    // It comes in any pieces, and never is something else with more of it.
    for end in [1, 22, 100, input.len() / 2, input.len().saturating_sub(1)] {
        let part = Header::parse(&input[..end.min(input.len())]);
        match (&part, &whole) {
            (Ok(Parsed::Incomplete), _) | (Err(_), Err(_)) => {}
            (Ok(Parsed::Whole(part)), Ok(Parsed::Whole(whole))) => assert_eq!(part.len(), whole.len()),
            _ => panic!("{part:?}, but with more of it {whole:?}"),
        }
    }
    let Ok(Parsed::Whole(header)) = whole else { return };
    assert_eq!(header.rewritten(), input[..header.len() as usize], "it has two spellings");
    if let Ok(payload) = header.open(std::slice::from_ref(&IDENTITY)) {
        let length = input.len() as u64;
        if let Ok(plain) = payload.plain_len(length) {
            let last = payload.chunk_at(plain.saturating_sub(1));
            assert!(payload.is_last(last, length));
            assert_eq!(payload.chunk_range(last, length).end, length);
        }
    }
}

fn keys(text: &str) {
    if let Ok(recipient) = text.parse::<Recipient>() {
        assert_eq!(recipient.to_string(), text.trim());
    }
    if let Ok(identity) = text.parse::<Identity>() {
        assert_eq!(*identity.expose(), text.trim());
    }
    let _ = recipients(text);
    if let Err(error) = identities(text) {
        // Nothing of what may be a secret is shown.
        let said = error.to_string();
        assert!(said.len() < 200, "{said}");
        assert!(!text.lines().map(str::trim).any(|line| line.len() > 70 && said.contains(line)), "{said}");
    }
}
