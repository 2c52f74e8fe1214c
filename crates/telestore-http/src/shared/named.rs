//! The options of a message, as JSON and forms name them.

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use telestore::types::{FileDigest, SendAs, TopicId, UploadOptions};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

use crate::shared::error::ApiError;
use crate::shared::number::Number;

/// What a request names of how the message is to be. A value that is `null` is not named.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, expecting = "an object with the documented fields")]
pub(crate) struct Named {
    /// The text of the message, to the letter; empty for none. What of it is too long for the account is cut off.
    #[schema(max_length = 4096, example = "from the holidays")]
    caption: Option<String>,
    #[schema(schema_with = topic_id)]
    topic_id: Option<Number>,
    #[schema(schema_with = silent)]
    silent: Option<YesNo>,
    /// As what the file is sent.
    #[schema(schema_with = send_as)]
    send_as: Option<String>,
    /// The SHA-256 of the whole file; one that has another is not sent.
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    sha256: Option<String>,
    #[schema(schema_with = encrypt)]
    encrypt: Option<YesNo>,
    #[schema(schema_with = compress)]
    compress: Option<YesNo>,
}

fn topic_id() -> Schema {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(i32::MAX));
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[1-9][0-9]{0,8}$"));
    let none = ObjectBuilder::new().schema_type(Type::Null);
    let either = OneOfBuilder::new().description(Some("The topic of the forum that the message goes into"));
    either.item(number).item(text).item(none).build().into()
}

fn silent() -> Schema {
    yes_or_no("Whether the chat's members are not notified")
}

fn encrypt() -> Schema {
    yes_or_no("Whether the channel gets the file encrypted, by age")
}

fn compress() -> Schema {
    yes_or_no("Whether the channel gets the file compressed, by zstd, if that gains anything")
}

fn yes_or_no(description: &str) -> Schema {
    let flag = ObjectBuilder::new().schema_type(Type::Boolean);
    let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["true", "false"]));
    let none = ObjectBuilder::new().schema_type(Type::Null);
    let either = OneOfBuilder::new().description(Some(description));
    either.item(flag).item(text).item(none).build().into()
}

fn send_as() -> Schema {
    let kind = ObjectBuilder::new().schema_type(Type::String);
    let kind = kind.enum_values(Some(SendAs::ALL.map(SendAs::as_str)));
    let none = ObjectBuilder::new().schema_type(Type::Null);
    OneOfBuilder::new().description(Some("As what the file is sent")).item(kind).item(none).build().into()
}

impl Named {
    /// What stands in the fields of a form. An empty field names nothing, except for an empty caption.
    pub(crate) fn of_form(mut field: impl FnMut(&str) -> Option<String>) -> Self {
        Self {
            caption: field("caption"),
            topic_id: field("topicId").and_then(if_named).map(|text| Number::of_text(&text)),
            silent: field("silent").and_then(if_named).map(|text| YesNo::of_text(&text)),
            send_as: field("sendAs").and_then(if_named),
            sha256: field("sha256").and_then(if_named),
            encrypt: field("encrypt").and_then(if_named).map(|text| YesNo::of_text(&text)),
            compress: field("compress").and_then(if_named).map(|text| YesNo::of_text(&text)),
        }
    }

    /// The options, each checked.
    pub(crate) fn read(self) -> Result<UploadOptions, ApiError> {
        let mut options = UploadOptions::default();
        options.caption = self.caption;
        if let Some(number) = self.topic_id {
            options.topic_id = Some(TopicId::new(number.of("topicId")?)?);
        }
        options.silent = self.silent.map(|silent| silent.of("silent")).transpose()?;
        options.send_as = self.send_as.as_deref().map(SendAs::parse).transpose()?;
        options.sha256 = self.sha256.as_deref().map(FileDigest::parse).transpose()?;
        options.encrypt = self.encrypt.map(|encrypt| encrypt.of("encrypt")).transpose()?;
        options.compress = self.compress.map(|compress| compress.of("compress")).transpose()?;
        options.check()?;
        Ok(options)
    }
}

