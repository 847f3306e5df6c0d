//! The `fingerpost` program: arguments, one match over subcommands, and the way from an error to an exit code.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use fingerpost::channel::file;
use fingerpost::config::{Config, Faults, Options};
use fingerpost::server;

use self::cli::{
    apply, completions, create, delete, deregister, discover, export, get, health, import, is_closed_pipe, is_usage,
    load, register, resolvconf, run, watch,
};

mod cli;
mod logging;

/// Of the program alone: the library leaves the choice to whoever uses it. `.cargo/config.toml` says how it is set up.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    /// Serve the AWS Cloud Map API, and DNS for what is registered and declared
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<Options>),
    /// Validate configuration (*.toml) and declaration files, and do nothing else
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// Declaration files, zone files, or folders of both; those that end in .toml are configuration
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Apply a CloudFormation template through the API
    #[command(after_help = apply::EXAMPLES)]
    Apply(Box<apply::Apply>),
    /// List namespaces, services, instances or operations of a server
    #[command(after_help = get::EXAMPLES)]
    Get(get::Get),
    /// Register an instance, or replace it
    #[command(after_help = register::EXAMPLES)]
    Register(Box<register::Register>),
    /// Deregister instances
    #[command(after_help = deregister::EXAMPLES)]
    Deregister(deregister::Deregister),
    /// Ask for a service's instances as programs do
    #[command(after_help = discover::EXAMPLES)]
    Discover(Box<discover::Discover>),
    /// Print a service's instances as they come, go and change
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::Watch),
    /// Say that an instance is healthy or unhealthy
    #[command(after_help = health::EXAMPLES)]
    Health(health::Health),
    /// Create a namespace or a service
    #[command(after_help = create::EXAMPLES)]
    Create(create::Create),
    /// Delete a namespace or a service
    #[command(after_help = delete::EXAMPLES)]
    Delete(delete::Delete),
    /// Write a registry as a declaration file
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
    /// Read declaration files into a registry
    #[command(after_help = import::EXAMPLES)]
    Import(import::Import),
    /// Run a command that is registered while it is healthy, and drained before it stops
    #[command(after_help = run::EXAMPLES)]
    Run(Box<run::Run>),
    /// Make Fingerpost the first nameserver of a resolv.conf, or undo that
    #[command(after_help = resolvconf::EXAMPLES)]
    Resolvconf(resolvconf::Resolvconf),
    /// Put load on a DNS server and check its answers; write data for it, compare and draw what came of it
    #[command(after_help = load::EXAMPLES)]
    Load(Box<load::Load>),
    /// Print a completion script for a shell
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Completions),
}

const EXAMPLES: &str = "\
Examples:
  fingerpost serve --declare examples/production.yaml
  fingerpost check /etc/fingerpost/fingerpost.toml /etc/fingerpost/namespaces
  dig @127.0.0.1 -p 5300 api.production.local

  fingerpost create namespace production.local
  fingerpost create service api --namespace production.local --record A:10
  fingerpost register api.production.local --id task-1 --ip 10.0.1.11
  fingerpost get instances api.production.local
  fingerpost apply examples/cloudformation/two-services.yaml --dry-run

Exit codes: 0 done, 64 bad usage, 78 bad configuration, 1 anything else.";

const SERVE_EXAMPLES: &str = "\
A flag wins over its environment variable, that over the configuration file, that over the default. An option's key
in the file is its flag without dashes in front.

Examples:
  Serve one file on the default address, then ask it:
    fingerpost serve --declare examples/production.yaml
    dig @127.0.0.1 -p 5300 api.production.local

  Serve what comes through the API, kept in a folder:
    fingerpost serve --data-dir /var/lib/fingerpost
    aws servicediscovery list-namespaces --endpoint-url http://127.0.0.1:8300

  Serve a folder on all addresses, IPv4 and IPv6, port 53:
    fingerpost serve --declare /etc/fingerpost/namespaces --dns 0.0.0.0:53 --dns '[::]:53'

  The same from the environment:
    FINGERPOST_DECLARE=/etc/fingerpost/namespaces FINGERPOST_DNS='0.0.0.0:53,[::]:53' fingerpost serve

  Beside a task, answer what another server answers, from memory and without a store:
    fingerpost serve --follow http://10.0.0.10:8301 --namespaces production.local --workers 1

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
    match perform(arguments.command) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fingerpost: {error:#}");
            if error.is::<Faults>() {
                ExitCode::from(BAD_CONFIGURATION)
            } else if is_usage(&error) {
                ExitCode::from(BAD_USAGE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Does what was asked. A [`Faults`] error means that the configuration or a declaration is to blame.
fn perform(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Apply(apply) => apply.run(),
        Command::Serve(options) => {
            let config = Config::load(*options)?;
            logging::start(&config);
            server::run(config)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { paths } => check(&paths),
        Command::Get(get) => done(get.run()),
        Command::Register(register) => done(register.run()),
        Command::Deregister(deregister) => done(deregister.run()),
        Command::Discover(discover) => done(discover.run()),
        Command::Watch(watch) => done(watch.run()),
        Command::Health(health) => done(health.run()),
        Command::Create(create) => done(create.run()),
        Command::Delete(delete) => done(delete.run()),
        Command::Export(export) => done(export.run()),
        Command::Import(import) => done(import.run()),
        Command::Run(run) => run.run(),
        Command::Resolvconf(resolvconf) => done(resolvconf.run()),
        Command::Load(load) => load.run(),
        Command::Completions(completions) => done(completions.run(Arguments::command())),
    }
}

/// The exit code of what has no other than failure or success.
fn done(result: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
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

#[cfg(test)]
mod tests {
    use fingerpost::model::{NamespaceId, OperationId, ServiceId};

    use super::*;

    /// The command lines in the help of a command and of those below it, in words, without what follows a pipe.
    fn examples(command: &clap::Command) -> Vec<Vec<String>> {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().map(str::trim).filter(|line| line.starts_with("fingerpost "));
        let words = |line: &str| {
            let words = line.split_whitespace().take_while(|word| !["|", ">"].contains(word));
            words.map(|word| word.trim_matches('\'').to_owned()).collect()
        };
        lines.map(words).chain(command.get_subcommands().flat_map(examples)).collect()
    }

    #[test]
    fn examples_are_as_people_would_type_them() {
        let examples = examples(&Arguments::command());
        assert!(examples.len() > 30, "{examples:?}");
        for example in examples {
            let parsed = Arguments::try_parse_from(&example).map(|_| ());
            assert!(parsed.is_ok(), "{example:?}: {parsed:?}");
            for word in &example {
                assert!(!word.starts_with("ns-") || NamespaceId::parse(word).is_some(), "{example:?}");
                assert!(!word.starts_with("srv-") || ServiceId::parse(word).is_some(), "{example:?}");
            }
            if let [_, get, operations, id] = &*example
                && (&**get, &**operations) == ("get", "operations")
            {
                assert!(OperationId::parse(id).is_some(), "{example:?}");
            }
        }
    }
}
