//! Figures by row and column, as Markdown and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// A figure: what every round gave, and the middle of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) rounds: Vec<f64>,
}

impl Figure {
    fn add(&mut self, value: f64) {
        self.rounds.push(rounded(value));
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        self.median = match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        };
    }
}

/// To five digits: more are noise.
fn rounded(value: f64) -> f64 {
    let unit = 10_f64.powf(value.abs().max(1e-9).log10().floor() - 4.0);
    // By way of its text, so that no tail of the division is left.
    format!("{:.*}", (-unit.log10()).max(0.0) as usize, value).parse().unwrap_or(value)
}

/// What stands in a column.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) decimals: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) figures: BTreeMap<String, Figure>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// The heading of the first column.
    pub(crate) what: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// A table without rows. Columns are key, title, and digits behind the point.
    pub(crate) fn new(name: &str, what: &str, columns: &[(&str, &str, usize)]) -> Self {
        let column = |(key, title, decimals): &(&str, &str, usize)| Column {
            key: (*key).to_owned(),
            title: (*title).to_owned(),
            decimals: *decimals,
        };
        let columns = columns.iter().map(column).collect();
        Self { name: name.to_owned(), what: what.to_owned(), columns, rows: Vec::new() }
    }

    /// Adds one round's figures to a row, which is made if it is new.
    pub(crate) fn record(&mut self, row: &str, figures: &[(&str, f64)]) {
        let at = self.rows.iter().position(|known| known.name == row).unwrap_or_else(|| {
            self.rows.push(Row { name: row.to_owned(), figures: BTreeMap::new() });
            self.rows.len() - 1
        });
        for (key, value) in figures {
            self.rows[at].figures.entry((*key).to_owned()).or_default().add(*value);
        }
    }

    pub(crate) fn median(&self, row: &str, column: &str) -> Option<f64> {
        let row = self.rows.iter().find(|known| known.name == row)?;
        row.figures.get(column).map(|figure| figure.median)
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("| {} |", self.what);
        for column in &self.columns {
            let _ = write!(text, " {} |", column.title);
        }
        let _ = write!(text, "\n| --- |{}", " ---: |".repeat(self.columns.len()));
        for row in &self.rows {
            let _ = write!(text, "\n| {} |", row.name);
            for column in &self.columns {
                match row.figures.get(&column.key) {
                    Some(figure) => {
                        let _ = write!(text, " {:.*} |", column.decimals, figure.median);
                    }
                    None => text.push_str(" |"),
                }
            }
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_five_digits() {
        assert_eq!(rounded(0.123_456_7), 0.123_46);
        assert_eq!(rounded(1.0 / 3.0 * 1e5), 33333.0);
        assert_eq!((rounded(1_234_567.8), rounded(0.0)), (1_234_568.0, 0.0));
        assert!(rounded(f64::NAN).is_nan());
    }

    #[test]
    fn shows_the_median_of_the_rounds() {
        let mut table = Table::new("t", "what", &[("a", "MB/s", 0), ("b", "ms", 1)]);
        for value in [3.0, 100.0, 2.0] {
            table.record("one", &[("a", value)]);
        }
        table.record("two", &[("a", 1.0), ("b", 2.25)]);
        assert_eq!(table.median("one", "a"), Some(3.0));
        let expected = "| what | MB/s | ms |\n| --- | ---: | ---: |\n| one | 3 | |\n| two | 1 | 2.2 |\n";
        assert_eq!(table.markdown(), expected);
    }
}
