//! Ids of uploads that tell whether a file is still the one that was begun.

use std::fs::Metadata;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// How many hexadecimal digits of an id say which file it is of.
const MARK: usize = 16;

/// An id such as the browser client makes, with the time and some letters, and then a mark of the file.
pub(super) fn new(name: &str, about: &Metadata) -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{millis}_{:08x}_{}", rand::random::<u32>(), mark(name, about))
}

/// Whether an upload with this id may go on with this file. Ids of other clients have no mark.
///
/// # Errors
/// If it is the id of another file, or the file has changed: its chunks would not fit together.
pub(super) fn fits(id: &str, name: &str, about: &Metadata) -> Result<(), String> {
    let marked = id.rsplit('_').next().filter(|mark| mark.len() == MARK && id.matches('_').count() == 2);
    match marked {
        Some(marked) if marked != mark(name, about) => Err(format!(
            "upload {id} was begun with another file than {name}, or the file has changed since: send it without --resume"
        )),
        _ => Ok(()),
    }
}

/// Name, size and time of the last change.
fn mark(name: &str, about: &Metadata) -> String {
    let changed = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let text = format!("{name}\0{}\0{}", about.len(), changed.as_nanos());
    hex::encode(Sha256::digest(text))[..MARK].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_that_of_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "bytes").unwrap();
        let about = std::fs::metadata(&path).unwrap();
        let id = new("a", &about);
        assert!(id.len() <= 128 && fits(&id, "a", &about).is_ok());
        assert!(fits(&id, "b", &about).unwrap_err().contains("another file"));
        assert!(fits("1763790000000_k3j9x0abc", "a", &about).is_ok(), "of the browser client");
        std::fs::write(&path, "more bytes").unwrap();
        assert!(fits(&id, "a", &std::fs::metadata(&path).unwrap()).is_err());
    }
}