fn if_named(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// `true` or `false`, of JSON or as text.
#[derive(Debug, Clone, Copy)]
struct YesNo(Option<bool>);

impl YesNo {
    fn of_text(text: &str) -> Self {
        Self(match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })
    }

    fn of(self, name: &str) -> Result<bool, ApiError> {
        self.0.ok_or_else(|| ApiError::invalid(format!("{name} must be true or false")))
    }
}

impl<'de> Deserialize<'de> for YesNo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = YesNo;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E>(self, yes: bool) -> Result<YesNo, E> {
                Ok(YesNo(Some(yes)))
            }

            fn visit_str<E>(self, text: &str) -> Result<YesNo, E> {
                Ok(YesNo::of_text(text))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of_json(value: Value) -> Result<UploadOptions, String> {
        let named: Named = serde_json::from_value(value).map_err(|error| error.to_string())?;
        named.read().map_err(|error| error.to_string())
    }

    fn of_form(fields: &[(&str, &str)]) -> Result<UploadOptions, String> {
        let field = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1.to_owned());
        Named::of_form(field).read().map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read_in_every_spelling() {
        let seven = UploadOptions::default().in_topic(TopicId::new(7).unwrap());
        let all = seven.clone().with_caption(" a ").silently(true).encrypted(true).compressed(false);
        assert_eq!(
            of_json(
                json!({"caption": " a ", "topicId": 7, "silent": true, "encrypt": "true", "compress": false, "other": 1})
            ),
            Ok(all.clone())
        );
        assert_eq!(
            of_form(&[
                ("caption", " a "),
                ("topicId", "7.0"),
                ("silent", "True"),
                ("encrypt", "1"),
                ("compress", "false")
            ]),
            Ok(all)
        );
        assert_eq!(of_json(json!({"topicId": "7", "silent": null, "caption": null})), Ok(seven));
        assert_eq!(of_form(&[("topicId", ""), ("silent", "")]), Ok(UploadOptions::default()));
        let none = UploadOptions::default().with_caption("");
        assert_eq!(of_json(json!({"caption": ""})), Ok(none.clone()));
        assert_eq!(of_form(&[("caption", "")]), Ok(none), "an empty caption is one");
        let video = UploadOptions::default().sent_as(SendAs::Video);
        assert_eq!(of_json(json!({"sendAs": "video"})), Ok(video.clone()));
        assert_eq!(of_form(&[("sendAs", "video")]), Ok(video));
        assert_eq!(of_json(json!({"silent": "0"})), Ok(UploadOptions::default().silently(false)));
    }

    #[test]
    fn what_cannot_be_an_option_says_so() {
        for (value, words) in [
            (json!({"topicId": 0}), "topicId must be a number from 1 to 2147483647"),
            (json!({"topicId": 2_147_483_648_u64}), "topicId must be a number from 1 to 2147483647"),
            (json!({"topicId": "x"}), "topicId must be a whole number"),
            (json!({"topicId": -1}), "topicId must be a whole number"),
            (json!({"silent": "maybe"}), "silent must be true or false"),
            (json!({"silent": 5}), "expected true or false"),
            (json!({"encrypt": "age"}), "encrypt must be true or false"),
            (json!({"compress": ""}), "compress must be true or false"),
            (json!({"sendAs": "Video"}), "sendAs must be document, video, audio or photo"),
            (json!({"sha256": "e3b0"}), "sha256 must be 64 hexadecimal digits"),
            (json!({"caption": 5}), "expected a string"),
            (json!({"caption": "👍".repeat(2049)}), "caption must be at most 4096 characters"),
        ] {
            let said = of_json(value.clone()).unwrap_err();
            assert!(said.contains(words), "{value}: {said}");
        }
        assert!(of_form(&[("silent", "yes please")]).unwrap_err().contains("silent must be true or false"));
    }
}
