//! The handle: files that are read back.

use std::collections::BTreeSet;

use crate::channel_id::ChannelId;
use crate::message::{SandboxMessage, StoredMessage};
use crate::sandbox::Sandbox;
use crate::shared::Shared;
use crate::users::SandboxUser;

impl Sandbox {
    /// Has all documents that are sent from now on lie in this data centre; `None`: in that in which they are sent.
    pub fn place_documents(&self, dc: Option<i32>) {
        self.shared.placement.set(dc);
    }

    /// Moves the documents that a channel holds now to a data centre: `upload.getFile` anywhere else answers 303
    /// `FILE_MIGRATE_X` from now on. Says how many documents there are.
    pub fn move_documents(&self, channel: impl Into<ChannelId>, dc: i32) -> usize {
        self.shared.move_documents(channel.into(), dc)
    }

    /// Lets all file references expire that were given out until now, to accounts and to bots: `FILE_REFERENCE_EXPIRED`. Who
    /// reads a message again gets another one.
    pub fn expire_file_references(&self) {
        self.shared.expire_file_references(None);
    }

    /// The same for those of the messages of one channel.
    pub fn expire_file_references_of(&self, channel: impl Into<ChannelId>) {
        self.shared.expire_file_references(Some(channel.into()));
    }

    /// Whether files of the channel may become messages elsewhere. If not: `CHAT_FORWARDS_RESTRICTED`.
    pub fn set_forwards(&self, channel: impl Into<ChannelId>, allowed: bool) {
        self.shared.channels.edit(channel.into(), |channel| channel.forwards = allowed);
    }

    /// The `file_id` that the bot of `user` has for the file of a message.
    pub fn file_id_for(&self, user: &SandboxUser, message: &SandboxMessage) -> String {
        message.file_id_for(&user.user_id)
    }

    /// Lets the links expire that the Bot API's `getFile` has given out until now: 404.
    pub fn expire_file_links(&self) {
        self.shared.links.expire();
    }

    /// Makes a message older, as if so many seconds had passed. Says whether there is such a message.
    pub fn age_message(&self, channel: impl Into<ChannelId>, message_id: i32, seconds: i64) -> bool {
        self.shared.age_message(channel.into(), message_id, seconds)
    }
}

impl Shared {
    pub(crate) fn move_documents(&self, channel: ChannelId, dc: i32) -> usize {
        let of_channel = |message: &StoredMessage| ChannelId::from(message.public.channel_id) == channel;
        let held = self.channels.find_messages(|message| message.has_document() && of_channel(message));
        let documents: BTreeSet<i64> = held.iter().map(|message| message.public.document_id).collect();
        // A document lies in one place, whatever messages have it.
        self.channels.each_message(|message| {
            if documents.contains(&message.public.document_id) {
                message.public.dc_id = dc;
            }
        });
        documents.len()
    }

    /// Of one channel, or of all.
    pub(crate) fn expire_file_references(&self, of: Option<ChannelId>) {
        self.channels.each_message(|message| {
            if of.is_none_or(|channel| ChannelId::from(message.public.channel_id) == channel) {
                message.expired += 1;
            }
        });
    }

    pub(crate) fn age_message(&self, channel: ChannelId, message_id: i32, seconds: i64) -> bool {
        let age = |message: &mut StoredMessage| message.public.date -= seconds;
        let found = self.channels.edit(channel, |channel| channel.messages.get_mut(&message_id).map(age));
        found.flatten().is_some()
    }
}
