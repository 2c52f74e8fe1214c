//! What an object is made of, by its constructor: the table that [`walk`](super::walk) goes by.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The types that answers can hold.
static TEXT: &str = include_str!("schema.tl");

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of(TEXT));

/// How many `flags` an object has at most.
pub(super) const FLAGS_MAX: usize = 2;

/// A type, such as `Message`, by its number.
pub(super) type TypeId = u16;

/// What stands at one place.
#[derive(Debug)]
pub(super) enum Kind {
    /// Which of the fields that may be left out are there: the so-manyth of its object.
    Flags(usize),
    /// A field that takes no room: its flag says it all.
    True,
    /// So many bytes.
    Fixed(usize),
    /// TL's `string` or `bytes`.
    Text,
    /// An object of a type.
    Object(TypeId),
    /// A vector.
    Vector(Box<Self>),
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Which bit of which flags says that it is there, unless it always is.
    pub(super) flag: Option<(usize, u32)>,
}

/// One form of a type, such as `messageEmpty`.
#[derive(Debug)]
pub(super) struct Constructor {
    pub(super) name: &'static str,
    pub(super) of: TypeId,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Default)]
struct Schema {
    types: HashMap<&'static str, TypeId>,
    constructors: HashMap<u32, Constructor>,
}

/// The number of a type; one that nothing has if there is no such type.
pub(super) fn type_id(name: &str) -> TypeId {
    SCHEMA.types.get(name).copied().unwrap_or(TypeId::MAX)
}

pub(super) fn constructor(id: u32) -> Option<&'static Constructor> {
    SCHEMA.constructors.get(&id)
}

impl Schema {
    /// Leaves out what it does not understand; a test shows that there is nothing.
    fn of(text: &'static str) -> Self {
        let mut schema = Self::default();
        for line in text.lines().filter(|line| !line.starts_with("//")) {
            schema.add(line);
        }
        schema
    }

    /// A line such as `inputPeerUser#dde8a54c user_id:long access_hash:long = InputPeer;`.
    fn add(&mut self, line: &'static str) -> Option<()> {
        let (left, of) = line.strip_suffix(';')?.split_once(" = ")?;
        let mut words = left.split(' ');
        let (name, id) = words.next()?.split_once('#')?;
        let id = u32::from_str_radix(id, 16).ok()?;
        let mut flags = Vec::new();
        let fields = words.map(|word| self.field(word, &mut flags)).collect::<Option<_>>()?;
        let of = self.number(of);
        self.constructors.insert(id, Constructor { name, of, fields });
        Some(())
    }

    /// A field such as `date:int`, `flags:#` or `media:flags.9?MessageMedia`.
    fn field(&mut self, word: &'static str, flags: &mut Vec<&'static str>) -> Option<Field> {
        let (name, kind) = word.split_once(':')?;
        if kind == "#" {
            flags.push(name);
            return (flags.len() <= FLAGS_MAX).then(|| Field {
                name,
                kind: Kind::Flags(flags.len() - 1),
                flag: None,
            });
        }
        let Some((condition, kind)) = kind.split_once('?') else {
            return Some(Field { name, kind: self.kind(kind), flag: None });
        };
        let (of, bit) = condition.split_once('.')?;
        let flag = (flags.iter().position(|flags| *flags == of)?, bit.parse().ok().filter(|bit| *bit < 32)?);
        Some(Field { name, kind: self.kind(kind), flag: Some(flag) })
    }

    fn kind(&mut self, kind: &'static str) -> Kind {
        match kind {
            "true" => Kind::True,
            "int" => Kind::Fixed(4),
            "long" | "double" => Kind::Fixed(8),
            "int128" => Kind::Fixed(16),
            "int256" => Kind::Fixed(32),
            "string" | "bytes" => Kind::Text,
            kind => match kind.strip_prefix("Vector<").and_then(|kind| kind.strip_suffix('>')) {
                Some(element) => Kind::Vector(Box::new(self.kind(element))),
                None => Kind::Object(self.number(kind)),
            },
        }
    }

    fn number(&mut self, name: &'static str) -> TypeId {
        let next = self.types.len() as TypeId;
        *self.types.entry(name).or_insert(next)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// The schema that the types of grammers are made from.
    fn theirs() -> String {
        // Of this platform: what others need was not downloaded.
        let rustc = Command::new("rustc").arg("-vV").output().expect("rustc runs");
        let said = String::from_utf8(rustc.stdout).expect("a text");
        let host = said.lines().find_map(|line| line.strip_prefix("host: ")).expect("a platform");
        let cargo = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).expect("metadata");
        let mut packages = metadata["packages"].as_array().expect("packages").iter();
        let package = packages.find(|package| package["name"] == "grammers-tl-types").expect("it is there");
        let manifest: PathBuf = package["manifest_path"].as_str().expect("a path").into();
        std::fs::read_to_string(manifest.with_file_name("tl").join("api.tl")).expect("the schema")
    }

    fn type_of(line: &str) -> Option<&str> {
        line.strip_suffix(';')?.rsplit_once(" = ").map(|(_, of)| of)
    }

    #[test]
    fn it_is_the_schema_that_calls_are_made_with() {
        let layer = format!("// LAYER {}", grammers_tl_types::LAYER);
        assert!(TEXT.lines().any(|line| line == layer), "take schema.tl from the new {layer}");
        let theirs = theirs();
        let types = theirs.split("---functions---").next().expect("types");
        let known: HashSet<_> = TEXT.lines().filter_map(type_of).collect();
        let wanted: HashSet<_> =
            types.lines().filter(|line| type_of(line).is_some_and(|of| known.contains(of))).collect();
        let ours: HashSet<_> = TEXT.lines().filter(|line| !line.starts_with("//")).collect();
        assert_eq!(ours, wanted, "each type that is there is there whole, and as grammers has it");
    }

    #[test]
    fn nothing_of_it_is_left_out() {
        let lines = TEXT.lines().filter(|line| !line.starts_with("//")).count();
        assert_eq!(SCHEMA.constructors.len(), lines);
        let defined: HashSet<_> = SCHEMA.constructors.values().map(|constructor| constructor.of).collect();
        let open: Vec<_> = SCHEMA.types.iter().filter(|(_, id)| !defined.contains(id)).collect();
        assert!(open.is_empty(), "types without a constructor: {open:?}");
    }
}
