//! The settings of a TOML file. Their values are read as those of flags and variables are.

use std::fs;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::origin::Place;
use super::suggest::suggest;
use super::{ConfigError, Definition, Origin, Written, definitions};

/// Reads the file.
///
/// # Errors
/// Which key is wrong, in which line, and what would be right; never its value, which may be a secret.
pub(super) fn read(path: &Path) -> Result<Written, ConfigError> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: name.clone(), source })?;
    parse(&name, &text).map_err(|message| ConfigError::Parse { message })
}

fn parse(path: &str, text: &str) -> Result<Written, String> {
    let line = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let table = DeTable::parse(text).map_err(|error| {
        // The parser's full text quotes the line.
        broken(path, text, error.span().map_or(1, |span| line(span.start)), error.message())
    })?;
    let known = definitions();
    let mut written = Written::default();
    for (key, value) in table.into_inner() {
        let place = Place { path, line: line(key.span().start), key: key.get_ref() };
        let Some(definition) = known.iter().find(|definition| definition.key == place.key) else {
            return Err(format!("{place} is not a setting{}", did_you_mean(place.key, &known)));
        };
        let value = text_of(definition, value).map_err(|why| format!("{place}: {why}"))?;
        if !value.trim().is_empty() {
            let origin = Origin::File { path: path.to_owned(), line: place.line, key: place.key.to_owned() };
            written.set(place.key, value, origin);
        }
    }
    Ok(written)
}

/// A key may be misspelt, or be the name of the variable.
fn did_you_mean(key: &str, known: &[Definition]) -> String {
    let variable = known.iter().find(|definition| definition.variable.eq_ignore_ascii_case(key));
    let keys = known.iter().map(|definition| definition.key.as_str());
    let meant = variable.map(|definition| definition.key.as_str()).or_else(|| suggest(key, keys));
    meant.map_or_else(String::new, |meant| format!(": did you mean {meant}?"))
}

/// What is wrong with a file that is no TOML, and where.
fn broken(path: &str, text: &str, line: usize, message: &str) -> String {
    let words = text.lines().nth(line - 1).unwrap_or_default();
    let key = words.split_once('=').map(|(key, _)| key.trim());
    let is_key =
        |key: &&str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    match key.filter(is_key) {
        Some(key) => format!("{}: {message}", Place { path, line, key }),
        None => format!("{path}, line {line}: {message}"),
    }
}

/// A value as a flag would have it.
fn text_of(definition: &Definition, value: Spanned<DeValue<'_>>) -> Result<String, String> {
    match value.into_inner() {
        DeValue::Array(list) if definition.is_list() => list_of(&definition.key, list),
        value => one_of(value),
    }
}

fn one_of(value: DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::Array(_) => Err("expected one value, not a list".to_owned()),
        DeValue::String(text) => Ok(text.into_owned()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| "number is too large".to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(is_on) => Ok(if is_on { "on" } else { "off" }.to_owned()),
        DeValue::Datetime(_) | DeValue::Table(_) => {
            Err("expected a text, a number, true or false".to_owned())
        }
    }
}

fn list_of(key: &str, list: DeArray<'_>) -> Result<String, String> {
    let items = list.into_iter().map(|item| match one_of(item.into_inner())? {
        item if item.contains(',') => Err(format!("a comma cannot stand within an item of {key}")),
        item => Ok(item),
    });
    Ok(items.collect::<Result<Vec<_>, _>>()?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn wrong(text: &str) -> String {
        let read = parse("c.toml", text).map_err(|message| ConfigError::Parse { message });
        read.and_then(|written| Settings::read(&written)).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_named_by_key_and_line_and_not_quoted() {
        for (text, expected) in [
            ("port = \"hush\"", "port (c.toml, line 1): expected a port, a number from 0 to 65535"),
            ("\n\nport = 70000", "port (c.toml, line 3): expected a port, a number from 0 to 65535"),
            ("port = [1]", "port (c.toml, line 1): expected one value, not a list"),
            (
                "max_file_bytes = \"hush\"",
                "max_file_bytes (c.toml, line 1): expected a size, such as 50 MiB or a number of bytes",
            ),
            (
                "# c\nsession_ttl = true",
                "session_ttl (c.toml, line 2): expected a time, such as 90s, 24h or 7d",
            ),
            ("http_threads = 1.5", "http_threads (c.toml, line 1): expected a whole number"),
            ("user_sessions = \"hush\"", "user_sessions (c.toml, line 1): expected a number, or off"),
            (
                "mtproto_dc = \"hush\"",
                "mtproto_dc (c.toml, line 1): expected an address with a port, such as 149.154.167.50:443",
            ),
            (
                "bot_token = 1979-05-27",
                "bot_token (c.toml, line 1): expected a text, a number, true or false",
            ),
            ("bot_tokn = \"hush\"", "bot_tokn (c.toml, line 1) is not a setting: did you mean bot_token?"),
            ("bot-token = \"hush\"", "bot-token (c.toml, line 1) is not a setting: did you mean bot_token?"),
            (
                "TELESTORE_BOT_TOKEN = \"hush\"",
                "TELESTORE_BOT_TOKEN (c.toml, line 1) is not a setting: did you mean bot_token?",
            ),
            ("[server]\nport = 1", "server (c.toml, line 1) is not a setting"),
            (
                "auth_tokens = [\"hush,hush\"]",
                "auth_tokens (c.toml, line 1): a comma cannot stand within an item of auth_tokens",
            ),
        ] {
            assert_eq!(wrong(text), expected, "{text}");
        }
        for text in ["port = hush", "port = \"hush", "a = 1\nport = 1\nport = hush"] {
            let wrong = wrong(text);
            assert!(wrong.starts_with("port (c.toml, line ") && !wrong.contains("hush"), "{wrong}");
        }
    }

    #[test]
    fn values_may_be_written_as_toml_has_them() {
        let written = parse(
            "c.toml",
            "port = 8_080\nhttp2 = false\ncors_origins = [\"https://a.example\", \"https://b.example\"]\n\
             user_sessions = \"off\"\nsession_ttl = 90\nhost = \"\"\n",
        )
        .unwrap();
        let settings = Settings::read(&written).unwrap();
        let server = settings.server;
        assert_eq!((server.port, server.http2, server.host.as_str()), (8080, false, "0.0.0.0"));
        assert_eq!(server.cors_origins.0, ["https://a.example", "https://b.example"]);
        assert_eq!(settings.origins.name("TELESTORE_HTTP2"), "http2 (c.toml, line 2)");
        assert_eq!(settings.origins.name("TELESTORE_HOST"), "TELESTORE_HOST");
    }
}
