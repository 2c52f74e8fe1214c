//! Settings for tests, by their keys and as text.

use super::{Settings, Written};

/// What somebody wrote: keys and values. Errors name the settings by their variables.
pub(crate) fn written(values: &[(&str, &str)]) -> Written {
    values.iter().fold(Written::default(), |mut written, (key, value)| {
        written.set(key, value, super::Origin::Variable);
        written
    })
}

/// The settings of these values.
pub(crate) fn settings(values: &[(&str, &str)]) -> Settings {
    Settings::read(&written(values)).unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with these values.
pub(crate) fn wrong(values: &[(&str, &str)]) -> String {
    Settings::read(&written(values)).unwrap_err().to_string()
}
