//! The control API: what [`crate::Sandbox`] offers, for other processes and other languages.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::channel_id::ChannelId;
use crate::data_centres::{DataCentre, HOME};
use crate::faults::{Fault, FaultId};
use crate::limits::Limits;
use crate::shared::Shared;
use crate::stats::Stats;
use crate::users::UserSpec;

type App = State<Arc<Shared>>;

/// Addresses, and the users with all their secrets.
pub(crate) async fn overview(State(shared): App) -> Json<Value> {
    Json(describe(&shared))
}

pub(crate) fn describe(shared: &Shared) -> Value {
    let base = format!("http://{}", shared.addresses.http);
    let users: Vec<_> = shared.users.all().iter().map(|account| account.user.clone()).collect();
    json!({
        "backend_url": base,
        "bot_api_url": base,
        "control_url": format!("{base}/sandbox"),
        "mtproto_addr": shared.addresses.mtproto.to_string(),
        "media_addr": shared.addresses.media.to_string(),
        "dc_id": HOME,
        "data_centres": shared.data_centres.all(),
        "server_key": crate::mtproto::PUBLIC_PEM,
        "dir": shared.dir,
        "users": users,
    })
}

#[derive(Deserialize)]
pub(crate) struct MessagesQuery {
    channel: Option<String>,
}

/// The messages of one channel, or of all.
pub(crate) async fn messages(State(shared): App, Query(query): Query<MessagesQuery>) -> Json<Value> {
    let wanted = query.channel.map(ChannelId::from);
    let ids = shared.channels.filter(|channel| wanted.is_none_or(|wanted| wanted == channel.id));
    let of = |id| {
        let all =
            |channel: &crate::channel::Channel| channel.messages.values().map(|m| m.public.clone()).collect();
        shared.channels.look(id, all).unwrap_or_else(Vec::new)
    };
    Json(json!(ids.into_iter().flat_map(of).collect::<Vec<_>>()))
}

/// What the webhook route was called with.
pub(crate) async fn webhooks(State(shared): App) -> Json<Value> {
    Json(json!(shared.webhooks()))
}

/// What was counted.
pub(crate) async fn stats(State(shared): App) -> Json<Stats> {
    Json(shared.stats.read(Stats::clone))
}

/// Arms a fault.
pub(crate) async fn inject(State(shared): App, Json(fault): Json<Fault>) -> Json<Value> {
    Json(json!({"id": shared.faults.inject(fault)}))
}

/// Disarms all.
pub(crate) async fn clear(State(shared): App) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

/// How often a fault struck.
pub(crate) async fn fired(State(shared): App, Path(id): Path<u64>) -> Json<Value> {
    Json(json!({"id": id, "fired": shared.faults.fired(FaultId(id))}))
}

/// Disarms one, and lets go of what it holds.
pub(crate) async fn release(State(shared): App, Path(id): Path<u64>) -> StatusCode {
    shared.faults.release(FaultId(id));
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
pub(crate) struct NetworkChange {
    #[serde(default)]
    round_trip_ms: u64,
    #[serde(default)]
    bandwidth: Option<u64>,
    #[serde(default)]
    silent: bool,
}

/// Sets the limits and whether MTProto answers travel; what is not named is lifted.
pub(crate) async fn network(State(shared): App, Json(change): Json<NetworkChange>) -> StatusCode {
    shared.network.set_round_trip(Duration::from_millis(change.round_trip_ms));
    shared.network.set_bandwidth(change.bandwidth);
    shared.network.set_answering(!change.silent);
    StatusCode::NO_CONTENT
}

/// Adds a user and says everything about it.
pub(crate) async fn add_user(State(shared): App, Json(spec): Json<UserSpec>) -> Json<Value> {
    Json(json!(shared.add_user(&spec).user))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    banned: Option<bool>,
    premium: Option<bool>,
}

/// Changes what is named.
pub(crate) async fn change_user(
    State(shared): App,
    Path(user_id): Path<String>,
    Json(change): Json<UserChange>,
) -> StatusCode {
    let Some(account) = shared.users.by_id(&user_id) else { return StatusCode::NOT_FOUND };
    change.banned.into_iter().for_each(|banned| account.set_banned(banned));
    change.premium.into_iter().for_each(|premium| account.set_premium(premium));
    StatusCode::NO_CONTENT
}

/// Sets what accounts may send; what is not named is as at the beginning.
pub(crate) async fn set_limits(State(shared): App, Json(limits): Json<Limits>) -> StatusCode {
    shared.set_limits(limits);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VideosChange {
    convert: bool,
}

/// Whether videos are converted before their messages are made.
pub(crate) async fn convert_videos(
    State(shared): App,
    Json(VideosChange { convert }): Json<VideosChange>,
) -> StatusCode {
    let done = tokio::task::spawn_blocking(move || shared.convert_videos(convert)).await;
    match done {
        Ok(Ok(())) => StatusCode::NO_CONTENT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Lets file references expire: of one channel, or all.
pub(crate) async fn expire_references(State(shared): App, Query(query): Query<MessagesQuery>) -> StatusCode {
    shared.expire_file_references(query.channel.map(ChannelId::from));
    StatusCode::NO_CONTENT
}

/// Lets the Bot API's links to files expire.
pub(crate) async fn expire_links(State(shared): App) -> StatusCode {
    shared.links.expire();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentsChange {
    data_centre: Option<i32>,
}

/// Says where documents are to lie that are sent from now on.
pub(crate) async fn place_documents(
    State(shared): App,
    Json(DocumentsChange { data_centre }): Json<DocumentsChange>,
) -> StatusCode {
    shared.placement.set(data_centre);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
pub(crate) struct DataCentreId {
    pub(super) id: i32,
}

/// Opens a data centre and says where.
pub(crate) async fn add_data_centre(
    State(shared): App,
    Json(DataCentreId { id }): Json<DataCentreId>,
) -> Result<Json<DataCentre>, StatusCode> {
    let address = shared.add_data_centre(id).await.map_err(|error| {
        tracing::warn!(%error, "data centre not opened");
        StatusCode::INTERNAL_SERVER_ERROR
    })?;
    Ok(Json(DataCentre { id, address }))
}

/// Closes the port of a data centre.
pub(crate) async fn stop_data_centre(State(shared): App, Path(id): Path<i32>) -> StatusCode {
    shared.data_centres.stop(id).await;
    StatusCode::NO_CONTENT
}

/// Moves an account.
pub(crate) async fn move_account(
    State(shared): App,
    Path(user_id): Path<String>,
    Json(DataCentreId { id }): Json<DataCentreId>,
) -> StatusCode {
    if shared.move_account(&user_id, id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
