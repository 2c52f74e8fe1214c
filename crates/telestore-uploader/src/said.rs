//! What Telegram says of an account rather than of a file, with words for the person whose account it is.
//!
//! Matched by name and not by code: the same name comes with 400, 403, 406 and 420.
//! <https://core.telegram.org/api/errors>

use crate::{Error, ErrorKind};

/// A name, and what is right to do.
type Words = (&'static str, &'static str);

/// The session string is of no use any more. The first ones have the documented words alone, which say all.
const SESSION: [Words; 9] = [
    ("AUTH_KEY_UNREGISTERED", ""),
    ("AUTH_KEY_INVALID", ""),
    ("AUTH_KEY_PERM_EMPTY", ""),
    (
        "AUTH_KEY_DUPLICATED",
        "it was used in two places at once, so Telegram ended it: sign in again, and use that session in this worker only",
    ),
    ("SESSION_REVOKED", "the login was ended in Telegram's list of devices: sign in to Telegram again"),
    ("SESSION_EXPIRED", "the login has expired: sign in to Telegram again"),
    (
        "SESSION_PASSWORD_NEEDED",
        "the login was not finished: sign in again, with the password of two-step verification",
    ),
    ("USER_DEACTIVATED", "the account was deleted: sign in with another one"),
    (
        "USER_DEACTIVATED_BAN",
        "Telegram banned the account: write to recover@telegram.org, or sign in with another one",
    ),
];

/// The account may not do what it was to do, in any chat.
const ACCOUNT: [Words; 3] = [
    (
        "PEER_FLOOD",
        "Telegram limits this account, since it takes what it does for spam: ask @SpamBot in Telegram for how \
      long, and complete the upload again then, or use another account",
    ),
    (
        "USER_RESTRICTED",
        "Telegram limits this account, since others reported it: ask @SpamBot in Telegram for how long, and \
      complete the upload again then, or use another account",
    ),
    (
        "PHONE_NUMBER_BANNED",
        "Telegram banned the phone number of this account: write to recover@telegram.org, or sign in \
      with another account",
    ),
];

/// What all names begin with that speak of a frozen account. <https://core.telegram.org/api/auth#frozen-accounts>
const FROZEN: &str = "FROZEN_";

const FROZEN_WORDS: &str = "Telegram froze this account, and it may post nothing until that is lifted: open Telegram with it \
    and appeal there (@SpamBot), or use another account";

/// Whether a name says that the session is dead.
#[cfg(feature = "mtproto")]
pub(crate) fn is_dead_session(name: &str) -> bool {
    find(&SESSION, name).is_some()
}

/// The error that a name or a text speaks of, if it is about the account. Nothing but another login, or Telegram, can help,
/// so it is permanent, and the credentials are asked for anew.
pub(crate) fn of_account(text: &str) -> Option<Error> {
    let mut names = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    names.find_map(|name| {
        let text = match find(&SESSION, name) {
            Some("") => return Some(Error::not_authorized()),
            Some(words) => format!("{}: {words}", Error::not_authorized()),
            None if name.starts_with(FROZEN) => FROZEN_WORDS.to_owned(),
            None => find(&ACCOUNT, name)?.to_owned(),
        };
        Some(Error::new(ErrorKind::NotAuthorized, text))
    })
}

fn find(table: &[Words], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn names_are_found_in_texts_and_say_what_to_do() {
        for (text, words) in [
            ("FROZEN_METHOD_INVALID", "froze this account"),
            ("Forbidden: FROZEN_PARTICIPANT_MISSING", "froze this account"),
            ("[400 PEER_FLOOD]", "@SpamBot"),
            ("USER_DEACTIVATED_BAN", "Telegram session not authorized: Telegram banned"),
            ("USER_DEACTIVATED", "Telegram session not authorized: the account was deleted"),
            ("AUTH_KEY_DUPLICATED", "in this worker only"),
            ("AUTH_KEY_UNREGISTERED", "Telegram session not authorized"),
        ] {
            let error = of_account(text).unwrap_or_else(|| panic!("{text} is of an account"));
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!((error.kind(), error.verdict()), (ErrorKind::NotAuthorized, Verdict::Permanent));
        }
        for text in
            ["INPUT_USER_DEACTIVATED", "Forbidden: user is deactivated", "frozen_food", "FLOOD_WAIT_3", ""]
        {
            assert!(of_account(text).is_none(), "{text}");
        }
    }
}
