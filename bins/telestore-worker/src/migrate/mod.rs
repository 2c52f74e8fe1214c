//! `telestore-worker migrate`: from one worker with a data directory to many with a database.
//!
//! What a process that is killed leaves behind:
//!
//! - while chunks are copied: the directory as it was, and copies that no row names. The next run goes on, and what it has
//!   no use for is an orphan there.
//! - once `moved.json` says `moving`: rows here, or here and there. No worker starts on the directory any more, and the next
//!   run asks the database, which knows the name of the import.
//! - once it says `moved`: rows there. What is here is of no use but as a backup.

mod chunks;
mod found;
mod journal;

use std::path::{Path, PathBuf};

use telestore::Sealer;
use telestore::store::{
    Durability, Import, LocalChunkStore, ObjectChunkStore, ObjectOptions, PostgresOptions,
    PostgresSessionStore, Schema, SessionStore, SqliteSessionStore,
};
use telestore::types::{Clock, Secret, Shown, SteadyClock};

use self::chunks::{Copied, Copying, Damaged};
use self::found::{Found, Sealers};
use self::journal::Journal;
use crate::cli::MigrateArgs;
use crate::data_files::{COPIED, DATABASE, SECRET_KEY};
use crate::moved::Moved;
use crate::settings::DataSettings;
use crate::wire::{self, WireError};
use crate::{shown, stores, worker_id};

/// How many uploads are put in order at a time.
const BATCH: u32 = 200;

/// How many uploads are named.
const NAMED: usize = 5;

/// Where to.
struct Target {
    options: PostgresOptions,
    place: String,
    chunks_url: String,
    objects: ObjectChunkStore,
    secret: Secret,
}

/// Moves the uploads of the data directory, or says what it would move.
pub(crate) async fn migrate(
    mut data: DataSettings,
    secret: Option<Secret>,
    args: MigrateArgs,
) -> Result<(), String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    data.database_url = args.to.clone().or(data.database_url);
    data.chunks_url = args.chunks_to.clone().or(data.chunks_url);
    let target = Target::of(&data, secret)?;
    let dir = data.data_dir.clone();
    if !dir.join(DATABASE).exists() {
        return Err(WireError::NoData { dir: dir.display().to_string() }.to_string());
    }
    if args.dry_run {
        return look(&dir, &target).await;
    }
    // What is done stays so, also while a worker with the new database runs on the directory.
    if let Some(moved) = before(&dir, &target.place)?.filter(|moved| moved.done) {
        return already(&dir, &moved, args.undo);
    }
    // Held to the end: no worker, and no other move, works on the directory meanwhile.
    let _lock = wire::lock(&dir).await.map_err(|error| match error {
        WireError::InUse { dir } => format!("a worker runs on the data directory {dir}: stop it first"),
        other => other.to_string(),
    })?;
    let before = before(&dir, &target.place)?;
    let to = PostgresSessionStore::connect(&target.options).await.map_err(text)?;
    match before {
        Some(moved) if moved.done || to.has_imported(&moved.id).await.map_err(text)? => {
            // It was interrupted between the last word of the database and that of the directory.
            let moved = Moved { done: true, ..moved };
            moved.write(&dir).map_err(|error| here(&dir, error))?;
            let _ = std::fs::remove_file(dir.join(COPIED));
            return already(&dir, &moved, args.undo);
        }
        Some(_) if args.undo => {
            Moved::remove(&dir).map_err(|error| here(&dir, error))?;
            say(&format!("given up: nothing is in {}, and a worker may start here again", target.place));
            return Ok(());
        }
        None if args.undo => return Err(here(&dir, "no move of its uploads was interrupted")),
        _ => {}
    }
    Move { dir, target, to, force: args.force }.run(&data).await
}

/// What an earlier run has written down, which had the same database.
fn before(dir: &Path, place: &str) -> Result<Option<Moved>, String> {
    let before = Moved::read(dir).map_err(|error| here(dir, error))?;
    if let Some(moved) = before.as_ref().filter(|moved| moved.database != place) {
        let ended = if moved.done { "were moved" } else { "are being moved" };
        let database = &moved.database;
        return Err(here(dir, format!("its uploads {ended} to {database}, which is another database")));
    }
    Ok(before)
}

