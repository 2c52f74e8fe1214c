//! The control API's part about channels: who is in them, and what they may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::DataCentreId;
use crate::channel::Channel;
use crate::channel_id::ChannelId;
use crate::shared::Shared;
use crate::standing::{Standing, Who};
use crate::topics::Topic;

type App = State<Arc<Shared>>;

/// All channels and groups, with everybody who is, or was, in them.
pub(crate) async fn all(State(shared): App) -> Json<Value> {
    let ids = shared.channels.filter(|_| true);
    let shown = ids.into_iter().filter_map(|id| shared.channels.look(id, describe));
    Json(json!(shown.collect::<Vec<_>>()))
}

fn describe(channel: &Channel) -> Value {
    let members = channel.members.keys().map(|who| {
        json!({
            "user_id": who.user_id,
            "bot": who.bot,
            "standing": channel.standing(who),
            "may_post": channel.may_post(who),
        })
    });
    json!({
        "id": channel.id,
        "title": channel.title,
        "type": channel.kind(),
        "writable": channel.writable,
        "documents": channel.documents,
        "forwards": channel.forwards,
        "topics": channel.topics.is_forum().then(|| channel.topics.all()),
        "migrated_to": channel.migrated_to,
        "members": members.collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    writable: Option<bool>,
    documents: Option<bool>,
    forwards: Option<bool>,
    supergroup: Option<bool>,
    /// Makes it a forum.
    #[serde(default)]
    topics: BTreeMap<i32, Topic>,
}

/// Changes what is named.
pub(crate) async fn change(
    State(shared): App,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> StatusCode {
    let changed = shared.channels.edit(ChannelId::from(id), |channel| {
        channel.writable = change.writable.unwrap_or(channel.writable);
        channel.documents = change.documents.unwrap_or(channel.documents);
        channel.forwards = change.forwards.unwrap_or(channel.forwards);
        channel.group = channel.id.is_basic_group() || change.supergroup.unwrap_or(channel.group);
        change.topics.iter().for_each(|(id, topic)| channel.topics.set(*id, *topic));
    });
    done(changed.is_some())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    user_id: String,
    #[serde(default)]
    bot: bool,
    standing: Standing,
}

/// Says what an account or a bot is in a channel.
pub(crate) async fn set_member(
    State(shared): App,
    Path(id): Path<String>,
    Json(Member { user_id, bot, standing }): Json<Member>,
) -> StatusCode {
    let known = shared.users.by_id(&user_id).is_some();
    done(known && shared.set_standing(ChannelId::from(id), Who { user_id, bot }, standing))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Migration {
    to: String,
}

/// Makes a supergroup of a basic group.
pub(crate) async fn migrate(
    State(shared): App,
    Path(id): Path<String>,
    Json(Migration { to }): Json<Migration>,
) -> StatusCode {
    done(shared.channels.migrate(ChannelId::from(id), ChannelId::from(to)))
}

/// Moves the documents that a channel holds now.
pub(crate) async fn move_documents(
    State(shared): App,
    Path(id): Path<String>,
    Json(data_centre): Json<DataCentreId>,
) -> Json<Value> {
    Json(json!({"documents": shared.move_documents(ChannelId::from(id), data_centre.id)}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Age {
    age: i64,
}

/// Makes a message so many seconds older.
pub(crate) async fn age_message(
    State(shared): App,
    Path((id, message_id)): Path<(String, i32)>,
    Json(Age { age }): Json<Age>,
) -> StatusCode {
    done(shared.age_message(ChannelId::from(id), message_id, age))
}

fn done(found: bool) -> StatusCode {
    if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
