use clap::{ArgAction, Args};
use telestore::MessageDefaults;
use telestore::types::{CaptionTemplate, SendAs, TopicId};

use super::values;

/// How messages are to be whose uploads do not say so.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Messages")]
pub(crate) struct MessageSettings {
    /// [Text of messages](#captions) whose uploads name none: Telegram's HTML with `{fileName}`, `{size}`, `{userId}` and `{date}`
    #[arg(long, env = "TELESTORE_CAPTION", value_name = "TEMPLATE", default_value = "Uploaded: {fileName}", value_parser = caption)]
    pub(crate) caption: CaptionTemplate,

    /// Topic of the forum that files go into whose uploads name none [default: none]
    ///
    /// It is the number of the message that opened the topic, the last one in its link.
    #[arg(long, env = "TELESTORE_TOPIC_ID", value_name = "N", value_parser = topic_id)]
    pub(crate) topic_id: Option<TopicId>,

    /// Whether the chat's members are not notified of files whose uploads do not say so
    #[arg(long, env = "TELESTORE_SILENT", value_name = "on|off", default_value = "off", value_parser = values::on_or_off, action = ArgAction::Set)]
    pub(crate) silent: bool,

    /// As what files are sent whose uploads do not say so
    ///
    /// See [API.md](API.md#options-of-the-message).
    #[arg(long, env = "TELESTORE_SEND_AS", value_name = "document|video|audio|photo", default_value = "document", value_parser = values::one_of(SendAs::ALL.map(|kind| (kind.as_str(), kind))))]
    pub(crate) send_as: SendAs,
}

impl MessageSettings {
    /// The same for the engine.
    pub(crate) fn defaults(&self) -> MessageDefaults {
        let mut defaults = MessageDefaults::default();
        defaults.caption = self.caption.clone();
        defaults.topic_id = self.topic_id;
        defaults.silent = self.silent;
        defaults.send_as = self.send_as;
        defaults
    }
}

fn caption(text: &str) -> Result<CaptionTemplate, String> {
    text.parse().map_err(|error: telestore::types::TemplateError| error.to_string())
}

fn topic_id(text: &str) -> Result<TopicId, String> {
    let number = values::count(1..=i32::MAX as usize)(text)?;
    TopicId::new(number as u64).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_that_cannot_be_is_refused_with_the_place() {
        assert!(caption("{fileName} <b>{size}</b>").is_ok());
        for (text, words) in [
            ("Uploaded: {filename}", "has a brace at character 11"),
            ("<h1>x</h1>", "has a < at character 1"),
            ("<b>x", "has a tag that is not ended"),
        ] {
            let said = caption(text).unwrap_err();
            assert!(said.starts_with(words), "{said}");
        }
        assert_eq!(topic_id(" '7' "), Ok(TopicId::new(7).unwrap()));
        assert_eq!(topic_id("0"), Err("must be at least 1".to_owned()));
        assert_eq!(topic_id("2147483648"), Err("must be 2147483647 at most".to_owned()));
    }
}
