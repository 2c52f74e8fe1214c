use telestore_types::{Recovery, Timestamp, Upload, UserId};

use super::{Answer, Rows};
use crate::{Lease, NewEvent, Result};

/// [`SessionStore::lease`](crate::SessionStore::lease). `token` tells the lease from every other one.
///
/// # Errors
/// Those of the rows.
pub async fn lease(
    rows: &mut dyn Rows,
    token: String,
    now: Timestamp,
    until: Timestamp,
    except: &[UserId],
) -> Result<Answer<Option<Lease>>> {
    let abandoned = rows.abandoned(now).await?;
    let any = !abandoned.is_empty();
    for mut upload in abandoned {
        // Its runner is gone, and nobody knows whether there is a message.
        upload.cut_off(now);
        rows.save(&upload).await?;
        rows.end_lease(&upload.key).await?;
    }
    let Some(mut upload) = rows.next(now, except).await? else {
        return Ok(if any { Answer::Changed(None) } else { Answer::Unchanged(None) });
    };
    upload.start_attempt(now);
    rows.save(&upload).await?;
    let lease = Lease { upload, token, until };
    rows.begin_lease(&lease).await?;
    Ok(Answer::Changed(Some(lease)))
}

/// Applies a transition to a leased upload, and adds an event about it; `false` where the lease is lost. With `over`, it
/// is the last thing that is done under this lease.
///
/// # Errors
/// Those of the rows.
pub async fn change_leased(
    rows: &mut dyn Rows,
    lease: &Lease,
    over: bool,
    event: Option<(&NewEvent, Timestamp)>,
    change: impl FnOnce(&mut Upload) + Send,
) -> Result<Answer<bool>> {
    let Some(mut upload) = rows.leased(lease).await? else {
        return Ok(Answer::Unchanged(false));
    };
    change(&mut upload);
    rows.save(&upload).await?;
    if over {
        rows.end_lease(&upload.key).await?;
    }
    if let Some((event, now)) = event {
        rows.add_event(&upload.id, event, now).await?;
    }
    Ok(Answer::Changed(true))
}

/// [`SessionStore::release_all`](crate::SessionStore::release_all).
///
/// # Errors
/// Those of the rows.
pub async fn release_all(rows: &mut dyn Rows, now: Timestamp) -> Result<Answer<Vec<(Recovery, Upload)>>> {
    let mut changed = Vec::new();
    for mut upload in rows.unfinished().await? {
        let recovery = upload.recover(now);
        if recovery == Recovery::Untouched {
            continue;
        }
        rows.save(&upload).await?;
        rows.end_lease(&upload.key).await?;
        if recovery == Recovery::Abandoned {
            rows.delete_chunks(&upload.key).await?;
        }
        changed.push((recovery, upload));
    }
    Ok(Answer::Changed(changed))
}
