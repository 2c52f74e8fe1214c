//! What all the servers share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::channel::Channels;
use crate::channel_id::ChannelId;
use crate::data_centres::DataCentres;
use crate::faults::Faults;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::links::Links;
use crate::mtproto::{Parts, SignIns};
use crate::network::Network;
use crate::placement::Placement;
use crate::pulse::Pulse;
use crate::standing::{Standing, Who};
use crate::stats::StatsBook;
use crate::users::{Account, SandboxUser, UserSpec, Users};
use crate::videos::Videos;

/// A call of the backend's webhook route.
#[derive(Clone, Debug, Serialize)]
pub struct WebhookCall {
    /// The request's headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as JSON; null if it is none.
    pub body: serde_json::Value,
    /// The body as it came.
    #[serde(skip)]
    pub raw_body: Bytes,
    /// The HTTP status answered; 0 if the answer was withheld.
    pub status: u16,
}

/// Rules that are off unless asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) hash: bool,
    pub(crate) keep: bool,
    pub(crate) strict_time: bool,
    /// How far its clock is ahead, in seconds.
    pub(crate) clock_ahead: i64,
    pub(crate) single_connection: bool,
    /// Whether the Bot API server is one of the bots' own.
    pub(crate) local_bot_api: bool,
}

/// The addresses the servers are bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    pub(crate) mtproto: SocketAddr,
    pub(crate) media: SocketAddr,
}

/// The one world behind Bot API, MTProto and backend.
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) rules: Rules,
    pub(crate) addresses: Addresses,
    pub(crate) users: Users,
    pub(crate) keys: Keys,
    pub(crate) data_centres: DataCentres,
    pub(crate) channels: Arc<Channels>,
    pub(crate) parts: Parts,
    pub(crate) faults: Faults,
    pub(crate) network: Network,
    pub(crate) stats: StatsBook,
    pub(crate) sign_ins: SignIns,
    pub(crate) videos: Videos,
    pub(crate) placement: Placement,
    pub(crate) links: Links,
    pub(crate) pulse: Arc<Pulse>,
    /// Ends every server.
    pub(crate) stop: CancellationToken,
    webhooks: Mutex<Vec<WebhookCall>>,
    limits: Mutex<Limits>,
}

impl Shared {
    pub(crate) fn new(dir: PathBuf, rules: Rules, addresses: Addresses) -> std::io::Result<Self> {
        let pulse = Arc::new(Pulse::default());
        let parts_dir = dir.join("parts");
        std::fs::create_dir_all(&parts_dir)?;
        Ok(Self {
            channels: Arc::new(Channels::new(dir.clone(), Arc::clone(&pulse))),
            parts: Parts::new(parts_dir, rules.keep),
            faults: Faults::new(Arc::clone(&pulse)),
            stats: StatsBook::new(Arc::clone(&pulse)),
            network: Network::default(),
            sign_ins: SignIns::default(),
            videos: Videos::default(),
            placement: Placement::default(),
            links: Links::default(),
            users: Users::default(),
            keys: Keys::default(),
            data_centres: DataCentres::default(),
            stop: CancellationToken::new(),
            webhooks: Mutex::default(),
            limits: Mutex::default(),
            dir,
            rules,
            addresses,
            pulse,
        })
    }

    pub(crate) fn add_user(&self, spec: &UserSpec) -> Arc<Account> {
        let title = || format!("storage of {}", spec.name());
        let channel = spec.shared_channel().unwrap_or_else(|| self.channels.create(None, title()));
        // A shared channel that nobody made yet is made here, so that the order of users does not matter.
        self.channels.create(Some(channel), title());
        let (account, key) = self.users.add(spec, channel, self.addresses.mtproto);
        self.keys.add(key);
        let user_id = &account.user.user_id;
        self.join(channel, user_id);
        for (who, standing) in
            [(Who::account(user_id), spec.standing()), (Who::bot(user_id), spec.bot_standing())]
        {
            if let Some(standing) = standing {
                self.set_standing(channel, who, standing);
            }
        }
        account
    }

    /// Adds a user of an earlier sandbox, and its channel if that is not there.
    pub(crate) fn add_user_again(&self, user: SandboxUser) -> Arc<Account> {
        let channel = ChannelId::from(&user.channel_id);
        self.channels.create(Some(channel), format!("storage of {}", user.name));
        let (account, key) = self.users.add_again(user, self.addresses.mtproto);
        self.keys.add(key);
        self.join(channel, &account.user.user_id);
        account
    }

    pub(crate) fn join(&self, channel: ChannelId, user_id: &str) {
        self.channels.edit(channel, |channel| {
            channel.join(Who::account(user_id));
            channel.join(Who::bot(user_id));
        });
    }

    /// Says whether there is such a channel.
    pub(crate) fn set_standing(&self, channel: ChannelId, who: Who, standing: Standing) -> bool {
        self.channels.edit(channel, |channel| channel.members.insert(who, standing)).is_some()
    }

    pub(crate) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Whether videos are converted from now on before their messages are made; those that wait are made if not. Blocks on
    /// the disk.
    pub(crate) fn convert_videos(&self, wanted: bool) -> std::io::Result<()> {
        self.videos.set_converted(wanted);
        if !wanted {
            self.videos.finish(&self.channels)?;
        }
        self.pulse.beat();
        Ok(())
    }

    pub(crate) fn webhooks(&self) -> Vec<WebhookCall> {
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn record_webhook(&self, call: WebhookCall) {
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        self.pulse.beat();
    }
}
