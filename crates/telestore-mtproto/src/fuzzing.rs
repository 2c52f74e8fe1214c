use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use grammers_tl_types::{self as tl, Deserializable};
use telestore_types::pasted;
use tl::enums::{InputChannel, InputMedia, InputPeer, InputUser};
use tl::functions::{auth, channels, contacts, help, messages, users};

use crate::answers::{ANSWER_MAX, Ask};
use crate::chats::first_page;
use crate::messages::{media_message, page};
use crate::session::Session;
use crate::{way, wire};

/// What a user pastes as a session string, and what could be pasted in its place. Blanks in it do not count, nor quotes
/// around it; what was read reads the same again, and nothing of it is shown.
///
/// # Panics
/// If that is not so.
pub fn session_string(text: &str) {
    let session = Session::read(text);
    // A backslash joins the lines around a line break, and no others.
    if !text.contains('\\') {
        let spread: String = text.chars().flat_map(|c| [c, ' ']).collect();
        assert!(Session::read(&spread) == session, "blanks count");
        assert!(Session::read(&format!("\"{text}\"")) == session, "quotes count");
    }
    match session {
        Ok(session) => assert!(!format!("{session:?}").contains("auth_key"), "the key is shown"),
        Err(fault) => is_not_in(text, &format!("{fault} {fault:?}")),
    }
    others(text);
}

fn others(text: &str) {
    match pasted::bot_token(text) {
        Ok(token) => {
            assert_eq!(pasted::bot_token(token), Ok(token), "a token is read otherwise the second time")
        }
        Err(fault) => is_not_in(text, &format!("{fault} {fault:?}")),
    }
    if let Ok(channel) = pasted::channel(text) {
        let again = pasted::channel(channel.chat.as_str()).map(|again| again.chat);
        assert_eq!(again, Ok(channel.chat), "a channel is read otherwise the second time");
    }
    if let Ok(url) = pasted::base_url(text) {
        assert_eq!(pasted::base_url(&url), Ok(url), "an address is read otherwise the second time");
    }
    let _ = pasted::application(Some(text), Some(text));
    match pasted::proxy(text) {
        Ok(proxy) => assert!(proxy.port() > 0 && !proxy.host().is_empty(), "a proxy is nowhere"),
        Err(fault) => is_not_in(text, &format!("{fault} {fault:?}")),
    }
}

/// No long piece of a secret is a part of what is said of it, unless the words themselves are.
fn is_not_in(secret: &str, said: &str) {
    const LONG: usize = 24;
    let pieces = secret.as_bytes().windows(LONG);
    let digits = pieces.filter(|piece| piece.iter().all(u8::is_ascii_alphanumeric));
    for piece in digits {
        assert!(!said.as_bytes().windows(LONG).any(|window| window == piece), "a part of it is shown");
    }
}

/// What a server says in a packet of our session: `input`, behind a salt and the session's id.
pub fn packet(input: &[u8]) {
    let session_id = 7_i64;
    let plaintext = [&0_i64.to_le_bytes()[..], &session_id.to_le_bytes(), input].concat();
    if let Ok(message) = wire::message(&plaintext, session_id) {
        let _ = message.notices(&|_| Some(ANSWER_MAX));
    }
}

/// What a proxy answers: the head of HTTP's answer to `CONNECT`, or the greeting of an MTProxy that looks like TLS.
///
/// # Panics
/// If more is taken than was there.
pub fn proxy_answer(input: &[u8]) {
    if let Ok(Some(status)) = way::read_head(input) {
        assert!(input.windows(4).any(|end| end == b"\r\n\r\n") && status < 1000, "no head is there");
    }
    let mut rest = input;
    let read = pin!(way::read_hello(&mut rest));
    // All of it is there, so nothing is waited for.
    if let Poll::Ready(Ok(answer)) = read.poll(&mut Context::from_waker(Waker::noop())) {
        assert!(answer.len() >= 43 && input.starts_with(&answer), "it is not what was there");
    }
}

/// What a server answers to a call: the first byte says to which, the others are the answer. Whatever is understood is also
/// what grammers' readers take, which may see it only then: it is not deep.
///
/// # Panics
/// If that is not so.
pub fn answer(input: &[u8]) {
    let Some((call, answer)) = input.split_first() else { return };
    let (channel, id) = (InputChannel::Empty, Vec::new());
    match call % 13 {
        0 => reads(&help::GetConfig {}, answer),
        1 => reads(&auth::ExportAuthorization { dc_id: 2 }, answer),
        2 => reads(&channels::GetChannels { id: Vec::new() }, answer),
        3 => reads(&contacts::ResolveUsername { username: String::new(), referer: None }, answer),
        4 => reads(&channels::GetMessages { channel, id }, answer),
        5 => reads(&messages::GetMessages { id }, answer),
        6 => reads(&messages::DeleteMessages { revoke: true, id: Vec::new() }, answer),
        7 => reads(&first_page(), answer),
        8 => reads(&message(), answer),
        9 => reads(&page(InputPeer::Empty, 0), answer),
        10 => reads(&messages::GetChats { id: Vec::new() }, answer),
        11 => reads(&users::GetUsers { id: vec![InputUser::UserSelf] }, answer),
        _ => reads(&help::GetAppConfig { hash: 0 }, answer),
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
    media_message(InputPeer::Empty, InputMedia::Empty, String::new(), 0x0102_0304_0506_0708)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The inputs of a fuzz target.
    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let entries = std::fs::read_dir(path).expect("the corpus of the fuzz target");
        entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("bytes")).collect()
    }

    /// Numbers that look random and are the same each time.
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        move |end| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % end
        }
    }

    #[test]
    fn changed_pastes_are_read_as_promised() {
        const MARKS: [&str; 16] = [
            "1", "=", "\"", "'", "/", "-", "+", ":", "KEY=", "\u{200b}", "é", "http://", "t.me/", "bot",
            "-100", " ",
        ];
        let mut below = numbers();
        for whole in corpus("session_string") {
            let whole = String::from_utf8(whole).expect("text");
            super::session_string(&whole);
            for _ in 0..300 {
                let mut changed: Vec<char> = whole.chars().collect();
                for _ in 0..=below(4) {
                    let at = below(changed.len() + 1);
                    match below(3) {
                        0 => drop(changed.splice(at..at, MARKS[below(MARKS.len())].chars())),
                        1 => changed.truncate(at),
                        _ => drop(changed.drain(..at.min(3))),
                    }
                }
                super::session_string(&changed.into_iter().collect::<String>());
            }
        }
    }

    #[test]
    fn changed_answers_of_proxies_are_read_to_their_ends() {
        let mut below = numbers();
        for whole in corpus("proxy_answer") {
            super::proxy_answer(&whole);
            for _ in 0..5000 {
                let mut changed = whole.clone();
                for _ in 0..=below(4) {
                    let at = below(changed.len());
                    match below(3) {
                        0 => changed[at] ^= 1 << below(8),
                        1 => changed.truncate(at + 1),
                        _ => changed.extend_from_within(at..),
                    }
                }
                super::proxy_answer(&changed);
            }
        }
    }

    /// What each call is answered with, and changes of it.
    #[test]
    fn changed_answers_are_understood_as_grammers_does_or_not_at_all() {
        let mut below = numbers();
        for whole in corpus("mtproto_answers") {
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
