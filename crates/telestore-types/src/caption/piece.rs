//! What a template is made of.

use super::EntityKind;

/// What the TeleStore clients look for.
pub(super) const USUAL: &str = "Uploaded: {fileName}";

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Value(Placeholder),
    Start(EntityKind),
    End,
}

/// What a value is put in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    FileName,
    Size,
    UserId,
    Date,
}

impl Placeholder {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "fileName" => Some(Self::FileName),
            "size" => Some(Self::Size),
            "userId" => Some(Self::UserId),
            "date" => Some(Self::Date),
            _ => None,
        }
    }
}

/// Why a text is no template. It does not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A brace that begins or ends no known placeholder.
    #[error(
        "has a brace at character {0} that is of no placeholder: there are {{fileName}}, {{size}}, {{userId}} and {{date}}; write &#123; and &#125; for braces"
    )]
    Placeholder(usize),
    /// Something between `<` and `>` that is no tag which Telegram knows.
    #[error(
        "has a < at character {0} that begins no tag which Telegram knows: there are b, i, u, s, a href, code, pre, tg-spoiler and blockquote; write &lt; for the character"
    )]
    Tag(usize),
    /// A tag that does not fit where it stands.
    #[error("has a tag at character {0} that ends nothing, or stands within its like, or within code")]
    Misplaced(usize),
    /// A link that leads nowhere.
    #[error(
        "has a link at character {0} whose href does not begin with http://, https:// or tg://, or has a placeholder"
    )]
    Link(usize),
    /// A tag without its end.
    #[error("has a tag that is not ended: the last of them needs its </…>")]
    Unended,
    /// More than Telegram takes.
    #[error("has more than 100 tags, which Telegram does not take")]
    ManyTags,
}
