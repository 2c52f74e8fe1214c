use std::fmt;
use std::str::FromStr;

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::{Error, Recipient, Result, bech32, keys, x25519};

const PREFIX: &str = "age-secret-key-";

/// What opens files: a secret key, `AGE-SECRET-KEY-1…`. It is overwritten when it is dropped, and `Debug` does not show it.
///
/// ```
/// use telestore_age::Identity;
///
/// let identity = Identity::generate().unwrap();
/// let again: Identity = identity.expose().parse().unwrap();
/// assert_eq!(again.recipient(), identity.recipient());
/// assert_eq!(format!("{identity:?}"), "Identity(***)");
/// ```
#[derive(Clone)]
pub struct Identity(StaticSecret);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(***)")
    }
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; x25519::KEY]);
        keys::fill(&mut bytes[..])?;
        Ok(Self(StaticSecret::from(*bytes)))
    }

    /// Whom files are to be encrypted for so that this one opens them.
    pub fn recipient(&self) -> Recipient {
        Recipient::x25519(PublicKey::from(&self.0).to_bytes())
    }

    /// The secret, as it is kept in an identity file.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = bech32::encode(PREFIX, self.0.as_bytes());
        text.make_ascii_uppercase();
        text
    }

    pub(crate) fn secret(&self) -> &StaticSecret {
        &self.0
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text.trim()).map_err(|why| Error::Identity { why })
    }
}

fn parse(text: &str) -> Result<Identity, &'static str> {
    if text.starts_with("AGE-SECRET-KEY-PQ-") {
        return Err("post-quantum identities are not supported, only AGE-SECRET-KEY-1…");
    }
    if text.starts_with("AGE-PLUGIN-") {
        return Err("identities of plugins are not supported, only AGE-SECRET-KEY-1…");
    }
    if text.starts_with("age1") {
        return Err("it is a recipient; its identity begins with AGE-SECRET-KEY-1");
    }
    if text.starts_with("age-encryption.org/") || text.starts_with("-----BEGIN AGE") {
        return Err("it is protected by a passphrase: decrypt the identity file with age -d first");
    }
    if !text.starts_with("AGE-SECRET-KEY-1") {
        return Err("it does not begin with AGE-SECRET-KEY-1");
    }
    let bytes = bech32::decode(PREFIX, text)?;
    let mut key = Zeroizing::new([0; x25519::KEY]);
    if bytes.len() != key.len() {
        return Err("it is not 32 bytes long");
    }
    key.copy_from_slice(&bytes);
    Ok(Identity(StaticSecret::from(*key)))
}

/// Reads an identity file, as `age-keygen` writes it: an identity in each line, lines with `#` are comments.
///
/// ```
/// let text = "# created: 2026-01-01\n\
///             AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n";
/// let found = telestore_age::identities(text).unwrap();
/// let recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
/// assert_eq!(found[0].recipient().to_string(), recipient);
/// ```
///
/// # Errors
/// [`Error::IdentityLine`], which says which line is wrong; [`Error::NoIdentities`] if there is none.
pub fn identities(text: &str) -> Result<Vec<Identity>> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        found.push(parse(line).map_err(|why| Error::IdentityLine { line: at + 1, why })?);
    }
    if found.is_empty() { Err(Error::NoIdentities) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_several_identities_and_comments() {
        let (one, two) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let text =
            format!("# made today\r\n# public key: x\r\n{}\r\n\r\n  {}\n", *one.expose(), *two.expose());
        let found = identities(&text).unwrap();
        assert_eq!(
            found.iter().map(Identity::recipient).collect::<Vec<_>>(),
            [one.recipient(), two.recipient()]
        );
        assert_eq!(identities("# nothing\n\n").unwrap_err(), Error::NoIdentities);
    }

    #[test]
    fn what_is_wrong_is_said_and_not_shown() {
        let right = Identity::generate().unwrap().expose();
        let public = Identity::generate().unwrap().recipient().to_string();
        for (text, why) in [
            ("", "does not begin"),
            (&right.to_lowercase(), "does not begin"),
            (&right[..right.len() - 1], "checksum"),
            (&public, "is a recipient"),
            ("AGE-SECRET-KEY-PQ-1AAA", "post-quantum"),
            ("AGE-PLUGIN-YUBIKEY-1AAA", "plugins"),
            ("age-encryption.org/v1", "passphrase"),
            (&bech32::encode(PREFIX, &[1; 33]).to_uppercase(), "32 bytes"),
        ] {
            let said = text.parse::<Identity>().unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
            assert!(text.len() < 30 || !said.contains(&text[20..30]));
        }
        let file = format!("# a\n{}\n{}", *right, &right[..60]);
        let said = identities(&file).unwrap_err().to_string();
        assert!(said.starts_with("line 3 of the age identities"), "{said}");
        assert!(!said.contains(&right[20..30]));
    }
}
