//! Which call goes where.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use grammers_tl_types::{
    Cursor, Deserializable, Identifiable, Serializable, enums, functions as f, name_for_id, types,
};

use super::parts::PartOwner;
use super::rpc_error::RpcError;
use super::{chats, files, history, scheduled, send, sign_in, tl_types};
use crate::keys::AuthKey;
use crate::shared::Shared;
use crate::standing::Who;
use crate::users::Account;

/// Who calls.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    /// What it is signed with.
    pub(crate) key: Arc<AuthKey>,
    /// Whose account or bot the key speaks for.
    pub(crate) account: Arc<Account>,
    pub(crate) bot: bool,
    /// The data centre that was called.
    pub(crate) dc: i32,
    pub(crate) layer: i32,
}

impl Context {
    pub(crate) fn user_id(&self) -> &str {
        &self.account.user.user_id
    }

    /// The account or the bot that calls.
    pub(crate) fn who(&self) -> Who {
        Who { user_id: self.user_id().to_owned(), bot: self.bot }
    }

    /// Whether it has Premium. A bot never has.
    fn is_premium(&self) -> bool {
        !self.bot && self.account.is_premium()
    }

    /// How many parts a file of it may have.
    pub(crate) fn most_parts(&self) -> i32 {
        self.shared.limits().parts_of(self.is_premium())
    }

    /// How long a caption of it may be, in units of UTF-16.
    pub(crate) fn longest_caption(&self) -> usize {
        self.shared.limits().caption_of(self.is_premium())
    }

    /// Whose parts it may use: a data centre knows nothing of those of another one.
    pub(crate) fn part_owner(&self) -> PartOwner {
        PartOwner { dc: self.dc, who: self.who() }
    }
}

type Answer = Result<Vec<u8>, RpcError>;

/// Where in its file a call reads, for faults that wait for that.
pub(crate) fn offset(id: u32, body: &Bytes) -> Option<i64> {
    match id {
        // The last but one field; the last one is the limit.
        f::upload::GetFile::CONSTRUCTOR_ID => body.get(body.len().checked_sub(12)?..)?.try_get_i64_le().ok(),
        f::upload::GetFileHashes::CONSTRUCTOR_ID => {
            body.get(body.len().checked_sub(8)?..)?.try_get_i64_le().ok()
        }
        _ => None,
    }
}

/// The part a call is about, for faults that wait for one.
pub(crate) fn part_index(id: u32, body: &Bytes) -> Option<i32> {
    match id {
        f::upload::SaveFilePart::CONSTRUCTOR_ID | f::upload::SaveBigFilePart::CONSTRUCTOR_ID => {
            body.get(12..)?.try_get_i32_le().ok()
        }
        _ => None,
    }
}

