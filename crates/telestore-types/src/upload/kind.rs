/// How the bytes of an upload come, and who waits for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum UploadKind {
    /// In chunks; its client knows the id and asks how far it is.
    #[default]
    Chunked,
    /// In one request, whose client waits for the answer: nobody else knows the id.
    Direct,
    /// In one request, whose client does not wait any more: it was told that the file is kept, or it went away. It is
    /// sent like a chunked one.
    Kept,
    /// One piece behind the other, each at the offset where the last one ended; how long the file is, and in how many
    /// pieces it comes, may be said later.
    Appended,
    /// The same, and the byte that makes it as long as was declared completes it: nobody has to ask for that.
    Streamed,
    /// The same without ever being completed: it is there for a file that is [put together](Self::Concatenated) of such
    /// parts.
    Partial,
    /// Put together of parts, whose bytes it shares: it was complete when it was made.
    Concatenated,
}

impl UploadKind {
    const ALL: [Self; 7] = [
        Self::Chunked,
        Self::Direct,
        Self::Kept,
        Self::Appended,
        Self::Streamed,
        Self::Partial,
        Self::Concatenated,
    ];

    /// The name under which stores keep it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chunked => "chunked",
            Self::Direct => "direct",
            Self::Kept => "kept",
            Self::Appended => "appended",
            Self::Streamed => "streamed",
            Self::Partial => "partial",
            Self::Concatenated => "concatenated",
        }
    }

    /// Whether its bytes come one piece behind the other.
    pub const fn is_appended_to(self) -> bool {
        matches!(self, Self::Appended | Self::Streamed | Self::Partial)
    }

    /// Whether another upload may name the same bytes in the store of chunks.
    pub const fn shares_bytes(self) -> bool {
        matches!(self, Self::Partial | Self::Concatenated)
    }

    /// Reads a stored name back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
