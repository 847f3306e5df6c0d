//! For whom output is, and whether it has colours.

use std::env;
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

use super::table::Table;

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Columns for people
    #[default]
    Table,
    /// More columns
    Wide,
    /// An array of objects, for programs
    Json,
}

impl Output {
    /// Prints a list: what `table` makes of it, wide or not, or `items` as an array. Of an empty one, people get `none`
    /// on standard error instead.
    pub(super) fn print(
        self,
        items: &[Value],
        table: impl FnOnce(bool) -> Table,
        none: impl FnOnce() -> String,
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self == Self::Json {
            return writeln!(out, "{}", serde_json::to_string_pretty(items)?);
        }
        if items.is_empty() {
            return writeln!(io::stderr(), "{}", none());
        }
        table(self == Self::Wide).write(&mut out, colours())
    }
}

/// Whether standard output takes colours: a terminal that is not a dumb one, and nobody says `NO_COLOR`.
pub(super) fn colours() -> bool {
    let unset = |name: &str| env::var_os(name).is_none_or(|value| value.is_empty());
    io::stdout().is_terminal() && unset("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}
