//! Results of this and earlier runs, as JSON, and the tables in `PERFORMANCE.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::table::Table;
use crate::{Result, goals, plot};

const RESULTS: &str = "performance/results.json";
const PLOT: &str = "performance/growth.svg";

/// The newest figures of each section. A run of some sections leaves the others as they are.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sections: BTreeMap<String, Section>,
}

/// What one run found out about one subject. Results of an older version may lack something.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Section {
    pub(crate) machine: String,
    pub(crate) revision: String,
    pub(crate) date: String,
    pub(crate) rounds: usize,
    /// How long all of it took.
    pub(crate) seconds: f64,
    /// The share of the machine's CPU time that went to others meanwhile.
    pub(crate) others: f64,
    pub(crate) tables: Vec<Table>,
}

impl Section {
    /// The tables, and which run they are from.
    pub(crate) fn markdown(&self) -> String {
        let tables: Vec<_> = self.tables.iter().map(Table::markdown).collect();
        format!(
            "{}\n{}, revision {}, rounds: {}, {:.0} s; {}; {:.0} % of the CPU went to others.\n",
            tables.join("\n"),
            self.date,
            self.revision,
            self.rounds,
            self.seconds,
            self.machine,
            self.others * 100.0
        )
    }

    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl Report {
    /// What stands below `docs`; nothing if nothing was measured yet.
    pub(crate) fn load(docs: &Path) -> Result<Self> {
        match fs::read(docs.join(RESULTS)) {
            Ok(json) => Ok(serde_json::from_slice(&json)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn table(&self, section: &str, name: &str) -> Option<&Table> {
        self.sections.get(section)?.table(name)
    }

    /// Which goals are reached.
    pub(crate) fn goals(&self) -> String {
        goals::markdown(|[section, table, row, column]| self.table(section, table)?.median(row, column))
    }

    /// Writes results, plot, and the tables between their markers.
    pub(crate) fn save(&self, docs: &Path) -> Result<()> {
        fs::create_dir_all(docs.join("performance"))?;
        fs::write(docs.join(RESULTS), serde_json::to_string_pretty(self)? + "\n")?;
        if let (Some(uploads), Some(sizes)) = (self.table("growth", "uploads"), self.table("growth", "sizes"))
        {
            fs::write(docs.join(PLOT), plot::svg(uploads, sizes))?;
        }
        let path = docs.join("PERFORMANCE.md");
        let mut text = fs::read_to_string(&path)?;
        for (name, section) in &self.sections {
            text = between_markers(&text, name, &section.markdown())?;
        }
        text = between_markers(&text, "goals", &self.goals())?;
        Ok(fs::write(path, text)?)
    }
}

/// Puts `new` between `<!-- bench:name -->` and `<!-- /bench:name -->`.
fn between_markers(text: &str, name: &str, new: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- bench:{name} -->\n"), format!("<!-- /bench:{name} -->"));
    let missing = || format!("PERFORMANCE.md has no markers for {name}");
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n{new}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_stands_between_the_markers_again_and_again() {
        let text = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n";
        let once = between_markers(text, "x", "| new |").unwrap();
        assert_eq!(once, "a\n<!-- bench:x -->\n\n| new |\n<!-- /bench:x -->\nb\n");
        assert_eq!(between_markers(&once, "x", "| new |").unwrap(), once);
        assert!(between_markers(text, "y", "").is_err());
    }

    #[test]
    fn the_document_has_markers_for_every_section() {
        let text = include_str!("../../docs/PERFORMANCE.md");
        for name in [
            "goals", "receive", "complete", "send", "read", "pipeline", "poll", "growth", "small", "many",
            "pools", "index",
        ] {
            assert!(between_markers(text, name, "").is_ok(), "no markers for {name}");
        }
    }
}
