use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args};

use super::definition::{command_of, flags};
use super::{ConfigError, Definition, Origin, Origins, bad, definitions, definitions_of, file, secret_file};

/// What flags, environment and file say, by the keys of the settings. Values are not read yet: a command reads those that
/// it needs.
#[derive(Default)]
pub(crate) struct Written(BTreeMap<String, Value>);

/// What is said of one setting, by the place that counts.
enum Value {
    Text(OsString, Origin),
    /// A file holds it, and this variable says which.
    SecretFile {
        variable: String,
        path: PathBuf,
    },
    /// The variable has it, and the other variable names a file for it.
    Twice {
        variable: String,
        file_variable: String,
    },
}

/// The settings as arguments of the command line.
pub(crate) fn arguments() -> Vec<Arg> {
    flags()
}

impl Written {
    /// Puts flags over environment over file. Empty values count as not set.
    ///
    /// # Errors
    /// If the file cannot be read, is no TOML, or has keys that are no settings.
    pub(crate) fn gather(
        matches: &ArgMatches,
        environment: impl Fn(&str) -> Option<OsString>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut written = file.map(file::read).transpose()?.unwrap_or_default();
        let environment = |name: &str| environment(name).filter(|value| !is_blank(value));
        for definition in definitions() {
            let value = flag(matches, &definition).or_else(|| variable(environment, &definition));
            if let Some(value) = value {
                written.0.insert(definition.key, value);
            }
        }
        Ok(written)
    }

    /// Says that a setting is set to `text`.
    pub(super) fn set(&mut self, key: &str, text: impl Into<OsString>, origin: Origin) {
        self.0.insert(key.to_owned(), Value::Text(text.into(), origin));
    }

    /// The same, to be called in a row, with the flag that the setting stands for.
    #[cfg(any(feature = "sandbox", test))]
    pub(crate) fn with(mut self, key: &str, text: impl Into<OsString>, flag: &str) -> Self {
        self.set(key, text, Origin::Flag(flag.to_owned()));
        self
    }

    /// What a setting is set to.
    #[cfg(test)]
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let (text, _) = self.0.get(key)?.text().ok()?;
        text.into_string().ok()
    }

    /// Reads the settings of `T`, and says where they were written. Others may be wrong.
    ///
    /// # Errors
    /// Which setting is wrong, by the name that its writer gave it, and what is expected; never its value.
    pub(crate) fn read<T: Args>(&self) -> Result<(T, Origins), ConfigError> {
        let command = command_of::<T>().mut_args(|arg| arg.env(Resettable::Reset));
        let (mut given, mut origins) = (Vec::new(), Origins::default());
        for definition in definitions_of::<T>() {
            let Some((text, origin)) = self.0.get(&definition.key).map(Value::text).transpose()? else {
                continue;
            };
            let mut argument = OsString::from(format!("{}=", definition.flag));
            argument.push(text);
            origins.set(&definition.variable, origin);
            // Each is read by itself first: the errors of clap do not always name the argument.
            if let Err(error) = command.clone().try_get_matches_from([&argument]) {
                return Err(bad(origins.name(&definition.variable), why(&error)));
            }
            given.push(argument);
        }
        let read = command.try_get_matches_from(given).and_then(|matches| T::from_arg_matches(&matches));
        read.map(|settings| (settings, origins)).map_err(|error| ConfigError::Parse { message: why(&error) })
    }
}

impl Value {
    /// The value, and where it was written.
    fn text(&self) -> Result<(OsString, Origin), ConfigError> {
        match self {
            Self::Text(text, origin) => Ok((text.clone(), origin.clone())),
            Self::SecretFile { variable, path } => {
                let held = secret_file::read(path).map_err(|why| bad(variable, why))?;
                let (variable, path) = (variable.clone(), path.display().to_string());
                Ok((held.secret.into(), Origin::SecretFile { variable, path, open_mode: held.open_mode }))
            }
            Self::Twice { variable, file_variable } => {
                Err(bad(file_variable, format!("{variable} is set, too: take out one of them")))
            }
        }
    }
}

fn flag(matches: &ArgMatches, definition: &Definition) -> Option<Value> {
    if matches.value_source(&definition.key) != Some(ValueSource::CommandLine) {
        return None;
    }
    let text = matches.get_raw(&definition.key)?.next().filter(|text| !is_blank(text))?;
    Some(Value::Text(text.to_owned(), Origin::Flag(definition.flag.clone())))
}

fn variable(environment: impl Fn(&str) -> Option<OsString>, definition: &Definition) -> Option<Value> {
    let variable = definition.variable.clone();
    let file = definition.file_variable.as_ref().and_then(|name| Some((name.clone(), environment(name)?)));
    match (environment(&variable), file) {
        (Some(_), Some((file_variable, _))) => Some(Value::Twice { variable, file_variable }),
        (Some(text), None) => Some(Value::Text(text, Origin::Variable)),
        (None, Some((variable, path))) => Some(Value::SecretFile { variable, path: path.into() }),
        (None, None) => None,
    }
}

/// Whether there is nothing in a value: hosting panels set variables to nothing if they are not set.
pub(crate) fn is_blank(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| text.trim().is_empty())
}

/// What a value's own reader says, or what clap does.
pub(crate) fn why(error: &clap::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.kind().to_string(), ToString::to_string)
}
