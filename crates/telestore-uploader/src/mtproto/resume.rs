use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telestore_mtproto::Scheduled;
use telestore_types::{ChatId, ResumeState, SendAs, Timestamp};

use super::limits::PART_SIZE;
use crate::Handover;

/// The version of the layout below. A state of another version is ignored.
const VERSION: u32 = 1;

/// What marks a state as ours.
const BACKEND: &str = "mtproto";

/// The backend's name, in log lines and beside its states.
pub(crate) const NAME: &str = "MTProto";

/// How far an upload is, and what makes its message the same one in every attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resume {
    backend: String,
    version: u32,
    /// The key under which Telegram makes one message of all attempts. It lives as long as the upload.
    pub(crate) random_id: i64,
    /// The name under which the parts are kept. It changes when Telegram may have forgotten them.
    pub(crate) file_id: i64,
    pub(crate) length: u64,
    part_size: u32,
    /// When the first part of `file_id` was sent, in milliseconds since the Unix epoch.
    started_at: i64,
    /// Which channel the state was made for.
    chat: String,
    /// The supergroup that this chat has become, if it was a group: later credentials may name that one, and the message
    /// stays the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved_to: Option<String>,
    /// Which account sent the parts, as a digest: no other account can use them.
    account: String,
    /// What the account needs to name the channel, so that a restart need not look for it again.
    #[serde(default)]
    pub(crate) access_hash: Option<i64>,
    /// When the message was asked for first, in Telegram's seconds since 1970: no older one is it.
    #[serde(default)]
    pub(crate) asked_at: Option<i64>,
    /// What the message is looked for by, since it was asked for: a recall has nothing else of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked_for: Option<AskedFor>,
    /// Whether the message may exist, made by this account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    committed: bool,
    /// Telegram had a call for the message, no call names it, and it was not found: who goes on from here wants it made anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unnamed: bool,
    /// How long the caption was when the message was asked for last, if it was cut: so it is in every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) caption_units: Option<u32>,
    /// The message that Telegram makes once it has converted the video: nothing is sent any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scheduled: Option<Pending>,
    /// Which parts are confirmed: part `n` is bit `n % 8` of byte `n / 8`, as hexadecimal digits.
    #[serde(with = "hex")]
    confirmed: Vec<u8>,
}

/// What a message is that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AskedFor {
    /// The text that it has.
    pub(crate) caption: String,
    /// As what it was sent. One that Telegram does not take as that is a document.
    #[serde(default)]
    pub(crate) send_as: SendAs,
    /// A message that was there before and looks the same, if it is one more of the same file. Zero if there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) behind: i32,
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// A message that is still to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Its number among the scheduled messages.
    pub(crate) id: i32,
    /// The id of its document, if Telegram has told it.
    #[serde(default)]
    pub(crate) document_id: Option<i64>,
}

impl From<Scheduled> for Pending {
    fn from(scheduled: Scheduled) -> Self {
        Self { id: scheduled.id, document_id: scheduled.document_id }
    }
}

/// What a state is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) chat: &'a str,
    pub(crate) account: &'a str,
    pub(crate) length: u64,
}

impl Resume {
    /// The state of a file that nothing was sent of.
    pub(crate) fn new(of: &About<'_>, now: Timestamp) -> Self {
        let mut fresh = Self {
            backend: BACKEND.to_owned(),
            version: VERSION,
            random_id: random_id(),
            file_id: 0,
            length: of.length,
            part_size: PART_SIZE as u32,
            started_at: 0,
            chat: of.chat.to_owned(),
            moved_to: None,
            account: of.account.to_owned(),
            access_hash: None,
            asked_at: None,
            asked_for: None,
            committed: false,
            unnamed: false,
            caption_units: None,
            scheduled: None,
            confirmed: Vec::new(),
        };
        fresh.restart(now);
        fresh
    }

