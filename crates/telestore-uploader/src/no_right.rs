use std::fmt;

/// Why a message is not taken: what a bot or an account lacks in a channel or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRight {
    /// It is not in it, or not any more.
    NotIn,
    /// It may not post in the channel.
    NoPosts,
    /// It may not send files to the group.
    NoFiles,
}

/// What to do about it.
impl fmt::Display for NoRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotIn => "add it to the channel as an administrator with the right to post messages",
            Self::NoPosts => "make it an administrator of the channel with the right to post messages",
            Self::NoFiles => "make it an administrator of the group, or allow its members to send files",
        })
    }
}
