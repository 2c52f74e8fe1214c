use hmac::Mac;

use crate::keys::{FileKey, NONCE};
use crate::stanza::{Lines, Stanza, armoured, unarmoured};
use crate::x25519::{KEY, Unwrapped, WRAPPED, unwrap};
use crate::{Error, Identity, Payload, Result};

/// The bytes that a header may have, without the nonce behind it. age itself writes some hundred.
pub const MAX_HEADER: usize = 64 * 1024;

const VERSION: &[u8] = b"age-encryption.org/v1";
const MAGIC: &[u8] = b"age-encryption.org/";
const X25519: &str = "X25519";
const SCRYPT: &str = "scrypt";

/// The head of an age file, which has its key, wrapped for each recipient.
///
/// Its recipients are not named in it. What it says of itself is not believed before [`open`](Self::open) has checked its MAC.
#[derive(Debug, Clone)]
pub struct Header {
    stanzas: Vec<Stanza>,
    /// The bytes that the MAC is over.
    signed: Vec<u8>,
    mac: Vec<u8>,
    nonce: [u8; NONCE],
    length: usize,
}

/// What was found at the beginning of a file.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// The whole header, and the nonce behind it.
    Whole(Header),
    /// What is there is right, and not all: read more. If there is no more, then the file is cut off.
    Incomplete,
}

impl Header {
    /// Reads a header from the first bytes of a file. What lies behind it is not looked at.
    ///
    /// No more than [`MAX_HEADER`] bytes and the 16 of the nonce are ever needed.
    ///
    /// ```
    /// use telestore_age::{Header, Identity, Parsed, Sealing};
    ///
    /// let me = Identity::generate().unwrap();
    /// let sealing = Sealing::draw(&[me.recipient()]).unwrap();
    /// let head = sealing.head();
    /// assert!(matches!(Header::parse(&head[..100]), Ok(Parsed::Incomplete)));
    /// let Ok(Parsed::Whole(header)) = Header::parse(&head) else { panic!("all of it is there") };
    /// assert_eq!(header.len(), 168 + 16);
    /// assert!(header.open(&[me]).is_ok());
    /// assert!(Header::parse(b"a picture").is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAge`], or [`Error::Malformed`].
    pub fn parse(prefix: &[u8]) -> Result<Parsed> {
        let begins = prefix.len().min(MAGIC.len());
        if prefix[..begins] != MAGIC[..begins] {
            return Err(Error::NotAge);
        }
        let mut bounded = Lines::of(&prefix[..prefix.len().min(MAX_HEADER)]);
        match Self::read(prefix, &mut bounded)? {
            Some(header) => Ok(Parsed::Whole(header)),
            // The header's end may be there, and the nonce missing.
            None if prefix.len() >= MAX_HEADER + NONCE => {
                Err(Error::Malformed("its header is longer than 64 KiB"))
            }
            None => Ok(Parsed::Incomplete),
        }
    }

    fn read(prefix: &[u8], lines: &mut Lines<'_>) -> Result<Option<Self>> {
        let Some(version) = lines.next() else {
            return if prefix.len() > 2 * VERSION.len() { Err(OTHER_VERSION) } else { Ok(None) };
        };
        if version != VERSION {
            return Err(OTHER_VERSION);
        }
        let mut stanzas = Vec::new();
        while let Some(line) = lines.next() {
            if let Some(line) = line.strip_prefix(b"-> ") {
                let Some(stanza) = Stanza::read(line, lines)? else { return Ok(None) };
                check(&stanza)?;
                stanzas.push(stanza);
                continue;
            }
            let Some(mac) = line.strip_prefix(b"--- ") else {
                return Err(Error::Malformed("a line is neither a stanza nor the end of the header"));
            };
            let mac = unarmoured(mac)?;
            if mac.len() != 32 {
                return Err(Error::Malformed("the MAC of its header is not 32 bytes long"));
            }
            check_all(&stanzas)?;
            let Some(nonce) = lines_end(prefix, lines) else { return Ok(None) };
            let (end, nonce) = nonce;
            let signed = prefix[..end - line.len() - 1 + 3].to_vec();
            return Ok(Some(Self { stanzas, signed, mac, nonce, length: end + NONCE }));
        }
        Ok(None)
    }

    /// How many bytes of the file lie before its first chunk: the header, and 16 of the nonce.
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> u64 {
        self.length as u64
    }

