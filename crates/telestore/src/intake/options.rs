//! How the message of an upload is to be. What is named first counts.

use telestore_store::OptionsSet;
use telestore_types::{Upload, UploadId, UploadOptions};

use crate::intake::Intake;
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};

impl Intake {
    /// Names options for an upload that is there.
    pub(crate) async fn set_options(
        &self,
        id: &UploadId,
        named: &UploadOptions,
        caller: &Caller,
    ) -> Result<()> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        self.adopt(&upload, named).await
    }

    /// Writes down what is named for an upload that the caller may speak of. Nothing is written if nothing is new.
    pub(crate) async fn adopt(&self, upload: &Upload, named: &UploadOptions) -> Result<()> {
        let now = self.base.now();
        let is_new = upload.clone().set_options(named, now).map_err(Conflict::Options)?;
        if !is_new {
            return Ok(());
        }
        match self.base.sessions.set_options(&upload.id, &upload.key, named, now).await? {
            OptionsSet::Known(_) => Ok(()),
            OptionsSet::Refused(error) => Err(Conflict::Options(error).into()),
            OptionsSet::NotFound => Err(Error::NotFound),
        }
    }
}
