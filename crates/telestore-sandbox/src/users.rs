//! Users: a TeleStore account, a bot, a Telegram account with its session, and a channel.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::channel_id::ChannelId;
use crate::data_centres::HOME;
use crate::keys::{AuthKey, KeyState};
use crate::standing::Standing;

/// The data centre of all session strings, as they write it.
const DC_ID: u8 = HOME as u8;

/// The Telegram id of the first account.
const FIRST_ACCOUNT: i64 = 5_100_000_000;

/// What a new user is like. By default: session, bot, own channel, everything configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserSpec {
    name: String,
    session: bool,
    api: bool,
    configured: bool,
    authorized: bool,
    channel: Option<String>,
    standing: Option<Standing>,
    bot_standing: Option<Standing>,
    password: Option<String>,
    premium: bool,
    /// Whose account they use.
    signed_in_as: Option<Box<SandboxUser>>,
    /// What `bot_tokens` of the credentials holds.
    bot_tokens: Vec<String>,
}

impl Default for UserSpec {
    fn default() -> Self {
        Self {
            name: "user".to_owned(),
            session: true,
            api: true,
            configured: true,
            authorized: true,
            channel: None,
            standing: None,
            bot_standing: None,
            password: None,
            premium: false,
            signed_in_as: None,
            bot_tokens: Vec::new(),
        }
    }
}

impl UserSpec {
    /// A complete user of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Has never signed in to Telegram: the credentials carry no session, no API id and no API hash.
    pub fn without_session(mut self) -> Self {
        self.session = false;
        self.api = false;
        self
    }

    /// The credentials carry the session and the API id of another user: two users of the backend, and one login of
    /// Telegram. That account must be in the channel.
    pub fn session_of(mut self, other: &SandboxUser) -> Self {
        self.signed_in_as = Some(Box::new(other.clone()));
        self
    }

    /// The credentials carry these tokens, too: of bots of other users, which must be in the channel, or of nobody.
    pub fn bot_tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.bot_tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// The credentials carry a session but neither API id nor API hash.
    pub fn without_api_id(mut self) -> Self {
        self.api = false;
        self
    }

    /// The credentials carry API id and hash although they may carry no session: a bot signs in with them.
    pub fn with_api_id(mut self) -> Self {
        self.api = true;
        self
    }

    /// The backend answers 400 to a request for this user's credentials.
    pub fn not_configured(mut self) -> Self {
        self.configured = false;
        self
    }

    /// Whether the account's auth key is signed in. If not, its calls answer `AUTH_KEY_UNREGISTERED`, and a
    /// bot may sign in with it.
    pub fn authorized(mut self, authorized: bool) -> Self {
        self.authorized = authorized;
        self
    }

    /// The account has a password, which is asked for behind the login code.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The account has Telegram Premium.
    pub fn premium(mut self, premium: bool) -> Self {
        self.premium = premium;
        self
    }

    /// What the account is in its channel. By default it made a channel of its own, and is an administrator of a shared
    /// one.
    pub fn standing_of_account(mut self, standing: Standing) -> Self {
        self.standing = Some(standing);
        self
    }

    /// What the bot is in its channel; an administrator by default.
    pub fn standing_of_bot(mut self, standing: Standing) -> Self {
        self.bot_standing = Some(standing);
        self
    }

