//! The `fingerpost` program: arguments, one match over subcommands, and the way from an error to an exit code.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fingerpost::channel::file;
use fingerpost::config::{Config, Faults, Options};
use fingerpost::server;

mod apply;
mod logging;

/// Exit code of bad usage: `EX_USAGE` of sysexits.h.
const BAD_USAGE: u8 = 64;

/// Exit code of a bad configuration: `EX_CONFIG` of sysexits.h.
const BAD_CONFIGURATION: u8 = 78;

/// A self-hosted AWS Cloud Map in front of a fast authoritative DNS data plane
#[derive(Parser)]
#[command(name = "fingerpost", version, after_help = EXAMPLES)]
struct Arguments {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Apply a CloudFormation template through the API
    #[command(after_help = apply::EXAMPLES)]
    Apply(Box<apply::Apply>),
    /// Answer DNS for the declared namespaces
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<Options>),
    /// Validate configuration (*.toml) and declaration files, and do nothing else
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// Declaration files, zone files, or folders of both; those that end in .toml are configuration
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

const EXAMPLES: &str = "\
Examples:
  fingerpost serve --declare examples/production.yaml
  fingerpost check /etc/fingerpost/fingerpost.toml /etc/fingerpost/namespaces
  dig @127.0.0.1 -p 5300 api.production.local

Exit codes: 0 done, 64 bad usage, 78 bad configuration, 1 anything else.";

const SERVE_EXAMPLES: &str = "\
A flag wins over its environment variable, that over the configuration file, that over the default. An option's key
in the file is its flag without dashes in front.

Examples:
  Serve one file on the default address, then ask it:
    fingerpost serve --declare examples/production.yaml
    dig @127.0.0.1 -p 5300 api.production.local

  Serve a folder on all addresses, IPv4 and IPv6, port 53:
    fingerpost serve --declare /etc/fingerpost/namespaces --dns 0.0.0.0:53 --dns '[::]:53'

  The same from the environment:
    FINGERPOST_DECLARE=/etc/fingerpost/namespaces FINGERPOST_DNS='0.0.0.0:53,[::]:53' fingerpost serve

  From a file; `fingerpost check fingerpost.toml` validates it:
    fingerpost serve --config fingerpost.toml

Signals: SIGTERM and SIGINT stop gracefully; SIGHUP reads declarations and configuration again.";

const CHECK_EXAMPLES: &str = "\
Faults go to standard error, one a line, with file, line and reason; the exit code is 1 when there is any.

Examples:
  fingerpost check examples/production.yaml
  fingerpost check fingerpost.toml namespaces/";

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed pipe (`fingerpost --help | head -1`) is not worth a message.
            let _ = error.print();
            return match error.exit_code() {
                0 => ExitCode::SUCCESS,
                _ => ExitCode::from(BAD_USAGE),
            };
        }
    };
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("fingerpost: {error:#}");
            match error.is::<Faults>() {
                true => ExitCode::from(BAD_CONFIGURATION),
                false => ExitCode::FAILURE,
            }
        }
    }
}

/// Does what was asked. A [`Faults`] error means that the configuration or a declaration is to blame.
fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Apply(apply) => apply.run(),
        Command::Serve(options) => {
            let config = Config::load(*options)?;
            logging::start(&config);
            server::run(config)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { paths } => check(&paths),
    }
}

//----------- check ------------------------------------------------------------

/// Validates `paths`: faults to standard error, a summary to standard output.
fn check(paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let (configurations, declarations): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(|path| is_toml(path));
    let mut faults = Vec::new();
    let mut summary = Vec::new();
    for path in &configurations {
        match Config::check(path) {
            Ok(()) => summary.push(format!("{}: configuration is valid", path.display())),
            Err(Faults(found)) => faults.extend(found),
        }
    }
    if !declarations.is_empty() {
        match check_declarations(&declarations) {
            Ok(line) => summary.push(line),
            Err(Faults(found)) => faults.extend(found),
        }
    }
    for fault in &faults {
        eprintln!("{fault}");
    }
    if !faults.is_empty() {
        summary.push(format!("{} {}", faults.len(), if faults.len() == 1 { "fault" } else { "faults" }));
    }
    let mut output = io::stdout().lock();
    for line in summary {
        writeln!(output, "{line}")?;
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Validates declarations and sums them up in a line.
fn check_declarations(paths: &[PathBuf]) -> Result<String, Faults> {
    file::check(paths).map(|summary| format!("declarations are valid: {summary}")).map_err(Faults::of)
}

/// Whether `path` is a configuration file by its name.
fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(OsStr::new("toml")))
}
