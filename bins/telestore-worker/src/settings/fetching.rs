//! `TELESTORE_FROM_URL`: whether, and from where, the worker fetches files that users name.

use std::net::IpAddr;
use std::str::FromStr;

use clap::{ArgAction, Args};
use ipnet::IpNet;
use telestore::fetch::{AllowedAddresses, FetchConfig};

use super::values;

/// The addresses that files are fetched from, as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchAddresses(AllowedAddresses);

impl FromStr for FetchAddresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(allowed_by).try_fold(AllowedAddresses::none(), |all, word| Ok(all.or(word?))).map(Self)
    }
}

fn allowed_by(word: &str) -> Result<AllowedAddresses, String> {
    let one = || word.parse::<IpAddr>().map(IpNet::from).ok();
    match word {
        "public" => Ok(AllowedAddresses::public()),
        "any" => Ok(AllowedAddresses::any()),
        _ => match one().or_else(|| word.parse().ok()) {
            Some(network) => Ok(AllowedAddresses::none().and(network)),
            None => Err("must be public, any, or networks such as 10.0.0.0/8".to_owned()),
        },
    }
}

/// Files that the worker fetches itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Fetching")]
pub(crate) struct FetchSettings {
    /// Whether users may have the worker [fetch files](#fetching-files) from addresses that they name (`POST /uploads/from-url`): `on` or `off`
    #[arg(long, env = "TELESTORE_FROM_URL", value_name = "on|off", default_value = "off", value_parser = values::on_or_off, action = ArgAction::Set)]
    pub(crate) from_url: bool,

    /// The addresses that such files are fetched from: `public` (the internet, without this machine and its network), `any`, or networks such as `10.0.0.0/8`, comma-separated
    #[arg(long, env = "TELESTORE_FROM_URL_ADDRESSES", value_name = "NETWORK,…", default_value = "public")]
    pub(crate) from_url_addresses: FetchAddresses,
}

impl FetchSettings {
    /// How files of at most so many bytes are fetched, if at all.
    pub(crate) fn config(&self, max_bytes: u64) -> Option<FetchConfig> {
        let mut config = FetchConfig::default();
        config.allowed = self.from_url_addresses.0.clone();
        config.allowed_by = Some("TELESTORE_FROM_URL_ADDRESSES".to_owned());
        config.max_bytes = max_bytes;
        config.user_agent = concat!("telestore-worker/", env!("CARGO_PKG_VERSION")).to_owned();
        self.from_url.then_some(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_words_and_networks() {
        for (text, expected) in [
            ("public", [true, false, false]),
            ("any", [true; 3]),
            ("127.0.0.1", [false, true, false]),
            ("public, 10.0.0.0/8", [true, false, true]),
            ("", [false; 3]),
        ] {
            let FetchAddresses(allowed) = text.parse().unwrap();
            let found = ["149.154.167.51", "127.0.0.1", "10.0.0.5"]
                .map(|address| allowed.allows(address.parse().unwrap()));
            assert_eq!(found, expected, "{text}");
        }
        for bad in ["auto", "localhost", "10.0.0.0/99"] {
            assert!(bad.parse::<FetchAddresses>().is_err(), "{bad}");
        }
    }
}