    /// Finds the file's key with one of `identities`, and checks the header with it.
    ///
    /// # Errors
    /// [`Error::NoMatch`] if it is for none of them, [`Error::Passphrase`] if it is for nobody, [`Error::Mac`] if it was
    /// changed, [`Error::Malformed`] if a share in it is unsafe.
    pub fn open(&self, identities: &[Identity]) -> Result<Payload> {
        if self.stanzas.iter().any(|stanza| stanza.arguments[0] == SCRYPT) {
            return Err(Error::Passphrase);
        }
        for (share, wrapped) in self.stanzas.iter().filter_map(|stanza| shares(stanza).ok().flatten()) {
            for identity in identities {
                match unwrap(identity.secret(), &share, &wrapped) {
                    Unwrapped::Key(key) => return self.payload(&key),
                    Unwrapped::Other => {}
                    Unwrapped::WeakShare => return Err(Error::Malformed("a share is a point of low order")),
                }
            }
        }
        Err(Error::NoMatch)
    }

    /// What is behind it, if its MAC is one with `key`.
    pub(crate) fn payload(&self, key: &FileKey) -> Result<Payload> {
        key.mac(&self.signed).verify_slice(&self.mac).map_err(|_| Error::Mac)?;
        Ok(Payload::new(key, &self.nonce, self.len()))
    }

    /// The same bytes again, written from what was understood: there is one way only to write a header.
    #[doc(hidden)]
    pub fn rewritten(&self) -> Vec<u8> {
        let mut header = begin();
        self.stanzas.iter().for_each(|stanza| stanza.write(&mut header));
        header.extend_from_slice(format!("--- {}\n", armoured(&self.mac)).as_bytes());
        header.extend_from_slice(&self.nonce);
        header
    }
}

const OTHER_VERSION: Error = Error::Malformed("it is of another version of the format, not of age v1");

/// The text and the nonce behind the last line that was taken.
fn lines_end(prefix: &[u8], lines: &Lines<'_>) -> Option<(usize, [u8; NONCE])> {
    let bounded = prefix.len().min(MAX_HEADER);
    let end = bounded - lines.rest().len();
    let nonce = prefix.get(end..end + NONCE)?;
    Some((end, nonce.try_into().ok()?))
}

/// The first line of a header.
pub(crate) fn begin() -> Vec<u8> {
    [VERSION, b"\n"].concat()
}

/// Ends a header with its MAC.
pub(crate) fn finish(mut header: Vec<u8>, key: &FileKey) -> Vec<u8> {
    header.extend_from_slice(b"---");
    let mac = key.mac(&header).finalize().into_bytes();
    header.extend_from_slice(format!(" {}\n", armoured(&mac)).as_bytes());
    header
}

/// The stanza of an X25519 recipient.
pub(crate) fn stanza(share: &[u8; KEY], wrapped: &[u8; WRAPPED]) -> Stanza {
    Stanza { arguments: vec![X25519.to_owned(), armoured(share)], body: wrapped.to_vec() }
}

/// Refuses a stanza that says of itself that it is one of X25519, and is not as those are.
fn check(stanza: &Stanza) -> Result<()> {
    shares(stanza).map(|_| ())
}

fn check_all(stanzas: &[Stanza]) -> Result<()> {
    if stanzas.is_empty() {
        return Err(Error::Malformed("its header has no recipient"));
    }
    if stanzas.len() > 1 && stanzas.iter().any(|stanza| stanza.arguments[0] == SCRYPT) {
        return Err(Error::Malformed("a passphrase stands beside other recipients"));
    }
    Ok(())
}

/// The share and the wrapped key of an X25519 stanza; `None` if it is another one.
fn shares(stanza: &Stanza) -> Result<Option<([u8; KEY], [u8; WRAPPED])>> {
    let (kind, arguments) = stanza.arguments.split_first().ok_or(Error::Malformed("a stanza has no type"))?;
    if kind != X25519 {
        return Ok(None);
    }
    let [share] = arguments else {
        return Err(Error::Malformed("an X25519 stanza has not just one argument"));
    };
    let share = unarmoured(share.as_bytes())?
        .try_into()
        .map_err(|_| Error::Malformed("the share of an X25519 stanza is not 32 bytes long"))?;
    let wrapped = stanza.body[..]
        .try_into()
        .map_err(|_| Error::Malformed("the body of an X25519 stanza is not 32 bytes long"))?;
    Ok(Some((share, wrapped)))
}
