use telestore_types::{StorageKey, Timestamp, Upload, UploadId, UploadOptions, UploadState, WorkerId};

use super::leases::hold;
use super::unwanted::{Coming, Made};
use super::{Answer, Rows, check};
use crate::{
    BlobName, Cancelled, ChunkRecord, Claim, Completed, Created, Expired, Expiry, Limits, More, OptionsSet,
    Owner, Result, Subject,
};

/// [`SessionStore::create`](crate::SessionStore::create).
///
/// # Errors
/// Those of the rows.
pub async fn create(
    rows: &mut dyn Rows,
    upload: &Upload,
    anew: bool,
    limits: &Limits,
) -> Result<Answer<Created>> {
    let found = rows.load(&upload.id).await?;
    // A result is never wiped: whoever saw the upload cancelled may come when another has made it again, and sent it.
    if let Some(found) = found.as_ref().filter(|found| !(anew && found.state == UploadState::Cancelled)) {
        return Ok(Answer::Unchanged(Created::Exists(Box::new(found.clone()))));
    }
    // One that was cancelled is counted no more, so it needs no room of its own.
    if let Err(exceeded) = check(rows, upload, limits, &More::UPLOAD, upload.created_at).await? {
        return Ok(Answer::Unchanged(Created::TooMuch(exceeded)));
    }
    take_away(rows, found).await?;
    if let Some(most) = limits.unowned.filter(|_| upload.user_id.is_none()) {
        rows.make_room(most).await?;
    }
    rows.insert(upload).await?;
    Ok(Answer::Changed(Created::New))
}

/// One that was cancelled makes room for another of its id.
pub(super) async fn take_away(rows: &mut dyn Rows, cancelled: Option<Upload>) -> Result<()> {
    if let Some(cancelled) = cancelled {
        rows.delete_chunks(&cancelled.key).await?;
        rows.delete(&cancelled.key).await?;
    }
    Ok(())
}

/// [`SessionStore::claim`](crate::SessionStore::claim).
///
/// # Errors
/// Those of the rows.
pub async fn claim(
    rows: &mut dyn Rows,
    id: &UploadId,
    key: &StorageKey,
    owner: &Owner,
    limits: &Limits,
) -> Result<Answer<Claim>> {
    let Some(mut upload) = rows.life(id, key).await? else {
        return Ok(Answer::Unchanged(Claim::NotFound));
    };
    match &upload.user_id {
        Some(user) if *user != owner.user_id => return Ok(Answer::Unchanged(Claim::Foreign)),
        Some(_) => {}
        None => {
            let user = Subject::User(&owner.user_id);
            let used = rows.usage(user, upload.created_at).await?;
            let more = More { sessions: 1, ..More::default() };
            if let Err(exceeded) = limits.user.check(user, &used, &more) {
                return Ok(Answer::Unchanged(Claim::TooMuch(exceeded)));
            }
        }
    }
    upload.user_id = Some(owner.user_id.clone());
    if !upload.state.is_over() {
        upload.sealed_token = Some(owner.sealed_token.clone());
    }
    rows.save(&upload).await?;
    Ok(Answer::Changed(Claim::Owned))
}

/// [`SessionStore::complete`](crate::SessionStore::complete).
///
/// # Errors
/// Those of the rows.
pub async fn complete(
    rows: &mut dyn Rows,
    id: &UploadId,
    key: &StorageKey,
    now: Timestamp,
) -> Result<Answer<Completed>> {
    let Some(mut upload) = rows.life(id, key).await? else {
        return Ok(Answer::Unchanged(Completed::NotFound));
    };
    match upload.complete(now) {
        Ok(completion) => {
            rows.save(&upload).await?;
            Ok(Answer::Changed(Completed::Accepted(completion, Box::new(upload))))
        }
        Err(error) => Ok(Answer::Unchanged(Completed::Refused(error))),
    }
}

