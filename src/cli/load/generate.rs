//! `fingerpost load generate`: the data as files for any server.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use fingerpost::load::data::Data;
use fingerpost::load::generate::generate;

/// Lines of each file of queries where nothing else is said.
pub(super) const QUERIES: u32 = 100_000;

/// `fingerpost load generate …`
#[derive(Args)]
pub(crate) struct Generate {
    /// What to write, such as services=10000,instances=8; also namespaces, ttl, seed, records=a+aaaa+srv, limit
    #[arg(value_name = "DATA", default_value = "")]
    data: Data,

    /// The folder, made where it is missing; files of the same names are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Lines of each file of queries
    #[arg(long, value_name = "N", default_value_t = QUERIES)]
    queries: u32,
}

pub(crate) const EXAMPLES: &str = "\
Writes declaration.yaml for `fingerpost serve --declare`, the same as zone files for any server (zones/, listed in
zones.txt), and queries as dnsperf reads them (queries.txt, a mix; queries/, by kind).

Examples:
  fingerpost load generate services=10000,instances=8 --out data
  fingerpost load generate services=125k,instances=8,records=a+srv,ttl=60,seed=7 --out /tmp/million
  fingerpost serve --declare data/declaration.yaml";

impl Generate {
    /// Writes the files, and says how much.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let begun = Instant::now();
        let generated = generate(&self.data, &self.out, self.queries)?;
        let Data { namespaces, services, .. } = self.data;
        writeln!(
            io::stdout(),
            "{}: {namespaces} namespaces, {services} services, {} instances, {} records; {} files, {:.1} MB, in {:.1} s\n{}",
            self.out.display(),
            self.data.total(),
            generated.records,
            generated.files,
            generated.octets as f64 / 1e6,
            begun.elapsed().as_secs_f64(),
            self.data
        )?;
        Ok(ExitCode::SUCCESS)
    }
}
