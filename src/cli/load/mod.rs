//! `fingerpost load`: the load harness.

mod generate;

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
    /// Write data as files that any server can serve
    #[command(after_help = generate::EXAMPLES)]
    Generate(generate::Generate),
}

impl Load {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Some(Part::Generate(generate)) => generate.run(),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}