/// [`SessionStore::set_options`](crate::SessionStore::set_options).
///
/// # Errors
/// Those of the rows.
pub async fn set_options(
    rows: &mut dyn Rows,
    id: &UploadId,
    key: &StorageKey,
    named: &UploadOptions,
    thumbnail: Option<&ChunkRecord>,
    now: Timestamp,
) -> Result<Answer<OptionsSet>> {
    let Some(mut upload) = rows.life(id, key).await? else {
        return Ok(Answer::Unchanged(OptionsSet::NotFound));
    };
    let thumbnail = thumbnail.filter(|_| upload.options.thumbnail.is_none());
    match upload.set_options(named, now) {
        Ok(false) => Ok(Answer::Unchanged(OptionsSet::Known { upload: Box::new(upload), thumbnail: false })),
        Ok(true) => {
            if let Some(record) = thumbnail {
                rows.put_chunk(key, record).await?;
            }
            rows.save(&upload).await?;
            let thumbnail = thumbnail.is_some();
            Ok(Answer::Changed(OptionsSet::Known { upload: Box::new(upload), thumbnail }))
        }
        Err(error) => Ok(Answer::Unchanged(OptionsSet::Refused(error))),
    }
}

/// [`SessionStore::cancel`](crate::SessionStore::cancel).
///
/// # Errors
/// Those of the rows.
pub async fn cancel(
    rows: &mut dyn Rows,
    id: &UploadId,
    key: &StorageKey,
    now: Timestamp,
) -> Result<Answer<Cancelled>> {
    let Some(mut upload) = rows.life(id, key).await? else {
        return Ok(Answer::Unchanged(Cancelled::NotFound));
    };
    let (made, coming) = (Made::of(&upload), Coming::of(&upload));
    if !upload.cancel(now) {
        return Ok(Answer::Unchanged(Cancelled::Over(Box::new(upload))));
    }
    rows.save(&upload).await?;
    if let Some(made) = made {
        made.withdraw(rows, &upload, now).await?;
    }
    if let Some(coming) = coming {
        coming.recall(rows, &upload, now).await?;
    }
    rows.end_lease(key).await?;
    let blobs = rows.delete_chunks(key).await?;
    Ok(Answer::Changed(Cancelled::Now { upload: Box::new(upload), blobs }))
}

/// [`SessionStore::forget`](crate::SessionStore::forget).
///
/// # Errors
/// Those of the rows.
pub async fn forget(
    rows: &mut dyn Rows,
    id: &UploadId,
    key: &StorageKey,
) -> Result<Answer<Option<Vec<BlobName>>>> {
    let found = rows.life(id, key).await?;
    if found.is_none_or(|upload| upload.state != UploadState::Completed) {
        return Ok(Answer::Unchanged(None));
    }
    let blobs = rows.delete_chunks(key).await?;
    rows.delete(key).await?;
    Ok(Answer::Changed(Some(blobs)))
}

/// [`SessionStore::keep`](crate::SessionStore::keep).
///
/// # Errors
/// Those of the rows.
pub async fn keep(rows: &mut dyn Rows, id: &UploadId, key: &StorageKey) -> Result<Answer<Option<Upload>>> {
    let Some(mut upload) = rows.life(id, key).await? else {
        return Ok(Answer::Unchanged(None));
    };
    upload.keep();
    rows.save(&upload).await?;
    Ok(Answer::Changed(Some(upload)))
}

/// [`SessionStore::begin_early`](crate::SessionStore::begin_early).
///
/// # Errors
/// Those of the rows.
pub async fn begin_early(
    rows: &mut dyn Rows,
    id: &UploadId,
    key: &StorageKey,
    worker: &WorkerId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Answer<bool>> {
    let Some(mut upload) = rows.life(id, key).await? else {
        return Ok(Answer::Unchanged(false));
    };
    if !upload.begin_early() {
        return Ok(Answer::Unchanged(false));
    }
    if let Some(user) = &upload.user_id
        && !hold(rows, user, worker, now, until).await?
    {
        return Ok(Answer::Unchanged(false));
    }
    upload.worker = Some(worker.clone());
    rows.save(&upload).await?;
    Ok(Answer::Changed(true))
}

/// [`SessionStore::expire`](crate::SessionStore::expire).
///
/// # Errors
/// Those of the rows.
pub async fn expire(rows: &mut dyn Rows, expiry: &Expiry) -> Result<Answer<Vec<Expired>>> {
    let mut expired = Vec::new();
    for mut upload in rows.past(expiry).await? {
        if let Some(made) = Made::of(&upload) {
            upload.stored = None;
            made.withdraw(rows, &upload, upload.updated_at.max(expiry.before)).await?;
        }
        let blobs = rows.delete_chunks(&upload.key).await?;
        rows.delete(&upload.key).await?;
        expired.push(Expired::new(upload, blobs));
    }
    if !expiry.unowned {
        rows.forget_days(expiry.before).await?;
    }
    if !expired.is_empty() {
        rows.forget_turns().await?;
    }
    Ok(Answer::Changed(expired))
}
