use grammers_tl_types::{self as tl, Deserializable};
use tl::enums::{InputChannel, InputMedia, InputPeer};
use tl::functions::{auth, channels, contacts, help, messages};

use super::answers::{ANSWER_MAX, Ask};
use super::inbound;
use super::resolve::first_page;
use super::send::plain_message;
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

/// What a server answers to a call: the first byte says to which, the others are the answer. Whatever is understood is also
/// what grammers' readers take, which may see it only then: it is not deep.
///
/// # Panics
/// Where that is not so.
pub fn answer(input: &[u8]) {
    let Some((call, answer)) = input.split_first() else { return };
    let (channel, id) = (InputChannel::Empty, Vec::new());
    match call % 10 {
        0 => reads(&help::GetConfig {}, answer),
        1 => reads(&auth::ExportAuthorization { dc_id: 2 }, answer),
        2 => reads(&channels::GetChannels { id: Vec::new() }, answer),
        3 => reads(&contacts::ResolveUsername { username: String::new(), referer: None }, answer),
        4 => reads(&channels::GetMessages { channel, id }, answer),
        5 => reads(&messages::GetMessages { id }, answer),
        6 => reads(&messages::DeleteMessages { revoke: true, id: Vec::new() }, answer),
        7 => reads(&first_page(), answer),
        8 => reads(&message(), answer),
        _ => reads(&messages::GetChats { id: Vec::new() }, answer),
    }
}

fn reads<R: Ask>(call: &R, answer: &[u8])
where
    R::Return: Deserializable,
{
    if call.read(answer).is_ok() {
        assert!(R::Return::from_bytes(answer).is_ok(), "it is no answer to that call");
    }
}

/// The answer names the message by the last of these.
fn message() -> messages::SendMedia {
    plain_message(InputPeer::Empty, InputMedia::Empty, String::new(), 0x0102_0304_0506_0708)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What each call is answered with, and changes of it.
    #[test]
    fn changed_answers_are_understood_as_grammers_does_or_not_at_all() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/mtproto_answers");
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut below = |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % end
        };
        for entry in std::fs::read_dir(corpus).expect("the corpus of the fuzz target") {
            let whole = std::fs::read(entry.expect("an entry").path()).expect("bytes");
            super::answer(&whole);
            for _ in 0..20_000 {
                let mut changed = whole.clone();
                for _ in 0..=below(4) {
                    let at = below(changed.len());
                    match below(4) {
                        0 => changed[at] ^= 1 << below(8),
                        1 => changed[at] = 0,
                        2 => changed.truncate(at + 1),
                        _ => changed.extend_from_within(at..),
                    }
                }
                super::answer(&changed);
            }
        }
    }
}