    /// Goes on from a stored state, as far as it is ours and fits. Parts older than `max_age` do not count.
    pub(crate) fn go_on(
        state: Option<&ResumeState>,
        of: &About<'_>,
        now: Timestamp,
        max_age: Duration,
    ) -> Self {
        let fits = |old: &Self| {
            let same_chat = old.chat == of.chat || old.moved_to.as_deref() == Some(of.chat);
            old.backend == BACKEND && old.version == VERSION && old.length == of.length && same_chat
        };
        let bytes = state.and_then(|state| state.of(NAME));
        let old = bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).filter(fits);
        let Some(mut old) = old else { return Self::new(of, now) };
        if old.account != of.account {
            old.account = of.account.to_owned();
            old.access_hash = None;
            old.restart(now);
        }
        let started = Timestamp::from_millis(old.started_at);
        let stale = now.since(started) > max_age || started > now;
        if stale || old.part_size != PART_SIZE as u32 || old.confirmed.len() != old.bytes() {
            old.restart(now);
        }
        old
    }

    /// Whether the message may exist. Versions before 0.2 wrote down only when it was asked for.
    pub(crate) fn may_exist(&self) -> bool {
        self.committed || self.asked_at.is_some()
    }

    /// This message is asked for from now on, at this time of Telegram's if it is known.
    pub(crate) fn commit(&mut self, now: Option<i64>, asked_for: AskedFor) {
        self.committed = true;
        self.asked_for = Some(asked_for);
        self.asked_at = self.asked_at.or(now);
    }

    /// Telegram has refused whatever was asked for, so that there is no message.
    pub(crate) fn uncommit(&mut self) {
        (self.committed, self.asked_at, self.asked_for) = (false, None, None);
    }

    /// Begins another message of the same file, whatever became of the one before.
    pub(crate) fn begin_anew(&mut self, now: Timestamp) {
        self.uncommit();
        (self.random_id, self.unnamed) = (random_id(), false);
        self.restart(now);
    }

    /// What another sender may do with a stored state. One that cannot be read is begun anew by anybody.
    pub(crate) fn handover(state: &ResumeState) -> Handover {
        match Self::read(state) {
            Some(read) if read.may_exist() => Handover::Never,
            _ => Handover::Anew,
        }
    }

    /// A stored state, if it is ours.
    pub(crate) fn read(state: &ResumeState) -> Option<Self> {
        let read = state.of(NAME).and_then(|bytes| serde_json::from_slice(bytes).ok());
        read.filter(|read: &Self| read.backend == BACKEND && read.version == VERSION)
    }

    /// The chat that the message goes to, by its newest name.
    pub(crate) fn chat(&self) -> Option<ChatId> {
        ChatId::new(self.moved_to.as_deref().unwrap_or(&self.chat)).ok()
    }

    /// Says which account the parts are of from now on; forgets them if they were of another one. The channel's
    /// access hash stays: it is good at every data centre.
    pub(crate) fn bind_to(&mut self, account: &str, now: Timestamp) -> bool {
        let moved = self.account != account;
        if moved {
            self.account = account.to_owned();
            self.restart(now);
        }
        moved
    }

    /// Says which supergroup the chat has become, if it has; tells whether that is new.
    pub(crate) fn follow(&mut self, moved_to: Option<&ChatId>) -> bool {
        let Some(chat) = moved_to.map(ChatId::as_str) else { return false };
        self.moved_to.replace(chat.to_owned()).as_deref() != Some(chat)
    }

    /// Forgets every part, and keeps the one message.
    pub(crate) fn restart(&mut self, now: Timestamp) {
        self.file_id = random_id();
        self.part_size = PART_SIZE as u32;
        self.started_at = now.as_millis();
        self.confirmed = vec![0; self.bytes()];
    }

    /// How many parts the file has.
    pub(crate) fn parts(&self) -> u32 {
        u32::try_from(self.length.div_ceil(PART_SIZE as u64)).unwrap_or(u32::MAX)
    }

    /// The bytes of part `part`.
    pub(crate) fn part_length(&self, part: u32) -> usize {
        let left = self.length.saturating_sub(u64::from(part) * PART_SIZE as u64);
        // At most a part, which fits.
        left.min(PART_SIZE as u64) as usize
    }

    pub(crate) fn is_confirmed(&self, part: u32) -> bool {
        self.confirmed.get(part as usize / 8).is_some_and(|byte| byte & (1 << (part % 8)) != 0)
    }

    pub(crate) fn confirm(&mut self, part: u32) {
        if let Some(byte) = self.confirmed.get_mut(part as usize / 8) {
            *byte |= 1 << (part % 8);
        }
    }

    /// Takes back what was confirmed of these ranges of bytes.
    pub(crate) fn forget(&mut self, changed: &[Range<u64>]) {
        for range in changed.iter().filter(|range| !range.is_empty()) {
            let (first, last) = (range.start / PART_SIZE as u64, (range.end - 1) / PART_SIZE as u64);
            for part in first..=last.min(u64::from(self.parts())) {
                if let Some(byte) = self.confirmed.get_mut((part / 8) as usize) {
                    *byte &= !(1 << (part % 8));
                }
            }
        }
    }

    pub(crate) fn confirmed_bytes(&self) -> u64 {
        (0..self.parts())
            .filter(|part| self.is_confirmed(*part))
            .map(|part| self.part_length(part) as u64)
            .sum()
    }

    pub(crate) fn to_state(&self) -> ResumeState {
        // Numbers, strings and hexadecimal digits always serialise.
        ResumeState::new(NAME, serde_json::to_vec(self).unwrap_or_default())
    }

    fn bytes(&self) -> usize {
        self.parts().div_ceil(8) as usize
    }
}

