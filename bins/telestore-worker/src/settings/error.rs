use super::Origins;

/// Why the settings do not work. The texts say what to set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{message}")]
    Parse { message: String },
    #[error(
        "nobody to serve: set BACKEND_URL to the TeleStore backend, or, for stand-alone use, TELESTORE_CHANNEL_ID with \
         TELESTORE_BOT_TOKEN or TELESTORE_TELEGRAM_SESSION, and TELESTORE_AUTH_TOKENS. To look around without Telegram: \
         telestore-worker sandbox --with-worker"
    )]
    Nobody,
    #[error("{name} is not set, which stand-alone use needs")]
    Missing { name: &'static str },
    #[error("{name}: {message}")]
    Bad { name: String, message: String },
}

impl ConfigError {
    /// The error with the name of the setting that its writer knows.
    pub(crate) fn named_by(self, origins: &Origins) -> Self {
        match self {
            Self::Bad { name, message } => Self::Bad { name: origins.name(&name), message },
            other => other,
        }
    }
}

/// A setting, by its variable, whose value does not work.
pub(crate) fn bad(name: impl Into<String>, message: impl ToString) -> ConfigError {
    ConfigError::Bad { name: name.into(), message: message.to_string() }
}
