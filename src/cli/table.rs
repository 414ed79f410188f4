//! Tables for people: aligned, coloured only where somebody looks.

use std::io::IsTerminal as _;

use ballast_chains::text::one_line;

use crate::config::Environment;

/// What a cell says about what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing particular.
    Plain,
    /// All is well.
    Good,
    /// Worth a look.
    Notable,
    /// A person has to act.
    Bad,
}

/// One cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

/// Rows under a header. Text stands left, what counts stands right.
#[derive(Debug)]
pub(super) struct Table {
    header: &'static [(&'static str, Side)],
    rows: Vec<Vec<Cell>>,
}

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl Cell {
    pub(super) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: one_line(&text.into()).into_owned(), tone }
    }
}

impl Table {
    pub(super) fn new(header: &'static [(&'static str, Side)]) -> Self {
        Self { header, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lines without trailing space.
    pub(super) fn lines(&self, colours: bool) -> Vec<String> {
        let header: Vec<Cell> = self.header.iter().map(|(title, _)| Cell::from(*title)).collect();
        let all = || std::iter::once(&header).chain(&self.rows);
        let mut widths = vec![0_usize; self.header.len()];
        for row in all() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let line = |row: &Vec<Cell>| {
            let columns = row.iter().zip(&widths).zip(self.header);
            let cells: Vec<String> = columns
                .map(|((cell, width), (_, side))| {
                    let room = " ".repeat(width.saturating_sub(cell.text.chars().count()));
                    let text = paint(cell, colours);
                    match side {
                        Side::Left => format!("{text}{room}"),
                        Side::Right => format!("{room}{text}"),
                    }
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        };
        all().map(line).collect()
    }
}

fn paint(cell: &Cell, colours: bool) -> String {
    let code = match cell.tone {
        Tone::Good => "32",
        Tone::Notable => "33",
        Tone::Bad => "31",
        Tone::Plain => return cell.text.clone(),
    };
    if colours { format!("\u{1b}[{code}m{}\u{1b}[0m", cell.text) } else { cell.text.clone() }
}

/// Whether standard output is a terminal whose owner has not said `NO_COLOR`.
pub(super) fn colours(environment: &Environment) -> bool {
    let unwanted =
        environment.get("NO_COLOR").is_ok_and(|set| set.is_some_and(|set| !set.is_empty()));
    std::io::stdout().is_terminal() && !unwanted
}

/// A span of time in its two largest units: `42s`, `3m 05s`, `2h 10m`, `4d 03h`.
pub(super) fn span(seconds: u64) -> String {
    let part = |unit: u64| seconds.checked_div(unit).unwrap_or_default();
    let rest = |unit: u64, of: u64| part(unit).checked_rem(of).unwrap_or_default();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", part(60), rest(1, 60)),
        3_600..86_400 => format!("{}h {:02}m", part(3_600), rest(60, 60)),
        _ => format!("{}d {:02}h", part(86_400), rest(3_600, 24)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_with_and_without_colours() {
        let mut table = Table::new(&[("NAME", Side::Left), ("N", Side::Right), ("X", Side::Left)]);
        table.row([Cell::toned("größer", Tone::Bad), "7".into(), "".into()]);
        table.row(["a".into(), "123".into(), "x".into()]);
        let plain = ["NAME      N  X", "größer    7", "a       123  x"];
        assert_eq!(table.lines(false), plain);
        let coloured = table.lines(true);
        assert_eq!(coloured[1], "\u{1b}[31mgrößer\u{1b}[0m    7");
    }

    #[test]
    fn a_cell_is_never_more_than_a_cell() {
        let mut table = Table::new(&[("A", Side::Left)]);
        table.row([Cell::toned("x\ny\u{1b}[2J", Tone::Bad)]);
        let lines = table.lines(true);
        assert_eq!(lines[1], "\u{1b}[31mx\\ny\\u{1b}[2J\u{1b}[0m");
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 00s"),
            (185, "3m 05s"),
            (3_600, "1h 00m"),
            (86_399, "23h 59m"),
            (357_000, "4d 03h"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }
}
