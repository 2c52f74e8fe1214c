use std::fmt;

use bytes::Bytes;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::header::{begin, finish, stanza};
use crate::keys::{FILE_KEY, FileKey, NONCE, TAG, fill};
use crate::{Error, Header, Parsed, Payload, Recipient, Result, chunks, x25519};

/// The first byte of what is kept.
const KEPT_VERSION: u8 = 1;

/// All that the bytes of an encrypted file are a function of beside its plain text: header, key and nonce.
///
/// Whoever keeps it can make the same bytes again after a crash. **It belongs to one plain text**: if a byte of that has changed that may have
/// been encrypted, then a new one must be [drawn](Self::draw). Two plain texts under one key and nonce are no secrets any more,
/// and anybody could forge others.
pub struct Sealing {
    key: FileKey,
    /// The header, and the nonce behind it.
    head: Bytes,
    payload: Payload,
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").field("header_len", &self.head.len()).finish_non_exhaustive()
    }
}

impl Sealing {
    /// Draws key, nonce and shares from the system's randomness. Each of `recipients` will be able to open the file.
    ///
    /// # Errors
    /// [`Error::NoRecipients`] if there is none, [`Error::Malformed`] if they need more than 64 KiB,
    /// [`Error::Random`].
    pub fn draw(recipients: &[Recipient]) -> Result<Self> {
        if recipients.is_empty() {
            return Err(Error::NoRecipients);
        }
        let key = FileKey::draw()?;
        let mut header = begin();
        for recipient in recipients {
            let mut ephemeral = Zeroizing::new([0; x25519::KEY]);
            fill(&mut ephemeral[..])?;
            let wrapped = x25519::wrap(&StaticSecret::from(*ephemeral), recipient.key(), &key);
            let (share, wrapped) = wrapped.ok_or_else(|| Error::Recipient {
                shown: recipient.to_string(),
                why: "everybody could open what is encrypted for it: it is a point of low order",
            })?;
            stanza(&share, &wrapped).write(&mut header);
        }
        let mut nonce = [0; NONCE];
        fill(&mut nonce)?;
        let head = [finish(header, &key).as_slice(), &nonce].concat();
        Self::whole(key, head)
    }

    /// Checks all of it by the eyes of who will open the file.
    fn whole(key: FileKey, head: Vec<u8>) -> Result<Self> {
        let Parsed::Whole(header) = Header::parse(&head)? else {
            return Err(Error::Kept("its header is cut off"));
        };
        if header.len() != head.len() as u64 {
            return Err(Error::Kept("there is something behind its header"));
        }
        let payload = header.payload(&key)?;
        Ok(Self { key, head: head.into(), payload })
    }

    /// All of it, to be kept. **This opens the file**: seal it before it is written anywhere.
    ///
    /// ```
    /// use telestore_age::{Identity, Sealing};
    ///
    /// let sealing = Sealing::draw(&[Identity::generate().unwrap().recipient()]).unwrap();
    /// let again = Sealing::from_bytes(&sealing.to_bytes()).unwrap();
    /// assert_eq!(again.head(), sealing.head());
    /// assert!(Sealing::from_bytes(&sealing.to_bytes()[1..]).is_err());
    /// ```
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut kept = Zeroizing::new(Vec::with_capacity(1 + FILE_KEY + self.head.len()));
        kept.push(KEPT_VERSION);
        kept.extend_from_slice(self.key.bytes());
        kept.extend_from_slice(&self.head);
        kept
    }

    /// What [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    /// [`Error::Kept`] if it is anything else.
    pub fn from_bytes(kept: &[u8]) -> Result<Self> {
        let (version, kept) = kept.split_first().ok_or(Error::Kept("it is empty"))?;
        if *version != KEPT_VERSION {
            return Err(Error::Kept("it was written by another version of this program"));
        }
        let (key, head) = kept.split_first_chunk::<FILE_KEY>().ok_or(Error::Kept("it is cut off"))?;
        Self::whole(FileKey::new(*key), head.to_vec()).map_err(|error| match error {
            error @ Error::Kept(_) => error,
            Error::Mac => Error::Kept("its key and its header do not belong together"),
            _ => Error::Kept("its header is malformed"),
        })
    }

    /// How many bytes the file has if the plain text has `plain`.
    ///
    /// ```
    /// # use telestore_age::{Identity, Sealing};
    /// let sealing = Sealing::draw(&[Identity::generate().unwrap().recipient()]).unwrap();
    /// assert_eq!(sealing.encrypted_len(20_000_000), 20_005_080);
    /// ```
    pub fn encrypted_len(&self, plain: u64) -> u64 {
        let tags = chunks::count(plain).saturating_mul(TAG as u64);
        self.header_len().saturating_add(plain).saturating_add(tags)
    }

    /// How many bytes of the file lie before its first chunk: the header, and 16 of the nonce.
    pub fn header_len(&self) -> u64 {
        self.head.len() as u64
    }

    /// Those bytes. They are no secret.
    pub fn head(&self) -> Bytes {
        self.head.clone()
    }

    /// What decrypts the file again.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }
}
