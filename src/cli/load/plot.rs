//! `fingerpost load plot`: reports as a picture.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use fingerpost::load::plot::{self, plot};

use super::compare::read_all;

/// `fingerpost load plot …`
#[derive(Args)]
pub(crate) struct Plot {
    /// Reports; those of one label are repeats, and one line
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,

    /// Where the picture goes, which is SVG
    #[arg(long, value_name = "FILE.svg", value_parser = svg)]
    out: PathBuf,

    /// What to draw, one below the other [default: percentiles, and rates where there are several, else the timeline]
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    chart: Vec<Kind>,

    /// What stands above
    #[arg(long, value_name = "TEXT", default_value = "")]
    title: String,
}

/// What can be drawn.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Latency by percentile
    Percentiles,
    /// Answers and p99 by rate
    Rates,
    /// Answers and p99 of each second
    Timeline,
}

pub(crate) const EXAMPLES: &str = "\
Colours can be told apart with any kind of sight, and lines have marks. Of repeats, medians are drawn by rate, with a \
bar from the smallest to the largest.

Examples:
  fingerpost load plot ours-1.json ours-2.json theirs-1.json theirs-2.json --out rates.svg
  fingerpost load plot run.json --chart percentiles,timeline --title Release --out run.svg";

impl Plot {
    /// Draws.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let kinds: Vec<plot::Kind> = self.chart.iter().map(|kind| kind.plotted()).collect();
        let Some(picture) = plot(&read_all(&self.reports)?, &kinds, &self.title) else {
            bail!("there is nothing to draw: no report has a step with what the chart shows");
        };
        fs::write(&self.out, picture).with_context(|| format!("{} cannot be written", self.out.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads the name of a picture: [`plot`] says why there is only SVG.
pub(super) fn svg(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_svg = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
    if is_svg { Ok(path) } else { Err("only SVG is drawn; allowed are names that end in .svg".into()) }
}

impl Kind {
    /// The same for the library, which knows no arguments.
    fn plotted(self) -> plot::Kind {
        match self {
            Self::Percentiles => plot::Kind::Percentiles,
            Self::Rates => plot::Kind::Rates,
            Self::Timeline => plot::Kind::Timeline,
        }
    }
}