    /// Shares an existing channel instead of a new one; one that does not exist is made. A negative id above `-10^12` is a
    /// basic group.
    pub fn channel<C: Into<ChannelId>>(mut self, id: Option<C>) -> Self {
        self.channel = id.map(|id| id.into().to_string());
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn standing(&self) -> Option<Standing> {
        self.standing
    }

    pub(crate) fn bot_standing(&self) -> Option<Standing> {
        self.bot_standing
    }

    pub(crate) fn shared_channel(&self) -> Option<ChannelId> {
        self.channel.as_deref().map(ChannelId::from)
    }
}

/// A user with everything that identifies it. The secrets are real to the sandbox and to nobody else.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct SandboxUser {
    /// The TeleStore user, in UUID form.
    pub user_id: String,
    /// First name of the Telegram account.
    pub name: String,
    /// The TeleStore auth token.
    pub auth_token: String,
    /// The token of the user's bot.
    pub bot_token: String,
    /// Tokens of other bots that the backend hands out with it.
    #[serde(default)]
    pub bot_tokens: Vec<String>,
    /// The channel, as the Bot API writes it (`-100…`).
    pub channel_id: String,
    /// Telethon `StringSession`, unless the user has none.
    pub telethon_session: Option<String>,
    /// Pyrogram session string, unless the user has none.
    pub pyrogram_session: Option<String>,
    /// Telegram API id.
    pub api_id: i32,
    /// Telegram API hash.
    pub api_hash: String,
    /// Whether the backend hands out API id and hash.
    pub api_configured: bool,
    /// Whether the backend hands out credentials at all.
    pub configured: bool,
    /// The account's phone number, digits only, in the form of Telegram's test servers.
    #[serde(default)]
    pub phone: String,
    /// The account's password, if it has one.
    #[serde(default)]
    pub password: Option<String>,
    /// The Telegram id of the account.
    pub telegram_user_id: i64,
    /// The Telegram id of the bot.
    pub bot_user_id: i64,
    /// The account's MTProto auth key in hexadecimal, even if the user has no session string.
    pub auth_key: String,
}

impl SandboxUser {
    /// The auth key's bytes.
    pub fn auth_key_bytes(&self) -> [u8; 256] {
        let mut key = [0; 256];
        // A key that is no key stays zero; the server does not know that one either.
        let _ = hex::decode_to_slice(&self.auth_key, &mut key);
        key
    }

    fn new(spec: &UserSpec, number: i64, channel: ChannelId, address: SocketAddr) -> Self {
        let mut rng = rand::rng();
        let mut auth_key = [0u8; 256];
        rng.fill(&mut auth_key[..]);
        let telegram_user_id = FIRST_ACCOUNT + number;
        let bot_user_id = 7_200_000_000 + number;
        let api_id = 20_000_000 + number as i32;
        let sessions = spec.session.then(|| {
            (telethon_session(address, &auth_key), pyrogram_session(api_id, &auth_key, telegram_user_id))
        });
        let (telethon_session, pyrogram_session) = sessions.unzip();
        let own = Self {
            user_id: uuid(rng.random()),
            name: spec.name.clone(),
            auth_token: format!("sandbox-token-{}", hex::encode(rng.random::<[u8; 20]>())),
            bot_token: format!("{bot_user_id}:{}", bot_secret(rng.random())),
            bot_tokens: spec.bot_tokens.clone(),
            channel_id: channel.to_string(),
            telethon_session,
            pyrogram_session,
            api_id,
            api_hash: hex::encode(rng.random::<[u8; 16]>()),
            api_configured: spec.api,
            configured: spec.configured,
            phone: phone(number),
            password: spec.password.clone(),
            telegram_user_id,
            bot_user_id,
            auth_key: hex::encode(auth_key),
        };
        let Some(other) = spec.signed_in_as.as_deref() else { return own };
        let SandboxUser { telethon_session, pyrogram_session, api_id, api_hash, .. } = other.clone();
        Self { telethon_session, pyrogram_session, api_id, api_hash, ..own }
    }

    /// The same, signed in at another address. A Pyrogram session string names none. Users of long ago had no phone numbers.
    fn moved_to(mut self, address: SocketAddr) -> Self {
        if self.phone.is_empty() {
            self.phone = phone(self.telegram_user_id - FIRST_ACCOUNT);
        }
        let key = self.auth_key_bytes();
        self.telethon_session = self.telethon_session.is_some().then(|| telethon_session(address, &key));
        self
    }
}

/// A user as the servers see it.
pub(crate) struct Account {
    pub(crate) user: SandboxUser,
    token_revoked: AtomicBool,
    /// The data centre that it lives in.
    home: AtomicI32,
    premium: AtomicBool,
    banned: AtomicBool,
    bot_revoked: AtomicBool,
}

impl Account {
    fn new(user: SandboxUser, authorized: bool) -> (Arc<Self>, AuthKey) {
        let state = match authorized {
            true => KeyState::User(user.user_id.clone()),
            false => KeyState::unregistered(),
        };
        let key = AuthKey::shared_beforehand(user.auth_key_bytes(), HOME, &user.user_id, state);
        let (token_revoked, home) = (AtomicBool::new(false), AtomicI32::new(HOME));
        let (premium, banned) = (AtomicBool::new(false), AtomicBool::new(false));
        let bot_revoked = AtomicBool::new(false);
        (Arc::new(Self { user, token_revoked, home, premium, banned, bot_revoked }), key)
    }

