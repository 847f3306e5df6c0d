//! Tables: aligned columns under a header.

use std::io::{self, Write};

/// Blanks between two columns.
const GAP: usize = 3;

//----------- Paint ------------------------------------------------------------

/// How a text looks where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// As it is.
    Plain,
    /// A header.
    Bold,
    /// Of no importance.
    Dim,
    /// Good.
    Green,
    /// Bad.
    Red,
    /// On its way.
    Yellow,
}

impl Paint {
    /// The paint of a health status or the status of an operation.
    pub(super) fn of_status(status: &str) -> Self {
        match status {
            "HEALTHY" | "SUCCESS" => Self::Green,
            "UNHEALTHY" | "FAIL" => Self::Red,
            "SUBMITTED" | "PENDING" => Self::Yellow,
            "UNKNOWN" => Self::Dim,
            _ => Self::Plain,
        }
    }

    /// The text in this paint.
    pub(super) fn on(self, text: &str, colours: bool) -> String {
        let code = match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Plain => return text.to_owned(),
        };
        if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

//----------- Cell -------------------------------------------------------------

/// One field of a table.
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// The cell of a status.
    pub(super) fn status(status: &str) -> Self {
        Self { paint: Paint::of_status(status), ..status.into() }
    }

    /// A cell in a paint.
    pub(super) fn painted(text: &str, paint: Paint) -> Self {
        Self { paint, ..text.into() }
    }

    /// The cell of what may be absent.
    pub(super) fn or_dash(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self { text: "-".into(), paint: Paint::Dim } } else { text.into() }
    }
}

impl<S: Into<String>> From<S> for Cell {
    fn from(text: S) -> Self {
        Self { text: printable(&text.into()), paint: Paint::Plain }
    }
}

/// The text without what would move a terminal's cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

//----------- Table ------------------------------------------------------------

/// Rows under a header. Where rows lack cells at their end, these are empty.
pub(super) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(header: impl Into<Vec<&'static str>>) -> Self {
        Self { header: header.into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Writes it out; the last column of a line has no blanks behind it.
    pub(super) fn write(&self, out: &mut impl Write, colours: bool) -> io::Result<()> {
        let mut widths: Vec<usize> = self.header.iter().map(|name| name.len()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        line(out, &widths, self.header.iter().map(|name| (*name, Paint::Bold)), colours)?;
        for row in &self.rows {
            line(out, &widths, row.iter().map(|cell| (cell.text.as_str(), cell.paint)), colours)?;
        }
        out.flush()
    }
}

/// Writes one line.
fn line<'a>(
    out: &mut impl Write,
    widths: &[usize],
    cells: impl Iterator<Item = (&'a str, Paint)>,
    colours: bool,
) -> io::Result<()> {
    let mut text = String::new();
    let mut blanks = 0;
    for ((cell, paint), width) in cells.zip(widths) {
        text.extend(std::iter::repeat_n(' ', blanks));
        text.push_str(&paint.on(cell, colours));
        blanks = width - cell.chars().count() + GAP;
    }
    writeln!(out, "{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_colours_count_for_nothing() {
        let mut table = Table::new(["ID", "HEALTH", "X"]);
        table.row(vec!["task-1".into(), Cell::status("HEALTHY"), Cell::or_dash("")]);
        table.row(vec!["t\x1b".into(), Cell::status("UNHEALTHY"), "y".into()]);
        let mut plain = Vec::new();
        table.write(&mut plain, false).unwrap();
        let plain = String::from_utf8(plain).unwrap();
        assert_eq!(plain, "ID       HEALTH      X\ntask-1   HEALTHY     -\nt?       UNHEALTHY   y\n");
        let mut coloured = Vec::new();
        table.write(&mut coloured, true).unwrap();
        let coloured = String::from_utf8(coloured).unwrap();
        assert!(coloured.contains("task-1   \x1b[32mHEALTHY\x1b[0m     \x1b[2m-\x1b[0m\n"), "{coloured:?}");
    }
}
