use std::collections::HashMap;
use std::fmt;

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag, as `--port`.
    Flag(String),
    /// The environment, by its name there.
    Variable,
    /// A file of its own, which this variable names.
    SecretFile {
        /// The variable.
        variable: String,
        /// The file's path.
        path: String,
        /// The file's mode, if others than its owner may read it.
        open_mode: Option<u32>,
    },
    /// A file.
    File {
        /// Its path.
        path: String,
        /// Counted from 1.
        line: usize,
        /// Its name there.
        key: String,
    },
}

/// Where each setting that is set was written, by the name of its variable: people look for what is wrong where they wrote
/// it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins(HashMap<String, Origin>);

impl Origins {
    pub(crate) fn set(&mut self, variable: &str, origin: Origin) {
        self.0.insert(variable.to_owned(), origin);
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Origin> {
        self.0.values()
    }

    /// Whether the setting is set.
    pub(crate) fn has(&self, variable: &str) -> bool {
        self.0.contains_key(variable)
    }

    /// What its writer called a setting; the variable's name, if nobody has written it.
    pub(crate) fn name(&self, variable: &str) -> String {
        match self.0.get(variable) {
            Some(Origin::Flag(flag)) => flag.clone(),
            Some(Origin::SecretFile { variable, .. }) => variable.clone(),
            Some(Origin::File { path, line, key }) => Place { path, line: *line, key }.to_string(),
            Some(Origin::Variable) | None => variable.to_owned(),
        }
    }
}

/// A key in a file, as errors name it.
pub(crate) struct Place<'a> {
    pub(crate) path: &'a str,
    pub(crate) line: usize,
    pub(crate) key: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, line {})", self.key, self.path, self.line)
    }
}