    pub(crate) fn revoke_token(&self) {
        self.token_revoked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn token_revoked(&self) -> bool {
        self.token_revoked.load(Ordering::Relaxed)
    }

    pub(crate) fn home(&self) -> i32 {
        self.home.load(Ordering::Relaxed)
    }

    pub(crate) fn is_premium(&self) -> bool {
        self.premium.load(Ordering::Relaxed)
    }

    pub(crate) fn set_premium(&self, premium: bool) {
        self.premium.store(premium, Ordering::Relaxed);
    }

    pub(crate) fn is_banned(&self) -> bool {
        self.banned.load(Ordering::Relaxed)
    }

    /// Whether the token of its bot is good.
    pub(crate) fn is_bot(&self, token: &str) -> bool {
        self.user.bot_token == token && !self.is_bot_revoked()
    }

    pub(crate) fn is_bot_revoked(&self) -> bool {
        self.bot_revoked.load(Ordering::Relaxed)
    }

    pub(crate) fn revoke_bot(&self) {
        self.bot_revoked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_banned(&self, banned: bool) {
        self.banned.store(banned, Ordering::Relaxed);
    }

    pub(crate) fn set_home(&self, dc: i32) {
        self.home.store(dc, Ordering::Relaxed);
    }
}

/// All users.
#[derive(Default)]
pub(crate) struct Users(RwLock<Vec<Arc<Account>>>);

impl Users {
    /// Adds a user, and gives the key of its session strings with it.
    pub(crate) fn add(
        &self,
        spec: &UserSpec,
        channel: ChannelId,
        address: SocketAddr,
    ) -> (Arc<Account>, AuthKey) {
        let mut users = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let user = SandboxUser::new(spec, free_number(&users), channel, address);
        let (account, key) = Account::new(user, spec.authorized);
        account.set_premium(spec.premium);
        users.push(Arc::clone(&account));
        (account, key)
    }

    /// Adds a user that an earlier sandbox had, with session strings that lead to `address`.
    pub(crate) fn add_again(&self, user: SandboxUser, address: SocketAddr) -> (Arc<Account>, AuthKey) {
        let (account, key) = Account::new(user.moved_to(address), true);
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&account));
        (account, key)
    }

    pub(crate) fn find(&self, wanted: impl Fn(&Account) -> bool) -> Option<Arc<Account>> {
        self.all().into_iter().find(|account| wanted(account))
    }

    pub(crate) fn by_id(&self, user_id: &str) -> Option<Arc<Account>> {
        self.find(|account| account.user.user_id == user_id)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The number of the next user. Users of an earlier sandbox bring theirs.
fn free_number(users: &[Arc<Account>]) -> i64 {
    let taken = |number| users.iter().any(|account| account.user.telegram_user_id == FIRST_ACCOUNT + number);
    let first = users.len() as i64;
    (first..).find(|number| !taken(*number)).unwrap_or(first)
}

/// The phone number of the user of that number, of the kind that Telegram's test servers have.
fn phone(number: i64) -> String {
    format!("99966{DC_ID}{:04}", number + 1)
}

fn telethon_session(address: SocketAddr, auth_key: &[u8; 256]) -> String {
    let mut packed = vec![DC_ID];
    match address.ip() {
        IpAddr::V4(ip) => packed.extend(ip.octets()),
        IpAddr::V6(ip) => packed.extend(ip.octets()),
    }
    packed.extend(address.port().to_be_bytes());
    packed.extend(auth_key);
    format!("1{}", URL_SAFE.encode(packed))
}

fn pyrogram_session(api_id: i32, auth_key: &[u8; 256], user_id: i64) -> String {
    let mut packed = vec![DC_ID];
    packed.extend(api_id.to_be_bytes());
    packed.push(0);
    packed.extend(auth_key);
    packed.extend(user_id.to_be_bytes());
    packed.push(0);
    URL_SAFE_NO_PAD.encode(packed)
}

fn bot_secret(random: [u8; 26]) -> String {
    let mut secret = URL_SAFE_NO_PAD.encode(random);
    secret.truncate(35);
    secret
}

fn uuid(mut random: [u8; 16]) -> String {
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let hex = hex::encode(random);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
