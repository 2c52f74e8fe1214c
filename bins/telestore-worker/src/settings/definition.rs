use std::any::TypeId;

use clap::builder::{OsStringValueParser, Resettable, StyledStr};
use clap::{Arg, Args, Command};
use telestore::types::Secret;

use super::Settings;

/// What a setting's help names its default by, if the default is no value.
const DEFAULT: &str = "[default: ";

/// What is known of a setting: everything but its place in [`Settings`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Its key in the file, as `max_file_bytes`.
    pub(crate) key: String,
    /// Its flag, as `--max-file-bytes`.
    pub(crate) flag: String,
    /// Its variable, as `TELESTORE_MAX_FILE_BYTES`.
    pub(crate) variable: String,
    /// The variable that names a file which holds the value. Secrets have one.
    pub(crate) file_variable: Option<String>,
    /// What the help calls its value, as `BYTES`.
    pub(crate) value: String,
    /// What the help puts it under.
    pub(crate) heading: String,
    pub(crate) default: Fallback,
    /// What it is, in a line of Markdown.
    pub(crate) summary: String,
    /// What else is to be known of it, in Markdown; mostly nothing.
    pub(crate) details: String,
}

/// What holds if a setting is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// A value, as one would write it.
    Value(String),
    /// Something that no value says, in Markdown.
    Words(String),
}

/// All settings, in the order of the help.
pub(crate) fn definitions() -> Vec<Definition> {
    definitions_of::<Settings>()
}

/// The settings of a group.
pub(crate) fn definitions_of<T: Args>() -> Vec<Definition> {
    command_of::<T>().get_arguments().map(Definition::of).collect()
}

/// A command whose arguments are the settings of `T`.
pub(super) fn command_of<T: Args>() -> Command {
    T::augment_args(Command::new("settings").disable_help_flag(true).no_binary_name(true))
}

/// The settings as flags of the command line: each takes any text there, since what is read is the value that counts, which
/// another place may have.
pub(super) fn flags() -> Vec<Arg> {
    let flag = |arg: &Arg| {
        let definition = Definition::of(arg);
        let arg = arg.clone().value_parser(OsStringValueParser::new()).default_value(Resettable::Reset);
        let arg = arg.num_args(1).required(false).hide_env_values(definition.file_variable.is_some());
        arg.help(definition.help()).long_help(definition.long_help())
    };
    command_of::<Settings>().get_arguments().map(flag).collect()
}

impl Definition {
    /// Reads what an argument says of itself.
    pub(crate) fn of(arg: &Arg) -> Self {
        let text = |text: Option<&StyledStr>| text.map(ToString::to_string).unwrap_or_default();
        let variable = arg.get_env().unwrap_or_default().to_string_lossy().into_owned();
        let is_secret = arg.get_value_parser().type_id() == TypeId::of::<Secret>();
        let (summary, words) = without_default(&text(arg.get_help()));
        let long = text(arg.get_long_help());
        let (_, details) = long.split_once("\n\n").unwrap_or_default();
        let value = arg.get_default_values().first();
        let value = value.map(|value| Fallback::Value(value.to_string_lossy().into_owned()));
        Self {
            key: arg.get_id().to_string(),
            flag: format!("--{}", arg.get_long().unwrap_or_default()),
            file_variable: is_secret.then(|| format!("{variable}_FILE")),
            variable,
            value: arg.get_value_names().into_iter().flatten().map(ToString::to_string).collect(),
            heading: arg.get_help_heading().unwrap_or_default().to_owned(),
            default: value.unwrap_or(Fallback::Words(words)),
            summary,
            details: details.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    /// Whether the value is a list, with commas between its items.
    pub(super) fn is_list(&self) -> bool {
        self.value.ends_with(",…")
    }

    /// The line of `-h`.
    fn help(&self) -> String {
        let (Fallback::Value(default) | Fallback::Words(default)) = &self.default;
        format!("{} {DEFAULT}{default}]", plain(&self.summary))
    }

    /// The lines of `--help`.
    fn long_help(&self) -> String {
        let more = [plain(&self.details), self.file_words()];
        let more: Vec<_> = more.into_iter().filter(|text| !text.is_empty()).collect();
        if more.is_empty() { self.help() } else { format!("{}\n\n{}", self.help(), more.join(" ")) }
    }

    /// What to know of a setting that is a secret.
    pub(super) fn file_words(&self) -> String {
        let words = |variable| format!("A secret: `{variable}` may name a file that holds it.");
        self.file_variable.as_ref().map(words).unwrap_or_default()
    }
}

/// Takes `[default: …]` off the end of a help, and gives what stands in it.
fn without_default(help: &str) -> (String, String) {
    match help.rsplit_once(DEFAULT) {
        Some((summary, words)) => (summary.trim().to_owned(), words.trim_end_matches(']').to_owned()),
        None => (help.trim().to_owned(), String::new()),
    }
}

/// Markdown without its links, which lead nowhere in a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, (words, after))) = rest.split_once('[').and_then(|(before, link)| {
        let (words, target) = link.split_once("](")?;
        Some((before, (words, target.split_once(')')?.1)))
    }) {
        plain.push_str(before);
        plain.push_str(words);
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_left_out_of_what_a_terminal_shows() {
        assert_eq!(
            plain("see [API.md](API.md#webhook), [`GET /metrics`](#metrics)"),
            "see API.md, `GET /metrics`"
        );
        assert_eq!(plain("an index[0], or [none]"), "an index[0], or [none]");
    }

    #[test]
    fn a_default_that_is_no_value_stands_at_the_end_of_the_help() {
        assert_eq!(
            without_default("A key [default: none, HTTP]"),
            ("A key".to_owned(), "none, HTTP".to_owned())
        );
        assert_eq!(without_default("A port"), ("A port".to_owned(), String::new()));
    }
}
