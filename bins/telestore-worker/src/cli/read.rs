//! Reads the command line. Values of settings are read later, by who needs them.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use super::Cli;
use crate::settings::{arguments, is_blank, why};

impl Cli {
    /// Reads the command line of this process. Does not return if the command line is no command, or asks for help.
    ///
    /// # Errors
    /// Words for the operator, if a value makes no sense.
    pub(crate) fn read() -> Result<(Self, ArgMatches), String> {
        let matches = command().try_get_matches().map_err(wrong_value)?;
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        Ok((cli, matches))
    }
}

/// The whole command line: commands, and settings as flags.
pub(crate) fn command() -> Command {
    // Hosting panels set variables to nothing; that means that they are not set.
    let empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| is_blank(&value));
    let command = Cli::command().mut_args(|arg| {
        let unset = arg.get_env().is_some_and(empty);
        if unset { arg.env(Resettable::Reset) } else { arg }
    });
    command.args(arguments())
}

/// The variables that are no settings: of subcommands, and of the file.
pub(crate) fn other_variables() -> Vec<String> {
    let command = Cli::command();
    let arguments = command.get_subcommands().flat_map(Command::get_arguments).chain(command.get_arguments());
    arguments.filter_map(|arg| arg.get_env()?.to_str()).map(str::to_owned).collect()
}

/// The words for a value that makes no sense; any other error ends the process, with clap's words and help.
fn wrong_value(error: clap::Error) -> String {
    if error.kind() != ErrorKind::ValueValidation {
        error.exit();
    }
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(named)) => {
            format!("{}: {}", named.split(' ').next().unwrap_or_default(), why(&error))
        }
        _ => error.exit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
