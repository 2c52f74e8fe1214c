//! What is on this machine. Nothing is made or changed: the checker may be another user than the worker.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use bytesize::ByteSize;
use telestore::age::{Header, Parsed, Sealing};
use telestore::store::{
    Cursor, DataDisk, Error, Listing, LocalChunkStore, Schema, SessionStore, SqliteSessionStore,
};
use telestore::{EncodingDefaults, SealError, Sealer};

use super::report::Report;
use super::shared;
use crate::config::Config;
use crate::data_files::{DATABASE, SECRET_KEY};
use crate::disks::{Objection, nearest, objection};
use crate::moved::Moved;
use crate::private::{Open, loose};
use crate::serve::other_address;
use crate::tls::server_config;
use crate::wire::is_running;

pub(super) async fn check(config: &Config, report: &mut Report) {
    let dir = &config.settings.data.data_dir;
    directory(dir, config.settings.data.is_shared(), report);
    others(dir, report);
    let away = shared::chunks(config, report).await;
    if !away {
        files(dir, report).await;
        space(config, report);
    }
    if is_running(dir) {
        report.ok("worker", "one runs on this data directory");
    } else {
        report.ok("worker", "none runs on this data directory");
        port(config, report);
    }
    if let Some(files) = &config.tls {
        match server_config(files) {
            Ok(_) => report.ok("TLS", "certificate and key belong together"),
            Err(error) => report.failed("TLS", error),
        }
    }
    encryption(&config.engine.encoding, report);
    if !shared::database(config, report).await {
        let known = database(dir, report).await;
        key(config, known, report).await;
    }
}

/// Encrypts something for the recipients, and opens it.
fn encryption(encoding: &EncodingDefaults, report: &mut Report) {
    const CHECK: &str = "encryption";
    if encoding.recipients.is_empty() {
        if !encoding.identities.is_empty() {
            report.ok(
                CHECK,
                "encrypted files are read back; files are encrypted for those that the backend names",
            );
        }
        return;
    }
    let head = match Sealing::draw(&encoding.recipients) {
        Ok(sealing) => sealing.head(),
        Err(error) => return report.failed(CHECK, error),
    };
    let opens = match Header::parse(&head) {
        Ok(Parsed::Whole(header)) => header.open(&encoding.identities).is_ok(),
        _ => return report.failed(CHECK, "what was encrypted is no age file"),
    };
    let whom = format!("files can be encrypted for {} recipients", encoding.recipients.len());
    match (opens, encoding.identities.is_empty()) {
        (true, _) => report.ok(CHECK, format!("{whom}, and this worker reads them back")),
        (false, true) => report.ok(
            CHECK,
            format!("{whom}; this worker does not read them back, since TELESTORE_AGE_IDENTITY is not set"),
        ),
        (false, false) => report.warning(
            CHECK,
            format!("{whom}, and TELESTORE_AGE_IDENTITY is of none of them: this worker will not read these files back"),
        ),
    }
}

fn directory(dir: &Path, shared: bool, report: &mut Report) {
    const CHECK: &str = "data directory";
    let shown = dir.display();
    if dir.exists() && !dir.is_dir() {
        return report.failed(CHECK, format!("{shown} is not a directory: set TELESTORE_DATA_DIR"));
    }
    let Some(there) = nearest(dir) else {
        return report.failed(CHECK, format!("{shown} cannot be made: set TELESTORE_DATA_DIR"));
    };
    // Parts of it may belong to somebody else, after a run as another user.
    let places = [there.clone(), dir.join("spool"), dir.join("chunks")];
    for place in places.iter().filter(|place| place.is_dir()) {
        if let Err(error) = tempfile::Builder::new().prefix(".check-").tempfile_in(place) {
            let text = format!(
                "{} is not writable ({}): it must belong to the worker's user",
                place.display(),
                error.kind()
            );
            return report.failed(CHECK, text);
        }
    }
    for name in [DATABASE, "lock"] {
        let path = dir.join(name);
        if path.exists()
            && let Err(error) = File::options().append(true).open(&path)
        {
            let text = format!(
                "{} is not writable ({}): it must belong to the worker's user",
                path.display(),
                error.kind()
            );
            return report.failed(CHECK, text);
        }
    }
    if let Err(gone) = Moved::refuse(dir, shared) {
        return report.failed(CHECK, format!("{shown}: {gone}"));
    }
    let made = if dir.is_dir() { "is writable" } else { "will be made at the first start" };
    report.ok(CHECK, format!("{shown} {made}"));
}

