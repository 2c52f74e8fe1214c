//! What tests of reading share: files that are there, and calls that read them.

use grammers_client::{Client, InvocationError, tl};
use telestore_sandbox::{Sandbox, SandboxUser};

use crate::client::{big_file, big_part, connect, connect_to, find_channel, message_id, noise, send_media};
use crate::handshake::{Mistakes, make_key};

pub(crate) const GET_FILE: &str = "upload.getFile";
pub(crate) const KIB: usize = 1024;

/// A user whose channel has one file.
pub(crate) struct Shelf {
    pub(crate) sandbox: Sandbox,
    pub(crate) user: SandboxUser,
    pub(crate) client: Client,
    pub(crate) peer: tl::enums::InputPeer,
    pub(crate) message_id: i32,
    pub(crate) bytes: Vec<u8>,
}

impl Shelf {
    pub(crate) async fn with(len: usize) -> Self {
        Self::of(Sandbox::start().await.expect("a sandbox"), len).await
    }

    pub(crate) async fn of(sandbox: Sandbox, len: usize) -> Self {
        let user = sandbox.user();
        let client = connect(&sandbox, &user);
        let peer = find_channel(&client, &user).await;
        let bytes = noise(len, 3);
        let message_id = send(&client, &peer, 1, &bytes).await;
        Self { sandbox, user, client, peer, message_id, bytes }
    }

    pub(crate) async fn document(&self) -> tl::types::Document {
        document(&self.client, &self.peer, self.message_id).await
    }

    /// A client at data centre 4 whose key nobody signed in with.
    pub(crate) async fn stranger_at_4(&self) -> Client {
        let there = self.sandbox.add_data_centre(4).await.expect("an address");
        let key = make_key(there, 4, self.sandbox.server_key(), &Mistakes::default()).await.expect("a key");
        connect_to(4, there, key, self.user.api_id)
    }

    /// The user's login at data centre 4, beside the one at home.
    pub(crate) async fn guest_at_4(&self) -> Client {
        let guest = self.stranger_at_4().await;
        let export = tl::functions::auth::ExportAuthorization { dc_id: 4 };
        let tl::enums::auth::ExportedAuthorization::Authorization(login) =
            self.client.invoke(&export).await.expect("a login");
        let import = tl::functions::auth::ImportAuthorization { id: login.id, bytes: login.bytes };
        guest.invoke(&import).await.expect("the login is good there");
        guest
    }

    /// The user's bot, signed in by MTProto.
    pub(crate) async fn bot(&self) -> Client {
        let address = self.sandbox.mtproto_addr();
        let key = make_key(address, 2, self.sandbox.server_key(), &Mistakes::default()).await.expect("a key");
        let bot = connect_to(2, address, key, self.user.api_id);
        let sign_in = tl::functions::auth::ImportBotAuthorization {
            flags: 0,
            api_id: self.user.api_id,
            api_hash: self.user.api_hash.clone(),
            bot_auth_token: self.user.bot_token.clone(),
        };
        bot.invoke(&sign_in).await.expect("a login");
        bot
    }

    /// The channel as a bot may name it.
    pub(crate) fn peer_of_bot(&self) -> tl::enums::InputPeer {
        let tl::enums::InputPeer::Channel(channel) = self.peer.clone() else { panic!("a channel") };
        tl::types::InputPeerChannel { access_hash: 0, ..channel }.into()
    }
}

/// Sends a file of the name `report.bin` and says which message it became.
pub(crate) async fn send(client: &Client, peer: &tl::enums::InputPeer, id: i64, bytes: &[u8]) -> i32 {
    let total = bytes.len().div_ceil(512 * KIB) as i32;
    for (index, part) in (0..).zip(bytes.chunks(512 * KIB)) {
        assert!(client.invoke(&big_part(id, index, total, part.to_vec())).await.expect("a part"));
    }
    message_id(&client.invoke(&send_media(peer.clone(), big_file(id, total), id)).await.expect("a message"))
}

/// Reads a message anew.
pub(crate) async fn message(client: &Client, peer: &tl::enums::InputPeer, id: i32) -> tl::enums::Message {
    let tl::enums::InputPeer::Channel(channel) = peer else { panic!("a channel") };
    let (channel_id, access_hash) = (channel.channel_id, channel.access_hash);
    let call = tl::functions::channels::GetMessages {
        channel: tl::types::InputChannel { channel_id, access_hash }.into(),
        id: vec![tl::types::InputMessageId { id }.into()],
    };
    match client.invoke(&call).await.expect("messages") {
        tl::enums::messages::Messages::ChannelMessages(mut found) => found.messages.remove(0),
        other => panic!("not of a channel: {other:?}"),
    }
}

/// The document of a message, as it is known now.
pub(crate) async fn document(client: &Client, peer: &tl::enums::InputPeer, id: i32) -> tl::types::Document {
    let tl::enums::Message::Message(message) = message(client, peer, id).await else { panic!("a message") };
    match message.media {
        Some(tl::enums::MessageMedia::Document(tl::types::MessageMediaDocument {
            document: Some(tl::enums::Document::Document(document)),
            ..
        })) => document,
        other => panic!("no document: {other:?}"),
    }
}

pub(crate) fn location(document: &tl::types::Document) -> tl::types::InputDocumentFileLocation {
    tl::types::InputDocumentFileLocation {
        id: document.id,
        access_hash: document.access_hash,
        file_reference: document.file_reference.clone(),
        thumb_size: String::new(),
    }
}

/// A call of `upload.getFile`.
pub(crate) fn range(
    location: impl Into<tl::enums::InputFileLocation>,
    offset: usize,
    limit: usize,
) -> tl::functions::upload::GetFile {
    tl::functions::upload::GetFile {
        precise: false,
        cdn_supported: false,
        location: location.into(),
        offset: offset as i64,
        limit: limit as i32,
    }
}

/// The bytes of a range.
pub(crate) async fn read(
    client: &Client,
    document: &tl::types::Document,
    offset: usize,
    limit: usize,
) -> Result<Vec<u8>, InvocationError> {
    match client.invoke(&range(location(document), offset, limit)).await? {
        tl::enums::upload::File::File(file) => Ok(file.bytes),
        redirect => panic!("nobody supports a CDN: {redirect:?}"),
    }
}
