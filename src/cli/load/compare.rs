//! `fingerpost load compare`: whether a run is better than another.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use fingerpost::load::compare::{Comparison, Figure, Sample, Verdict};
use fingerpost::load::report::{FORMAT, Report};
use fingerpost::load::words;

use crate::cli::Usage;
use crate::cli::output::colours;
use crate::cli::table::{Cell, Paint, Table};

/// `fingerpost load compare …`
#[derive(Args)]
pub(crate) struct Compare {
    /// The report of the older run; several, with commas between, are repeats of it
    #[arg(value_name = "OLD", value_parser = files, required_unless_present = "old", conflicts_with = "old")]
    first: Option<Files>,

    /// The report of the newer run, likewise
    #[arg(value_name = "NEW", value_parser = files, required_unless_present = "new", conflicts_with = "new")]
    second: Option<Files>,

    /// Reports of the older runs, as many as there are
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "new")]
    old: Vec<PathBuf>,

    /// Reports of the newer runs
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "old")]
    new: Vec<PathBuf>,

    /// A change that is of no interest, of throughput and latency
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    tolerance: f64,

    /// Compare although the runs asked for other things
    #[arg(long)]
    force: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Files of one side.
#[derive(Clone, Debug)]
struct Files(Vec<PathBuf>);

/// Reads names of files with commas between.
fn files(text: &str) -> Result<Files, String> {
    let files: Vec<PathBuf> = text.split(',').map(PathBuf::from).collect();
    let nameless = files.iter().any(|file| file.as_os_str().is_empty());
    if nameless { Err("allowed are names of files, with commas between".into()) } else { Ok(Files(files)) }
}

pub(crate) const EXAMPLES: &str = "\
Each figure is better, the same, worse, or it cannot be told: with several runs on a side, medians are compared, and a \
change counts if it is larger than both --tolerance and the noise. Loss may change by 0.1 %, and no answer may be wrong \
that was right.

Exit codes: 0 nothing is worse, 1 something is, or the runs cannot be compared, 64 bad usage.

Examples:
  fingerpost load compare old.json new.json
  fingerpost load compare old-1.json,old-2.json,old-3.json new-1.json,new-2.json,new-3.json --tolerance 2%
  fingerpost load compare --old old-1.json old-2.json --new new-1.json new-2.json --json";

impl Compare {
    /// Compares and prints; the exit code is 1 where something is worse.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (old, new) = match (self.first, self.second) {
            (Some(Files(old)), Some(Files(new))) => (old, new),
            _ => (self.old, self.new),
        };
        let comparison = Comparison::of(&read_all(&old)?, &read_all(&new)?, self.tolerance);
        let comparable = comparison.differences.is_empty();
        ensure!(
            comparable || self.force,
            "these runs asked for other things, and are not compared (--force does): {}",
            comparison.differences.join("; ")
        );
        let mut output = io::stdout().lock();
        if self.json {
            writeln!(output, "{}", serde_json::to_string_pretty(&comparison)?)?;
        } else {
            print(&comparison, &mut output)?;
        }
        Ok(if comparison.verdict == Verdict::Worse { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Reads reports.
pub(super) fn read_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Report>> {
    paths.iter().map(|path| read(path)).collect()
}

/// Reads one report.
fn read(path: &Path) -> anyhow::Result<Report> {
    let text = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let report: Report = serde_json::from_slice(&text).map_err(|error| {
        Usage(format!("{}: {error}; allowed is what `fingerpost load --json` writes", path.display()))
    })?;
    if report.format != FORMAT {
        let text = format!("{}: format {} is not known; this program reads {FORMAT}", path.display(), report.format);
        return Err(Usage(text).into());
    }
    Ok(report)
}

/// Reads a share such as `5%` or `0.05`.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    match number.trim().parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&(number / unit)) => Ok(number / unit),
        _ => Err("allowed are shares from 0 to 1, such as 0.05, or 5%".into()),
    }
}

//----------- Printing ---------------------------------------------------------

/// Prints the comparison for people.
fn print(comparison: &Comparison, output: &mut impl Write) -> anyhow::Result<()> {
    let mut table = Table::new(["RATE", "FIGURE", "OLD", "NEW", "CHANGE", "NOISE", "VERDICT"]);
    for step in &comparison.steps {
        for (index, figure) in step.figures.iter().enumerate() {
            let rate = if index == 0 { step.rate.as_str() } else { "" };
            let noise = figure.noise.map(|noise| format!("±{}", change(figure, noise).trim_start_matches('+')));
            table.row(vec![
                rate.into(),
                figure.name.into(),
                sample(figure, &figure.old).into(),
                sample(figure, &figure.new).into(),
                change(figure, figure.change).into(),
                Cell::or_dash(noise.unwrap_or_default()),
                verdict(figure.verdict),
            ]);
        }
    }
    table.write(output, colours())?;
    let notes = comparison.differences.iter().map(|text| format!("not the same in all runs: {text}"));
    for note in notes.chain(comparison.doubts.iter().cloned()).chain(comparison.unmatched.iter().cloned()) {
        writeln!(output, "{note}")?;
    }
    let single =
        comparison.steps.iter().flat_map(|step| &step.figures).all(|figure| figure.old.runs + figure.new.runs == 2);
    if single && !comparison.steps.is_empty() {
        writeln!(
            output,
            "one run on each side: noise is not known, and the tolerance of {} stands in for it",
            words::share(comparison.tolerance)
        )?;
    }
    let text = if comparison.steps.is_empty() { "no step is in both: cannot tell" } else { comparison.verdict.name() };
    writeln!(output, "{}", paint(comparison.verdict).on(text, colours()))?;
    Ok(())
}

/// A figure of some runs: the median, and from where to where there are several.
fn sample(figure: &Figure, sample: &Sample) -> String {
    let show = |value: f64| match figure.unit {
        "ns" => words::time(value),
        "share" => words::share(value),
        _ => format!("{}/s", words::amount(value)),
    };
    match sample.runs {
        1 => show(sample.median),
        _ => format!("{} ({} … {})", show(sample.median), show(sample.min), show(sample.max)),
    }
}

/// A change in percent; of shares, in points of a percent.
fn change(figure: &Figure, change: f64) -> String {
    if figure.unit == "share" { format!("{:+.3} points", change * 100.0) } else { words::change(change) }
}

/// The cell of a verdict.
fn verdict(verdict: Verdict) -> Cell {
    Cell::painted(verdict.name(), paint(verdict))
}

/// How a verdict looks.
fn paint(verdict: Verdict) -> Paint {
    match verdict {
        Verdict::Better => Paint::Green,
        Verdict::Same => Paint::Plain,
        Verdict::Worse => Paint::Red,
        Verdict::CannotTell => Paint::Yellow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_in_percent_or_not() {
        assert_eq!(
            ["5%", "0.05", "0", "100 %", "2.5%"].map(|text| share(text).unwrap()),
            [0.05, 0.05, 0.0, 1.0, 0.025]
        );
        for bad in ["", "%", "5", "-1%", "101%", "x", "NaN"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
