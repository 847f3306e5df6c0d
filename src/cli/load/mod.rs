//! `fingerpost load`: the load harness.

mod compare;
mod generate;
mod plot;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// `fingerpost load …`
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_required = true)]
pub(crate) struct Load {
    /// What else to do than to ask.
    #[command(subcommand)]
    command: Option<Part>,
}

/// What there is beside asking.
#[derive(Subcommand)]
enum Part {
    /// Say whether a run is better than another
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::Compare),
    /// Write data as files that any server can serve
    #[command(after_help = generate::EXAMPLES)]
    Generate(generate::Generate),
    /// Draw reports as a picture
    #[command(after_help = plot::EXAMPLES)]
    Plot(plot::Plot),
}

impl Load {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Some(Part::Compare(compare)) => compare.run(),
            Some(Part::Plot(plot)) => plot.run(),
            Some(Part::Generate(generate)) => generate.run(),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}
