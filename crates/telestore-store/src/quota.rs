use std::time::Duration;

use telestore_types::{AddressKey, Timestamp, UserId};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much one user, or the clients at one address, may take. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Quota {
    /// Uploads that are not over.
    pub sessions: Option<u64>,
    /// Bytes of their chunks.
    pub stored_bytes: Option<u64>,
    /// Bytes of the chunks that were acknowledged since midnight (UTC), those that came again included.
    pub bytes_per_day: Option<u64>,
}

/// What an upload is held to.
///
/// ```
/// use telestore_store::{Limits, Quota};
///
/// let ten_each = Quota::NONE.with_sessions(10);
/// let limits = Limits::NONE.with_max_bytes(2_000_000_000).with_user(ten_each);
/// assert_eq!(limits.address, Quota::NONE);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes of one upload.
    pub max_bytes: u64,
    /// What its owner may take.
    pub user: Quota,
    /// What the clients at the address that created it may take.
    pub address: Quota,
    /// How many uploads without an owner there may be in all.
    pub unowned: Option<u64>,
}

impl Limits {
    /// Nothing is too much.
    pub const NONE: Self =
        Self { max_bytes: u64::MAX, user: Quota::NONE, address: Quota::NONE, unowned: None };

    /// The same, with at most so many bytes in one upload.
    #[must_use]
    pub const fn with_max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The same, with this for the owner of the upload.
    #[must_use]
    pub const fn with_user(mut self, user: Quota) -> Self {
        self.user = user;
        self
    }

    /// The same, with this for the clients at the address that created it.
    #[must_use]
    pub const fn with_address(mut self, address: Quota) -> Self {
        self.address = address;
        self
    }

    /// The same, with at most so many uploads without an owner in all.
    #[must_use]
    pub const fn with_unowned(mut self, unowned: u64) -> Self {
        self.unowned = Some(unowned);
        self
    }

    /// Whether any of them limits what `more` takes.
    pub fn concern(&self, more: &More) -> bool {
        let concerns = |quota: &Quota| {
            (quota.sessions.is_some() && more.sessions > 0)
                || (quota.stored_bytes.is_some() && more.stored_bytes > 0)
                || (quota.bytes_per_day.is_some() && more.bytes > 0)
        };
        concerns(&self.user) || concerns(&self.address)
    }

    /// The quotas of an upload's owner and address, as far as they are known and limited.
    pub fn of<'a>(
        &self,
        user: Option<&'a UserId>,
        address: Option<&'a AddressKey>,
    ) -> Vec<(Subject<'a>, Quota)> {
        let user = user.map(|user| (Subject::User(user), self.user));
        let address = address.map(|address| (Subject::Address(address), self.address));
        user.into_iter().chain(address).filter(|(_, quota)| *quota != Quota::NONE).collect()
    }
}

/// Whom a quota is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject<'a> {
    /// The owner of uploads.
    User(&'a UserId),
    /// The clients at the address that created them.
    Address(&'a AddressKey),
}

impl Subject<'_> {
    fn whose(self) -> Whose {
        match self {
            Self::User(_) => Whose::User,
            Self::Address(_) => Whose::Address,
        }
    }

    /// A name that no other subject has, for the rows that count its bytes.
    pub fn name(self) -> String {
        match self {
            Self::User(user) => format!("user {user}"),
            Self::Address(address) => format!("address {}", address.as_str()),
        }
    }
}

/// What is taken now. A store counts all of it, so it is exhaustive: one that leaves something out does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Uploads that are not over.
    pub sessions: u64,
    /// Bytes of their chunks.
    pub stored_bytes: u64,
    /// Bytes of the chunks that were acknowledged since midnight (UTC).
    pub bytes_today: u64,
}

/// What there may be too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Uploads that are not over.
    Sessions,
    /// Bytes of their chunks.
    StoredBytes,
    /// Bytes of a day.
    BytesPerDay,
}

/// Of whom there may be too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A user.
    User,
    /// The clients at an address.
    Address,
}

/// A quota does not allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exceeded {
    /// Whose quota.
    pub whose: Whose,
    /// Of what.
    pub resource: Resource,
    /// How much it allows.
    pub limit: u64,
}

