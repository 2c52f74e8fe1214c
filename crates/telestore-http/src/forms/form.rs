mod contents;

use std::collections::HashMap;

use actix_multipart::Field;
use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Payload;
use telestore::store::SpooledChunk;
use telestore::types::{
    ContentDigest, Error as Value, FileDigest, FileName, Thumbnail, UploadId, UploadOptions,
};
use telestore::{Admission, Auth, Caller, Error, Telestore};

use crate::forms::digest;
use crate::forms::head::PartHead;
use crate::forms::parts::{Part, Parts};
use crate::forms::tap::MOST_BESIDE;
use crate::shared::budget::Share;
use crate::shared::error::ApiError;
use crate::shared::fault::printable;
use crate::shared::named::Named;
use crate::shared::{number, token};
use crate::{HttpOptions, client_address};
use contents::{at_most, broken, fill, text};

/// The field with the token.
const TOKEN: &str = "authToken";

/// The field with the name of the file.
const FILE_NAME: &str = "fileName";

/// The part with the picture that stands for the file.
const THUMBNAIL: &str = "thumbnail";

/// A form with one file, whose bytes are spooled already.
#[derive(Debug)]
pub(crate) struct Form {
    fields: HashMap<String, String>,
    file: Option<FilePart>,
    thumbnail: Option<Thumbnail>,
    file_field: &'static str,
    digest_field: Option<&'static str>,
    /// The name of another part with a file.
    other_file: Option<String>,
    /// By the token that counts, whose user is known: of the header, or of a field before the file.
    caller: Caller,
    /// To take the file in.
    admission: Option<Admission>,
    /// Whether the bytes of the file were kept, so that they can be read.
    kept: bool,
    /// How many more bytes of text its fields may have.
    text_left: usize,
}

/// The file of a form.
#[derive(Debug)]
pub(crate) struct FilePart {
    pub(crate) spooled: SpooledChunk,
    pub(crate) file_name: Option<String>,
    pub(crate) mime_type: Option<String>,
    /// The SHA-256 that was sent with it, and that it has.
    pub(crate) sha256: Option<FileDigest>,
    /// What it holds of the strangers' budget, until it is known whose it is.
    pub(crate) share: Option<Share>,
}

/// What a form may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// The name of the part with the bytes.
    pub(crate) file_field: &'static str,
    /// The name of the field with the SHA-256 of these bytes, if there is one.
    pub(crate) digest_field: Option<&'static str>,
    /// What to call it in an error.
    pub(crate) what: &'static str,
    /// Its most bytes.
    pub(crate) max_bytes: u64,
    /// Whether the part is the whole file.
    pub(crate) whole: bool,
    /// Whether the bytes are there already, and are counted only.
    pub(crate) known: bool,
    pub(crate) options: &'a HttpOptions,
}

impl Limits<'_> {
    fn too_large(&self) -> ApiError {
        Error::TooLarge { what: self.what, limit: self.max_bytes }.into()
    }
}

impl Form {
    /// Reads a form in whatever order its parts come. The bytes go to the store as they arrive. `header` is the caller by
    /// the header, whose user is known.
    pub(crate) async fn read(
        engine: &Telestore,
        request: &HttpRequest,
        payload: Payload,
        header: Caller,
        limits: Limits<'_>,
    ) -> Result<Self, ApiError> {
        if declared(request) > limits.max_bytes {
            return Err(limits.too_large());
        }
        let admission = if limits.known { None } else { Some(engine.check_intake().await?) };
        let mut form = Self {
            fields: HashMap::new(),
            file: None,
            thumbnail: None,
            file_field: limits.file_field,
            digest_field: limits.digest_field,
            other_file: None,
            caller: header,
            admission,
            kept: !limits.known,
            text_left: limits.options.max_json_bytes,
        };
        let mut parts = Parts::new(request.headers(), payload).map_err(ApiError::Form)?;
        let mut count = 0;
        while let Some(part) = parts.next().await {
            let (head, field) = part.map_err(broken)?;
            count += 1;
            if count > limits.options.max_fields {
                return Err(ApiError::invalid(format!(
                    "form has more than {} parts",
                    limits.options.max_fields
                )));
            }
            form.take(engine, request, &parts, (head, field), limits).await?;
        }
        form.check_late_digest(engine).await?;
        Ok(form)
    }

    async fn take(
        &mut self,
        engine: &Telestore,
        request: &HttpRequest,
        parts: &Parts,
        (head, field): (PartHead, Field),
        limits: Limits<'_>,
    ) -> Result<(), ApiError> {
        if head.name == self.file_field {
            if self.file.is_some() {
                return Err(ApiError::invalid(format!("form has two {} parts", head.name)));
            }
            let mut digests = digest::of_headers(&head.digests)?;
            digests.extend(self.digest()?);
            let share = self.share(engine, request, limits).await?;
            if !limits.known {
                let length = if limits.whole { declared(request) } else { self.file_size() };
                self.check_sendable(engine, length).await?;
            }
            let sender = Some(&self.caller).filter(|_| limits.whole);
            // There is one file, so it is there still.
            let spool = match self.admission.take() {
                Some(admission) => admission.spool().await?,
                None if limits.known => engine.counting(),
                None => engine.check_intake().await?.spool().await?,
            };
            let part = parts.file(field);
            let (spooled, share) = fill(engine, part, spool, &digests, share, sender, limits).await?;
            let mime_type = head.content_type.map(|kind| kind.to_string());
            let (file_name, sha256) = (head.file_name, digests.iter().find_map(digest::sha256));
            self.file = Some(FilePart { spooled, file_name, mime_type, sha256, share });
            return Ok(());
        }
        if head.name == THUMBNAIL {
            return self.take_thumbnail(parts.text(field)).await;
        }
        if head.file_name.is_some() {
            self.other_file.get_or_insert_with(|| head.name.clone());
        }
        let text = text(parts.text(field), &head, limits).await?;
        // A form of many fields takes no more memory than the same in JSON.
        self.text_left = self
            .text_left
            .checked_sub(text.len())
            .ok_or_else(|| ApiError::invalid("form has too much text in its fields"))?;
        let name = printable(&head.name);
        if self.fields.insert(head.name, text).is_some() {
            return Err(ApiError::invalid(format!("form has two {name} fields")));
        }
        Ok(())
    }

