use std::fmt;

/// The right that a bot or an account lacks in a channel or group, so that it cannot post files there.
///
/// Its text says what the owner can do about it.
///
/// ```
/// use telestore_types::telegram::MissingRight;
///
/// assert!(MissingRight::Post.to_string().starts_with("make it an administrator"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingRight {
    /// It is not a member, or not any more.
    Membership,
    /// It may not post in the channel.
    Post,
    /// It may not send files to the group.
    SendFiles,
}

impl fmt::Display for MissingRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Membership => "add it to the channel as an administrator with the right to post messages",
            Self::Post => "make it an administrator of the channel with the right to post messages",
            Self::SendFiles => "make it an administrator of the group, or allow its members to send files",
        })
    }
}