fn already(dir: &Path, moved: &Moved, undo: bool) -> Result<(), String> {
    if undo {
        let why = "its uploads are in the database, whose workers may have sent them: there is no way back";
        return Err(here(dir, why));
    }
    say(&format!("the uploads of {} are in {} already", dir.display(), moved.database));
    Ok(())
}

/// Says what would be moved. Makes and changes nothing.
async fn look(dir: &Path, target: &Target) -> Result<(), String> {
    let from = SqliteSessionStore::attach(dir.join(DATABASE), Durability::Process).await.map_err(text)?;
    let found = Found::of(&from, &target.sealers(dir)?).await.map_err(text)?;
    from.close().await;
    say(&format!("{}: {}", dir.display(), found.shown()));
    if let Some(sealed) = sealed(&found) {
        say(&sealed);
    }
    if wire::is_running(dir) {
        say("a worker runs on it: it must be stopped first");
    }
    match PostgresSessionStore::schema(&target.options).await.map_err(text)? {
        Schema::Missing | Schema::Older => {
            say(&format!("{} answers; its tables are made first", target.place))
        }
        Schema::Current | Schema::Newer => {
            let to = PostgresSessionStore::attach(&target.options).await.map_err(text)?;
            to.ready_to_import().await.map_err(text)?;
            say(&format!("{} answers, and is empty", target.place));
        }
    }
    target.objects.try_out().await.map_err(text)?;
    say("the place for chunks takes them");
    Ok(())
}

impl Target {
    fn of(data: &DataSettings, secret: Option<Secret>) -> Result<Self, String> {
        let missing = |what: &str| format!("{what}: the workers on PostgreSQL need it, and so does the move");
        let options = stores::postgres(data).map_err(text)?;
        let options = options.ok_or("where to? give --to postgres://…, or set TELESTORE_DATABASE_URL")?;
        let url = data.chunks_url.clone();
        let chunks_url =
            url.ok_or(missing("give --chunks-to s3://bucket/prefix, or set TELESTORE_CHUNKS_URL"))?;
        let secret = secret.ok_or(missing("set TELESTORE_SECRET_KEY"))?;
        // What is moved is deleted nowhere else.
        let durable = ObjectOptions::from_env().durability(Durability::Disk);
        let objects = ObjectChunkStore::open(&chunks_url, durable).map_err(text)?;
        Ok(Self { place: options.place(), options, chunks_url, objects, secret })
    }

    fn sealers(&self, dir: &Path) -> Result<Sealers, String> {
        let file = dir.join(SECRET_KEY);
        let old = file.exists().then(|| Sealer::from_file(&file)).transpose();
        Ok(Sealers { new: Sealer::from_secret(&self.secret), old: old.map_err(|error| error.to_string())? })
    }
}

struct Move {
    dir: PathBuf,
    target: Target,
    to: PostgresSessionStore,
    force: bool,
}

impl Move {
    async fn run(self, data: &DataSettings) -> Result<(), String> {
        self.to.ready_to_import().await.map_err(text)?;
        self.target.objects.try_out().await.map_err(text)?;
        let database = self.dir.join(DATABASE);
        let from = SqliteSessionStore::open_durable(database, data.durability).await.map_err(text)?;
        self.put_in_order(&from).await?;
        let sealers = self.target.sealers(&self.dir)?;
        let found = Found::of(&from, &sealers).await.map_err(text)?;
        say(&format!("{}: {}", self.dir.display(), found.shown()));
        self.doubt(sealed(&found))?;
        // Only now: the first key that is asked about is that of all workers from then on.
        if !stores::has_key(&self.to, &self.target.secret).await.map_err(text)? {
            return Err(WireError::OtherKey.to_string());
        }
        let (copied, journal) = self.copy(&found).await?;
        self.doubt(damaged(&copied.damaged))?;
        self.hand_over(&from, copied, &sealers).await?;
        from.close().await;
        // It tells nothing that the database does not.
        let _ = journal.remove();
        Ok(())
    }

