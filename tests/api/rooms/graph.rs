//! Which module knows which, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cargo_metadata::{MetadataCommand, TargetKind};
use syn::visit::Visit;
use syn::{Attribute, Item, UseTree};

/// Who knows whom in one folder, and a file that says so.
pub(super) type Edges = BTreeMap<(String, String), String>;

/// The names of modules, from the crate's root.
type Place = Vec<String>;

/// A module: what it calls by other names, and what it mentions.
#[derive(Debug, Default)]
struct Module {
    file: String,
    /// What `use` brings into it, by its name there.
    names: BTreeMap<String, Vec<String>>,
    /// What it mentions, from the root.
    mentions: BTreeSet<Vec<String>>,
}

/// The modules of a crate, without those of its tests.
#[derive(Debug)]
pub(super) struct Crate {
    pub(super) name: String,
    modules: BTreeMap<Place, Module>,
}

/// The libraries and programs of the workspace.
pub(super) fn crates() -> &'static [Crate] {
    static READ: LazyLock<Vec<Crate>> = LazyLock::new(read_crates);
    &READ
}

fn read_crates() -> Vec<Crate> {
    let metadata =
        MetadataCommand::new().no_deps().other_options(vec!["--offline".to_owned()]).exec().unwrap();
    let mut crates = Vec::new();
    for package in &metadata.packages {
        let lib = package.targets.iter().find(|target| target.kind.contains(&TargetKind::Lib));
        let bin = || package.targets.iter().find(|target| target.kind.contains(&TargetKind::Bin));
        let Some(target) = lib.or_else(bin) else { continue };
        let mut room = Crate { name: package.name.to_string(), modules: BTreeMap::new() };
        let root = target.src_path.clone().into_std_path_buf();
        let folder = root.parent().unwrap().to_owned();
        room.read(&root, &folder, Vec::new());
        crates.push(room);
    }
    assert!(crates.len() > 8, "only {} crates were read", crates.len());
    crates
}

impl Crate {
    /// Reads the module in `file`, whose children are in `folder`.
    fn read(&mut self, file: &Path, folder: &Path, place: Place) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items;
        self.take(file, folder, place, &items);
    }

    fn take(&mut self, file: &Path, folder: &Path, place: Place, items: &[Item]) {
        let mut module = Module { file: short(file), ..Module::default() };
        for item in items.iter().filter(|item| !is_of_tests(attributes(item))) {
            match item {
                Item::Mod(child) => {
                    let mut inside = place.clone();
                    inside.push(child.ident.to_string());
                    let folder = folder.join(child.ident.to_string());
                    match &child.content {
                        Some((_, items)) => self.take(file, &folder, inside, items),
                        None => self.read(&file_of(&folder), &folder, inside),
                    }
                }
                Item::Use(import) => flatten(&import.tree, &mut Vec::new(), &mut |path, name| {
                    let Some(path) = from_root(&place, &path) else { return };
                    module.mentions.insert(path.clone());
                    module.names.insert(name, path);
                }),
                other => Mentions { place: &place, module: &mut module }.visit_item(other),
            }
        }
        self.modules.insert(place, module);
    }

    /// The modules right below `folder`.
    pub(super) fn modules_of(&self, folder: &str) -> Vec<String> {
        let folder: Place = folder.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let below = self.modules.keys().filter(|place| place.len() == folder.len() + 1);
        below.filter(|place| place.starts_with(&folder)).filter_map(|place| place.last().cloned()).collect()
    }

    /// For each folder, which of its modules knows which.
    pub(super) fn edges(&self) -> BTreeMap<String, Edges> {
        let mut all: BTreeMap<String, Edges> = BTreeMap::new();
        for (from, module) in &self.modules {
            for to in module.mentions.iter().filter_map(|path| self.home_of(path, 0)) {
                let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
                // A folder and what is in it may know each other.
                if let (Some(here), Some(there)) = (from.get(common), to.get(common)) {
                    let arrow = (here.clone(), there.clone());
                    all.entry(from[..common].join("::")).or_default().insert(arrow, module.file.clone());
                }
            }
        }
        all
    }

    /// The module in which stands what `path` names, whatever other modules call it.
    fn home_of(&self, path: &[String], depth: usize) -> Option<Place> {
        let (mut home, mut rest) = (Vec::new(), path);
        while let Some((first, behind)) = rest.split_first() {
            home.push(first.clone());
            if !self.modules.contains_key(&home) {
                home.pop();
                break;
            }
            rest = behind;
        }
        let renamed = rest.first().and_then(|name| self.modules.get(&home)?.names.get(name));
        match renamed {
            Some(further) if depth < 8 && further[..] != *path => {
                let mut further = further.clone();
                further.extend_from_slice(&rest[1..]);
                self.home_of(&further, depth + 1)
            }
            // What stands in the root of a crate is everybody's.
            _ => Some(home).filter(|home| !home.is_empty()),
        }
    }
}

