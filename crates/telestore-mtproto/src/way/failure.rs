use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::Error;

/// Why there is no way to a data centre, by the hop that it ends at. Nothing was sent to Telegram. No text holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot connect to Telegram: {0}")]
    Refused(io::ErrorKind),
    #[error("cannot connect to Telegram: no answer in {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error(
        "the name of the {proxy} cannot be resolved: is it written right, and does the DNS of this machine work?"
    )]
    Name { proxy: String },
    #[error("cannot connect to the {proxy}: {why}")]
    NoProxy { proxy: String, why: io::ErrorKind },
    #[error("the {proxy} does not answer in {} s", .after.as_secs_f32())]
    ProxySilent { proxy: String, after: Duration },
    #[error("the {proxy} is none: {why}")]
    NotOne { proxy: String, why: &'static str },
    #[error("the {proxy} refuses the user or the password, or asks for them and has got none")]
    Login { proxy: String },
    #[error("the {proxy} allows no connections to Telegram at {target}")]
    Forbidden { proxy: String, target: SocketAddr },
    #[error("the {proxy} cannot reach Telegram at {target}: {why}")]
    Beyond { proxy: String, target: SocketAddr, why: String },
    #[error("the {proxy} does not get through to Telegram at {target}: no answer in {} s", .after.as_secs_f32())]
    BeyondSilent { proxy: String, target: SocketAddr, after: Duration },
    #[error(
        "the {proxy} does not take the secret: it is another one there, or the clock of this machine is wrong by minutes"
    )]
    Secret { proxy: String },
}

impl Failure {
    /// Whether other addresses of Telegram end there, too.
    pub(super) fn is_of_proxy(&self) -> bool {
        !matches!(
            self,
            Self::Refused(_)
                | Self::Silent(_)
                | Self::Forbidden { .. }
                | Self::Beyond { .. }
                | Self::BeyondSilent { .. }
        )
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::not_sent(failure.to_string()).with_source(failure)
    }
}
