//! The Bot API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::bot_params::Params;
use super::faulty::{Course, Refusal, bot_error};
use super::{bot_files, bot_sends, faulty};
use crate::channel::Channel;
use crate::channel_id::ChannelId;
use crate::deleting::NotAllowed;
use crate::entities::SandboxEntity;
use crate::media::Kind;
use crate::message::{Draft, SandboxMessage, Via};
use crate::shared::Shared;
use crate::standing::{Standing, Who};
use crate::stats::Stats;
use crate::topics::NoTopic;
use crate::unsaid::{Executed, Unsaid};
use crate::users::{Account, SandboxUser};

/// An answer, or why there is none.
pub(crate) type Answer = Result<Response, Refusal>;

/// A bot and what it calls with.
pub(crate) struct BotCall {
    pub(crate) shared: Arc<Shared>,
    pub(crate) bot: Arc<Account>,
    pub(crate) params: Params,
}

/// `/bot<token>/<method>` and `/file/bot<token>/<path>`.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (file, rest) = match path.strip_prefix("/file/bot") {
        Some(rest) => (true, rest),
        None => (false, path.strip_prefix("/bot").unwrap_or_default()),
    };
    let Some((token, method)) = rest.split_once('/') else {
        take(request).await;
        return bot_error(404, "Not Found", json!({})).into_response();
    };
    let bot = shared.users.find(|account| account.is_bot(token));
    let user_id = bot.as_ref().map(|bot| bot.user.user_id.clone());
    let counted = if file { "file" } else { method };
    let course = Course::of(&shared, counted, user_id.as_deref()).await;
    if let Course::Answer(answer) = course {
        take(request).await;
        return answer;
    }
    if let Course::Unsaid(unsaid) = course {
        let Some(bot) = bot else { return refuse_unknown(request).await };
        return take_and_leave_unsaid(unsaid, shared, bot, method, request).await;
    }
    let hostile = match &course {
        Course::Deform(hostile) => Some(*hostile),
        _ => None,
    };
    let execute = async |drop_after| {
        let Some(bot) = bot else { return refuse_unknown(request).await };
        let answer = match file {
            true => {
                let faults = bot_files::Faulty { cut_after: drop_after, hostile };
                bot_files::download(&shared, &bot, method, request.headers(), faults).await
            }
            false => match Params::read(&shared, request, drop_after).await {
                Ok(params) => call(method, BotCall { shared, bot, params }).await,
                Err(refusal) => Err(refusal),
            },
        };
        answer.unwrap_or_else(IntoResponse::into_response)
    };
    course.run(execute).await
}

/// Takes all of a request: what stands before the Bot API passes none on, and answers none, before that. A caller that still sends
/// when the connection ends may not see an answer that came before.
async fn take(request: Request) {
    let mut body = request.into_body().into_data_stream();
    while let Some(Ok(_)) = body.next().await {}
}

/// What a token gets that no bot has.
async fn refuse_unknown(request: Request) -> Response {
    take(request).await;
    bot_error(401, "Unauthorized", json!({})).into_response()
}

/// Takes a request in full, executes it or not, and answers so that the caller does not learn that.
async fn take_and_leave_unsaid(
    unsaid: Unsaid,
    shared: Arc<Shared>,
    bot: Arc<Account>,
    method: &str,
    request: Request,
) -> Response {
    let Ok(params) = Params::read(&shared, request, None).await else { return faulty::abort() };
    let method = method.to_owned();
    let asked = BotCall { shared: Arc::clone(&shared), bot, params };
    let execute = async move { drop(call(&method, asked).await) };
    match unsaid.executed {
        Executed::Never => {}
        Executed::Before => execute.await,
        Executed::AtLook => {
            let looks = shared.stats.read(Stats::looks);
            tokio::spawn(async move {
                shared.pulse.until(|| (shared.stats.read(Stats::looks) > looks).then_some(())).await;
                execute.await;
            });
        }
    }
    faulty::unsaid(unsaid.answer)
}

async fn call(method: &str, call: BotCall) -> Answer {
    match method.to_ascii_lowercase().as_str() {
        "getme" => Ok(ok(get_me(&call.bot))),
        "getchat" => call.channel().and_then(|id| call.look(id, chat_full_json)).map(ok),
        "getchatmember" => call.member().map(ok),
        "senddocument" => bot_sends::send(call, Kind::Document).await,
        "sendvideo" => bot_sends::send(call, Kind::Video).await,
        "sendaudio" => bot_sends::send(call, Kind::Audio).await,
        "sendphoto" => bot_sends::send(call, Kind::Photo).await,
        "sendmessage" => send_message(call).await,
        "deletemessage" => delete_message(&call),
        "getfile" => bot_files::get_file(&call),
        _ => Err(bot_error(404, "Not Found: method not found", json!({}))),
    }
}

