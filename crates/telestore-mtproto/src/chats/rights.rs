//! Whether an account may post somewhere, by what Telegram shows of the channel or group.
//!
//! Telegram checks it only when the message is sent, after all parts: <https://core.telegram.org/api/rights>,
//! <https://core.telegram.org/constructor/channel>, <https://core.telegram.org/constructor/chatBannedRights>.

use telestore_types::Timestamp;
use telestore_types::telegram::MissingRight;

use crate::answers::Object;

/// What stops an account from posting files, until it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The right that is missing.
    pub why: MissingRight,
    /// When it ends, in seconds since 1970; `None` if it does not.
    pub until: Option<i32>,
}

impl Refusal {
    fn for_good(why: MissingRight) -> Self {
        Self { why, until: None }
    }

    /// Whether it still holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| i64::from(until) * 1000 > now.as_millis())
    }
}

/// What stops the account from posting a file in a channel or group that it sees.
pub(crate) fn refusal(chat: &Object<'_>) -> Option<Refusal> {
    if chat.is("channelForbidden") || chat.is("chatForbidden") || chat.has("left") {
        return Some(Refusal::for_good(MissingRight::Membership));
    }
    let rights = chat.object("admin_rights");
    let posts = rights.as_ref().is_some_and(|rights| rights.has("post_messages"));
    match (chat.has("broadcast"), rights.is_some()) {
        _ if chat.has("creator") => None,
        (true, _) if posts => None,
        (false, true) => None,
        (true, _) => Some(Refusal::for_good(MissingRight::Post)),
        // A broadcast group, where administrators alone write.
        (false, false) if chat.has("gigagroup") => Some(Refusal::for_good(MissingRight::Post)),
        (false, false) => ban(chat, "banned_rights").or_else(|| ban(chat, "default_banned_rights")),
    }
}

/// Files are sent as documents, so the rights for other media do not matter.
fn ban(chat: &Object<'_>, name: &str) -> Option<Refusal> {
    let banned = chat.object(name)?;
    let no_files =
        ["view_messages", "send_messages", "send_media", "send_docs"].iter().any(|right| banned.has(right));
    // 0 is for ever.
    let until = banned.int("until_date").filter(|until| *until > 0);
    no_files.then_some(Refusal { why: MissingRight::SendFiles, until })
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::{Deserializable, Serializable, enums, types};

    use super::*;

    /// An object with nothing but its mandatory fields.
    fn bare<T: Deserializable>(mandatory: &[u8]) -> T {
        T::from_bytes(mandatory).expect("the mandatory fields are complete")
    }

    fn channel(change: impl FnOnce(&mut types::Channel)) -> Vec<u8> {
        let title = "a title".to_owned().to_bytes();
        let fields = [&[0; 16][..], &title, &enums::ChatPhoto::Empty.to_bytes(), &[0; 4]];
        let mut channel: types::Channel = bare(&fields.concat());
        change(&mut channel);
        enums::Chat::Channel(channel).to_bytes()
    }

    fn why(chat: &[u8]) -> Option<MissingRight> {
        refusal(&Object::of("Chat", chat).expect("readable")).map(|refusal| refusal.why)
    }

    fn posts(post_messages: bool) -> Option<enums::ChatAdminRights> {
        let mut rights: types::ChatAdminRights = bare(&[0; 4]);
        rights.post_messages = post_messages;
        Some(rights.into())
    }

    fn no(change: impl FnOnce(&mut types::ChatBannedRights)) -> Option<enums::ChatBannedRights> {
        let mut rights: types::ChatBannedRights = bare(&[0; 8]);
        change(&mut rights);
        Some(rights.into())
    }

    #[test]
    fn a_channel_takes_posts_of_those_who_may_post() {
        let broadcast = |change: fn(&mut types::Channel)| {
            why(&channel(|channel| {
                channel.broadcast = true;
                change(channel);
            }))
        };
        assert_eq!(broadcast(|channel| channel.creator = true), None);
        assert_eq!(broadcast(|channel| channel.admin_rights = posts(true)), None);
        assert_eq!(broadcast(|channel| channel.admin_rights = posts(false)), Some(MissingRight::Post));
        assert_eq!(broadcast(|_| {}), Some(MissingRight::Post));
        assert_eq!(broadcast(|channel| channel.left = true), Some(MissingRight::Membership));
    }

    #[test]
    fn a_group_takes_files_unless_they_are_forbidden() {
        let group = |change: fn(&mut types::Channel)| {
            why(&channel(|channel| {
                channel.megagroup = true;
                change(channel);
            }))
        };
        assert_eq!(group(|_| {}), None);
        assert_eq!(group(|group| group.default_banned_rights = no(|no| no.send_photos = true)), None);
        assert_eq!(
            group(|group| group.default_banned_rights = no(|no| no.send_docs = true)),
            Some(MissingRight::SendFiles)
        );
        assert_eq!(
            group(|group| group.banned_rights = no(|no| no.send_media = true)),
            Some(MissingRight::SendFiles)
        );
        let over = |group: &mut types::Channel| {
            group.default_banned_rights = no(|no| no.send_docs = true);
            group.admin_rights = posts(false);
        };
        assert_eq!(group(over), None, "administrators are above the defaults");
        assert_eq!(group(|group| group.gigagroup = true), Some(MissingRight::Post));
    }

    #[test]
    fn a_ban_ends() {
        let banned = channel(|group| {
            group.megagroup = true;
            group.banned_rights = no(|no| (no.send_docs, no.until_date) = (true, 1000));
        });
        let refusal = refusal(&Object::of("Chat", &banned).expect("readable")).expect("a ban");
        assert!(refusal.holds(Timestamp::from_millis(999_999)));
        assert!(!refusal.holds(Timestamp::from_millis(1_000_000)));
    }

    #[test]
    fn what_is_forbidden_is_refused() {
        let title = "a title".to_owned();
        let chat = enums::Chat::Forbidden(types::ChatForbidden { id: 1, title });
        assert_eq!(why(&chat.to_bytes()), Some(MissingRight::Membership));
    }
}
