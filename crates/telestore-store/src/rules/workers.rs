use telestore_types::{Recovery, Timestamp, UploadId, UserId, WorkerId};

use super::leases::hold;
use super::{Answer, Rows, Whose, token};
use crate::{NewEvent, OutboxEvent, OutboxKind, Released, Result};

/// [`SessionStore::release`](crate::SessionStore::release) and
/// [`SessionStore::release_gone`](crate::SessionStore::release_gone).
///
/// # Errors
/// Those of the rows.
pub async fn release(
    rows: &mut dyn Rows,
    whose: Whose<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Answer<Vec<Released>>> {
    let mut released = Vec::new();
    for mut upload in rows.unfinished(whose, now, limit).await? {
        let recovery = upload.recover(now);
        if recovery == Recovery::Untouched {
            continue;
        }
        rows.save(&upload).await?;
        rows.end_lease(&upload.key).await?;
        let blobs = match recovery {
            Recovery::Abandoned => rows.delete_chunks(&upload.key).await?,
            _ => Vec::new(),
        };
        released.push(Released::new(recovery, upload, blobs));
    }
    if released.is_empty() {
        // Only behind the last upload: those who are gone are told by what is forgotten here.
        rows.let_go(whose, now).await?;
    }
    Ok(Answer::Changed(released))
}

/// [`SessionStore::outbox_lease`](crate::SessionStore::outbox_lease).
///
/// # Errors
/// Those of the rows.
pub async fn outbox_lease(
    rows: &mut dyn Rows,
    worker: &WorkerId,
    kind: OutboxKind,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
    except: &[UserId],
) -> Result<Answer<Vec<OutboxEvent>>> {
    let mut claimed = Vec::new();
    while claimed.len() < limit as usize {
        let Some(mut event) = rows.next_event(worker, kind, now, except).await? else { break };
        event.claim = token();
        claim(rows, &event, worker, now, until).await?;
        claimed.push(event);
    }
    Ok(if claimed.is_empty() { Answer::Unchanged(claimed) } else { Answer::Changed(claimed) })
}

/// [`SessionStore::add_event`](crate::SessionStore::add_event).
///
/// # Errors
/// Those of the rows.
pub async fn add_event(
    rows: &mut dyn Rows,
    upload: &UploadId,
    event: &NewEvent,
    worker: &WorkerId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Answer<OutboxEvent>> {
    rows.add_event(upload, event, now).await?;
    let event = OutboxEvent::new(event.clone(), upload.clone(), token(), now);
    claim(rows, &event, worker, now, until).await?;
    Ok(Answer::Changed(event))
}

async fn claim(
    rows: &mut dyn Rows,
    event: &OutboxEvent,
    worker: &WorkerId,
    now: Timestamp,
    until: Timestamp,
) -> Result<()> {
    if let Some(user) = event.event.user_id.as_ref().filter(|_| event.event.kind.needs_account()) {
        // If another worker holds it, the worker that added this one asks before it begins.
        hold(rows, user, worker, now, until).await?;
    }
    rows.claim_event(event, worker, until).await
}