impl BotCall {
    fn who(&self) -> Who {
        Who::bot(&self.bot.user.user_id)
    }

    /// The channel of `chat_id`, if the bot is in it.
    pub(crate) fn channel(&self) -> Result<ChannelId, Refusal> {
        let not_found = || bot_error(400, "Bad Request: chat not found", json!({}));
        let id = match self.params.get("chat_id") {
            "" => return Err(bot_error(400, "Bad Request: chat_id is empty", json!({}))),
            id => ChannelId::of_bot_api(id).ok_or_else(not_found)?,
        };
        let check = |channel: &Channel| {
            let gone = |how| format!("Forbidden: bot {how} the {} chat", channel.kind());
            match channel.standing(&self.who()) {
                None => Err(not_found()),
                Some(Standing::Left) => Err(bot_error(403, &gone("is not a member of"), json!({}))),
                Some(Standing::Kicked) => Err(bot_error(403, &gone("was kicked from"), json!({}))),
                Some(_) => Ok(id),
            }
        };
        self.shared.channels.look(id, check).ok_or_else(not_found)?
    }

    /// The same, unless it is a group that became another one. It can be looked at, but not used any more.
    fn living_channel(&self) -> Result<ChannelId, Refusal> {
        let id = self.channel()?;
        match self.look(id, |channel| channel.migrated_to)? {
            Some(new) => {
                let description = "Bad Request: group chat was upgraded to a supergroup chat";
                Err(bot_error(400, description, json!({"migrate_to_chat_id": new.bot_api()})))
            }
            None => Ok(id),
        }
    }

    pub(super) fn writable_channel(&self) -> Result<ChannelId, Refusal> {
        let id = self.living_channel()?;
        let refused = match self.look(id, |channel| (channel.may_post(&self.who()), channel.group))? {
            (true, _) => return Ok(id),
            (false, true) => "Bad Request: not enough rights to send documents to the chat",
            (false, false) => "Bad Request: need administrator rights in the channel chat",
        };
        Err(bot_error(400, refused, json!({})))
    }

    /// The `ChatMember` of `user_id`.
    fn member(&self) -> Result<Value, Refusal> {
        let id = self.living_channel()?;
        let wanted = self.params.get("user_id").parse::<i64>().unwrap_or(0);
        let is_wanted = |user: &SandboxUser| user.bot_user_id == wanted || user.telegram_user_id == wanted;
        let found = self.shared.users.find(|account| is_wanted(&account.user));
        let member = found.and_then(|account| {
            let bot = account.user.bot_user_id == wanted;
            let who = Who { user_id: account.user.user_id.clone(), bot };
            let user = json!({"id": wanted, "is_bot": bot, "first_name": account.user.name});
            self.look(id, |channel| member_json(channel, &who, &user)).ok()?
        });
        member.ok_or_else(|| bot_error(400, "Bad Request: user not found", json!({})))
    }

    fn look<T>(&self, id: ChannelId, look: impl FnOnce(&Channel) -> T) -> Result<T, Refusal> {
        self.shared
            .channels
            .look(id, look)
            .ok_or_else(|| bot_error(400, "Bad Request: chat not found", json!({})))
    }

    /// Where in the chat, and with which text, by the names of their parameters, something is to be posted.
    pub(super) fn draft(&self, channel: ChannelId, text: &str, entities: &str) -> Result<Draft, Refusal> {
        let refused = |description: &str| bot_error(400, description, json!({}));
        let (text, entities) = (self.params.get(text), self.params.get(entities));
        let entities = SandboxEntity::of_json(entities).map_err(|error| refused(&error))?;
        if !entities.iter().all(|entity| entity.fits(text)) {
            return Err(refused("Bad Request: can't parse entities: entity is not within the text"));
        }
        let topic_id = match self.params.get("message_thread_id") {
            "" => None,
            id => Some(id.parse().map_err(|_| refused("Bad Request: message thread not found"))?),
        };
        if let Some(id) = topic_id {
            let found = self.look(channel, |channel| channel.topics.check(id))?;
            found.map_err(|why| match why {
                NoTopic::Closed => refused("Bad Request: TOPIC_CLOSED"),
                NoTopic::Deleted => refused("Bad Request: TOPIC_DELETED"),
                NoTopic::NoForum | NoTopic::Unknown => refused("Bad Request: message thread not found"),
            })?;
        }
        Ok(Draft {
            sender: self.who(),
            via: Via::BotApi,
            caption: text.trim().to_owned(),
            entities,
            topic_id,
            silent: self.params.is_set("disable_notification"),
            random_id: None,
            document: None,
        })
    }

