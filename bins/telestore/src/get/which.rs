//! Which files are meant: by id, or by name.

use futures_util::TryStreamExt;
use telestore_client::{Client, Error, ErrorKind, File, FileQuery};
use telestore_types::FileId;

use crate::ends;

/// The files that were found, and what was not.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<File>,
    /// What was asked for, and why it is not there.
    pub(crate) missing: Vec<(String, ErrorKind, String)>,
    /// What is to be known of what was found.
    pub(crate) notes: Vec<String>,
}

/// Asks for each; one that is asked for twice is there once.
pub(crate) async fn find(client: &Client, which: &[String]) -> Found {
    let (mut found, mut hopeless) = (Found::default(), None);
    for asked in which {
        let one = match hopeless.clone() {
            Some(missing) => Err(missing),
            None => one(client, asked).await,
        };
        match one {
            Ok((file, note)) => {
                found.notes.extend(note);
                if !found.files.iter().any(|other| other.id == file.id) {
                    found.files.push(file);
                }
            }
            Err((kind, text)) => {
                hopeless = hopeless.or_else(|| ends::hopeless(kind, &text));
                found.missing.push((asked.clone(), kind, text));
            }
        }
    }
    found
}

/// Why one is not found.
type Missing = (ErrorKind, String);

fn failed(error: &Error) -> Missing {
    (error.kind(), error.to_string())
}

async fn one(client: &Client, asked: &str) -> Result<(File, Option<String>), Missing> {
    if FileId::parse(asked).is_err() {
        return named(client, asked).await;
    }
    match client.file(asked).await {
        Ok(file) => Ok((file, None)),
        // A name may look like an id.
        Err(error) if error.kind() == ErrorKind::Gone => named(client, asked)
            .await
            .map_err(|other| if other.0 == ErrorKind::Gone { failed(&error) } else { other }),
        Err(error) => Err(failed(&error)),
    }
}

/// The newest file of a name.
async fn named(client: &Client, name: &str) -> Result<(File, Option<String>), Missing> {
    let all = client.files(FileQuery::new().named(name));
    let mut files = all.try_filter(|file| std::future::ready(file.file_name == name));
    let Some(newest) = files.try_next().await.map_err(|error| failed(&error))? else {
        let text =
            "no file has this id or name; telestore list TEXT lists those that have TEXT in their names";
        return Err((ErrorKind::Gone, text.to_owned()));
    };
    let older = files.try_next().await.map_err(|error| failed(&error))?;
    let note = older.map(|_| format!("several files are called {name}: this is the newest, {}", newest.id));
    Ok((newest, note))
}
