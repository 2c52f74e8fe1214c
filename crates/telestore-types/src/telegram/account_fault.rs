//! What Telegram says of an account rather than of a file, with words for the person whose account it is.
//!
//! Matched by name and not by code: the same name comes with 400, 403, 406 and 420.
//! <https://core.telegram.org/api/errors>

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

/// A fault of an account or of a login: nothing but another login, or Telegram, can help.
///
/// ```
/// use telestore_types::telegram::AccountFault;
///
/// let fault = AccountFault::in_text("[420 FROZEN_METHOD_INVALID]").unwrap();
/// assert!(fault.words().starts_with("Telegram froze this account"));
/// assert!(!fault.ends_login());
/// assert_eq!(AccountFault::in_text("FLOOD_WAIT_3"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountFault {
    ends_login: bool,
    words: &'static str,
}

impl AccountFault {
    /// The fault that the name of an error stands for, such as `SESSION_REVOKED`.
    pub fn of_name(name: &str) -> Option<Self> {
        if let Some(words) = find(&SESSION, name) {
            return Some(Self { ends_login: true, words });
        }
        let words = if name.starts_with(FROZEN) { Some(FROZEN_WORDS) } else { find(&ACCOUNT, name) };
        words.map(|words| Self { ends_login: false, words })
    }

    /// The fault that a text names: a name stands alone in it or among other words.
    pub fn in_text(text: &str) -> Option<Self> {
        let mut names = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        names.find_map(Self::of_name)
    }

    /// Whether the session itself is dead. Otherwise the account may do nothing, and its session lives.
    pub fn ends_login(self) -> bool {
        self.ends_login
    }

    /// What happened and what the owner of the account can do. Empty if that the session is dead says all.
    pub fn words(self) -> &'static str {
        self.words
    }
}

fn find(table: &[Words], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_texts_and_say_what_to_do() {
        for (text, ends_login, words) in [
            ("FROZEN_METHOD_INVALID", false, "froze this account"),
            ("Forbidden: FROZEN_PARTICIPANT_MISSING", false, "froze this account"),
            ("[400 PEER_FLOOD]", false, "@SpamBot"),
            ("USER_DEACTIVATED_BAN", true, "Telegram banned"),
            ("USER_DEACTIVATED", true, "the account was deleted"),
            ("AUTH_KEY_DUPLICATED", true, "in this worker only"),
            ("AUTH_KEY_UNREGISTERED", true, ""),
        ] {
            let fault = AccountFault::in_text(text).unwrap_or_else(|| panic!("{text} is of an account"));
            assert!(fault.words().contains(words), "{fault:?}");
            assert_eq!(
                (fault.ends_login(), fault.words().is_empty()),
                (ends_login, words.is_empty()),
                "{text}"
            );
        }
        for text in
            ["INPUT_USER_DEACTIVATED", "Forbidden: user is deactivated", "frozen_food", "FLOOD_WAIT_3", ""]
        {
            assert_eq!(AccountFault::in_text(text), None, "{text}");
        }
    }
}
