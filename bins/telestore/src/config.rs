//! The configuration file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use telestore_types::Secret;

use crate::exit::Failure;
use crate::{cli, places};

/// What the file may hold. Flags and the environment go before it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) to: Option<String>,
    pub(crate) token: Option<Secret>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) token_command: Option<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) patience: Option<String>,
    pub(crate) parallel: Option<u16>,
    pub(crate) limit_rate: Option<String>,
}

impl Config {
    /// Reads the file that is named, or the one at its usual place if it is there.
    ///
    /// # Errors
    /// It cannot be read, others can read it, or something in it is wrong.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, Failure> {
        let usual = || places::config().ok().filter(|path| path.exists());
        let Some(path) = named.map(Path::to_owned).or_else(usual) else { return Ok(Self::default()) };
        Self::of(&path).map_err(|why| Failure::usage(format!("{}: {why}", path.display())))
    }

    /// How many bytes may go in a second: as the command line says, or else the file.
    pub(crate) fn rate(&self, asked: Option<u64>) -> Result<Option<u64>, Failure> {
        let written = |text: &String| {
            cli::size(text).map_err(|why| Failure::usage(format!("limit_rate in the configuration: {why}")))
        };
        match asked {
            Some(rate) => Ok(Some(rate)),
            None => self.limit_rate.as_ref().map(written).transpose(),
        }
    }

    fn of(path: &Path) -> Result<Self, String> {
        let mut text = String::new();
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        private(&file)?;
        file.read_to_string(&mut text).map_err(|error: io::Error| error.to_string())?;
        toml::from_str(&text).map_err(|error| {
            // Not its `Display`, which shows the line: the token may stand there.
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(""));
            let words = error.message().lines().next().unwrap_or("malformed");
            let words = if words.contains("invalid type") { "a value of the wrong kind" } else { words };
            format!("line {}: {words}", before.matches('\n').count() + 1)
        })
    }
}

/// Refuses a file that others than its owner can read: it may hold the token.
#[cfg(unix)]
fn private(file: &File) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;

    let mode = file.metadata().map_err(|error| error.to_string())?.permissions().mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err("others can read it, or change it, and it may hold the token: chmod 600".to_owned()),
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it fails elsewhere")]
fn private(_: &File) -> Result<(), String> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(text: &str, mode: u32) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Config::of(&path)
    }

    #[test]
    fn a_file_is_read_if_it_is_its_owners_alone() {
        let config = read("to = 'http://worker'\ntoken = 'hush'\nparallel = 2", 0o600).unwrap();
        assert_eq!((config.to.as_deref(), config.parallel), (Some("http://worker"), Some(2)));
        assert!(read("to = 'http://worker'", 0o640).unwrap_err().contains("chmod 600"));
    }

    #[test]
    fn errors_name_the_line_and_not_what_is_in_it() {
        for text in ["\ntoken = hush", "\ntoken = 'hush", "\ntoken = ['hush']", "\ntokn = 'hush'"] {
            let error = read(text, 0o600).unwrap_err();
            assert!(error.contains("line ") && !error.contains("hush"), "{error}");
        }
    }
}