/// Whether a worker could listen. If one runs on the data directory, the port is its own.
fn port(config: &Config, report: &mut Report) {
    const CHECK: &str = "port";
    let (host, port) = (&config.settings.server.host, config.settings.server.port);
    match telestore_http::listeners((host.as_str(), port)) {
        Ok(_) => report.ok(CHECK, format!("{host}:{port} is free")),
        Err(error) => {
            let text = format!("cannot listen on {host}:{port}: {error}; {}", other_address(config));
            report.failed(CHECK, text);
        }
    }
}

/// Tries what the worker does with files: what an upload does, in the worker's own directories if they are there, and
/// what the database does, in one that goes again.
async fn files(dir: &Path, report: &mut Report) {
    const CHECK: &str = "file system";
    let Some(there) = nearest(dir) else { return };
    if let Some(Objection::Refused(text)) = objection(dir) {
        return report.failed(CHECK, text);
    }
    // What is not writable has been named.
    let Ok(place) = tempfile::Builder::new().prefix(".check-").tempdir_in(&there) else { return };
    let tried = LocalChunkStore::try_out(if dir.is_dir() { dir } else { place.path() });
    match (tried, try_database(place.path()).await) {
        // The lack of space is named by itself.
        (Err(Error::NoSpace(_)), _) | (_, Err(Error::NoSpace(_))) => {
            report.skipped(CHECK, "a full disk takes no trial");
        }
        (Err(error), _) => report.failed(CHECK, format!("{error}; see \"Disks\" in docs/OPERATIONS.md")),
        (_, Err(error)) => {
            let cure = match objection(dir) {
                Some(Objection::Doubt(text)) => text,
                _ => "set TELESTORE_DATA_DIR to a disk of this machine".to_owned(),
            };
            report.failed(CHECK, format!("{error}; {cure}"));
        }
        _ => match objection(dir) {
            Some(Objection::Doubt(text)) => report.warning(CHECK, text),
            _ => report.ok(CHECK, "takes chunks, and the database"),
        },
    }
}

/// Writes and reads a database in an empty directory.
async fn try_database(dir: &Path) -> telestore::store::Result<()> {
    let store = SqliteSessionStore::open(dir.join(DATABASE)).await?;
    store.probe().await?;
    store.counts().await?;
    store.close().await;
    Ok(())
}

/// Whether other users of the machine can read users' files.
fn others(dir: &Path, report: &mut Report) {
    const CHECK: &str = "other users";
    match loose(dir).into_iter().next() {
        None => report.ok(CHECK, "cannot read the worker's files"),
        Some(Open { path, mode, ours }) => {
            let cure =
                if ours { "the next start of the worker mends it, or:" } else { "as the worker's user:" };
            let text = format!("{} is open to them (mode {mode:o}); {cure} chmod -R go= ", path.display());
            report.warning(CHECK, text + &dir.display().to_string());
        }
    }
}

