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
}

impl UploadKind {
    const ALL: [Self; 4] = [Self::Chunked, Self::Direct, Self::Kept, Self::Appended];

    /// The name under which stores keep it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chunked => "chunked",
            Self::Direct => "direct",
            Self::Kept => "kept",
            Self::Appended => "appended",
        }
    }

    /// Reads a stored name back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