/// Executes a call.
pub(crate) async fn dispatch(context: Context, id: u32, body: Bytes) -> Answer {
    match id {
        f::upload::SaveFilePart::CONSTRUCTOR_ID => files::save_part(context, body, false).await,
        f::upload::SaveBigFilePart::CONSTRUCTOR_ID => files::save_part(context, body, true).await,
        f::upload::GetFile::CONSTRUCTOR_ID => files::get_file(context, parse(&body)?).await,
        f::upload::GetFileHashes::CONSTRUCTOR_ID => files::get_file_hashes(context, parse(&body)?).await,
        f::messages::SendMedia::CONSTRUCTOR_ID => send::send_media(context, parse(&body)?).await,
        f::messages::SendMessage::CONSTRUCTOR_ID => send::send_message(context, parse(&body)?).await,
        f::auth::ExportAuthorization::CONSTRUCTOR_ID => sign_in::export(&context, &parse(&body)?),
        f::auth::AcceptLoginToken::CONSTRUCTOR_ID => {
            chats::users_only(&context)?;
            sign_in::accept(&context, &parse(&body)?)
        }
        f::auth::LogOut::CONSTRUCTOR_ID => sign_in::log_out(&context),
        f::users::GetUsers::CONSTRUCTOR_ID => get_users(&context, &parse(&body)?),
        f::updates::GetState::CONSTRUCTOR_ID => Ok(tl_types::state().to_bytes()),
        f::updates::GetDifference::CONSTRUCTOR_ID => {
            let date = crate::channel::unix_time() as i32;
            Ok(enums::updates::Difference::Empty(types::updates::DifferenceEmpty { date, seq: 1 }).to_bytes())
        }
        f::updates::GetChannelDifference::CONSTRUCTOR_ID => {
            chats::channel_difference(&context, &parse(&body)?)
        }
        f::messages::GetDialogs::CONSTRUCTOR_ID => chats::get_dialogs(&context, &parse(&body)?),
        f::messages::GetPeerDialogs::CONSTRUCTOR_ID => chats::get_peer_dialogs(&context, &parse(&body)?),
        f::channels::GetChannels::CONSTRUCTOR_ID => chats::get_channels(&context, &parse(&body)?),
        f::messages::GetChats::CONSTRUCTOR_ID => chats::get_chats(&context, &parse(&body)?),
        f::messages::DeleteMessages::CONSTRUCTOR_ID => history::delete_of_groups(&context, &parse(&body)?),
        f::messages::GetMessages::CONSTRUCTOR_ID => history::get_messages_of_groups(&context, &parse(&body)?),
        f::channels::GetMessages::CONSTRUCTOR_ID => history::get_messages(&context, &parse(&body)?),
        f::channels::DeleteMessages::CONSTRUCTOR_ID => history::delete_messages(&context, &parse(&body)?),
        f::messages::GetScheduledMessages::CONSTRUCTOR_ID => scheduled::get(&context, &parse(&body)?),
        f::messages::GetScheduledHistory::CONSTRUCTOR_ID => scheduled::get_all(&context, &parse(&body)?),
        f::messages::DeleteScheduledMessages::CONSTRUCTOR_ID => scheduled::delete(&context, &parse(&body)?),
        f::help::GetAppConfig::CONSTRUCTOR_ID => get_app_config(&context),
        f::messages::GetHistory::CONSTRUCTOR_ID => history::get_history(&context, &parse(&body)?),
        f::messages::Search::CONSTRUCTOR_ID => history::search(&context, &parse(&body)?),
        _ => {
            let (method, layer) = (name_for_id(id), context.layer);
            tracing::warn!(method, id = format!("{id:#010x}"), layer, "sandbox does not know this call");
            Err(RpcError::bad_request("METHOD_NOT_SUPPORTED_BY_SANDBOX"))
        }
    }
}

/// Reads a call after its constructor.
pub(crate) fn parse<F: Deserializable>(body: &[u8]) -> Result<F, RpcError> {
    F::deserialize(&mut Cursor::from_slice(&body[4..])).map_err(|error| {
        tracing::debug!(%error, "call cannot be read");
        RpcError::bad_request("INPUT_FETCH_ERROR")
    })
}

fn get_users(context: &Context, call: &f::users::GetUsers) -> Answer {
    let own_id = tl_types::id_of(&context.account, context.bot);
    let is_self = |user: &&enums::InputUser| match user {
        enums::InputUser::UserSelf => true,
        enums::InputUser::User(user) => user.user_id == own_id,
        _ => false,
    };
    let found = call.id.iter().filter(is_self).map(|_| tl_types::user(&context.account, context.bot));
    Ok(found.collect::<Vec<_>>().to_bytes())
}

/// What clients are told of what they may do. <https://core.telegram.org/method/help.getAppConfig>
fn get_app_config(context: &Context) -> Answer {
    chats::users_only(context)?;
    let limits = context.shared.limits();
    let numbers = [
        ("upload_max_fileparts_default", f64::from(limits.parts)),
        ("upload_max_fileparts_premium", f64::from(limits.parts_premium)),
        ("caption_length_limit_default", limits.caption as f64),
        ("caption_length_limit_premium", limits.caption_premium as f64),
    ];
    let field = |key: &str, value| types::JsonObjectValue { key: key.to_owned(), value }.into();
    let mut fields = vec![field("emojies_send_dice", types::JsonArray { value: Vec::new() }.into())];
    fields.extend(numbers.map(|(key, value)| field(key, types::JsonNumber { value }.into())));
    let config = types::JsonObject { value: fields }.into();
    Ok(enums::help::AppConfig::Config(types::help::AppConfig { hash: 1, config }).to_bytes())
}
