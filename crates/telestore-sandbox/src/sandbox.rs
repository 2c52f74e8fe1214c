//! The handle: look at the sandbox, disturb it, stop it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::builder::SandboxBuilder;
use crate::channel_id::ChannelId;
use crate::data_centres::HOME;
use crate::error::Result;
use crate::faults::{Fault, FaultId, Faults};
use crate::keys::KeyState;
use crate::limits::Limits;
use crate::logins::{SentCode, SignInRules};
use crate::message::SandboxMessage;
use crate::mtproto::{NewPart, PartOwner};
use crate::network::Network;
use crate::shared::{Shared, WebhookCall};
use crate::standing::{Standing, Who};
use crate::stats::Stats;
use crate::topics::Topic;
use crate::users::{Account, SandboxUser, UserSpec};

/// A running sandbox. Dropping it stops the servers and removes a directory it made itself.
pub struct Sandbox {
    pub(crate) shared: Arc<Shared>,
    pub(crate) servers: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) _temp: Option<TempDir>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("addresses", &self.shared.addresses).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// A builder with the defaults.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Starts with the defaults.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// Base URL of the TeleStore backend.
    pub fn backend_url(&self) -> String {
        format!("http://{}", self.shared.addresses.http)
    }

    /// Base URL of the Bot API: `{base}/bot<token>/<method>`.
    pub fn bot_api_url(&self) -> String {
        self.backend_url()
    }

    /// Base URL of the control API, below `/sandbox`.
    pub fn control_url(&self) -> String {
        format!("{}/sandbox", self.backend_url())
    }

    /// Main address of the MTProto server.
    pub fn mtproto_addr(&self) -> SocketAddr {
        self.shared.addresses.mtproto
    }

    /// The `media_only` address of the MTProto server, if parallel connections are allowed.
    pub fn media_addr(&self) -> SocketAddr {
        self.shared.addresses.media
    }

    /// Where received files lie.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// The default user.
    ///
    /// # Panics
    /// If the sandbox has no user.
    pub fn user(&self) -> SandboxUser {
        self.users().into_iter().next().expect("the sandbox has a user")
    }

    /// All users.
    pub fn users(&self) -> Vec<SandboxUser> {
        self.shared.users.all().iter().map(|account| account.user.clone()).collect()
    }

    /// Adds a user.
    pub fn add_user(&self, spec: UserSpec) -> SandboxUser {
        self.shared.add_user(&spec).user.clone()
    }

    /// Adds a user that an earlier sandbox had: the same ids, tokens and auth key, in a channel of the same id. Its
    /// session string, if it had one, leads to this sandbox. So a program that kept something of that user goes on here.
    pub fn readmit(&self, user: &SandboxUser) -> SandboxUser {
        self.shared.add_user_again(user.clone()).user.clone()
    }

    /// Has a part of a file of the user, as if it had been sent before: `total` is the number of parts of a file that
    /// comes by `upload.saveBigFilePart`, and `None` if it comes by `upload.saveFilePart`. Blocks on the disk.
    ///
    /// # Errors
    /// The name of the error that a client would have got.
    pub fn put_part(
        &self,
        user: &SandboxUser,
        file_id: i64,
        index: i32,
        total: Option<i32>,
        bytes: impl Into<Bytes>,
    ) -> Result<(), String> {
        let account = self.account(user);
        let dc = account.as_ref().map_or(HOME, |account| account.home());
        let most = self.shared.limits().parts_of(account.is_some_and(|account| account.is_premium()));
        let owner = PartOwner { dc, who: Who::account(&user.user_id) };
        let part = NewPart { file_id, index, total, bytes: bytes.into() };
        self.shared.parts.save(&owner, &part, most).map_err(|error| error.name)
    }

    /// Every call with an auth key of the user answers 401 `AUTH_KEY_UNREGISTERED` from now on, but for
    /// `help.getConfig` and a new sign-in.
    pub fn revoke_session(&self, user: &SandboxUser) {
        self.revoke_session_as(user, "AUTH_KEY_UNREGISTERED");
    }

    /// The same with another error name, such as `SESSION_REVOKED`.
    pub fn revoke_session_as(&self, user: &SandboxUser, name: &str) {
        for key in self.shared.keys.of(&user.user_id) {
            key.set_state(KeyState::Unregistered(name.to_owned()));
        }
    }

    /// Changes the salts of the user's auth keys: what is sent with the old ones gets `bad_server_salt`.
    pub fn change_salts(&self, user: &SandboxUser) {
        self.shared.keys.of(&user.user_id).iter().for_each(|key| key.sessions.change_salts());
    }

    /// Signs the user's auth keys in again.
    pub fn restore_session(&self, user: &SandboxUser) {
        for key in self.shared.keys.of(&user.user_id) {
            key.set_state(KeyState::User(user.user_id.clone()));
        }
    }

    /// What holds for those who sign in.
    pub fn sign_in_rules(&self) -> SignInRules {
        self.shared.sign_ins.rules()
    }

    /// The same from now on.
    pub fn set_sign_in_rules(&self, rules: SignInRules) {
        self.shared.sign_ins.set_rules(rules);
    }

    /// The login codes that were sent to the user's phone number, oldest first.
    pub fn codes_of(&self, user: &SandboxUser) -> Vec<SentCode> {
        let mut codes = self.shared.sign_ins.codes.sent();
        codes.retain(|code| code.phone == user.phone);
        codes
    }

    /// Waits until the user's phone number was sent `count` codes, and gives the last of them.
    pub async fn wait_for_code(&self, user: &SandboxUser, count: usize) -> SentCode {
        let enough = || self.codes_of(user).into_iter().nth(count.saturating_sub(1));
        self.shared.pulse.until(enough).await
    }

    /// Ends the codes for the user's phone number, as Telegram does if it sees one of them in a message.
    pub fn void_codes(&self, user: &SandboxUser) {
        self.shared.sign_ins.codes.void(&user.phone);
    }

    /// What the QR codes say that can be scanned now, oldest first.
    pub fn login_tokens(&self) -> Vec<String> {
        self.shared.sign_ins.tokens.open()
    }

    /// Waits until there is a QR code to scan that is none of `seen`, and says what it says.
    pub async fn wait_for_login_token(&self, seen: &[String]) -> String {
        let fresh = || self.login_tokens().into_iter().find(|token| !seen.contains(token));
        self.shared.pulse.until(fresh).await
    }

    /// Scans a QR code with the user's phone: lets the device in that shows it.
    ///
    /// # Errors
    /// The name of the error that the phone gets.
    pub fn scan(&self, user: &SandboxUser, code: &str) -> std::result::Result<(), String> {
        self.shared.scan(&user.user_id, code).map_err(str::to_owned)
    }

    /// Whether the user's phone number is banned: `PHONE_NUMBER_BANNED`.
    pub fn set_banned(&self, user: &SandboxUser, banned: bool) {
        self.account(user).into_iter().for_each(|account| account.set_banned(banned));
    }

    /// Whether the user's account has Telegram Premium.
    pub fn set_premium(&self, user: &SandboxUser, premium: bool) {
        self.account(user).into_iter().for_each(|account| account.set_premium(premium));
    }

    /// What accounts may send from now on.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.set_limits(limits);
    }

    /// Whether Telegram converts videos from now on before it makes their messages, as in large channels: `messages.sendMedia`
    /// is answered with a scheduled message, and a Bot API server waits. `false` makes the messages of those that wait. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// If a file cannot be moved.
    pub fn convert_videos(&self, wanted: bool) -> Result<()> {
        Ok(self.shared.convert_videos(wanted)?)
    }

    /// An administrator takes the messages of the user's account back that wait for their videos.
    pub fn drop_videos(&self, user: &SandboxUser) {
        self.shared.videos.drop_all(ChannelId::from(&user.channel_id), &Who::account(&user.user_id));
    }

    /// The backend answers 401 to the user's auth token from now on.
    pub fn revoke_token(&self, user: &SandboxUser) {
        if let Some(account) = self.account(user) {
            account.revoke_token();
        }
    }

    /// The token of the user's bot is good no more, as if @BotFather had made another, and its logins end: 401 by the Bot API and
    /// by MTProto, and `ACCESS_TOKEN_EXPIRED` for a new sign-in.
    pub fn revoke_bot(&self, user: &SandboxUser) {
        self.account(user).into_iter().for_each(|account| account.revoke_bot());
        self.end_bot_logins(user);
    }

    /// Ends the logins of the user's bot by MTProto: their calls answer 401 `AUTH_KEY_UNREGISTERED`. It may sign in again.
    pub fn end_bot_logins(&self, user: &SandboxUser) {
        let keys = self.shared.keys.of(&user.user_id).into_iter();
        for key in keys.filter(|key| matches!(key.state(), KeyState::Bot(_))) {
            key.set_state(KeyState::unregistered());
        }
    }

    /// Whether the servers know the keys of the user's account and bot. If not, they answer -404, as Telegram's do in passing, too.
    pub fn set_keys_known(&self, user: &SandboxUser, known: bool) {
        self.shared.keys.of(&user.user_id).iter().for_each(|key| key.set_known(known));
    }

    /// Opens a data centre at a port of its own and says where; one that exists keeps its address.
    pub async fn add_data_centre(&self, id: i32) -> Result<SocketAddr> {
        Ok(self.shared.add_data_centre(id).await?)
    }

    /// Closes the port of a data centre that was added. `help.getConfig` goes on naming it, as one that is down.
    pub async fn stop_data_centre(&self, id: i32) {
        self.shared.data_centres.stop(id).await;
    }

    /// Moves the user's account, and its bot, to another data centre: calls anywhere else answer 303
    /// `USER_MIGRATE_X` from now on, but for `help.getConfig` and what takes a login along.
    pub fn move_account(&self, user: &SandboxUser, dc: i32) {
        self.shared.move_account(&user.user_id, dc);
    }

    /// The public RSA key of all data centres, as PEM; clients need it for a key exchange. It is always the same one.
    pub fn server_key(&self) -> &'static str {
        crate::mtproto::PUBLIC_PEM
    }

    /// Makes another channel with this user and its bot in it.
    pub fn add_channel(&self, user: &SandboxUser, title: &str) -> ChannelId {
        let id = self.shared.channels.create(None, title.to_owned());
        self.shared.join(id, &user.user_id);
        id
    }

    /// Whether anyone may write to the channel. If not, administrators lose the right to post, and all of a group the
    /// right to send files.
    pub fn set_writable(&self, channel: impl Into<ChannelId>, writable: bool) {
        self.shared.channels.edit(channel.into(), |channel| channel.writable = writable);
    }

    /// Whether those of a group who are nothing but members may send files: its default permissions.
    pub fn set_documents(&self, group: impl Into<ChannelId>, allowed: bool) {
        self.shared.channels.edit(group.into(), |group| group.documents = allowed);
    }

    /// Makes a forum of the group, if it is none yet, and says what one of its topics is.
    pub fn set_topic(&self, group: impl Into<ChannelId>, id: i32, topic: Topic) {
        self.shared.channels.edit(group.into(), |group| group.topics.set(id, topic));
    }

    /// Makes a supergroup of a channel, or a channel again. On Telegram none becomes the other; here it spares tests a
    /// migration.
    pub fn set_supergroup(&self, channel: impl Into<ChannelId>, group: bool) {
        self.shared.channels.edit(channel.into(), |channel| {
            channel.group = group || channel.id.is_basic_group();
        });
    }

    /// What the user's account is in the channel from now on.
    pub fn set_standing_of_account(
        &self,
        channel: impl Into<ChannelId>,
        user: &SandboxUser,
        standing: Standing,
    ) {
        self.shared.set_standing(channel.into(), Who::account(&user.user_id), standing);
    }

    /// What the user's bot is in the channel from now on.
    pub fn set_standing_of_bot(&self, channel: impl Into<ChannelId>, user: &SandboxUser, standing: Standing) {
        self.shared.set_standing(channel.into(), Who::bot(&user.user_id), standing);
    }

    /// Takes the user's account out of the channel: `CHANNEL_PRIVATE` from now on.
    pub fn remove_account(&self, channel: impl Into<ChannelId>, user: &SandboxUser) {
        self.set_standing_of_account(channel, user, Standing::Left);
    }

    /// Takes the user's bot out of the channel: 403 from now on.
    pub fn remove_bot(&self, channel: impl Into<ChannelId>, user: &SandboxUser) {
        self.set_standing_of_bot(channel, user, Standing::Left);
    }

    /// Puts the user's account and bot into the channel, if they are not in it.
    pub fn join(&self, channel: impl Into<ChannelId>, user: &SandboxUser) {
        self.shared.join(channel.into(), &user.user_id);
    }

    /// Makes the supergroup `new` of a basic group, with the same members. The Bot API answers what is sent to the group
    /// with `migrate_to_chat_id` from now on, and MTProto shows `migrated_to`. Says whether there was such a group.
    pub fn migrate_group(&self, group: impl Into<ChannelId>, new: impl Into<ChannelId>) -> bool {
        self.shared.channels.migrate(group.into(), new.into())
    }

    /// The messages of a channel, oldest first.
    pub fn messages(&self, channel: impl Into<ChannelId>) -> Vec<SandboxMessage> {
        let all =
            |channel: &crate::channel::Channel| channel.messages.values().map(|m| m.public.clone()).collect();
        self.shared.channels.look(channel.into(), all).unwrap_or_default()
    }

    /// The messages of the user's channel, oldest first.
    pub fn messages_of(&self, user: &SandboxUser) -> Vec<SandboxMessage> {
        self.messages(&user.channel_id)
    }

    /// Makes the messages that the user's channel holds by now older, as if so many seconds had passed.
    pub fn age_messages_of(&self, user: &SandboxUser, seconds: i64) {
        let age = |channel: &mut crate::channel::Channel| {
            channel.messages.values_mut().for_each(|message| message.public.date -= seconds);
        };
        self.shared.channels.edit((&user.channel_id).into(), age);
    }

    /// Waits until the channel holds `count` messages.
    pub async fn wait_for_message(&self, channel: impl Into<ChannelId>, count: usize) -> Vec<SandboxMessage> {
        let channel = channel.into();
        let enough = || Some(self.messages(channel)).filter(|messages| messages.len() >= count);
        self.shared.pulse.until(enough).await
    }

    /// What the backend's webhook route was called with.
    pub fn webhooks(&self) -> Vec<WebhookCall> {
        self.shared.webhooks()
    }

    /// Waits until the webhook route was called `count` times.
    pub async fn wait_for_webhooks(&self, count: usize) -> Vec<WebhookCall> {
        self.shared.pulse.until(|| Some(self.webhooks()).filter(|calls| calls.len() >= count)).await
    }

    /// The faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.shared.network
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.shared.stats.read(Stats::clone)
    }

    /// Waits until `enough` holds; it is asked at every change.
    pub async fn wait_until(&self, enough: impl Fn(&Stats) -> bool) {
        self.shared.pulse.until(|| self.shared.stats.read(|stats| enough(stats).then_some(()))).await;
    }

    /// Holds every call of `method` before its execution, until [`Sandbox::resume`].
    pub fn pause(&self, method: &str) -> FaultId {
        self.faults().inject(Fault::hold(method))
    }

    /// Lets go of what [`Sandbox::pause`] holds.
    pub fn resume(&self, pause: FaultId) {
        self.faults().release(pause);
    }

    /// Drops parts of a file that no message refers to yet, as Telegram does after a while. Says how many
    /// there were.
    pub fn drop_parts(&self, file_id: i64, parts: &[i32]) -> usize {
        self.shared.parts.drop_parts(file_id, parts)
    }

    /// What the control API says at `/sandbox`: addresses, and users with all their secrets.
    pub fn describe(&self) -> serde_json::Value {
        crate::http::describe(&self.shared)
    }

    /// Stops the servers and waits for them.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.shared.data_centres.ended().await;
        let servers = std::mem::take(&mut *self.servers.lock().unwrap_or_else(PoisonError::into_inner));
        for server in servers {
            let _ = server.await;
        }
    }

    fn account(&self, user: &SandboxUser) -> Option<Arc<Account>> {
        self.shared.users.by_id(&user.user_id)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}