/// Never 0, which Telegram takes for "none".
pub(crate) fn random_id() -> i64 {
    loop {
        match rand::random() {
            0 => {}
            id => return id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const LENGTH: u64 = 9 * PART_SIZE as u64 + 1;

    fn at(hours: u32) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000) + HOUR * hours
    }

    const OF: About<'_> = About { chat: "-1001", account: "a", length: LENGTH };

    fn go_on(state: &ResumeState, length: u64, hours: u32) -> Resume {
        Resume::go_on(Some(state), &About { length, ..OF }, at(hours), HOUR * 2)
    }

    fn sent() -> Resume {
        let mut state = Resume::new(&OF, at(0));
        state.confirm(0);
        state.confirm(9);
        state
    }

    fn asked_for() -> AskedFor {
        AskedFor { caption: "Uploaded: a".to_owned(), send_as: SendAs::Photo, behind: 0 }
    }

    #[test]
    fn what_was_asked_for_is_known_until_it_was_refused() {
        let mut state = sent();
        state.commit(Some(7), asked_for());
        let read = Resume::read(&state.to_state()).unwrap();
        assert_eq!((read.asked_for, read.asked_at), (Some(asked_for()), Some(7)));
        state.uncommit();
        assert_eq!(Resume::read(&state.to_state()).unwrap().asked_for, None);
    }

    #[test]
    fn reads_back_what_was_confirmed() {
        let state = sent();
        assert_eq!(go_on(&state.to_state(), LENGTH, 1), state);
        assert_eq!((state.parts(), state.confirmed_bytes()), (10, PART_SIZE as u64 + 1));
        assert!(state.is_confirmed(9) && !state.is_confirmed(8) && !state.is_confirmed(10_000));
    }

    #[test]
    fn forgets_the_parts_of_what_has_changed() {
        const PART: u64 = PART_SIZE as u64;
        let mut state = Resume::new(&OF, at(0));
        for (changed, left) in [
            (&[][..], 10),
            (&[(0, 1)], 9),
            (&[(PART - 1, PART + 1)], 8),
            (&[(PART, 2 * PART), (3 * PART, 3 * PART)], 9),
            (&[(5 * PART, LENGTH)], 5),
            (&[(0, u64::MAX)], 0),
        ] {
            (0..10).for_each(|part| state.confirm(part));
            state.forget(&changed.iter().map(|(start, end)| *start..*end).collect::<Vec<_>>());
            let confirmed = (0..10).filter(|part| state.is_confirmed(*part)).count();
            assert_eq!(confirmed, left, "{changed:?}");
        }
    }

    #[test]
    fn an_old_state_keeps_the_message_only() {
        let old = sent();
        let now = go_on(&old.to_state(), LENGTH, 3);
        assert_eq!((now.confirmed_bytes(), now.random_id), (0, old.random_id));
        assert_ne!(now.file_id, old.file_id);
    }

    #[test]
    fn another_account_sends_every_part_again() {
        let old = sent();
        let now = Resume::go_on(Some(&old.to_state()), &About { account: "b", ..OF }, at(1), HOUR * 2);
        assert_eq!((now.confirmed_bytes(), now.random_id), (0, old.random_id));
        assert_ne!(now.file_id, old.file_id);
    }

    #[test]
    fn another_sender_begins_it_anew_unless_the_message_may_exist() {
        let mut state = sent();
        let handover = |state: &Resume| Resume::handover(&state.to_state());
        assert_eq!(handover(&state), Handover::Anew);
        state.commit(None, asked_for());
        assert_eq!(handover(&state), Handover::Never, "also if nobody knows the time");
        state.restart(at(2));
        assert_eq!(handover(&state), Handover::Never, "parts that go again are for the same message");
        state.uncommit();
        assert_eq!(handover(&state), Handover::Anew);
        let of_before = Resume { asked_at: Some(7), ..state };
        assert_eq!(handover(&of_before), Handover::Never);
        assert_eq!(Resume::handover(&ResumeState::new(NAME, *b"{}")), Handover::Anew);
    }

    #[test]
    fn another_message_has_nothing_of_the_one_before() {
        let mut state = Resume { unnamed: true, ..sent() };
        state.commit(Some(7), asked_for());
        let before = go_on(&state.to_state(), LENGTH, 1);
        assert!(before.unnamed && before.may_exist());
        state.begin_anew(at(1));
        assert_ne!((state.random_id, state.file_id), (before.random_id, before.file_id));
        assert!(!state.unnamed && !state.may_exist() && state.confirmed_bytes() == 0);
    }

    #[test]
    fn an_account_at_another_place_sends_every_part_again() {
        let old = Resume { access_hash: Some(7), ..sent() };
        let mut now = old.clone();
        assert!(!now.bind_to("a", at(1)));
        assert_eq!(now, old);
        assert!(now.bind_to("b", at(1)));
        assert_eq!((now.confirmed_bytes(), now.random_id, now.access_hash), (0, old.random_id, Some(7)));
        assert_ne!(now.file_id, old.file_id);
    }

    #[test]
    fn a_foreign_state_is_ignored() {
        let state = sent();
        assert_ne!(go_on(&state.to_state(), LENGTH + 1, 1).random_id, state.random_id);
        let bytes = state.to_state().bytes;
        let of_another = ResumeState::new("another", bytes.clone());
        assert_ne!(go_on(&of_another, LENGTH, 1).random_id, state.random_id);
        let of_before = ResumeState::new("", bytes);
        assert_eq!(go_on(&of_before, LENGTH, 1), state, "its bytes tell whose it is");
        for bytes in [&b""[..], b"{}", b"null", b"\xff\x00", br#"{"backend":"other"}"#] {
            assert_eq!(go_on(&ResumeState::new("", bytes), LENGTH, 1).confirmed_bytes(), 0);
        }
        let text = String::from_utf8(state.to_state().bytes).unwrap();
        let cut = text.replace("\"confirmed\":\"", "\"confirmed\":\"ff");
        assert_eq!(go_on(&ResumeState::new("", cut), LENGTH, 1).confirmed_bytes(), 0);
    }
}
