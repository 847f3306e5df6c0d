//! `fingerpost load`: the load harness.

mod ask;
mod churn;
mod compare;
mod generate;
mod plot;
mod signals;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::ask::Ask;

/// `fingerpost load …`
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Load {
    #[command(flatten)]
    ask: Ask,

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

pub(crate) const EXAMPLES: &str = "\
Asks a DNS server, any of them, and says how fast and how right it answers. With --rate, queries are sent when they are \
due, however slow the server is, and their latency counts from then: a server that stalls for a second shows a second in \
every query of it. Without, as many queries as --outstanding are under way at most.

Every answer is checked against the data: response code, addresses, ports, number of records, TTL, no record twice. The \
exit code is 1 if one was wrong, if nothing was answered, if changes failed, or if more was lost than --max-loss allows. \
SIGINT ends a run early, with its report.

Examples:
  Make data, serve it, ask for it at 50,000 queries a second:
    fingerpost load generate services=10000,instances=8 --out data
    fingerpost serve --declare data/declaration.yaml
    fingerpost load --server 127.0.0.1:5300 --generate services=10000,instances=8 --rate 50k

  As fast as it answers, from 1000 source ports, the thread on core 1, kept as JSON:
    fingerpost load --server 10.0.0.1:53 --sockets 1000 --cores 1 --outstanding 500 --json run.json

  Ten rates one after the other, drawn:
    fingerpost load --server 10.0.0.1:53 --rate 10k..100k/10k --duration 5s --plot rates.svg

  Over TCP, a mix, some names more popular than others:
    fingerpost load --server 10.0.0.1:53 --transport tcp --mix a=80,srv=10,nxdomain=10 --popularity zipf";

impl Load {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Some(Part::Compare(compare)) => compare.run(),
            Some(Part::Plot(plot)) => plot.run(),
            Some(Part::Generate(generate)) => generate.run(),
            None => self.ask.run(),
        }
    }
}
