use clap::Args;
use telestore::store::Quota;
use telestore_http::{LimitedAddresses, RequestLimits};

use super::values;

/// How often users and addresses may call, and how much each may have; 0 is no limit.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitSettings {
    /// [Limit](#limits): requests a second with tokens of one user; five seconds' worth may come at once
    #[arg(long, env = "TELESTORE_USER_REQUESTS_PER_SECOND", value_name = "N|off", default_value = "2000", value_parser = values::limit)]
    pub(crate) user_requests_per_second: u64,

    /// [Limit](#limits): requests a second from one address; five seconds' worth may come at once
    #[arg(long, env = "TELESTORE_ADDRESS_REQUESTS_PER_SECOND", value_name = "N|off", default_value = "1000", value_parser = values::limit)]
    pub(crate) address_requests_per_second: u64,

    /// [Limit](#limits): uploads of one user that are not over
    #[arg(long, env = "TELESTORE_USER_SESSIONS", value_name = "N|off", default_value = "10000", value_parser = values::limit)]
    pub(crate) user_sessions: u64,

    /// [Limit](#limits): bytes of uploads of one user that are not over; above: 507
    #[arg(long, env = "TELESTORE_USER_STORED_BYTES", value_name = "BYTES|off", default_value = "off", value_parser = values::limit)]
    pub(crate) user_stored_bytes: u64,

    /// [Limit](#limits): bytes of one user on a day (UTC)
    #[arg(long, env = "TELESTORE_USER_BYTES_PER_DAY", value_name = "BYTES|off", default_value = "off", value_parser = values::limit)]
    pub(crate) user_bytes_per_day: u64,

    /// [Limit](#limits): uploads created from one address that are not over
    #[arg(long, env = "TELESTORE_ADDRESS_SESSIONS", value_name = "N|off", default_value = "5000", value_parser = values::limit)]
    pub(crate) address_sessions: u64,

    /// [Limit](#limits): bytes of uploads created from one address that are not over; above: 507
    #[arg(long, env = "TELESTORE_ADDRESS_STORED_BYTES", value_name = "BYTES|off", default_value = "off", value_parser = values::limit)]
    pub(crate) address_stored_bytes: u64,

    /// [Limit](#limits): bytes of uploads created from one address on a day (UTC)
    #[arg(long, env = "TELESTORE_ADDRESS_BYTES_PER_DAY", value_name = "BYTES|off", default_value = "off", value_parser = values::limit)]
    pub(crate) address_bytes_per_day: u64,

    /// [Limit](#limits): invalid tokens a minute from one address; beyond that only known tokens are taken from there
    #[arg(long, env = "TELESTORE_ADDRESS_REFUSED_TOKENS_PER_MINUTE", value_name = "N|off", default_value = "60", value_parser = values::limit)]
    pub(crate) address_refused_tokens_per_minute: u64,

    /// Which addresses the limits of addresses are for: `public` spares loopback and private ones, `all` spares none
    #[arg(long, env = "TELESTORE_LIMITED_ADDRESSES", value_name = "public|all", default_value = "public", value_parser = values::one_of([("public", LimitedAddresses::Public), ("all", LimitedAddresses::All)]))]
    pub(crate) limited_addresses: LimitedAddresses,
}

impl LimitSettings {
    /// How often calls may come.
    pub(crate) fn requests(&self) -> RequestLimits {
        let mut limits = RequestLimits::default();
        limits.user_requests_per_second = self.user_requests_per_second;
        limits.address_requests_per_second = self.address_requests_per_second;
        limits.address_refused_tokens_per_minute = self.address_refused_tokens_per_minute;
        limits.addresses = self.limited_addresses;
        limits
    }

    /// What each user may have.
    pub(crate) fn user(&self) -> Quota {
        quota(self.user_sessions, self.user_stored_bytes, self.user_bytes_per_day)
    }

    /// What each address may have.
    pub(crate) fn address(&self) -> Quota {
        quota(self.address_sessions, self.address_stored_bytes, self.address_bytes_per_day)
    }
}

fn quota(sessions: u64, stored_bytes: u64, bytes_per_day: u64) -> Quota {
    let limit = |limit: u64| Some(limit).filter(|limit| *limit > 0);
    let quota = Quota::NONE.with_sessions(limit(sessions));
    quota.with_stored_bytes(limit(stored_bytes)).with_bytes_per_day(limit(bytes_per_day))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::{settings, wrong};

    #[test]
    fn limits_can_be_set_and_turned_off() {
        let limits = settings(&[
            ("user_sessions", "off"),
            ("user_stored_bytes", "10 GiB"),
            ("address_bytes_per_day", "7"),
            ("address_sessions", "0"),
            ("user_requests_per_second", "off"),
            ("limited_addresses", "all"),
        ])
        .limits;
        assert_eq!(limits.user(), Quota::NONE.with_stored_bytes(10 * 1024 * 1024 * 1024));
        assert_eq!(limits.address(), Quota::NONE.with_bytes_per_day(7));
        let requests = limits.requests();
        assert_eq!((requests.user_requests_per_second, requests.addresses), (0, LimitedAddresses::All));
        let error = wrong(&[("user_sessions", "many")]);
        assert_eq!(error, "TELESTORE_USER_SESSIONS: expected a number, or off");
        let error = wrong(&[("limited_addresses", "some")]);
        assert_eq!(error, "TELESTORE_LIMITED_ADDRESSES: must be public or all");
    }
}
