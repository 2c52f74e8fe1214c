//! Where files go.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use telestore_client::File;
use telestore_types::Shown;

use super::names;
use crate::cli::GetArgs;
use crate::exit::Failure;

/// Where one file goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Standard output.
    Output,
    /// A device or a pipe, which is there.
    Device(PathBuf),
    /// A file, which may be there.
    File {
        /// From the root, with no link in its folders.
        path: PathBuf,
        /// As a person named it, safe to print.
        shown: String,
    },
}

/// Where the files of one run go.
pub(super) struct Places {
    to: To,
    taken: HashSet<PathBuf>,
}

enum To {
    Output,
    /// Into this folder, by their names.
    Folder(PathBuf),
    /// The one file is called so.
    Name(PathBuf),
}

impl Places {
    pub(super) fn new(args: &GetArgs) -> Result<Self, Failure> {
        let to = match &args.output {
            None => To::Folder(PathBuf::new()),
            Some(path) if path.as_os_str() == "-" => To::Output,
            Some(path) if path.is_dir() => To::Folder(path.clone()),
            Some(path) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(Failure::usage(format!("--output: there is no folder {}", path.display())));
            }
            Some(path) if args.which.len() > 1 => {
                return Err(Failure::usage(format!(
                    "--output: {} is no folder, and several files cannot have one name",
                    path.display()
                )));
            }
            Some(path) => To::Name(path.clone()),
        };
        Ok(Self { to, taken: HashSet::new() })
    }

    pub(super) fn are_output(&self) -> bool {
        matches!(self.to, To::Output)
    }

    /// Where this one goes.
    ///
    /// # Errors
    /// Why it has no place.
    pub(super) fn of(&mut self, file: &File) -> Result<Place, String> {
        let named = match &self.to {
            To::Output => return Ok(Place::Output),
            To::Folder(folder) => folder.join(names::safe(&file.file_name)),
            To::Name(path) => path.clone(),
        };
        let shown = Shown(&named.to_string_lossy()).to_string();
        if fs::metadata(&named).is_ok_and(|about| !about.is_file() && !about.is_dir()) {
            return Ok(Place::Device(named));
        }
        let path = whole(&named).map_err(|why| format!("cannot be saved as {shown}: {why}"))?;
        if path.is_dir() {
            return Err(format!(
                "cannot be saved as {shown}: a folder is called so; --output names another place"
            ));
        }
        // Some file systems take large and small letters for the same.
        if !self.taken.insert(PathBuf::from(path.to_string_lossy().to_lowercase())) {
            return Err(format!(
                "cannot be saved as {shown}: another one of these files is; fetch it by itself, and name another place by --output"
            ));
        }
        Ok(Place::File { path, shown })
    }
}

/// The whole path: what is kept of it must be found again from another folder.
fn whole(path: &Path) -> Result<PathBuf, String> {
    let name = path.file_name().ok_or("it is no name of a file")?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = fs::canonicalize(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.join(name))
}
