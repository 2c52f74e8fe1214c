use telestore_types::telegram::AccountFault;

use crate::{Error, ErrorKind};

/// What a name or a text of Telegram's says of the account rather than of the file. It is permanent, and the credentials are
/// asked for anew.
impl From<AccountFault> for Error {
    fn from(fault: AccountFault) -> Self {
        match (fault.ends_login(), fault.words()) {
            (true, "") => Self::not_authorized(),
            (true, words) => {
                Self::new(ErrorKind::NotAuthorized, format!("{}: {words}", Self::not_authorized()))
            }
            (false, words) => Self::new(ErrorKind::NotAuthorized, words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn the_owner_of_an_account_reads_what_to_do() {
        for (text, words) in [
            ("Forbidden: FROZEN_PARTICIPANT_MISSING", "Telegram froze this account"),
            ("USER_DEACTIVATED_BAN", "Telegram session not authorized: Telegram banned"),
            ("AUTH_KEY_UNREGISTERED", "Telegram session not authorized"),
        ] {
            let error = Error::from(AccountFault::in_text(text).expect("a fault"));
            assert!(error.to_string().starts_with(words), "{error}");
            assert_eq!((error.kind(), error.verdict()), (ErrorKind::NotAuthorized, Verdict::Permanent));
        }
    }
}