    /// What cannot be moved whole is moved only if the operator says so.
    fn doubt(&self, doubt: Option<String>) -> Result<(), String> {
        match doubt {
            Some(doubt) if !self.force => Err(format!("{doubt}. To move all the same: --force")),
            Some(doubt) => {
                say(&doubt);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Ends what the last worker had in hand, as its own next start would.
    async fn put_in_order(&self, from: &SqliteSessionStore) -> Result<(), String> {
        let worker = worker_id::kept_in(&self.dir).map_err(|error| here(&self.dir, error))?;
        let clock = SteadyClock::new();
        if let Some(last) = from.clock().await.map_err(text)? {
            clock.go_on_from(last);
        }
        while !from.release(&worker, clock.now(), BATCH).await.map_err(text)?.is_empty() {}
        Ok(())
    }

    async fn copy(&self, found: &Found) -> Result<(Copied, Journal), String> {
        let opened = Journal::open(&self.dir, &self.target.chunks_url);
        let (mut journal, before) = opened.map_err(|error| here(&self.dir, error))?;
        let from = LocalChunkStore::attach(&self.dir);
        let copying = Copying { from, to: self.target.objects.clone() };
        let copied = copying.all(&found.chunks, before, &mut journal).await?;
        copying.verify(&copied.names, &found.chunks).await?;
        Ok((copied, journal))
    }

    /// The last step: rows. From the first line on no worker may start on the directory, since from then on they may be in
    /// the database.
    async fn hand_over(
        &self,
        from: &SqliteSessionStore,
        copied: Copied,
        sealers: &Sealers,
    ) -> Result<(), String> {
        let mut moved = Moved::to(&self.target.place);
        moved.write(&self.dir).map_err(|error| here(&self.dir, error))?;
        let reseal = |key: &_, sealed: Vec<u8>| sealers.resealed(key, &sealed).unwrap_or(sealed);
        let import = Import::named(&moved.id).with_blobs(copied.names).with_tokens(reseal);
        let summary = match self.to.import(from, &import).await {
            Ok(imported) => format!(
                "{} uploads, {} chunks and {} events that wait",
                imported.uploads, imported.chunks, imported.events
            ),
            Err(error) => match self.to.has_imported(&moved.id).await {
                Ok(true) => "everything".to_owned(),
                Ok(false) => {
                    Moved::remove(&self.dir).map_err(|error| here(&self.dir, error))?;
                    return Err(format!("{error}. Nothing was moved; run the command again: it goes on"));
                }
                Err(_) => {
                    return Err(format!(
                        "{error}. Nobody knows whether the uploads are in {}: run the command again when it answers",
                        self.target.place
                    ));
                }
            },
        };
        moved.done = true;
        moved.write(&self.dir).map_err(|error| here(&self.dir, error))?;
        say(&format!("moved to {}: {summary}", self.target.place));
        say(&format!(
            "{} stays as a backup, on which no worker starts any more. Start the workers with TELESTORE_DATABASE_URL, TELESTORE_CHUNKS_URL and TELESTORE_SECRET_KEY",
            self.dir.display()
        ));
        Ok(())
    }
}

/// What to say of tokens that cannot be opened.
fn sealed(found: &Found) -> Option<String> {
    let names = named(found.sealed.iter().map(|id| id.as_str().to_owned()))?;
    Some(format!(
        "the tokens of {} unfinished uploads ({names}) can be opened neither with TELESTORE_SECRET_KEY nor with {SECRET_KEY}: set the key that the worker had, or those need their token again",
        found.sealed.len()
    ))
}

/// What to say of chunks that cannot be read.
fn damaged(damaged: &[Damaged]) -> Option<String> {
    let names = damaged.iter().map(|Damaged { chunk, why }| {
        format!("chunk {} of {}: {why}", chunk.record.index.get(), chunk.upload)
    });
    let names = named(names)?;
    Some(format!(
        "{} chunks are not on the disk as they were received ({names}): is the disk of chunks there? Otherwise their clients must send these again",
        damaged.len()
    ))
}

/// The first of them, if there are any.
fn named(mut of: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let all = of.len();
    let mut names: Vec<_> = of.by_ref().take(NAMED).collect();
    if all > names.len() {
        names.push("…".to_owned());
    }
    (all > 0).then(|| names.join(", "))
}

fn text(error: telestore::store::Error) -> String {
    error.to_string()
}

fn here(dir: &Path, what: impl std::fmt::Display) -> String {
    format!("data directory {}: {what}", dir.display())
}

fn say(text: &str) {
    shown::say(&Shown(text).to_string());
}
