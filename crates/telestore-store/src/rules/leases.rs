use telestore_types::{
    IndexedFile, Reading, StoredFile, Timestamp, Upload, UploadState, UserId, WorkerId, is_due,
};

use super::unwanted::Made;
use super::{Answer, Holder, Rows, token};
use crate::{Lease, NewEvent, Result};

/// [`SessionStore::lease`](crate::SessionStore::lease).
///
/// # Errors
/// Those of the rows.
pub async fn lease(
    rows: &mut dyn Rows,
    worker: &WorkerId,
    now: Timestamp,
    until: Timestamp,
    except: &[UserId],
) -> Result<Answer<Option<Lease>>> {
    let mut any = false;
    for mut upload in rows.abandoned(now).await? {
        // Its runner is gone, and nobody knows whether there is a message.
        upload.left_behind(now);
        rows.save(&upload).await?;
        rows.end_lease(&upload.key).await?;
        any = true;
    }
    while let Some(mut upload) = rows.next(worker, now, except).await? {
        let other = upload.state == UploadState::Sending && upload.worker.as_ref() != Some(worker);
        if other && !upload.take_over(now) {
            rows.save(&upload).await?;
            rows.end_lease(&upload.key).await?;
            any = true;
            continue;
        }
        if let Some(user) = &upload.user_id {
            let held = hold(rows, user, worker, now, until).await?;
            debug_assert!(held, "the account of an upload that is next is free");
        }
        let made = Made::of(&upload);
        upload.start_attempt(now);
        upload.worker = Some(worker.clone());
        rows.save(&upload).await?;
        if let Some(made) = made {
            made.withdraw(rows, &upload, now).await?;
        }
        let lease = Lease::new(upload, token(), until);
        rows.begin_lease(&lease).await?;
        return Ok(Answer::Changed(Some(lease)));
    }
    Ok(if any { Answer::Changed(None) } else { Answer::Unchanged(None) })
}

/// [`SessionStore::extend`](crate::SessionStore::extend).
///
/// # Errors
/// Those of the rows.
pub async fn extend(
    rows: &mut dyn Rows,
    lease: &Lease,
    now: Timestamp,
    until: Timestamp,
) -> Result<Answer<bool>> {
    let Some(upload) = rows.leased(lease).await? else {
        return Ok(Answer::Unchanged(false));
    };
    if let (Some(user), Some(worker)) = (&upload.user_id, &upload.worker)
        && !hold(rows, user, worker, now, until).await?
    {
        // It ran out, and another worker uses the account for another upload.
        return Ok(Answer::Unchanged(false));
    }
    rows.extend_lease(&upload.key, until).await?;
    Ok(Answer::Changed(true))
}

/// [`SessionStore::hold_account`](crate::SessionStore::hold_account).
///
/// # Errors
/// Those of the rows.
pub async fn hold_account(
    rows: &mut dyn Rows,
    user: &UserId,
    worker: &WorkerId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Answer<bool>> {
    let held = hold(rows, user, worker, now, until).await?;
    Ok(if held { Answer::Changed(true) } else { Answer::Unchanged(false) })
}

/// Holds the account of a user, and says no if another worker does.
pub(super) async fn hold(
    rows: &mut dyn Rows,
    user: &UserId,
    worker: &WorkerId,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool> {
    match rows.holder(user).await? {
        Some(holder) if is_due(holder.until, now) => {}
        Some(holder) if holder.worker != *worker => return Ok(false),
        Some(holder) if holder.until >= until => return Ok(true),
        _ => {}
    }
    rows.hold(user, &Holder { worker: worker.clone(), until }).await?;
    Ok(true)
}

/// [`SessionStore::finish`](crate::SessionStore::finish).
///
/// # Errors
/// Those of the rows.
pub async fn finish(
    rows: &mut dyn Rows,
    lease: &Lease,
    stored: &StoredFile,
    event: Option<&NewEvent>,
    now: Reading,
) -> Result<Answer<bool>> {
    let finish = |upload: &mut Upload| upload.finish(stored.clone(), now.at);
    let Some(upload) = change(rows, lease, true, finish).await? else {
        return Ok(Answer::Unchanged(false));
    };
    if let Some(file) = IndexedFile::of(&upload, now.wall) {
        rows.put_file(&file).await?;
    }
    if let Some(event) = event {
        rows.add_event(&upload.id, event, now.at).await?;
    }
    Ok(Answer::Changed(true))
}

/// Applies a transition to a leased upload; `false` if the lease is lost. With `over`, it is the last thing that is done under
/// this lease.
///
/// # Errors
/// Those of the rows.
pub async fn change_leased(
    rows: &mut dyn Rows,
    lease: &Lease,
    over: bool,
    change: impl FnOnce(&mut Upload) + Send,
) -> Result<Answer<bool>> {
    let changed = self::change(rows, lease, over, change).await?;
    Ok(changed.map_or(Answer::Unchanged(false), |_| Answer::Changed(true)))
}

/// The same, with what became of the upload.
async fn change(
    rows: &mut dyn Rows,
    lease: &Lease,
    over: bool,
    change: impl FnOnce(&mut Upload) + Send,
) -> Result<Option<Upload>> {
    let Some(mut upload) = rows.leased(lease).await? else { return Ok(None) };
    let made = Made::of(&upload);
    change(&mut upload);
    rows.save(&upload).await?;
    if let Some(made) = made {
        made.withdraw(rows, &upload, upload.updated_at).await?;
    }
    if over {
        rows.end_lease(&upload.key).await?;
    }
    Ok(Some(upload))
}
