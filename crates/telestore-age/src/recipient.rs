use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::{Error, Result, bech32, x25519};

const PREFIX: &str = "age";

/// Whom files are encrypted for: a public key, `age1…`.
///
/// ```
/// use telestore_age::Recipient;
///
/// let text = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
/// let recipient: Recipient = text.parse().unwrap();
/// assert_eq!(recipient.to_string(), text);
/// assert!("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwk".parse::<Recipient>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recipient(Kind);

/// Recipients are told apart by what they begin with, so that others can come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    X25519([u8; x25519::KEY]),
}

impl Recipient {
    pub(crate) fn x25519(key: [u8; x25519::KEY]) -> Self {
        Self(Kind::X25519(key))
    }

    pub(crate) fn key(&self) -> &[u8; x25519::KEY] {
        let Kind::X25519(key) = &self.0;
        key
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(PREFIX, self.key()))
    }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        x25519(text).map_err(|why| Error::Recipient { shown: shown(text), why })
    }
}

fn x25519(text: &str) -> Result<Recipient, &'static str> {
    match text {
        "" => return Err("it is empty"),
        _ if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-")
            || text.to_ascii_uppercase().starts_with("AGE-PLUGIN-") =>
        {
            return Err("it is a secret identity; its recipient begins with age1");
        }
        _ if text.starts_with("age1pq1") => {
            return Err("post-quantum recipients are not supported, only those of X25519");
        }
        _ if text.starts_with("ssh-") => {
            return Err("SSH keys are not supported, only X25519 recipients (age1…)");
        }
        _ if !text.starts_with("age1") => return Err("it does not begin with age1"),
        _ if text[4..].contains('1') => {
            return Err("recipients of plugins are not supported, only those of X25519");
        }
        _ => {}
    }
    let bytes = bech32::decode(PREFIX, text)?;
    let key = <[u8; x25519::KEY]>::try_from(&bytes[..]).map_err(|_| "it is not 32 bytes long")?;
    if !x25519::is_sound(&key) {
        return Err("everybody could open what is encrypted for it: it is a point of low order");
    }
    Ok(Recipient::x25519(key))
}

/// Enough of a text to find it; nothing of what may be a secret.
fn shown(text: &str) -> String {
    if !text.starts_with("age1") && !text.starts_with("ssh-") {
        return format!("a text of {} characters", text.chars().count());
    }
    let chars = text.chars().count();
    if chars <= 70 {
        return text.to_owned();
    }
    let (head, tail) = (text.chars().take(24), text.chars().skip(chars - 8));
    head.chain(['…']).chain(tail).collect()
}

/// Reads recipients: separated by commas or blanks, or in lines as in a recipients file, where lines with `#` are comments.
///
/// ```
/// let two = "
///     ## home
///     age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj,
///     age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
/// // One who is named twice has one stanza.
/// assert_eq!(telestore_age::recipients(two).unwrap().len(), 1);
/// ```
///
/// # Errors
/// [`Error::Recipient`], which says which one is wrong; [`Error::NoRecipients`] if there is none.
pub fn recipients(text: &str) -> Result<Vec<Recipient>> {
    let mut found = Vec::new();
    // A secret key may have been pasted here.
    let text = Zeroizing::new(text.to_owned());
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        for word in line.split([',', ' ', '\t', '\r']).filter(|word| !word.is_empty()) {
            let recipient = word.parse()?;
            if !found.contains(&recipient) {
                found.push(recipient);
            }
        }
    }
    if found.is_empty() { Err(Error::NoRecipients) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    fn wrong(text: &str) -> String {
        text.parse::<Recipient>().unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_recipient_is_named_with_the_reason() {
        let right = Identity::generate().unwrap().recipient().to_string();
        for (text, why) in [
            ("", "is empty"),
            ("bob", "begin with age1"),
            ("ssh-ed25519 AAAA", "SSH keys"),
            ("age1pq1xyz", "post-quantum"),
            ("age1yubikey1qwer", "plugins"),
            (&right[..61], "checksum"),
            (&right.to_uppercase(), "begin with age1"),
            (&bech32::encode("age", &[9; 31]), "32 bytes"),
            (&bech32::encode("age", &[0; 32]), "low order"),
        ] {
            assert!(wrong(text).contains(why), "{text}: {}", wrong(text));
        }
        assert!(wrong("age1pq1xyz").starts_with("age1pq1xyz is no age recipient"));
        assert!(
            recipients(&format!("{right}, age1bad")).unwrap_err().to_string().starts_with("age1bad is no")
        );
        assert_eq!(recipients(" \n# age1bad\n,"), Err(Error::NoRecipients));
    }

    #[test]
    fn a_secret_that_was_pasted_is_not_shown() {
        let secret = Identity::generate().unwrap().expose();
        for text in [&*secret, &secret.to_lowercase()] {
            let said = wrong(text);
            assert!(said.contains("a secret identity") && !said.contains(&text[20..40]), "{said}");
        }
        assert!(!wrong("12345:token").contains("token"));
        assert!(wrong(&format!("age1pq1{}", "q".repeat(2000))).len() < 150);
    }

    #[test]
    fn points_that_make_every_secret_the_same_are_refused() {
        // Those of order 1, 2, 4 and 8, and one that is not reduced.
        for point in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            let text = bech32::encode("age", &hex::decode(point).unwrap());
            assert!(wrong(&text).contains("low order"), "{point}");
        }
    }
}
