//! Headers beyond what the vectors have: how long they may be, and what is told of them.

use telestore_age::{Error, Header, Identity, MAX_HEADER, Parsed, Recipient, Sealing};

fn parsed(bytes: &[u8]) -> Result<Option<Header>, Error> {
    Header::parse(bytes).map(|parsed| match parsed {
        Parsed::Whole(header) => Some(header),
        Parsed::Incomplete => None,
    })
}

fn people(count: usize) -> (Vec<Identity>, Vec<Recipient>) {
    let identities: Vec<_> = (0..count).map(|_| Identity::generate().unwrap()).collect();
    let recipients = identities.iter().map(Identity::recipient).collect();
    (identities, recipients)
}

#[test]
fn each_of_many_recipients_opens_it_and_nobody_else_does() {
    for count in [1, 2, 3, 40] {
        let (identities, recipients) = people(count);
        let sealing = Sealing::draw(&recipients).unwrap();
        let head = sealing.head();
        assert_eq!((head.len(), sealing.header_len()), (70 + 98 * count + 16, head.len() as u64));
        let header = parsed(&[&head[..], b"chunks"].concat()).unwrap().unwrap();
        for identity in &identities {
            let payload = header.open(std::slice::from_ref(identity)).unwrap();
            assert_eq!(payload.start(), head.len() as u64);
        }
        let (strangers, _) = people(2);
        assert_eq!(header.open(&strangers).unwrap_err(), Error::NoMatch);
        assert_eq!(header.open(&[]).unwrap_err(), Error::NoMatch);
        assert!(header.open(&[strangers, identities].concat()).is_ok());
    }
}

#[test]
fn any_change_of_a_header_is_seen() {
    let (identities, recipients) = people(2);
    let head = Sealing::draw(&recipients).unwrap().head();
    // The nonce is not under the MAC: another one makes another key, and no chunk opens.
    for at in 0..head.len() - 16 {
        let mut changed = head.to_vec();
        changed[at] ^= 1;
        let opened = parsed(&changed).and_then(|header| header.ok_or(Error::Length)?.open(&identities));
        assert!(opened.is_err(), "byte {at}");
    }
}

#[test]
fn a_header_has_a_bound() {
    let begin = b"age-encryption.org/v1\n".to_vec();
    let endless = [&begin[..], &b"-> grease\n\n".repeat(10_000)].concat();
    assert!(parsed(&endless[..MAX_HEADER]).unwrap().is_none());
    assert!(matches!(parsed(&endless), Err(Error::Malformed(why)) if why.contains("64 KiB")));
    let line = [&begin[..], b"-> ", &b"x".repeat(2 * MAX_HEADER)].concat();
    assert!(matches!(parsed(&line), Err(Error::Malformed(why)) if why.contains("64 KiB")));
    assert!(parsed(&[b"age-encryption.org/", &b"v".repeat(100)[..]].concat()).is_err());
    // As long as it may be.
    let (identities, recipients) = people(1);
    let many = (MAX_HEADER - 70) / 98;
    let sealing = Sealing::draw(&vec![recipients[0].clone(); many]).unwrap();
    assert!(parsed(&sealing.head()).unwrap().unwrap().open(&identities).is_ok());
    assert!(Sealing::draw(&vec![recipients[0].clone(); many + 1]).is_err());
}

#[test]
fn what_is_no_age_file_is_seen_at_its_first_byte() {
    for other in [&b"\x89PNG"[..], b"-----BEGIN AGE ENCRYPTED FILE-----", b"age-encryptioN", b"x"] {
        assert_eq!(parsed(other).unwrap_err(), Error::NotAge);
    }
    assert!(parsed(b"").unwrap().is_none());
    assert!(parsed(b"age-enc").unwrap().is_none());
    assert!(parsed(b"age-encryption.org/v1\n--- ").unwrap().is_none());
    let mac = "A".repeat(43);
    let nobody = format!("age-encryption.org/v1\n--- {mac}\n0123456789abcdef");
    assert!(matches!(parsed(nobody.as_bytes()), Err(Error::Malformed(why)) if why.contains("no recipient")));
}

#[test]
fn what_was_kept_is_checked() {
    let (identities, recipients) = people(2);
    let sealing = Sealing::draw(&recipients).unwrap();
    let kept = sealing.to_bytes();
    let again = Sealing::from_bytes(&kept).unwrap();
    assert_eq!((again.head(), &*again.to_bytes()), (sealing.head(), &*kept));
    // Neither the version nor the key nor the header may change; another nonce is as right as any.
    for at in 0..kept.len() - 16 {
        let mut changed = kept.to_vec();
        changed[at] ^= 1;
        assert!(matches!(Sealing::from_bytes(&changed), Err(Error::Kept(_))), "byte {at}");
    }
    for end in 0..kept.len() {
        assert!(matches!(Sealing::from_bytes(&kept[..end]), Err(Error::Kept(_))), "{end} bytes");
    }
    assert!(matches!(Sealing::from_bytes(&[&kept[..], b"x"].concat()), Err(Error::Kept(_))));
    assert!(parsed(&again.head()).unwrap().unwrap().open(&identities).is_ok());
    assert_eq!(Sealing::draw(&[]).unwrap_err(), Error::NoRecipients);
}

#[test]
fn each_draw_is_another_one() {
    let (_, recipients) = people(1);
    let (one, two) = (Sealing::draw(&recipients).unwrap(), Sealing::draw(&recipients).unwrap());
    let (one, two) = (one.to_bytes(), two.to_bytes());
    assert_ne!(one[1..17], two[1..17], "the same key");
    assert_ne!(one[one.len() - 16..], two[two.len() - 16..], "the same nonce");
    // The line with the share.
    assert_ne!(one[17 + 22..][..54], two[17 + 22..][..54], "the same share");
}

#[test]
fn nothing_secret_is_shown() {
    let (identities, recipients) = people(1);
    let sealing = Sealing::draw(&recipients).unwrap();
    let payload = parsed(&sealing.head()).unwrap().unwrap().open(&identities).unwrap();
    let shown = format!("{sealing:?} {payload:?} {identities:?}");
    assert_eq!(shown, "Sealing { header_len: 184, .. } Payload { start: 184, .. } [Identity(***)]");
}
