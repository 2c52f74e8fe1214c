use super::answers::ANSWER_MAX;
use super::inbound;
use super::session::Session;

/// What a user pastes as a session string. Blanks in it do not count, and nothing of the key is shown.
///
/// # Panics
/// Where that is not so.
pub fn session_string(text: &str) {
    let session = Session::parse(text);
    let spread: String = text.chars().flat_map(|c| [c, ' ']).collect();
    assert!(Session::parse(&spread) == session, "blanks count");
    if let Some(session) = session {
        assert!(!format!("{session:?}").contains("auth_key"), "the key is shown");
    }
}

/// What a server says in a packet of our session: `input`, behind a salt and the session's id.
pub fn packet(input: &[u8]) {
    let session_id = 7_i64;
    let plaintext = [&0_i64.to_le_bytes()[..], &session_id.to_le_bytes(), input].concat();
    if let Ok(message) = inbound::message(&plaintext, session_id) {
        let _ = message.notices(&|_| Some(ANSWER_MAX));
    }
}
