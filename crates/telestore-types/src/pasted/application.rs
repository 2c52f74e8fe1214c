use super::clean::unwrap;
use crate::{ApiId, Secret};

/// Why a text is no `api_id`, or no `api_hash`. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplicationFault {
    /// No number.
    #[error("the api_id is a number such as 1234567, from https://my.telegram.org")]
    Id,
    /// A hash in the place of the number.
    #[error("the api_id is a number; this is an api_hash: set api_id and api_hash each to its own")]
    HashForId,
    /// No hash.
    #[error(
        "the api_hash has 32 characters out of 0-9 and a-f, from https://my.telegram.org; this has {0} characters"
    )]
    Hash(usize),
    /// A character that none has.
    #[error("the api_hash has 32 characters out of 0-9 and a-f; character {0} is none of them")]
    HashCharacter(usize),
    /// The number in the place of the hash.
    #[error(
        "the api_hash has 32 characters out of 0-9 and a-f; this is an api_id: set api_id and api_hash each to its own"
    )]
    IdForHash,
}

/// Reads an `api_id`: a positive number, with what is around it taken off.
///
/// ```
/// assert_eq!(telestore_types::pasted::api_id("\"1234567\"").unwrap().get(), 1_234_567);
/// ```
///
/// # Errors
/// [`ApplicationFault`] says what it saw.
pub fn api_id(text: &str) -> Result<ApiId, ApplicationFault> {
    let text = unwrap(text);
    if is_hash(text) {
        return Err(ApplicationFault::HashForId);
    }
    text.parse().map_err(|_| ApplicationFault::Id)
}

/// Reads an `api_hash`: 32 hexadecimal digits, in lower case, with what is around them taken off.
///
/// # Errors
/// [`ApplicationFault`] says what it saw.
pub fn api_hash(text: &str) -> Result<Secret, ApplicationFault> {
    let text = unwrap(text);
    if is_hash(text) {
        return Ok(Secret::new(text.to_ascii_lowercase()));
    }
    let wrong = text.chars().position(|c| !c.is_ascii_hexdigit());
    Err(match wrong {
        _ if text.parse::<ApiId>().is_ok() => ApplicationFault::IdForHash,
        Some(at) if text.chars().count() == 32 => ApplicationFault::HashCharacter(at + 1),
        _ => ApplicationFault::Hash(text.chars().count()),
    })
}

/// Reads a pair, each of which may be missing. A pair that is the wrong way round is turned: a hash has 32 characters, and
/// no number has more than ten.
///
/// ```
/// use telestore_types::pasted::application;
///
/// let hash = "0123456789abcdef0123456789abcdef";
/// let (id, turned) = application(Some(hash), Some("1234567")).unwrap();
/// assert_eq!((id.unwrap().get(), turned.unwrap().expose()), (1_234_567, hash));
/// ```
///
/// # Errors
/// [`ApplicationFault`] of the first that cannot be read.
pub fn application(
    id: Option<&str>,
    hash: Option<&str>,
) -> Result<(Option<ApiId>, Option<Secret>), ApplicationFault> {
    let (id, hash) = match (id, hash) {
        (Some(id), Some(hash)) if is_hash(unwrap(id)) && unwrap(hash).parse::<ApiId>().is_ok() => {
            (Some(hash), Some(id))
        }
        pair => pair,
    };
    Ok((id.map(api_id).transpose()?, hash.map(api_hash).transpose()?))
}

fn is_hash(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn numbers_and_hashes_are_read() {
        for text in ["1234567", " 1234567\n", "'1234567'", "TELESTORE_API_ID=1234567"] {
            assert_eq!(api_id(text).map(ApiId::get), Ok(1_234_567), "{text:?}");
        }
        for text in [HASH.to_owned(), format!("\"{HASH}\""), HASH.to_uppercase(), format!("api_hash: {HASH}")]
        {
            assert_eq!(api_hash(&text).unwrap().expose(), HASH);
        }
    }

    #[test]
    fn what_is_neither_is_named() {
        for text in ["", "0", "-7", "12a", "99999999999"] {
            assert_eq!(api_id(text), Err(ApplicationFault::Id), "{text:?}");
        }
        assert_eq!(api_id(HASH), Err(ApplicationFault::HashForId));
        assert_eq!(api_hash(&HASH[1..]), Err(ApplicationFault::Hash(31)));
        assert_eq!(api_hash("1234567"), Err(ApplicationFault::IdForHash));
        assert_eq!(api_hash(&HASH.replace('f', "g")), Err(ApplicationFault::HashCharacter(16)));
    }

    #[test]
    fn a_pair_the_wrong_way_round_is_turned_and_one_of_it_alone_is_not() {
        let (id, hash) = application(Some(HASH), Some("'7'")).unwrap();
        assert_eq!((id.map(ApiId::get), hash.as_ref().map(Secret::expose)), (Some(7), Some(HASH)));
        assert_eq!(application(None, None), Ok((None, None)));
        assert_eq!(application(Some(HASH), None), Err(ApplicationFault::HashForId));
        assert_eq!(application(None, Some("7")), Err(ApplicationFault::IdForHash));
    }
}