    /// An empty part is none, as with fields.
    async fn take_thumbnail(&mut self, part: Part) -> Result<(), ApiError> {
        let bytes = at_most(part, Thumbnail::MAX_BYTES).await?.ok_or(Value::Thumbnail)?;
        if self.thumbnail.is_some() {
            return Err(ApiError::invalid("form has two thumbnail parts"));
        }
        if !bytes.is_empty() {
            self.thumbnail = Some(Thumbnail::new(bytes.into())?);
        }
        Ok(())
    }

    /// The picture that stands for the file.
    pub(crate) fn thumbnail(&mut self) -> Option<Thumbnail> {
        self.thumbnail.take()
    }

    /// Asks whose the file is, before its first byte. Of whom nothing is known yet, the bytes are counted.
    async fn share(
        &mut self,
        engine: &Telestore,
        request: &HttpRequest,
        limits: Limits<'_>,
    ) -> Result<Option<Share>, ApiError> {
        if self.caller.token().is_none()
            && let Some(field) = self.optional(TOKEN)
        {
            self.caller = token::either(engine, request, Some(field), self.caller.clone()).await?;
            token::authenticate(engine, request, &self.caller).await?;
        }
        if self.caller.token().is_some() {
            return Ok(None);
        }
        if engine.config().auth == Auth::Strict {
            return Err(ApiError::TokenFirst { limit: None });
        }
        let budget = &limits.options.spool_budget;
        budget.look(engine).await?;
        Ok(Some(budget.enter(limits.options.limited_addresses.counted(client_address(request)))))
    }

    /// Refuses, before its bytes, a file of which it is known already that its sender's credentials do not take it.
    async fn check_sendable(&self, engine: &Telestore, length: u64) -> Result<(), ApiError> {
        Ok(engine.check_sendable(&self.caller, length).await?)
    }

    /// What the form has said of the file's length so far; 0 if it has not.
    fn file_size(&self) -> u64 {
        self.fields.get("fileSize").and_then(|text| number::whole(text).ok()).unwrap_or(0)
    }

    /// By the token that counts: the one that came before the file, else that of a field behind it.
    pub(crate) async fn caller(
        &mut self,
        engine: &Telestore,
        request: &HttpRequest,
    ) -> Result<Caller, ApiError> {
        token::either(engine, request, self.optional(TOKEN), self.caller.clone()).await
    }

    /// Takes the digest that stands in a field of its own, if it has come yet.
    fn digest(&mut self) -> Result<Option<ContentDigest>, ApiError> {
        let Some(name) = self.digest_field else { return Ok(None) };
        self.optional(name).map(|text| digest::of_field(name, &text)).transpose()
    }

    /// Compares the bytes with a digest that came after them, which means to read them again.
    async fn check_late_digest(&mut self, engine: &Telestore) -> Result<(), ApiError> {
        let kept = self.kept;
        if let (Some(digest), Some(file)) = (self.digest()?, &mut self.file) {
            if kept {
                engine.verify(&file.spooled, digest).await?;
            }
            file.sha256 = file.sha256.or_else(|| digest::sha256(&digest));
        }
        Ok(())
    }

    /// A field, if it is there and not empty.
    pub(crate) fn optional(&mut self, name: &str) -> Option<String> {
        self.fields.remove(name).filter(|text| !text.is_empty())
    }

    fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.optional(name).ok_or_else(|| ApiError::invalid(format!("form field {name} is missing")))
    }

    /// A field that must be a whole number.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, name: &str) -> Result<T, ApiError> {
        number::of_field(name, &self.required(name)?)
    }

    /// How the message is to be, as far as the form says.
    pub(crate) fn options(&mut self) -> Result<UploadOptions, ApiError> {
        Named::of_form(|name| self.fields.remove(name)).read()
    }

    /// The upload's id.
    pub(crate) fn upload_id(&mut self) -> Result<UploadId, ApiError> {
        Ok(UploadId::new(self.required("uploadId")?)?)
    }

    /// The name of the file.
    pub(crate) fn file_name(&mut self) -> Result<FileName, ApiError> {
        Ok(FileName::new(&self.required(FILE_NAME)?)?)
    }

    /// The name of the file, or what its part calls it.
    pub(crate) fn file_name_or(&mut self, of_part: Option<&str>) -> Result<FileName, ApiError> {
        Ok(match self.optional(FILE_NAME) {
            Some(stated) => FileName::new(&stated)?,
            None => FileName::of_file(of_part.unwrap_or_default())?,
        })
    }

    /// The file.
    pub(crate) fn file(&mut self) -> Result<FilePart, ApiError> {
        self.file.take().ok_or_else(|| {
            let missing = format!("form part {} is missing", self.file_field);
            ApiError::invalid(match &self.other_file {
                Some(name) => format!("{missing}; the file came as {}", printable(name)),
                None => missing,
            })
        })
    }
}

/// How many bytes of the file a request declares at least; 1 if it says nothing.
pub(crate) fn declared(request: &HttpRequest) -> u64 {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.map_or(1, |length| length.saturating_sub(MOST_BESIDE as u64).max(1))
}
