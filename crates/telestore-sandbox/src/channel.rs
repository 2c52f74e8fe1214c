//! Channels: who may write, which messages lie in them, and their folders.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use grammers_tl_types::enums::DocumentAttribute;
use rand::RngExt;
use sha2::{Digest, Sha256};

use crate::channel_id::ChannelId;
use crate::media::{Kind, SandboxMedia};
use crate::message::{Draft, SandboxMessage, StoredMessage, file_id};
use crate::names;
use crate::pulse::Pulse;
use crate::standing::{Members, Standing, Who};
use crate::topics::Topics;

/// One channel, supergroup or basic group.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) title: String,
    pub(crate) created: i64,
    pub(crate) writable: bool,
    /// Whether it is a group. What has no channel's id always is.
    pub(crate) group: bool,
    /// Whether those of a group who are nothing but members may send files.
    pub(crate) documents: bool,
    /// Whether its files may become messages elsewhere.
    pub(crate) forwards: bool,
    pub(crate) members: Members,
    /// The topics, if it is a forum.
    pub(crate) topics: Topics,
    /// What a basic group has become.
    pub(crate) migrated_to: Option<ChannelId>,
    pub(crate) messages: BTreeMap<i32, StoredMessage>,
    pub(crate) next_message: i32,
    /// Counts changes, as MTProto's `pts` does.
    pub(crate) pts: i32,
    random_ids: HashMap<(Who, i64), Option<i32>>,
}

impl Channel {
    fn new(id: ChannelId, title: String) -> Self {
        Self {
            id,
            title,
            created: unix_time(),
            writable: true,
            group: id.is_basic_group(),
            documents: true,
            forwards: true,
            members: Members::new(),
            topics: Topics::default(),
            migrated_to: None,
            messages: BTreeMap::new(),
            next_message: 2,
            pts: 2,
            random_ids: HashMap::new(),
        }
    }

    /// An access hash is worth something to one account only.
    pub(crate) fn access_hash(&self, who: &Who) -> i64 {
        who.access_hash(self.id)
    }

    /// What it is in the Bot API's words.
    pub(crate) fn kind(&self) -> &'static str {
        match (self.id.is_basic_group(), self.group) {
            (true, _) => "group",
            (false, true) => "supergroup",
            (false, false) => "channel",
        }
    }

    /// What somebody is in it; `None` for those who were never in it.
    pub(crate) fn standing(&self, who: &Who) -> Option<Standing> {
        let standing = *self.members.get(who)?;
        let lowered = match (self.writable, self.group) {
            _ if !standing.is_in() => standing,
            (true, _) => standing,
            (false, true) => Standing::Restricted,
            (false, false) if standing.is_administrator() => Standing::AdministratorWithoutPosts,
            (false, false) => standing,
        };
        Some(lowered)
    }

    pub(crate) fn holds(&self, who: &Who) -> bool {
        self.members.get(who).is_some_and(|standing| standing.is_in())
    }

    /// Whether somebody may send a file to it.
    pub(crate) fn may_post(&self, who: &Who) -> bool {
        match self.standing(who) {
            Some(Standing::Creator | Standing::Administrator | Standing::AdministratorWithoutDeletes) => true,
            Some(Standing::AdministratorWithoutPosts) => self.group,
            Some(Standing::Member) => self.group && self.documents,
            _ => false,
        }
    }

    /// Lets somebody in, with the rights that a TeleStore user has in a channel of its own. Those who are in stay what
    /// they are.
    pub(crate) fn join(&mut self, who: Who) {
        if self.holds(&who) {
            return;
        }
        let made = self.members.values().any(|standing| *standing == Standing::Creator);
        let standing = match (made || who.bot, self.group) {
            (false, _) => Standing::Creator,
            (true, false) => Standing::Administrator,
            (true, true) => Standing::Member,
        };
        self.members.insert(who, standing);
    }
}

/// What is known of a `random_id`.
pub(crate) enum RandomId {
    /// Never seen; the claim is given up when it is dropped without [`Claim::keep`].
    Fresh(Claim),
    /// Another call with it has not ended.
    InFlight,
    /// It became this message.
    Done(Box<StoredMessage>),
}

/// The right to send one `random_id`.
pub(crate) struct Claim {
    channels: Arc<Channels>,
    channel: ChannelId,
    key: Option<(Who, i64)>,
}

impl Claim {
    pub(crate) fn keep(mut self, message_id: i32) {
        if let Some(key) = self.key.take() {
            self.channels.edit(self.channel, |channel| channel.random_ids.insert(key, Some(message_id)));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.channels.edit(self.channel, |channel| channel.random_ids.remove(&key));
        }
    }
}