fn space(config: &Config, report: &mut Report) {
    const CHECK: &str = "disk space";
    let Some(place) = nearest(&config.settings.data.data_dir) else { return };
    let (dir, part) = (&config.settings.data.data_dir, config.settings.storage.disk_bytes);
    let disk = match part {
        Some(bytes) if dir.is_dir() => DataDisk::part(dir, bytes),
        _ => DataDisk::whole(&place),
    };
    let free = match disk.free_bytes() {
        Ok(free) => free.min(part.unwrap_or(u64::MAX)),
        Err(error) => return report.warning(CHECK, format!("unknown ({}): look for yourself", error.kind())),
    };
    let (least, file) = (config.engine.min_free_bytes, config.engine.max_file_bytes);
    let shown = ByteSize(free);
    if free < least {
        let text = format!(
            "{shown} free, below TELESTORE_MIN_FREE_BYTES ({}): new bytes get 507; make room",
            ByteSize(least)
        );
        report.failed(CHECK, text);
    } else if free - least < file {
        let text = format!(
            "{shown} free: not enough for one file of the largest size ({}); make room",
            ByteSize(file)
        );
        report.warning(CHECK, text);
    } else {
        report.ok(CHECK, format!("{shown} free"));
    }
}

/// Says whether there is one whose tables this program knows.
async fn database(dir: &Path, report: &mut Report) -> bool {
    const CHECK: &str = "database";
    let found = SqliteSessionStore::schema(dir.join(DATABASE)).await;
    match &found {
        Ok(Schema::Missing) => report.ok(CHECK, "none yet; it is made at the first start"),
        Ok(Schema::Current) => report.ok(CHECK, "sound, and of this version"),
        Ok(Schema::Older) => report.ok(CHECK, "sound, of an older version; the next start updates it: back it up first"),
        Ok(Schema::Newer) => report.failed(
            CHECK,
            "written by a newer version: use that version's program, or put the backup of before in its place",
        ),
        Err(error) => report.failed(CHECK, format!("{error}; put a backup in its place")),
    }
    matches!(found, Ok(Schema::Current))
}

/// The key that opens the tokens of unfinished uploads.
async fn key(config: &Config, known: bool, report: &mut Report) {
    const CHECK: &str = "secret key";
    let path = config.settings.data.data_dir.join(SECRET_KEY);
    let secret = &config.settings.users.secret_key;
    let sealer = match secret {
        Some(secret) => Sealer::from_secret(secret),
        None => match read_key(&path) {
            Ok(Some(sealer)) => sealer,
            Ok(None) => return report.ok(CHECK, "none yet; it is made at the first start"),
            Err(error) => return report.failed(CHECK, error),
        },
    };
    if secret.is_none()
        && let Some(mode) = open_to_others(&path)
    {
        let text = format!("{} may be read by others (mode {mode:o}): chmod 600", path.display());
        report.warning(CHECK, text);
    }
    match if known { unreadable(config, &sealer).await } else { Ok(0) } {
        Ok(0) => report.ok(CHECK, if secret.is_some() { "from TELESTORE_SECRET_KEY" } else { "is there" }),
        Ok(count) => report.warning(
            CHECK,
            format!("is not the one that sealed the tokens of {count} unfinished uploads: put the right one back, or those need their token again"),
        ),
        Err(error) => report.warning(CHECK, format!("could not be tried: {error}")),
    }
}

pub(super) fn read_key(path: &Path) -> Result<Option<Sealer>, SealError> {
    // Sealer::from_file makes one if there is none.
    match fs::metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        _ => Sealer::from_file(path).map(Some),
    }
}

/// How many uploads are looked at at a time.
const PAGE: u32 = 1000;

/// How many unfinished uploads the worker could not send with this key.
async fn unreadable(config: &Config, sealer: &Sealer) -> telestore::store::Result<usize> {
    let data = &config.settings.data;
    let store = SqliteSessionStore::attach(data.data_dir.join(DATABASE), data.durability).await?;
    let (mut count, mut page) = (0, Listing::first(PAGE));
    loop {
        let uploads = store.list(&page).await?;
        let sealed = uploads.iter().filter_map(|upload| Some((&upload.key, upload.sealed_token.as_deref()?)));
        count += sealed.filter(|(key, token)| sealer.open(key, token).is_err()).count();
        let Some(last) = uploads.last() else { break };
        page = Listing::first(PAGE).after(Cursor::of(last));
    }
    store.close().await;
    Ok(count)
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<u32> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).ok()?.permissions()) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<u32> {
    None
}
