//! Who may call, how often, and how much each may have.

use telestore::store::Quota;
use telestore::{Auth, EngineConfig};
use telestore_http::{AccessLog, LimitedAddresses, RequestLimits};

use crate::cli::{Limit, Settings, word};
use crate::config::{ConfigError, bad};

/// Whether every call needs a token.
pub(crate) fn auth(text: Option<&str>) -> Result<Auth, ConfigError> {
    match text.map(word).as_deref() {
        None | Some("documented") => Ok(Auth::Documented),
        Some("strict") => Ok(Auth::Strict),
        Some(_) => Err(bad("TELESTORE_AUTH", "must be documented or strict")),
    }
}

/// Which requests leave a line with the client's address.
pub(crate) fn access_log(text: Option<&str>) -> Result<AccessLog, ConfigError> {
    match text.map(word).as_deref() {
        None | Some("refused") => Ok(AccessLog::Refused),
        Some("off") => Ok(AccessLog::Off),
        Some("all") => Ok(AccessLog::All),
        Some(_) => Err(bad("TELESTORE_ACCESS_LOG", "must be off, refused or all")),
    }
}

/// Quotas of users and of addresses.
pub(crate) fn quotas(settings: &Settings, default: &EngineConfig) -> (Quota, Quota) {
    let limit = |limit: Option<Limit>, default: Option<u64>| match limit {
        Some(Limit(limit)) => Some(limit).filter(|limit| *limit > 0),
        None => default,
    };
    let quota = |default: Quota, sessions, stored_bytes, bytes_per_day| Quota {
        sessions: limit(sessions, default.sessions),
        stored_bytes: limit(stored_bytes, default.stored_bytes),
        bytes_per_day: limit(bytes_per_day, default.bytes_per_day),
    };
    let of = settings;
    let user = quota(default.user, of.user_sessions, of.user_stored_bytes, of.user_bytes_per_day);
    let address =
        quota(default.address, of.address_sessions, of.address_stored_bytes, of.address_bytes_per_day);
    (user, address)
}

/// How often calls may come.
pub(crate) fn requests(settings: &Settings) -> Result<RequestLimits, ConfigError> {
    let default = RequestLimits::default();
    let count = |limit: Option<Limit>, default: u64| limit.map_or(default, |Limit(count)| count);
    Ok(RequestLimits {
        user_requests_per_second: count(settings.user_requests_per_second, default.user_requests_per_second),
        address_requests_per_second: count(
            settings.address_requests_per_second,
            default.address_requests_per_second,
        ),
        address_refused_tokens_per_minute: count(
            settings.address_refused_tokens_per_minute,
            default.address_refused_tokens_per_minute,
        ),
        addresses: match settings.limited_addresses.as_deref().map(word).as_deref() {
            None | Some("public") => LimitedAddresses::Public,
            Some("all") => LimitedAddresses::All,
            Some(_) => return Err(bad("TELESTORE_LIMITED_ADDRESSES", "must be public or all")),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_in_quotes_and_capitals() {
        for text in ["strict", " Strict ", "\"strict\"", "'STRICT'"] {
            assert_eq!(auth(Some(text)).unwrap(), Auth::Strict, "{text}");
        }
        assert_eq!(access_log(Some("\"All\"")).unwrap(), AccessLog::All);
        assert!(auth(Some("stricter")).is_err() && access_log(Some("")).is_err());
    }

    #[test]
    fn limits_can_be_set_and_turned_off() {
        let default = EngineConfig::default();
        assert_eq!(quotas(&Settings::default(), &default), (default.user, default.address));
        assert_eq!(requests(&Settings::default()).unwrap(), RequestLimits::default());
        let limit = |text: &str| text.parse().ok();
        let settings = Settings {
            user_sessions: limit("off"),
            user_stored_bytes: limit("10 GiB"),
            address_bytes_per_day: limit("7"),
            address_sessions: limit("0"),
            user_requests_per_second: limit("off"),
            limited_addresses: Some("all".to_owned()),
            ..Settings::default()
        };
        let (user, address) = quotas(&settings, &default);
        assert_eq!(user, Quota { stored_bytes: Some(10 * 1024 * 1024 * 1024), ..Quota::NONE });
        assert_eq!(address, Quota { bytes_per_day: Some(7), ..Quota::NONE });
        let limits = requests(&settings).unwrap();
        assert_eq!((limits.user_requests_per_second, limits.addresses), (0, LimitedAddresses::All));
        assert!("many".parse::<Limit>().is_err());
        let wrong = Settings { limited_addresses: Some("some".to_owned()), ..Settings::default() };
        assert!(requests(&wrong).unwrap_err().to_string().starts_with("TELESTORE_LIMITED_ADDRESSES: "));
    }
}