/// All channels and their folders.
#[derive(Debug)]
pub(crate) struct Channels {
    dir: PathBuf,
    map: Mutex<BTreeMap<ChannelId, Channel>>,
    pulse: Arc<Pulse>,
}

impl Channels {
    pub(crate) fn new(dir: PathBuf, pulse: Arc<Pulse>) -> Self {
        Self { dir, map: Mutex::default(), pulse }
    }

    pub(crate) fn create(&self, id: Option<ChannelId>, title: String) -> ChannelId {
        let mut map = self.lock();
        let id = id.unwrap_or_else(|| {
            let free = || ChannelId::from(rand::rng().random_range(1_700_000_000..2_100_000_000_i64));
            std::iter::repeat_with(free).find(|id| !map.contains_key(id)).unwrap_or(ChannelId::from(0))
        });
        map.entry(id).or_insert_with(|| Channel::new(id, title));
        id
    }

    pub(crate) fn look<T>(&self, id: ChannelId, look: impl FnOnce(&Channel) -> T) -> Option<T> {
        self.lock().get(&id).map(look)
    }

    pub(crate) fn edit<T>(&self, id: ChannelId, change: impl FnOnce(&mut Channel) -> T) -> Option<T> {
        self.lock().get_mut(&id).map(change)
    }

    /// The channels for which `wanted` holds.
    pub(crate) fn filter(&self, wanted: impl Fn(&Channel) -> bool) -> Vec<ChannelId> {
        self.lock().values().filter(|channel| wanted(channel)).map(|channel| channel.id).collect()
    }

    /// The first message for which `wanted` holds, and its channel.
    pub(crate) fn find_message(&self, wanted: impl Fn(&StoredMessage) -> bool) -> Option<StoredMessage> {
        self.lock().values().flat_map(|channel| channel.messages.values()).find(|m| wanted(m)).cloned()
    }

    /// All messages for which `wanted` holds.
    pub(crate) fn find_messages(&self, wanted: impl Fn(&StoredMessage) -> bool) -> Vec<StoredMessage> {
        let map = self.lock();
        let all = map.values().flat_map(|channel| channel.messages.values());
        all.filter(|message| wanted(message)).cloned().collect()
    }

    /// Changes messages, of all channels.
    pub(crate) fn each_message(&self, change: impl FnMut(&mut StoredMessage)) {
        self.lock().values_mut().flat_map(|channel| channel.messages.values_mut()).for_each(change);
    }

    pub(crate) fn claim(self: &Arc<Self>, id: ChannelId, who: &Who, random_id: i64) -> Option<RandomId> {
        let key = (who.clone(), random_id);
        self.edit(id, |channel| match channel.random_ids.get(&key) {
            None => {
                channel.random_ids.insert(key.clone(), None);
                RandomId::Fresh(Claim { channels: Arc::clone(self), channel: id, key: Some(key) })
            }
            Some(None) => RandomId::InFlight,
            // A message deleted since leaves its random_id free again.
            Some(Some(message_id)) => match channel.messages.get(message_id) {
                Some(message) => RandomId::Done(Box::new(message.clone())),
                None => RandomId::Fresh(Claim { channels: Arc::clone(self), channel: id, key: Some(key) }),
            },
        })
    }

    /// Gives the draft a number, moves its file into the channel's folder and shows it to everyone. Blocks on
    /// the disk; `None` if the channel is gone.
    pub(crate) fn post(&self, id: ChannelId, draft: Draft) -> std::io::Result<Option<StoredMessage>> {
        let next = |channel: &mut Channel| {
            let number = channel.next_message;
            channel.next_message += 1;
            number
        };
        let Some(message_id) = self.edit(id, next) else { return Ok(None) };
        let folder = self.dir.join(format!("channel{id}"));
        std::fs::create_dir_all(&folder)?;
        let message = number(id, message_id, draft, &folder)?;
        write_log(&folder, &message.public)?;
        self.edit(id, |channel| {
            channel.messages.insert(message_id, message.clone());
            channel.pts += 1;
        });
        self.pulse.beat();
        Ok(Some(message))
    }

    /// What is shown of a message that is still to be made. Its document will be the same one.
    pub(crate) fn scheduled(id: ChannelId, number: i32, draft: &mut Draft) -> StoredMessage {
        let shown = described(id, number, draft.clone());
        if let Some(document) = &mut draft.document {
            document.document_id = Some(shown.public.document_id);
        }
        shown
    }

    /// Makes a supergroup of a basic group, with everybody who is in it; says whether there was such a group. One that
    /// is there already is joined.
    pub(crate) fn migrate(&self, group: ChannelId, to: ChannelId) -> bool {
        if !group.is_basic_group() || to.is_basic_group() {
            return false;
        }
        let upgraded = self.edit(group, |old| {
            old.migrated_to = Some(to);
            (old.title.clone(), old.members.clone(), old.documents)
        });
        let Some((title, members, documents)) = upgraded else { return false };
        self.create(Some(to), title);
        self.edit(to, |new| {
            (new.group, new.documents) = (true, documents);
            new.members.extend(members);
        });
        true
    }

