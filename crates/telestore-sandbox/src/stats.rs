//! What the sandbox counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::pulse::Pulse;
use crate::standing::Who;

/// What tells the messages of a channel.
const LOOKS: [&str; 5] = [
    "channels.getMessages",
    "messages.getHistory",
    "messages.getMessages",
    "messages.search",
    "updates.getChannelDifference",
];

/// Everything counted so far. Calls are counted when they arrive, faults or not; parts when they are stored.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Calls per MTProto method (`upload.saveFilePart`), Bot API method (`sendDocument`) or backend route
    /// (`backend.credentials`, `backend.webhook`).
    pub calls: BTreeMap<String, u64>,
    /// Parts stored, per MTProto `file_id`.
    pub parts: BTreeMap<i64, PartStats>,
    /// Documents that the Bot API received to the end of their request, by file name: whatever became of them, a server
    /// may make a message of each.
    pub documents: BTreeMap<String, u64>,
    /// Bytes of parts and of Bot API documents received.
    pub bytes_received: u64,
    /// Bytes of files sent to clients.
    pub bytes_sent: u64,
    /// `upload.getFile`, for each account or bot and each data centre that it called.
    pub downloads: Vec<DownloadStats>,
    /// The most calls of `upload.getFile` that were under way at once, of all accounts together.
    pub most_downloads_in_flight: u64,
    /// MTProto connections open now, per user id. A connection counts from its first message on.
    pub connections: BTreeMap<String, usize>,
    /// The most MTProto connections open at once, per user id.
    pub max_connections: BTreeMap<String, usize>,
    /// Logins ended because two connections sent with one at the same time, by user id; see
    /// [`enforce_single_connection`](crate::SandboxBuilder::enforce_single_connection). Unlike
    /// [`max_connections`](Self::max_connections) this leaves out a connection whose client has ended, and whose end was not
    /// noticed yet.
    pub logins_ended: BTreeMap<String, u64>,
    /// TCP connections that ever reached the MTProto server.
    pub connections_accepted: u64,
    /// Calls of the credentials route, per auth token.
    pub credential_calls: BTreeMap<String, u64>,
    /// How often somebody signed in to the account of each user, by user id.
    pub sign_ins: BTreeMap<String, u64>,
    /// How often the bot of each user signed in by MTProto, by user id.
    pub bot_sign_ins: BTreeMap<String, u64>,
    /// Login codes sent, per phone number.
    pub codes_sent: BTreeMap<String, u64>,
}

/// What arrived for one MTProto `file_id`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PartStats {
    /// Parts stored, repetitions included.
    pub total: u64,
    /// Bytes stored, repetitions included.
    pub bytes: u64,
    /// How often each part was stored, by its index.
    pub per_index: BTreeMap<i32, u64>,
    /// The user whose account sent them.
    pub user_id: String,
}

/// The calls of `upload.getFile` that one account or bot made at one data centre.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DownloadStats {
    /// The user whose account or bot it is.
    pub user_id: String,
    /// Whether it is the bot.
    pub bot: bool,
    /// The data centre that was called.
    pub dc: i32,
    /// Calls, faults or not.
    pub calls: u64,
    /// Bytes read for them.
    pub bytes: u64,
    /// Calls under way now.
    pub in_flight: u64,
    /// The most calls that were under way at once.
    pub most_in_flight: u64,
}

impl Stats {
    /// What the account (or the bot) of `user_id` downloaded at a data centre.
    pub fn downloads(&self, user_id: &str, bot: bool, dc: i32) -> DownloadStats {
        let all = &mut self.downloads.iter();
        let found = all.find(|one| one.user_id == user_id && (one.bot, one.dc) == (bot, dc));
        found.cloned().unwrap_or(DownloadStats { user_id: user_id.to_owned(), bot, dc, ..Default::default() })
    }

    /// The line of the book for an account and a data centre.
    fn downloads_mut(&mut self, who: &Who, dc: i32) -> &mut DownloadStats {
        let is_it = |one: &DownloadStats| one.user_id == who.user_id && (one.bot, one.dc) == (who.bot, dc);
        let at = self.downloads.iter().position(is_it).unwrap_or_else(|| {
            self.downloads.push(self.downloads(&who.user_id, who.bot, dc));
            self.downloads.len() - 1
        });
        &mut self.downloads[at]
    }

    /// How often `method` was called.
    pub fn calls(&self, method: &str) -> u64 {
        self.calls.get(method).copied().unwrap_or(0)
    }

    /// How often an account looked for messages.
    pub(crate) fn looks(&self) -> u64 {
        LOOKS.iter().map(|method| self.calls(method)).sum()
    }

    /// Parts stored over all files, repetitions included.
    pub fn parts_total(&self) -> u64 {
        self.parts.values().map(|file| file.total).sum()
    }