    pub(super) async fn post(self, id: ChannelId, draft: Draft) -> Answer {
        let is_video = draft.document.as_ref().is_some_and(|document| document.kind == Kind::Video);
        if is_video {
            // A Bot API server answers once the message is made.
            let videos = &self.shared.videos;
            self.shared.pulse.until(|| (!videos.are_converted()).then_some(())).await;
        }
        let channels = Arc::clone(&self.shared.channels);
        let posted = spawn_blocking(move || channels.post(id, draft)).await;
        match posted {
            Ok(Ok(Some(message))) => {
                let chat = self.look(id, chat_json)?;
                Ok(ok(message_json(&message.public, &chat)))
            }
            failed => {
                tracing::warn!(?failed, "message could not be kept");
                Err(bot_error(500, "Internal Server Error", json!({})))
            }
        }
    }
}

async fn send_message(call: BotCall) -> Answer {
    let channel = call.writable_channel()?;
    let draft = call.draft(channel, "text", "entities")?;
    if draft.caption.is_empty() {
        return Err(bot_error(400, "Bad Request: message text is empty", json!({})));
    }
    call.post(channel, draft).await
}

fn delete_message(call: &BotCall) -> Answer {
    let channel = call.living_channel()?;
    let message_id = call.params.get("message_id").parse().unwrap_or(0);
    match call.shared.channels.delete_by(&call.who(), channel, &[message_id]) {
        Ok(0) => Err(bot_error(400, "Bad Request: message to delete not found", json!({}))),
        Ok(_) => Ok(ok(json!(true))),
        Err(NotAllowed) => Err(bot_error(400, "Bad Request: message can't be deleted", json!({}))),
    }
}

/// A result in the Bot API's form.
pub(crate) fn ok(result: Value) -> Response {
    Json(json!({"ok": true, "result": result})).into_response()
}

fn get_me(bot: &Account) -> Value {
    json!({
        "id": bot.user.bot_user_id,
        "is_bot": true,
        "first_name": bot.user.name,
        "username": format!("{}_sandbox_bot", bot.user.name),
        "can_join_groups": true,
        "can_read_all_group_messages": false,
        "supports_inline_queries": false,
    })
}

fn chat_json(channel: &Channel) -> Value {
    json!({"id": channel.id.bot_api(), "title": channel.title, "type": channel.kind()})
}

/// `ChatFullInfo`: groups say what their members may do.
fn chat_full_json(channel: &Channel) -> Value {
    let mut chat = chat_json(channel);
    if channel.group {
        let allowed = channel.documents && channel.writable;
        chat["permissions"] = json!({"can_send_messages": true, "can_send_documents": allowed});
    }
    chat
}

/// `ChatMember`: what somebody may do is said of administrators and of the restricted only.
fn member_json(channel: &Channel, who: &Who, user: &Value) -> Option<Value> {
    let standing = channel.standing(who)?;
    let status = match standing {
        Standing::Creator => "creator",
        Standing::Administrator
        | Standing::AdministratorWithoutPosts
        | Standing::AdministratorWithoutDeletes => "administrator",
        Standing::Member => "member",
        Standing::Restricted => "restricted",
        Standing::Left => "left",
        Standing::Kicked => "kicked",
    };
    let mut member = json!({"status": status, "user": user});
    if status == "administrator" && !channel.group {
        member["can_post_messages"] = json!(standing != Standing::AdministratorWithoutPosts);
    }
    if status == "administrator" {
        member["can_delete_messages"] = json!(channel.deletes_others(who));
    }
    if status == "restricted" {
        member["is_member"] = json!(true);
        member["can_send_messages"] = json!(true);
        member["can_send_documents"] = json!(false);
    }
    Some(member)
}

fn message_json(message: &SandboxMessage, chat: &Value) -> Value {
    let mut json = json!({
        "message_id": message.message_id,
        "sender_chat": chat,
        "chat": chat,
        "date": message.date,
    });
    if let Some(topic_id) = message.topic_id {
        (json["message_thread_id"], json["is_topic_message"]) = (json!(topic_id), json!(true));
    }
    if message.document_id == 0 {
        json["text"] = json!(message.caption);
        return json;
    }
    json[message.kind.field()] = bot_sends::file_json(message);
    if !message.caption.is_empty() {
        json["caption"] = json!(message.caption);
    }
    if !message.entities.is_empty() {
        json["caption_entities"] = message.entities.iter().map(SandboxEntity::to_json).collect();
    }
    json
}
