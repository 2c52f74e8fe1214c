//! Reads what `tests/fixtures/make_old_data.py` packed.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use telestore_sandbox::SandboxUser;

use crate::support::File;

/// What the group of the case `moved` has become.
pub(super) const SUPERGROUP: &str = "-1001999000111";

const BLOCK: usize = 4096;

/// What the archive says of its data directory.
pub(super) struct Manifest {
    /// When the worker of then was killed, in milliseconds since the Unix epoch.
    pub(super) made_at: i64,
    pub(super) users: BTreeMap<String, SandboxUser>,
    pub(super) cases: Vec<Case>,
    pub(super) outbox: Vec<Event>,
}

/// One upload, as it was when the worker was killed.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) user: String,
    pub(super) upload_id: String,
    /// What the bytes are made of; a direct upload got its id later.
    content_id: String,
    pub(super) file_name: String,
    pub(super) length: u64,
    chunk_size: usize,
    pub(super) received: Vec<usize>,
    /// What `/upload-progress` said; null if that was 404.
    pub(super) progress: Value,
}

/// A row of the outbox.
pub(super) struct Event {
    pub(super) event_id: String,
    pub(super) upload_id: String,
    pub(super) body: String,
}

impl Manifest {
    fn new(json: &Value) -> Self {
        let list = |name: &str| json[name].as_array().expect("a list").clone();
        let users = serde_json::from_value(json["users"].clone()).expect("users of a sandbox");
        Self {
            made_at: json["made_at"].as_i64().expect("a time"),
            users,
            cases: list("cases").iter().map(Case::new).collect(),
            outbox: list("outbox").iter().map(Event::new).collect(),
        }
    }

    pub(super) fn case_of(&self, upload_id: &str) -> &Case {
        self.cases.iter().find(|case| case.upload_id == upload_id).expect("a case")
    }

    /// The message that is to be taken back.
    pub(super) fn withdrawn(&self) -> Option<i64> {
        let case = self.cases.iter().find(|case| case.name == "withdrawal")?;
        let event = self.outbox.iter().find(|event| event.upload_id == case.upload_id)?;
        serde_json::from_str::<Value>(&event.body).ok()?["stored"]["message_id"].as_i64()
    }
}

impl Case {
    fn new(json: &Value) -> Self {
        let number = |name: &str| json[name].as_u64().expect("a number");
        let received = json["received"].as_array().expect("a list").iter();
        Self {
            name: text(&json["name"]),
            user: text(&json["user"]),
            upload_id: text(&json["upload_id"]),
            content_id: text(&json["content_id"]),
            file_name: text(&json["file_name"]),
            length: number("length"),
            chunk_size: number("chunk_size") as usize,
            received: received.map(|index| index.as_u64().expect("an index") as usize).collect(),
            progress: json["progress"].clone(),
        }
    }

    /// The bytes of the file: blocks that begin with its id and their number.
    pub(super) fn content(&self) -> Vec<u8> {
        let length = self.length as usize;
        let mut bytes = Vec::with_capacity(length + BLOCK);
        for number in 0..length.div_ceil(BLOCK) {
            bytes.extend(format!("{} {number}\n", self.content_id).bytes());
            bytes.resize((number + 1) * BLOCK, b'.');
        }
        bytes.truncate(length);
        bytes
    }

    /// The file, as its client knows it.
    pub(super) fn file(&self) -> File {
        let length = self.length as usize;
        let ends = (1..=length.div_ceil(self.chunk_size)).map(|n| length.min(n * self.chunk_size)).collect();
        File { id: self.upload_id.clone(), name: self.file_name.clone(), bytes: self.content(), ends }
    }
}

impl Event {
    fn new(json: &Value) -> Self {
        let [event_id, upload_id, body] = ["event_id", "upload_id", "body"].map(|name| text(&json[name]));
        Self { event_id, upload_id, body }
    }
}

fn text(json: &Value) -> String {
    json.as_str().expect("a text").to_owned()
}

/// The manifest, and the files of the data directory by their names.
pub(super) fn read(name: &str) -> (Manifest, BTreeMap<String, Vec<u8>>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut tar).expect("gzip");
    let mut files = BTreeMap::new();
    let mut rest = &tar[..];
    while let Some((head, behind)) = rest.split_first_chunk::<512>().filter(|(head, _)| head[0] != 0) {
        let field = |range| String::from_utf8_lossy(&head[range]).trim_end_matches('\0').to_owned();
        let length = usize::from_str_radix(field(124..136).trim(), 8).expect("a length");
        files.insert(field(0..100), behind[..length].to_vec());
        rest = &behind[length.next_multiple_of(512)..];
    }
    let manifest = files.remove("manifest.json").expect("a manifest");
    (Manifest::new(&serde_json::from_slice(&manifest).expect("JSON")), files)
}

/// Lays the files where a worker looks for them.
pub(super) fn unpack(files: &BTreeMap<String, Vec<u8>>, dir: &Path) {
    for (name, bytes) in files {
        let path = dir.join(name.strip_prefix("data/").expect("a file of the data directory"));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("the file is written");
    }
}
