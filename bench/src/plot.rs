//! The growth of speed and memory as a picture. Colours are such that it can be read on white and on black.

use std::fmt::Write;

use crate::table::Table;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 16.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = HEIGHT - 38.0;

const GREY: &str = "#808080";

/// A line: the column it shows, its name, and its colour.
type Line = (&'static str, &'static str, &'static str);

const SPEED: &[Line] = &[("receive", "receiving", "#3b82f6"), ("speed", "whole upload", "#f97316")];
const MEMORY: &[Line] = &[("rss", "peak RSS", "#10b981")];

/// Four panels: speed and memory over the number of uploads, and over the size of one.
pub(crate) fn svg(uploads: &Table, sizes: &Table) -> String {
    let (width, height) = (2.0 * WIDTH, 2.0 * HEIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\" fill=\"{GREY}\">\n"
    );
    let panels = [
        (uploads, SPEED, "MB/s", 0.0, 0.0),
        (sizes, SPEED, "MB/s", WIDTH, 0.0),
        (uploads, MEMORY, "MiB", 0.0, HEIGHT),
        (sizes, MEMORY, "MiB", WIDTH, HEIGHT),
    ];
    for (table, lines, unit, x, y) in panels {
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        let panel = Panel::new(table, lines, unit);
        panel.grid(&mut svg);
        panel.labels(&mut svg);
        panel.lines(&mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

struct Panel<'a> {
    table: &'a Table,
    lines: &'a [Line],
    unit: &'a str,
    /// Where the axis ends.
    top: f64,
}

impl<'a> Panel<'a> {
    fn new(table: &'a Table, lines: &'a [Line], unit: &'a str) -> Self {
        let all = table
            .rows
            .iter()
            .flat_map(|row| lines.iter().filter_map(|(column, ..)| table.median(&row.name, column)));
        let top = round_up(all.fold(0.0, f64::max));
        Self { table, lines, unit, top }
    }

    /// Where the row with this number stands.
    fn x(&self, row: usize) -> f64 {
        let step = (RIGHT - LEFT - 30.0) / (self.table.rows.len().max(2) - 1) as f64;
        LEFT + 15.0 + step * row as f64
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - value / self.top * (BOTTOM - TOP)
    }

    fn grid(&self, svg: &mut String) {
        for part in 0..=4 {
            let value = self.top * f64::from(part) / 4.0;
            let y = self.y(value);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"{GREY}\" stroke-opacity=\"0.3\"/>"
            );
            text(svg, LEFT - 6.0, y + 4.0, "end", &value.to_string());
        }
    }

    fn labels(&self, svg: &mut String) {
        for (index, row) in self.table.rows.iter().enumerate() {
            text(svg, self.x(index), BOTTOM + 15.0, "middle", &row.name);
        }
        text(svg, f64::midpoint(LEFT, RIGHT), BOTTOM + 31.0, "middle", &self.table.what);
        text(svg, LEFT - 6.0, TOP - 14.0, "end", self.unit);
    }

    fn lines(&self, svg: &mut String) {
        for (number, (column, name, colour)) in self.lines.iter().enumerate() {
            let (x, y) = (LEFT + 15.0 + 110.0 * number as f64, TOP - 14.0);
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>");
            let medians = self.table.rows.iter().map(|row| self.table.median(&row.name, column));
            let points =
                medians.enumerate().filter_map(|(index, value)| Some((self.x(index), self.y(value?))));
            line(svg, &points.collect::<Vec<_>>(), colour);
        }
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn line(svg: &mut String, points: &[(f64, f64)], colour: &str) {
    let path: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let path = path.join(" ");
    let _ =
        writeln!(svg, "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
    for (x, y) in points {
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
}

/// The next number that divides well into four.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1.0).log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|top| *top >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_above_the_largest_value() {
        for (value, top) in [(0.0, 1.0), (13.0, 16.0), (40.0, 40.0), (870.0, 1000.0), (1210.0, 1600.0)] {
            assert_eq!(round_up(value), top);
        }
    }
}
