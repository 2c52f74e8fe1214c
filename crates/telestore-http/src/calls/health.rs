use actix_web::HttpResponse;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::Data;
use serde::Serialize;
use telestore::{Readiness, Telestore};
use utoipa::ToSchema;

use crate::shared::endpoints;

/// It is alive.
#[derive(Debug, Serialize, ToSchema)]
struct Alive {
    /// Always `ok`.
    status: &'static str,
}

/// Whether requests should be sent here.
#[derive(Debug, Serialize, ToSchema)]
struct Ready {
    checks: Checks,
    /// If it is not ready: what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
    /// `ready` or `not ready`.
    status: &'static str,
}

/// What was looked at.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Checks {
    /// The TeleStore backend can be reached.
    backend: Check,
    /// The database takes writes.
    database: Check,
    /// Enough is free on the data disk.
    disk: Check,
    /// The worker is not stopping.
    engine: Check,
    /// Stand-alone: Telegram takes the bot, the session and the channel of the settings. With a backend each user has
    /// their own, and it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    telegram: Option<Check>,
}

/// How one of the things is that the worker needs.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Check {
    /// Whether it is well.
    ok: bool,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<String>,
}

impl Check {
    fn of(readiness: &Readiness, name: &str) -> Self {
        let found = readiness.checks.iter().find(|check| check.name == name);
        let why = found.and_then(|check| check.wrong.clone());
        Self { ok: why.is_none(), why }
    }
}

impl From<&Readiness> for Ready {
    fn from(readiness: &Readiness) -> Self {
        let wrong = readiness
            .checks
            .iter()
            .filter_map(|check| Some(format!("{}: {}", check.name, check.wrong.as_deref()?)));
        let wrong: Vec<String> = wrong.collect();
        let check = |name| Check::of(readiness, name);
        let telegram = readiness.checks.iter().any(|check| check.name == "telegram");
        Self {
            checks: Checks {
                backend: check("backend"),
                database: check("database"),
                disk: check("disk"),
                engine: check("engine"),
                telegram: telegram.then(|| check("telegram")),
            },
            error: (!wrong.is_empty()).then(|| wrong.join("; ")),
            status: if wrong.is_empty() { "ready" } else { "not ready" },
        }
    }
}

// It looks at nothing else, so that no trouble elsewhere makes a supervisor kill a worker that would go on by itself.
/// Whether it is alive
///
/// For the supervisor that restarts it.
#[utoipa::path(
    get,
    path = endpoints::HEALTH.path,
    tag = "service",
    responses((status = 200, description = "It can answer", body = Alive, example = json!({ "status": "ok" })))
)]
pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(Alive { status: "ok" })
}

/// Whether requests should be sent here
///
/// For load balancers and alerts. It is not for restarting: what is not well here goes on by itself.
#[utoipa::path(
    get,
    path = endpoints::READY.path,
    tag = "service",
    responses(
        (status = 200, description = "All is well", body = Ready, example = json!({
            "status": "ready",
            "checks": {
                "engine": { "ok": true }, "database": { "ok": true }, "disk": { "ok": true }, "backend": { "ok": true },
            },
        })),
        (status = 503, description = "Something is not; `Retry-After` says when to ask again", body = Ready, example = json!({
            "error": "backend: it cannot be reached, or is not well",
            "status": "not ready",
            "checks": {
                "engine": { "ok": true }, "database": { "ok": true }, "disk": { "ok": true },
                "backend": { "ok": false, "why": "it cannot be reached, or is not well" },
            },
        })),
    )
)]
pub(crate) async fn ready(engine: Data<Telestore>) -> HttpResponse {
    let ready = Ready::from(&engine.readiness().await);
    let mut answer = match ready.error {
        None => HttpResponse::Ok(),
        Some(_) => HttpResponse::ServiceUnavailable(),
    };
    if ready.error.is_some() {
        answer.insert_header((RETRY_AFTER, "5"));
    }
    answer.insert_header(("Cache-Control", "no-store")).json(ready)
}