    /// How often part `index` of `file_id` was stored.
    pub fn part(&self, file_id: i64, index: i32) -> u64 {
        self.parts.get(&file_id).and_then(|file| file.per_index.get(&index)).copied().unwrap_or(0)
    }

    /// How often the Bot API received the whole document of this name.
    pub fn documents(&self, file_name: &str) -> u64 {
        self.documents.get(file_name).copied().unwrap_or(0)
    }

    /// The most MTProto connections `user_id` had open at once.
    pub fn max_connections(&self, user_id: &str) -> usize {
        self.max_connections.get(user_id).copied().unwrap_or(0)
    }

    /// How often the credentials of `auth_token` were asked for.
    pub fn credential_calls(&self, auth_token: &str) -> u64 {
        self.credential_calls.get(auth_token).copied().unwrap_or(0)
    }

    /// How often somebody signed in to the account of `user_id`.
    pub fn sign_ins(&self, user_id: &str) -> u64 {
        self.sign_ins.get(user_id).copied().unwrap_or(0)
    }

    /// How often the bot of `user_id` signed in by MTProto.
    pub fn bot_sign_ins(&self, user_id: &str) -> u64 {
        self.bot_sign_ins.get(user_id).copied().unwrap_or(0)
    }

    /// How many login codes were sent to this number.
    pub fn codes_sent(&self, phone: &str) -> u64 {
        self.codes_sent.get(phone).copied().unwrap_or(0)
    }
}

/// The book the servers write into.
#[derive(Debug)]
pub(crate) struct StatsBook {
    stats: Mutex<Stats>,
    pulse: Arc<Pulse>,
}

impl StatsBook {
    pub(crate) fn new(pulse: Arc<Pulse>) -> Self {
        Self { stats: Mutex::default(), pulse }
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Stats) -> T) -> T {
        look(&self.lock())
    }

    pub(crate) fn write(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.lock());
        self.pulse.beat();
    }

    pub(crate) fn call(&self, method: &str) {
        self.write(|stats| *stats.calls.entry(method.to_owned()).or_default() += 1);
    }

    pub(crate) fn part(&self, user_id: &str, file_id: i64, index: i32, bytes: u64) {
        self.write(|stats| {
            stats.bytes_received += bytes;
            let file = stats.parts.entry(file_id).or_default();
            file.total += 1;
            file.bytes += bytes;
            *file.per_index.entry(index).or_default() += 1;
            if file.user_id.is_empty() {
                file.user_id = user_id.to_owned();
            }
        });
    }

    pub(crate) fn download_begins(&self, who: &Who, dc: i32) {
        self.write(|stats| {
            let line = stats.downloads_mut(who, dc);
            (line.calls, line.in_flight) = (line.calls + 1, line.in_flight + 1);
            line.most_in_flight = line.most_in_flight.max(line.in_flight);
            let now = stats.downloads.iter().map(|line| line.in_flight).sum();
            stats.most_downloads_in_flight = stats.most_downloads_in_flight.max(now);
        });
    }

    pub(crate) fn downloaded(&self, who: &Who, dc: i32, bytes: u64) {
        self.write(|stats| {
            stats.bytes_sent += bytes;
            stats.downloads_mut(who, dc).bytes += bytes;
        });
    }

    pub(crate) fn download_ends(&self, who: &Who, dc: i32) {
        self.write(|stats| stats.downloads_mut(who, dc).in_flight -= 1);
    }

    pub(crate) fn sign_in(&self, user_id: &str) {
        self.write(|stats| *stats.sign_ins.entry(user_id.to_owned()).or_default() += 1);
    }

    pub(crate) fn login_ended(&self, user_id: &str) {
        self.write(|stats| *stats.logins_ended.entry(user_id.to_owned()).or_default() += 1);
    }

    pub(crate) fn bot_sign_in(&self, user_id: &str) {
        self.write(|stats| *stats.bot_sign_ins.entry(user_id.to_owned()).or_default() += 1);
    }

    pub(crate) fn code_sent(&self, phone: &str) {
        self.write(|stats| *stats.codes_sent.entry(phone.to_owned()).or_default() += 1);
    }

    pub(crate) fn connected(&self, user_id: &str) {
        self.write(|stats| {
            let open = stats.connections.entry(user_id.to_owned()).or_default();
            *open += 1;
            let open = *open;
            let most = stats.max_connections.entry(user_id.to_owned()).or_default();
            *most = open.max(*most);
        });
    }

    pub(crate) fn disconnected(&self, user_id: &str) {
        self.write(|stats| {
            if let Some(open) = stats.connections.get_mut(user_id) {
                *open = open.saturating_sub(1);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
