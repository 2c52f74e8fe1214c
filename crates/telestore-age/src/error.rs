/// Why something was not encrypted, or cannot be decrypted. The texts are for people and never hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is no recipient that files can be encrypted for.
    #[error("{shown} is no age recipient: {why}")]
    Recipient {
        /// Which: its beginning and its end, or what it looks like if it may be a secret.
        shown: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is nobody to encrypt for.
    #[error("a file cannot be encrypted for nobody: name one age recipient at least")]
    NoRecipients,
    /// A text is no identity. It is not shown.
    #[error("not an age identity: {why}")]
    Identity {
        /// What is wrong with it.
        why: &'static str,
    },
    /// A line of an identity file is no identity. It is not shown.
    #[error("line {line} of the age identities: {why}")]
    IdentityLine {
        /// Which, from 1 on.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no identity in an identity file.
    #[error("there is no age identity: a line with AGE-SECRET-KEY-1… is missing")]
    NoIdentities,
    /// The bytes do not begin as those of an age file do.
    #[error("this is no age file")]
    NotAge,
    /// It begins as an age file does, and breaks the format.
    #[error("this age file is malformed: {0}")]
    Malformed(&'static str),
    /// The file is for others.
    #[error("none of the age identities opens this file")]
    NoMatch,
    /// The file was encrypted with a passphrase.
    #[error(
        "this age file was encrypted with a passphrase, which is not supported: only files for recipients are"
    )]
    Passphrase,
    /// The header was changed after it was made.
    #[error("the header of this age file was changed: its MAC does not match")]
    Mac,
    /// The file does not end as an age file of its length does.
    #[error("this age file is cut off: its length is not that of an age file")]
    Length,
    /// A chunk was changed, or is not where it should be.
    #[error("chunk {chunk} of this age file was changed or damaged")]
    Damaged {
        /// Which, from 0 on.
        chunk: u64,
    },
    /// What [`Sealing::to_bytes`](crate::Sealing::to_bytes) gave was changed, or is of a later version.
    #[error("the kept state of an encryption cannot be used: {0}")]
    Kept(&'static str),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
