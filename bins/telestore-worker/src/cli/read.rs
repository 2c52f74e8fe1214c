//! Reads command line and environment, and says what is wrong with a value by the name that its writer gave it.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, CommandFactory, FromArgMatches};

use super::{Cli, Settings};
use crate::config::{Origin, Origins};

impl Cli {
    /// Reads the command line and the environment of this process. Does not return where the command line is no command,
    /// or asks for help.
    ///
    /// # Errors
    /// Words for the operator, where a value makes no sense.
    pub(crate) fn read() -> Result<Self, String> {
        // Hosting panels set variables to nothing; that means that they are not set.
        let empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| is_blank(&value));
        let command = Self::command().mut_args(|arg| {
            let unset = arg.get_env().is_some_and(empty);
            if unset { arg.env(Resettable::Reset) } else { arg }
        });
        let matches = command.clone().try_get_matches().map_err(|error| wrong_value(&command, error))?;
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.settings.origins = origins(&matches);
        Ok(cli)
    }
}

fn is_blank(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| text.trim().is_empty())
}

/// The arguments that are settings.
fn settings() -> Command {
    Settings::augment_args(Command::new("settings"))
}

/// The name of an argument's variable.
pub(crate) fn variable(arg: &Arg) -> Option<&str> {
    arg.get_env()?.to_str()
}

/// The variables and the keys of all settings, as in `("PORT", "port")`.
pub(crate) fn names() -> Vec<(String, String)> {
    let command = settings();
    let names = command.get_arguments().filter_map(|arg| Some((variable(arg)?, arg.get_id().as_str())));
    names.map(|(variable, key)| (variable.to_owned(), key.to_owned())).collect()
}

/// The variables that no settings are, of subcommands and of the file.
pub(crate) fn other_variables() -> Vec<String> {
    let command = Cli::command();
    let arguments = command.get_subcommands().flat_map(Command::get_arguments).chain(command.get_arguments());
    arguments.filter_map(variable).map(str::to_owned).collect()
}

fn origins(matches: &ArgMatches) -> Origins {
    let command = settings();
    let mut origins = Origins::default();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let empty = || matches.get_raw(id).is_some_and(|mut values| values.all(is_blank));
        let (Some(variable), Some(source), false) = (variable(arg), matches.value_source(id), empty()) else {
            continue;
        };
        if source == ValueSource::CommandLine {
            origins.set(variable, Origin::Flag(flag(arg)));
        } else if source == ValueSource::EnvVariable {
            origins.set(variable, Origin::Variable);
        }
    }
    origins
}

fn flag(arg: &Arg) -> String {
    format!("--{}", arg.get_long().unwrap_or_default())
}

/// The words for a value that makes no sense; any other error ends the process, with clap's words and help.
fn wrong_value(command: &Command, error: clap::Error) -> String {
    if error.kind() != ErrorKind::ValueValidation {
        error.exit();
    }
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(named)) => named.split(' ').next().unwrap_or_default().to_owned(),
        _ => error.exit(),
    };
    let arguments = command.get_subcommands().flat_map(Command::get_arguments).chain(command.get_arguments());
    let written = |argument: OsString| {
        let text = argument.to_string_lossy().into_owned();
        text == named || text.split_once('=').is_some_and(|(name, _)| name == named)
    };
    let variable = arguments.filter(|arg| flag(arg) == named).find_map(variable);
    let name = match variable {
        Some(variable) if !std::env::args_os().any(written) => variable,
        _ => &named,
    };
    format!("{name}: {}", why(&error))
}

/// What a value's own reader says, or what clap does.
fn why(error: &clap::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.kind().to_string(), ToString::to_string)
}

/// Reads settings whose values are given by their keys, with blank values left out. Gives the key of the first wrong one.
///
/// # Errors
/// The key, and what is wrong with its value.
pub(crate) fn settings_of(values: &[(String, String)]) -> Result<Settings, (String, String)> {
    let command = settings().no_binary_name(true).mut_args(|arg| arg.env(Resettable::Reset));
    let long = |key: &str| key.replace('_', "-");
    let arguments = |values: &[(String, String)]| -> Vec<String> {
        values.iter().map(|(key, value)| format!("--{}={value}", long(key))).collect()
    };
    let read = |values: &[(String, String)]| command.clone().try_get_matches_from(arguments(values));
    for value in values {
        read(std::slice::from_ref(value)).map_err(|error| (value.0.clone(), why(&error)))?;
    }
    let read = read(values).and_then(|matches| Settings::from_arg_matches(&matches));
    read.map_err(|error| (String::new(), why(&error)))
}
