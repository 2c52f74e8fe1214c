//! The worker that is asked.

use std::time::Duration;

use telestore_client::Client;

use crate::cli::{self, WorkerArgs};
use crate::config::Config;
use crate::exit::Failure;
use crate::token;

/// Where a worker listens as it comes.
const USUAL: &str = "http://127.0.0.1:10000";

/// Long enough for a disk to be emptied, or a machine to be restarted.
const PATIENCE: Duration = Duration::from_secs(600);

/// A client, and a mark of whose it is.
pub(crate) struct Worker {
    pub(crate) client: Client,
    /// A few digits of the token's digest: enough to see that it is another one, and too few to find it.
    pub(crate) by: String,
}

pub(crate) async fn worker(args: &WorkerArgs, config: &Config, rate: Option<u64>) -> Result<Worker, Failure> {
    use sha2::{Digest, Sha256};

    let token = token::token(args, config).await?;
    let to = args.to.as_ref().or(config.to.as_ref()).map_or(USUAL, String::as_str);
    let written = |text: &String| {
        cli::time(text).map_err(|why| Failure::usage(format!("patience in the configuration: {why}")))
    };
    let patience = match args.patience {
        Some(patience) => patience,
        None => config.patience.as_ref().map(written).transpose()?.unwrap_or(PATIENCE),
    };
    let mut builder = Client::builder(to)
        .token(token.clone())
        .patience(patience)
        .user_agent(concat!("telestore/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = args.ca.as_ref().or(config.ca.as_ref()) {
        builder = builder.ca(path);
    }
    if let Some(rate) = rate {
        builder = builder.bytes_per_second(rate);
    }
    let client = builder.build().map_err(|error| Failure::usage(format!("--to, token or --ca: {error}")))?;
    let digest = Sha256::digest(format!("{}\0{}", client.base_url(), token.expose().trim()));
    Ok(Worker { by: hex::encode(&digest[..4]), client })
}
