//! Bytes of files.

use bytes::Bytes;
use grammers_tl_types as tl;

use super::Account;
use crate::answers::{self, Object};
use crate::wire::{Body, Connection, Hold};
use crate::{Error, Remedy, Result};

/// How much longer than its bytes an answer may be.
const AROUND: usize = 1024;

impl Account {
    /// Reads bytes of the file at `location` ([`Document::location`](crate::Document::location)), as many as there are of `limit` from `offset`. Telegram reads from multiples of 1024, a
    /// multiple of 1024 bytes, within one mebibyte of the file. <https://core.telegram.org/api/files#downloading-files>
    ///
    /// The data centre `dc` is asked: over the account's own connection if it is there, else over one as a guest. To read may
    /// be tried again after any error.
    ///
    /// # Errors
    /// Those of a call. [`Remedy::Migrate`] with `FILE_MIGRATE` means that the file lies in another data centre: ask that
    /// one, and leave the account where it is. A name that begins with `FILE_REFERENCE_` or `FILEREF_`: read the message again.
    pub async fn read_file(
        &self,
        dc: i32,
        location: tl::enums::InputFileLocation,
        offset: u64,
        limit: u32,
    ) -> Result<Bytes> {
        let request = tl::functions::upload::GetFile {
            precise: true,
            // Telegram would send to servers that only public channels with many members need.
            cdn_supported: false,
            location,
            offset: offset.try_into().map_err(|_| Error::not_sent("no file is that long"))?,
            limit: limit.try_into().map_err(|_| Error::not_sent("no answer is that long"))?,
        };
        let (answer_max, body) = (limit as usize + AROUND, Body::of(&request));
        let answer = if self.location().dc_id() == dc {
            let (connection, migrations) = self.connection().await?;
            let answer = read(&connection, body, answer_max).await;
            self.heed(&connection, migrations, answer).await?
        } else {
            let connection = self.guest(dc).await?;
            match read(&connection, body, answer_max).await {
                Err(error) if error.remedy() == Remedy::LogIn => return Err(self.leave(dc, error).await),
                answer => answer?,
            }
        };
        bytes_of(answer, limit as usize)
            .map_err(|why| Error::lost(format!("bytes of a file cannot be read: {why}")))
    }
}

async fn read(connection: &Connection, body: Body, answer_max: usize) -> Result<Vec<u8>> {
    // As a bulk call, since it may go twice.
    connection.call(body, answer_max, Some(Hold::new(()))).await
}

/// The bytes in an answer, where they lie.
fn bytes_of(answer: Vec<u8>, limit: usize) -> answers::Result<Bytes> {
    let answer = Bytes::from(answer);
    let file = Object::of("upload.File", &answer)?;
    if !file.is("upload.file") {
        return Err("Telegram names another server for them, although that was not asked for".to_owned());
    }
    let bytes = file.text("bytes").ok_or("there are none")?;
    if bytes.len() > limit {
        return Err("there are more than were asked for".to_owned());
    }
    Ok(answer.slice_ref(bytes))
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::{Serializable, enums, types};

    use super::*;

    fn answer(bytes: &[u8]) -> Vec<u8> {
        let (r#type, mtime) = (enums::storage::FileType::FileUnknown, 0);
        enums::upload::File::File(types::upload::File { r#type, mtime, bytes: bytes.to_vec() }).to_bytes()
    }

    #[test]
    fn bytes_are_taken_out_of_their_answer() {
        for length in [0, 1, 253, 254, 4096] {
            assert_eq!(bytes_of(answer(&vec![7; length]), 4096).unwrap(), vec![7; length]);
        }
        assert!(bytes_of(answer(&[7; 11]), 10).is_err());
        assert!(bytes_of(answer(&[7; 11])[..12].to_vec(), 11).is_err());
    }

    #[test]
    fn another_server_is_not_gone_to() {
        let elsewhere = types::upload::FileCdnRedirect {
            dc_id: 203,
            file_token: vec![1; 16],
            encryption_key: vec![1; 32],
            encryption_iv: vec![1; 16],
            file_hashes: Vec::new(),
        };
        assert!(bytes_of(enums::upload::File::CdnRedirect(elsewhere).to_bytes(), 4096).is_err());
    }
}