    /// Removes messages, whoever may; their files go too. Says how many there were.
    pub(crate) fn delete(&self, id: ChannelId, message_ids: &[i32]) -> usize {
        let gone = self.edit(id, |channel| {
            channel.pts += 1;
            message_ids.iter().filter_map(|number| channel.messages.remove(number)).collect::<Vec<_>>()
        });
        let gone = gone.unwrap_or_default();
        for message in gone.iter().filter(|message| message.has_document()) {
            let _ = std::fs::remove_file(&message.public.path);
        }
        self.pulse.beat();
        gone.len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Channel>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(
    channel: ChannelId,
    message_id: i32,
    draft: Draft,
    folder: &Path,
) -> std::io::Result<StoredMessage> {
    let from = draft.document.as_ref().map(|document| document.from.clone());
    let mut stored = described(channel, message_id, draft);
    if let Some(from) = from {
        let message = &mut stored.public;
        message.path = folder.join(format!("{message_id}-{}", sanitize(&message.file_name)));
        std::fs::rename(from, &message.path)?;
    }
    Ok(stored)
}

/// A message, whose file is still where it came to.
fn described(channel: ChannelId, message_id: i32, draft: Draft) -> StoredMessage {
    let mut rng = rand::rng();
    let mut message = without_file(channel, message_id, &draft);
    let mut attributes = Vec::new();
    let sender = draft.sender;
    if let Some(document) = draft.document {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        message.file_name = names::stored(&document.file_name);
        let fresh = || rng.random_range(5_000_000_000_000_000_000..i64::MAX);
        message.document_id = document.document_id.unwrap_or_else(fresh);
        message.file_id = file_id(rand::random());
        // All messages of one document have it.
        let unique = Sha256::digest(message.document_id.to_be_bytes());
        message.file_unique_id = format!("AgAD{}", URL_SAFE_NO_PAD.encode(&unique[..8]));
        message.dc_id = document.dc_id;
        message.sent_name = document.sent_name;
        message.mime_type = document.mime_type;
        message.size = document.size;
        message.sha256 = document.sha256;
        message.force_file = document.force_file;
        message.kind = document.kind;
        message.thumbnail = document.thumbnail;
        message.media = SandboxMedia::of(&document.attributes);
        if document.photo.is_some() {
            message.media = Some(SandboxMedia { size: document.photo, ..SandboxMedia::default() });
        }
        attributes = document.attributes;
        for attribute in &mut attributes {
            if let DocumentAttribute::Filename(named) = attribute {
                named.file_name.clone_from(&message.file_name);
            }
        }
        message.attributes = attributes.iter().map(|attribute| format!("{attribute:?}")).collect();
    }
    StoredMessage { public: message, attributes, expired: 0, sender }
}

/// A message that has nothing but its text.
fn without_file(channel: ChannelId, message_id: i32, draft: &Draft) -> SandboxMessage {
    SandboxMessage {
        message_id,
        channel_id: channel.bot_api(),
        user_id: draft.sender.user_id.clone(),
        via: draft.via,
        file_name: String::new(),
        sent_name: String::new(),
        caption: draft.caption.clone(),
        entities: draft.entities.clone(),
        topic_id: draft.topic_id,
        silent: draft.silent,
        mime_type: String::new(),
        size: 0,
        sha256: String::new(),
        path: PathBuf::new(),
        file_id: String::new(),
        file_unique_id: String::new(),
        document_id: 0,
        dc_id: 0,
        random_id: draft.random_id,
        force_file: false,
        kind: Kind::Document,
        media: None,
        thumbnail: None,
        attributes: Vec::new(),
        date: unix_time(),
    }
}

fn write_log(folder: &Path, message: &SandboxMessage) -> std::io::Result<()> {
    use std::io::Write;
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut log =
        std::fs::OpenOptions::new().create(true).append(true).open(folder.join("messages.jsonl"))?;
    log.write_all(&line)
}

/// A file name that cannot leave its folder and that every file system takes.
fn sanitize(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' };
    let mut name: String = name.chars().map(safe).collect();
    while name.len() > 200 {
        name.pop();
    }
    if name.is_empty() { "file".to_owned() } else { name }
}

pub(crate) fn unix_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_leave_its_folder() {
        assert_eq!(sanitize("../../etc/passwd"), ".._.._etc_passwd");
        assert_eq!(sanitize(""), "file");
        assert!(sanitize(&"ж".repeat(400)).len() <= 200);
    }
}