/// Finds what a module mentions outside of `use`.
struct Mentions<'a> {
    place: &'a Place,
    module: &'a mut Module,
}

impl<'ast> Visit<'ast> for Mentions<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.module.mentions.extend(from_root(self.place, &names));
        syn::visit::visit_path(self, path);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_of_tests(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }
}

/// A path that begins in the crate, from its root; `None` for those of other crates.
fn from_root(place: &Place, path: &[String]) -> Option<Vec<String>> {
    let mut root = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" => place.clone(),
        "super" => place[..place.len().checked_sub(1)?].to_vec(),
        // A child, or another crate: what is not there is nobody's.
        _ => return Some([place.as_slice(), path].concat()),
    };
    for name in &path[1..] {
        if name == "super" { _ = root.pop() } else { root.push(name.clone()) }
    }
    Some(root)
}

/// Every path that an import names, and its name here.
fn flatten(tree: &UseTree, before: &mut Vec<String>, found: &mut impl FnMut(Vec<String>, String)) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, found);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, found)),
        UseTree::Glob(_) => found(before.clone(), "*".to_owned()),
        UseTree::Name(name) if name.ident == "self" => {
            found(before.clone(), before.last().cloned().unwrap_or_default());
        }
        UseTree::Name(name) => {
            found([before.as_slice(), &[name.ident.to_string()]].concat(), name.ident.to_string())
        }
        UseTree::Rename(name) => {
            found([before.as_slice(), &[name.ident.to_string()]].concat(), name.rename.to_string());
        }
    }
}

/// Whether something is there in tests only.
fn is_of_tests(attributes: &[Attribute]) -> bool {
    let says_test = |attribute: &Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(says_test)
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The file of a module whose children are in `folder`.
fn file_of(folder: &Path) -> PathBuf {
    let inside = folder.join("mod.rs");
    if inside.exists() { inside } else { folder.with_extension("rs") }
}

fn short(file: &Path) -> String {
    let parts: Vec<_> = file.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    let src = parts.iter().rposition(|part| part == "src").unwrap_or(0);
    parts[src + 1..].join("/")
}

/// Modules that know each other, by whatever way round.
pub(super) fn circles(edges: &Edges) -> Vec<BTreeSet<String>> {
    let reached = |from: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(at) = next.pop() {
            let further = edges.keys().filter(|(from, _)| *from == at).map(|(_, to)| to.clone());
            next.extend(further.filter(|to| seen.insert(to.clone())));
        }
        seen
    };
    let reach: BTreeMap<&String, BTreeSet<String>> =
        edges.keys().map(|(from, _)| (from, reached(from))).collect();
    let circle = |one: &String| {
        let both = reach[one].iter().filter(|other| reach.get(other).is_some_and(|back| back.contains(one)));
        both.cloned().collect::<BTreeSet<_>>()
    };
    let all: BTreeSet<_> = reach.keys().map(|one| circle(one)).filter(|circle| circle.len() > 1).collect();
    all.into_iter().collect()
}
