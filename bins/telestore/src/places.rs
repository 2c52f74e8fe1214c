//! Where things are kept: the directories of the XDG specification, and their like on other systems.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy, choose_base_strategy};

use crate::exit::Failure;

fn base() -> Result<impl BaseStrategy, Failure> {
    choose_base_strategy().map_err(|_| {
        Failure::usage("there is no home directory: set HOME, or XDG_CONFIG_HOME and XDG_STATE_HOME")
    })
}

/// `config.toml`.
pub(crate) fn config() -> Result<PathBuf, Failure> {
    Ok(base()?.config_dir().join("telestore").join("config.toml"))
}

/// What is kept of uploads.
pub(crate) fn state() -> Result<PathBuf, Failure> {
    let base = base()?;
    Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("telestore"))
}
