/// What is wrong with an application, an `api_id` with its `api_hash`, by the name of Telegram's error, and what its owner can
/// do; `None` if the error is about something else.
///
/// ```
/// use telestore_types::telegram::application_fault;
///
/// assert!(application_fault("API_ID_INVALID").is_some_and(|words| words.contains("copy both")));
/// assert_eq!(application_fault("PHONE_NUMBER_INVALID"), None);
/// ```
pub fn application_fault(name: &str) -> Option<&'static str> {
    match name {
        "API_ID_INVALID" => Some(
            "Telegram does not know this api_id with this api_hash: copy both from https://my.telegram.org",
        ),
        "API_ID_PUBLISHED_FLOOD" => Some(
            "this api_id is published somewhere, and too many use it: make one of your own on https://my.telegram.org",
        ),
        _ => None,
    }
}
