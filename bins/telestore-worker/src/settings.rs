//! What can be set: each setting is one field below, with its name, its kind, its default and its help.
//!
//! All else follows from the field. `port` is `--port` on the command line, `port` in the TOML file, and `PORT` in the
//! environment. The kind reads the value, wherever it was written. A [`Secret`](telestore::types::Secret) is never shown, and
//! may come from the file that the variable with `_FILE` behind its name names. `--help`, the warnings about misspelt names,
//! and the tables in docs/OPERATIONS.md are made of the same fields ([`Definition`]).
//!
//! A new setting touches two places: a field in the group that it belongs to, and what uses it. `UPDATE_DOCS=1 cargo test -p
//! telestore-worker --lib operations` writes it into the document. The tests look at all that follows, for every setting, and
//! find a field that nothing uses.

mod addresses;
mod cors;
mod definition;
mod encoding;
mod error;
mod fetching;
mod file;
mod limits;
mod log;
mod message;
mod origin;
mod secret_file;
mod sending;
mod server;
mod storage;
mod suggest;
#[cfg(test)]
pub(crate) mod testing;
mod users;
mod values;
mod warnings;
mod written;

use clap::Args;

pub(crate) use self::addresses::{MtprotoAddresses, allowed};
pub(crate) use self::cors::CorsOrigins;
pub(crate) use self::definition::{Definition, definitions, definitions_of};
pub(crate) use self::encoding::EncodingSettings;
pub(crate) use self::error::{ConfigError, bad};
pub(crate) use self::fetching::FetchSettings;
pub(crate) use self::limits::LimitSettings;
pub(crate) use self::log::{LogFormat, LogSettings};
pub(crate) use self::message::MessageSettings;
pub(crate) use self::origin::{Origin, Origins};
pub(crate) use self::sending::SendingSettings;
pub(crate) use self::server::{AppPage, ConnectionSettings, ServerSettings};
pub(crate) use self::storage::{DataSettings, StorageSettings};
pub(crate) use self::users::{StandAloneSettings, UserSettings};
pub(crate) use self::values::{size, time};
pub(crate) use self::warnings::{environment, misspelt, open_secret_files};
pub(crate) use self::written::{Written, arguments, is_blank, why};

/// Everything that can be set, read and with every default in its place.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// Where each was written.
    #[arg(skip)]
    pub(crate) origins: Origins,

    #[command(flatten)]
    pub(crate) server: ServerSettings,
    #[command(flatten)]
    pub(crate) users: UserSettings,
    #[command(flatten)]
    pub(crate) stand_alone: StandAloneSettings,
    #[command(flatten)]
    pub(crate) data: DataSettings,
    #[command(flatten)]
    pub(crate) storage: StorageSettings,
    #[command(flatten)]
    pub(crate) sending: SendingSettings,
    #[command(flatten)]
    pub(crate) fetching: FetchSettings,
    #[command(flatten)]
    pub(crate) message: MessageSettings,
    #[command(flatten)]
    pub(crate) encoding: EncodingSettings,
    #[command(flatten)]
    pub(crate) limits: LimitSettings,
    #[command(flatten)]
    pub(crate) connections: ConnectionSettings,
    #[command(flatten)]
    pub(crate) log: LogSettings,
    #[command(flatten)]
    pub(crate) watch: log::WatchSettings,
}

impl Settings {
    /// Reads all that was written.
    ///
    /// # Errors
    /// Which setting is wrong, by the name that its writer gave it, and what is expected; never its value.
    pub(crate) fn read(written: &Written) -> Result<Self, ConfigError> {
        let (settings, origins) = written.read::<Self>()?;
        Ok(Self { origins, ..settings })
    }

    /// Whether there is a page for people.
    pub(crate) fn shows_app(&self) -> bool {
        match self.server.app {
            AppPage::Auto => self.users.backend_url.is_none(),
            AppPage::On => true,
            AppPage::Off => false,
        }
    }
}

#[cfg(test)]
mod tests;
