//! Which files are sent.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use walkdir::WalkDir;

use crate::cli::SendArgs;
use crate::exit::Failure;

/// How `*` and `?` match: not over slashes, and hidden files like others.
const MATCH: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// What there is to send, and what is not sent, and why.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) items: Vec<Item>,
    /// What cannot be read: each of them is a failure.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
    /// What is left out on purpose: links, pipes, sockets and devices within folders.
    pub(crate) left_out: Vec<(PathBuf, &'static str)>,
}

/// One thing to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A file: how it was named or found, and its absolute path.
    File { shown: PathBuf, path: PathBuf, length: u64 },
    /// Standard input.
    Input,
}

/// Patterns for files in folders.
struct Filter {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Filter {
    fn new(args: &SendArgs) -> Result<Self, Failure> {
        let read = |flag: &str, patterns: &[String]| {
            let read = patterns.iter().map(|text| {
                Pattern::new(text.trim_end_matches('/'))
                    .map_err(|error| Failure::usage(format!("{flag} {text}: {error}")))
            });
            read.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { include: read("--include", &args.include)?, exclude: read("--exclude", &args.exclude)? })
    }

    fn leaves_out(&self, below: &Path) -> bool {
        self.exclude.iter().any(|pattern| fits(pattern, below))
    }

    fn takes(&self, below: &Path) -> bool {
        self.include.is_empty() || self.include.iter().any(|pattern| fits(pattern, below))
    }
}

/// A pattern with a slash is one for the path in the folder, any other one for the name.
fn fits(pattern: &Pattern, below: &Path) -> bool {
    match pattern.as_str().contains('/') {
        true => pattern.matches_with(&below.to_string_lossy(), MATCH),
        false => below.file_name().is_some_and(|name| pattern.matches_with(&name.to_string_lossy(), MATCH)),
    }
}

/// Looks for all that is to be sent, in the order of the command line, and by name within a folder; nothing twice.
pub(crate) fn find(args: &SendArgs) -> Result<Found, Failure> {
    let filter = Filter::new(args)?;
    let (mut found, mut seen) = (Found::default(), HashSet::new());
    for path in &args.paths {
        if path.as_os_str() == "-" {
            if !found.items.contains(&Item::Input) {
                found.items.push(Item::Input);
            }
            continue;
        }
        match std::fs::metadata(path) {
            Ok(about) if about.is_dir() => walk(path, args.follow, &filter, &mut found, &mut seen),
            Ok(about) if about.is_file() => add(path, about.len(), &mut found, &mut seen),
            Ok(_) => {
                let why =
                    "it is no file: what comes from a pipe or a device is sent by `-`, from standard input";
                found.unreadable.push((path.clone(), why.to_owned()));
            }
            Err(error) => found.unreadable.push((path.clone(), error.to_string())),
        }
    }
    Ok(found)
}

fn walk(root: &Path, follow: bool, filter: &Filter, found: &mut Found, seen: &mut HashSet<PathBuf>) {
    let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_owned();
    let walked =
        WalkDir::new(root).follow_links(follow).follow_root_links(true).sort_by_file_name().into_iter();
    let walked = walked.filter_entry(|entry| entry.depth() == 0 || !filter.leaves_out(&below(entry.path())));
    for entry in walked {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                let why = match error.loop_ancestor() {
                    Some(ancestor) => format!("a link that leads back to {}", ancestor.display()),
                    None => error.io_error().map_or_else(|| error.to_string(), io::Error::to_string),
                };
                found.unreadable.push((path, why));
                continue;
            }
        };
        let kind = entry.file_type();
        if kind.is_dir() || !filter.takes(&below(entry.path())) {
            continue;
        }
        let path = entry.path();
        if kind.is_symlink() {
            found.left_out.push((path.to_owned(), "a symbolic link: --follow sends what it leads to"));
        } else if !kind.is_file() {
            found.left_out.push((path.to_owned(), "a pipe, a socket or a device"));
        } else {
            match entry.metadata() {
                Ok(about) => add(path, about.len(), found, seen),
                Err(error) => found.unreadable.push((path.to_owned(), error.to_string())),
            }
        }
    }
}

fn add(shown: &Path, length: u64, found: &mut Found, seen: &mut HashSet<PathBuf>) {
    match std::path::absolute(shown) {
        Ok(path) if seen.insert(path.clone()) => {
            found.items.push(Item::File { shown: shown.to_owned(), path, length });
        }
        Ok(_) => {}
        Err(error) => found.unreadable.push((shown.to_owned(), error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn found(args: &[&str]) -> Result<(Vec<String>, Found), Failure> {
        let cli = Cli::try_parse_from(["telestore", "send"].iter().chain(args)).unwrap();
        let Command::Send(args) = cli.command else { panic!("it is not send") };
        let root = args.paths[0].clone();
        let found = find(&args)?;
        let names = found.items.iter().map(|item| match item {
            Item::File { shown, .. } => shown.strip_prefix(&root).unwrap().to_string_lossy().into_owned(),
            Item::Input => "-".to_owned(),
        });
        Ok((names.collect(), found))
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_walked_by_patterns() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["b.mkv", "a/x.mkv", "a/x.txt", "a/.hidden", "skip/y.mkv"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "bytes").unwrap();
        }
        std::os::unix::fs::symlink("b.mkv", dir.path().join("link.mkv")).unwrap();
        std::os::unix::fs::symlink("..", dir.path().join("a/loop")).unwrap();
        let root = dir.path().to_str().unwrap();
        let names = |args: &[&str]| found(&[&[root], args].concat()).unwrap().0;
        assert_eq!(names(&[]), ["a/.hidden", "a/x.mkv", "a/x.txt", "b.mkv", "skip/y.mkv"]);
        assert_eq!(names(&["--include", "*.mkv", "--exclude", "skip"]), ["a/x.mkv", "b.mkv"]);
        assert_eq!(names(&["--include", "a/*.mkv"]), ["a/x.mkv"]);
        assert_eq!(names(&["--exclude", "**/*.mkv"]), ["a/.hidden", "a/x.txt"]);
        assert_eq!(found(&[root]).unwrap().1.left_out.len(), 2, "links are left out");
        let (followed, all) = found(&[root, "--follow"]).unwrap();
        assert_eq!(followed, ["a/.hidden", "a/x.mkv", "a/x.txt", "b.mkv", "link.mkv", "skip/y.mkv"]);
        assert!(all.unreadable[0].1.contains("leads back"), "{:?}", all.unreadable);
        assert!(found(&[root, "--include", "[a"]).is_err());
        let twice = found(&[root, root, "-", "-"]).unwrap().0;
        assert_eq!(twice.len(), 6, "{twice:?}");
    }
}
