//! What a caller may have at a time, and in a day.

use telestore_store::{Exceeded, More, Quota, Resource, Whose, until_midnight};
use telestore_types::AddressKey;

use crate::shared::access::Access;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};

/// When to look again whether an upload has ended; nobody knows when one will.
const UNTIL_AN_UPLOAD_ENDS: std::time::Duration = std::time::Duration::from_secs(60);

impl Access {
    /// What the uploads from an address are counted by; nothing is kept of it if nothing of addresses is limited.
    pub(crate) fn address_key(&self, caller: &Caller) -> Option<AddressKey> {
        let address = caller.address().filter(|_| self.base.config.address != Quota::NONE)?;
        Some(self.backends.sealer.address_key(address))
    }

    /// Refuses what the caller may not have in addition, as far as that is known before the bytes are there: of the
    /// user, if it is known whose the token is. Recording looks again.
    pub(crate) async fn check_quotas(&self, caller: &Caller, more: &More) -> Result<()> {
        let limits = self.base.limits();
        if !limits.concern(more) {
            return Ok(());
        }
        let user = self.known(caller).await;
        let address = self.address_key(caller);
        let now = self.base.now();
        for (subject, quota) in limits.of(user.map(|user| &user.user_id), address.as_ref()) {
            let used = self.base.sessions.usage(subject, now).await?;
            quota.check(subject, &used, more).map_err(|exceeded| self.too_much(exceeded))?;
        }
        Ok(())
    }

    pub(crate) fn too_much(&self, exceeded: Exceeded) -> Error {
        let Exceeded { whose, resource, limit, .. } = exceeded;
        let retry_after = match resource {
            Resource::BytesPerDay => until_midnight(self.base.now()),
            _ => UNTIL_AN_UPLOAD_ENDS,
        };
        let what = match (resource, whose) {
            (Resource::StoredBytes, Whose::User) => return Error::QuotaFull { whose: "this user", limit },
            (Resource::StoredBytes, Whose::Address) => {
                return Error::QuotaFull { whose: "this address", limit };
            }
            (Resource::Sessions, Whose::User) => "unfinished uploads of this user",
            (Resource::Sessions, Whose::Address) => "unfinished uploads from this address",
            (Resource::BytesPerDay, Whose::User) => "bytes of this user today",
            (Resource::BytesPerDay, Whose::Address) => "bytes from this address today",
        };
        Error::TooManyRequests { what, retry_after }
    }
}
