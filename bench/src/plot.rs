//! The growth of speed and memory as a picture. Colours are such that it can be read on white and on black.

use std::fmt::Write;

use crate::table::Table;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 38.0;

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
        panel(&mut svg, table, lines, unit);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, table: &Table, lines: &[Line], unit: &str) {
    let figure = |row: &str, column: &str| table.median(row, column).unwrap_or_default();
    let all = table.rows.iter().flat_map(|row| lines.iter().map(|line| figure(&row.name, line.0)));
    let top = round_up(all.fold(0.0, f64::max));
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    let at = |value: f64| bottom - value / top * (bottom - TOP);
    let step = (right - LEFT - 30.0) / (table.rows.len().max(2) - 1) as f64;
    let across = |index: usize| LEFT + 15.0 + step * index as f64;
    for part in 0..=4 {
        let value = top * f64::from(part) / 4.0;
        let y = at(value);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"{GREY}\" stroke-opacity=\"0.3\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    for (index, row) in table.rows.iter().enumerate() {
        let x = across(index);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 15.0,
            row.name
        );
    }
    let middle = f64::midpoint(LEFT, right);
    let _ = writeln!(
        svg,
        "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{unit}</text>",
        bottom + 31.0,
        table.what,
        LEFT - 6.0,
        TOP - 14.0
    );
    for (number, (column, name, colour)) in lines.iter().enumerate() {
        let x = LEFT + 15.0 + 110.0 * number as f64;
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>", TOP - 14.0);
        let points: Vec<_> = table
            .rows
            .iter()
            .enumerate()
            .map(|(index, row)| (across(index), at(figure(&row.name, column))))
            .collect();
        line(svg, &points, colour);
    }
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
