//! How long files and functions may be.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

/// The most lines of a file, and of a function from its signature to its end.
const FILE: usize = 500;
const FUNCTION: usize = 60;

/// What is longer, each with its reason.
const LONGER: [(&str, &str); 1] = [(
    "crates/telestore-store/src/testsuite/sessions.rs: session_store",
    "a list with one line for each check of the suite, in the order of the contract",
)];

/// Where sources of the workspace are.
const SOURCES: [&str; 5] = ["crates", "bins", "tests", "bench", "fuzz"];

/// Every source, from the root of the repository.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = SOURCES.iter().map(|folder| root.join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.file_name().is_some_and(|name| name == "target") => {}
                true => folders.push(path),
                false if path.extension().is_some_and(|kind| kind == "rs") => {
                    let text = fs::read_to_string(&path).unwrap();
                    sources.push((path.strip_prefix(root).unwrap().to_owned(), text));
                }
                false => {}
            }
        }
    }
    assert!(sources.len() > 300, "only {} sources were found", sources.len());
    sources
}

/// The functions of a file, and how many lines each has.
#[derive(Default)]
struct Functions(Vec<(String, usize)>);

impl Functions {
    fn take(&mut self, signature: &Signature, block: &Block) {
        let line = |span: Span| (span.start().line, span.end().line);
        let lines = line(block.span()).1 - line(signature.span()).0 + 1;
        self.0.push((signature.ident.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.take(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.take(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.take(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn no_file_and_no_function_is_too_long() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (path, text) in sources() {
        let lines = text.lines().count();
        let mut long: Vec<(String, usize)> = Vec::new();
        if lines > FILE {
            long.push((path.display().to_string(), lines));
        }
        let mut functions = Functions::default();
        functions.visit_file(&syn::parse_file(&text).unwrap());
        seen += functions.0.len();
        let too_long = functions.0.into_iter().filter(|(_, lines)| *lines > FUNCTION);
        long.extend(too_long.map(|(name, lines)| (format!("{}: {name}", path.display()), lines)));
        let allowed =
            |place: &str| LONGER.iter().any(|(longer, reason)| *longer == place && reason.len() > 20);
        wrong.extend(long.into_iter().filter(|(place, _)| !allowed(place)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 2_000, "only {seen} functions were seen");
}