/// What is to be taken in addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct More {
    /// Uploads.
    pub sessions: u64,
    /// Bytes that will be stored, beyond those whose place they take.
    pub stored_bytes: u64,
    /// Bytes that were sent for it.
    pub bytes: u64,
}

impl More {
    /// A new upload. It makes sense only if a byte of it may follow.
    pub const UPLOAD: Self = Self { sessions: 1, stored_bytes: 1, bytes: 1 };

    /// A chunk of so many bytes in the place of one that had `old` bytes.
    pub fn chunk(length: u64, old: Option<u64>) -> Self {
        let stored_bytes = length.saturating_sub(old.unwrap_or(0));
        Self { sessions: 0, stored_bytes, bytes: length }
    }

    /// The same, with so many bytes that will be stored.
    #[must_use]
    pub const fn with_stored_bytes(self, stored_bytes: u64) -> Self {
        Self { stored_bytes, ..self }
    }

    /// The same, with so many bytes that were sent for it.
    #[must_use]
    pub const fn with_bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }
}

impl Quota {
    /// Nothing is too much.
    pub const NONE: Self = Self { sessions: None, stored_bytes: None, bytes_per_day: None };

    /// The same, with at most so many uploads that are not over; `None` is no limit.
    #[must_use]
    pub fn with_sessions(self, sessions: impl Into<Option<u64>>) -> Self {
        Self { sessions: sessions.into(), ..self }
    }

    /// The same, with at most so many bytes of their chunks; `None` is no limit.
    #[must_use]
    pub fn with_stored_bytes(self, bytes: impl Into<Option<u64>>) -> Self {
        Self { stored_bytes: bytes.into(), ..self }
    }

    /// The same, with at most so many bytes since midnight (UTC); `None` is no limit.
    #[must_use]
    pub fn with_bytes_per_day(self, bytes: impl Into<Option<u64>>) -> Self {
        Self { bytes_per_day: bytes.into(), ..self }
    }

    /// Whether bytes are limited, which is to be looked at with each chunk.
    pub fn limits_bytes(&self) -> bool {
        self.stored_bytes.is_some() || self.bytes_per_day.is_some()
    }

    /// Whether there may be so much more. What takes nothing of a resource is not refused for it.
    ///
    /// # Errors
    /// [`Exceeded`] for the first that it is too much of.
    pub fn check(&self, of: Subject<'_>, used: &Usage, more: &More) -> Result<(), Exceeded> {
        for (resource, limit, used, more) in [
            (Resource::Sessions, self.sessions, used.sessions, more.sessions),
            (Resource::StoredBytes, self.stored_bytes, used.stored_bytes, more.stored_bytes),
            (Resource::BytesPerDay, self.bytes_per_day, used.bytes_today, more.bytes),
        ] {
            if let Some(limit) = limit
                && more > 0
                && used.saturating_add(more) > limit
            {
                return Err(Exceeded { whose: of.whose(), resource, limit });
            }
        }
        Ok(())
    }
}

/// The day (UTC) whose bytes are counted together, in days since the Unix epoch.
pub fn day_of(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX))
}

/// How long it is until the bytes of a day are counted from zero again.
pub fn until_midnight(now: Timestamp) -> Duration {
    let day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    Duration::from_millis((day - now.as_millis().rem_euclid(day)).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight() {
        let noon = Timestamp::from_millis(1_763_769_600_000 + 12 * 60 * 60 * 1000);
        assert_eq!(until_midnight(noon), DAY / 2);
        assert_eq!(day_of(noon + until_midnight(noon)), day_of(noon) + 1);
        assert_eq!(day_of(noon + until_midnight(noon) - Duration::from_millis(1)), day_of(noon));
    }

    #[test]
    fn what_takes_nothing_is_not_refused() {
        let user = UserId::new("u");
        let quota = Quota { stored_bytes: Some(10), ..Quota::NONE };
        let used = Usage { stored_bytes: 12, ..Usage::default() };
        let check = |stored_bytes| {
            quota.check(Subject::User(&user), &used, &More { stored_bytes, bytes: 5, ..More::default() })
        };
        assert_eq!(check(0), Ok(()), "a chunk that comes again");
        let exceeded = Exceeded { whose: Whose::User, resource: Resource::StoredBytes, limit: 10 };
        assert_eq!(check(1), Err(exceeded));
    }
}
