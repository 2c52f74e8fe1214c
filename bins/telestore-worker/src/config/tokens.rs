//! The tokens of stand-alone use, with and without names.

use std::collections::BTreeSet;

use telestore::backend::StaticCredentialProvider;
use telestore::types::{Secret, UserId};

use crate::settings::{ConfigError, StandAloneSettings, bad};

const PLAIN: &str = "TELESTORE_AUTH_TOKENS";
const NAMED: &str = "TELESTORE_NAMED_TOKENS";

/// What the names of those begin with that have none.
const NAMELESS: &str = "token-";

const MAX_NAME: usize = 64;

/// A token that clients may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Whose it is.
    pub(crate) user: UserId,
    pub(crate) secret: Secret,
    /// The variable of the setting that has it.
    pub(super) setting: &'static str,
}

impl Token {
    /// The token in words, without the token.
    pub(super) fn shown(&self) -> String {
        format!("the token of user {}", self.user)
    }
}

/// Reads both lists.
///
/// A name cannot stand in the list of plain tokens: `alice:secret` is a whole token there, as it always was, and reading a
/// name out of it would refuse its holder and let in who knows its end only.
///
/// # Errors
/// Which entry of the named ones is wrong, without a word of it.
pub(super) fn read(settings: &StandAloneSettings) -> Result<Vec<Token>, ConfigError> {
    let mut tokens: Vec<Token> = Vec::new();
    for (index, entry) in items(settings.named_tokens.as_ref()).enumerate() {
        let token = named(entry).map_err(|why| bad(NAMED, format!("entry {}: {why}", index + 1)))?;
        if tokens.iter().any(|other| other.secret == token.secret) {
            return Err(bad(NAMED, format!("entry {}: this token has a name already", index + 1)));
        }
        tokens.push(token);
    }
    for entry in items(settings.auth_tokens.as_ref()) {
        let secret = Secret::new(entry);
        let token = Token { user: StaticCredentialProvider::user_of(&secret), secret, setting: PLAIN };
        if !tokens.iter().any(|other| other.secret == token.secret) {
            tokens.push(token);
        }
    }
    Ok(tokens)
}

/// The names that the operator gave.
pub(super) fn names(tokens: &[Token]) -> BTreeSet<UserId> {
    tokens.iter().filter(|token| token.setting == NAMED).map(|token| token.user.clone()).collect()
}

fn items(list: Option<&Secret>) -> impl Iterator<Item = &str> {
    let items = list.into_iter().flat_map(|list| list.expose().split(','));
    items.map(str::trim).filter(|item| !item.is_empty())
}

fn named(entry: &str) -> Result<Token, String> {
    let (name, token) = entry.split_once(':').ok_or("expected NAME:TOKEN")?;
    let (name, token) = (name.trim(), token.trim());
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_name) {
        return Err(format!("a name is 1 to {MAX_NAME} characters out of A-Z a-z 0-9 . _ -"));
    }
    if name.starts_with(NAMELESS) {
        return Err(format!("{NAMELESS}… is for tokens without a name"));
    }
    if token.is_empty() {
        return Err("there is no token behind the name".to_owned());
    }
    Ok(Token { user: UserId::new(name), secret: Secret::new(token), setting: NAMED })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(plain: &str, names: &str) -> Result<Vec<(String, String)>, String> {
        let settings = StandAloneSettings {
            auth_tokens: Some(plain.into()),
            named_tokens: Some(names.into()),
            ..StandAloneSettings::default()
        };
        let tokens = read(&settings).map_err(|error| error.to_string())?;
        Ok(tokens.iter().map(|token| (token.user.to_string(), token.secret.expose().to_owned())).collect())
    }

    fn pair(user: &str, secret: &str) -> (String, String) {
        (user.to_owned(), secret.to_owned())
    }

    #[test]
    fn a_plain_token_is_all_of_its_text_and_a_named_one_begins_behind_the_first_colon() {
        let plain = of("alice:secret", "").unwrap();
        assert_eq!(plain[0].1, "alice:secret");
        assert!(plain[0].0.starts_with("token-"), "{plain:?}");
        let named = of("", "alice:se:cret, bob : x,alice:second,").unwrap();
        assert_eq!(named, [pair("alice", "se:cret"), pair("bob", "x"), pair("alice", "second")]);
        assert_eq!(
            of("secret", "alice:secret").unwrap(),
            [pair("alice", "secret")],
            "a token that got a name"
        );
    }

    #[test]
    fn what_is_no_name_is_refused_without_a_word_of_it() {
        for (names, why) in [
            ("hush", "entry 1: expected NAME:TOKEN"),
            ("a:x,hush hush:x", "entry 2: a name is"),
            (":hush", "entry 1: a name is"),
            ("token-hush:x", "entry 1: token-… is for"),
            ("a:", "entry 1: there is no token"),
            ("a:hush,b:hush", "entry 2: this token has a name already"),
        ] {
            let error = of("", names).unwrap_err();
            assert!(error.contains(why) && !error.contains("hush"), "{error}");
        }
    }
}
