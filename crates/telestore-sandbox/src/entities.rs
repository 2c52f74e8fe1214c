//! What parts of a text look like, as both APIs say it: <https://core.telegram.org/api/entities>,
//! <https://core.telegram.org/bots/api#messageentity>.

use grammers_tl_types::{enums, types};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a part of a message's text looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxEntity {
    /// In the words of the Bot API: `bold`, `text_link`, `expandable_blockquote`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it begins, in units of UTF-16.
    pub offset: i32,
    /// How long it is, in units of UTF-16.
    pub length: i32,
    /// Where a `text_link` leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The language of a `pre`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl SandboxEntity {
    /// Reads MTProto's form. `None` for one that the sandbox has no use for.
    pub(crate) fn of_tl(entity: &enums::MessageEntity) -> Option<Self> {
        use enums::MessageEntity as E;
        let plain = |kind: &str, offset, length| {
            Some(Self { kind: kind.to_owned(), offset, length, url: None, language: None })
        };
        match entity {
            E::Bold(e) => plain("bold", e.offset, e.length),
            E::Italic(e) => plain("italic", e.offset, e.length),
            E::Underline(e) => plain("underline", e.offset, e.length),
            E::Strike(e) => plain("strikethrough", e.offset, e.length),
            E::Spoiler(e) => plain("spoiler", e.offset, e.length),
            E::Code(e) => plain("code", e.offset, e.length),
            E::Pre(e) => {
                let language = Some(e.language.clone()).filter(|language| !language.is_empty());
                plain("pre", e.offset, e.length).map(|found| Self { language, ..found })
            }
            E::TextUrl(e) => {
                plain("text_link", e.offset, e.length).map(|found| Self { url: Some(e.url.clone()), ..found })
            }
            E::Blockquote(e) if e.collapsed => plain("expandable_blockquote", e.offset, e.length),
            E::Blockquote(e) => plain("blockquote", e.offset, e.length),
            _ => None,
        }
    }

    /// MTProto's form.
    pub(crate) fn to_tl(&self) -> enums::MessageEntity {
        let (offset, length) = (self.offset, self.length);
        match self.kind.as_str() {
            "bold" => types::MessageEntityBold { offset, length }.into(),
            "italic" => types::MessageEntityItalic { offset, length }.into(),
            "underline" => types::MessageEntityUnderline { offset, length }.into(),
            "strikethrough" => types::MessageEntityStrike { offset, length }.into(),
            "spoiler" => types::MessageEntitySpoiler { offset, length }.into(),
            "code" => types::MessageEntityCode { offset, length }.into(),
            "pre" => {
                let language = self.language.clone().unwrap_or_default();
                types::MessageEntityPre { offset, length, language }.into()
            }
            "text_link" => {
                let url = self.url.clone().unwrap_or_default();
                types::MessageEntityTextUrl { offset, length, url }.into()
            }
            "blockquote" => types::MessageEntityBlockquote { collapsed: false, offset, length }.into(),
            "expandable_blockquote" => {
                types::MessageEntityBlockquote { collapsed: true, offset, length }.into()
            }
            _ => types::MessageEntityUnknown { offset, length }.into(),
        }
    }

    /// Reads the `caption_entities` of a call of the Bot API.
    ///
    /// # Errors
    /// What a Bot API server says of them.
    pub(crate) fn of_json(text: &str) -> Result<Vec<Self>, String> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_str(text).map_err(|error| format!("Bad Request: can't parse entities: {error}"))
    }

    pub(crate) fn to_json(&self) -> Value {
        json!(self)
    }

    /// Whether it lies within `text`, and tears none of its characters apart.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let mut bounds = vec![0];
        for c in text.chars() {
            bounds.push(bounds[bounds.len() - 1] + c.len_utf16() as i32);
        }
        let is_bound = |at: i32| bounds.binary_search(&at).is_ok();
        self.length > 0 && is_bound(self.offset) && self.offset.checked_add(self.length).is_some_and(is_bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_lies_within_the_text_and_between_its_characters() {
        for (offset, length, fits) in [
            (0, 4, true),
            (1, 2, true),
            (1, 1, false),
            (2, 1, false),
            (0, 0, false),
            (0, 5, false),
            (-1, 2, false),
            (4, 1, false),
            (1, i32::MAX, false),
        ] {
            let entity = SandboxEntity { kind: "bold".to_owned(), offset, length, url: None, language: None };
            assert_eq!(entity.fits("a👍b"), fits, "{offset} {length}");
        }
    }
}
