//! `fingerpost apply`: a CloudFormation template through the API, plan first.

mod parameters;
mod show;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use fingerpost::client::{Client, ClientOptions};
use fingerpost::config::Faults;
use fingerpost::stack::{self, Action, Plan};
use fingerpost::template::{self, Evaluated, Purpose, Settings};

use self::show::Show;

/// Exit code of bad usage: `EX_USAGE` of sysexits.h.
const BAD_USAGE: u8 = 64;

/// How long to wait for one operation. They are done within milliseconds here, and within a minute at AWS.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the plan and the outputs are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Lines for people
    #[default]
    Table,
    /// One object, for programs
    Json,
}

/// The arguments.
#[derive(Args)]
pub(crate) struct Apply {
    /// The template, in YAML or JSON
    #[arg(value_name = "TEMPLATE", required_unless_present = "delete")]
    template: Option<PathBuf>,

    /// Values of parameters; LogicalId or LogicalId.Attribute gives the value of a resource that is ignored
    #[arg(long, value_name = "KEY=VALUE", num_args = 1.., value_parser = parameters::pair)]
    parameters: Vec<(String, String)>,

    /// Values of parameters, as an object or as the list that the AWS CLI takes
    #[arg(long, value_name = "FILE")]
    parameters_file: Option<PathBuf>,

    /// Name of the stack, which tells its resources from others [default: the template's file name]
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,

    /// Delete everything of the stack
    #[arg(long)]
    delete: bool,

    /// Show the plan and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// The value of AWS::AccountId
    #[arg(long, value_name = "ID", env = "FINGERPOST_ACCOUNT_ID", default_value = "000000000000")]
    account_id: String,

    /// How to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,

    #[command(flatten)]
    client: ClientOptions,
}

pub(crate) const EXAMPLES: &str = "\
The AWS::ServiceDiscovery resources of the template are created, updated and deleted through the API, so that the server
has what the template says; resources of other types are listed and ignored. What belongs to a stack is marked on the
server by tags: applying twice does nothing, and a run that failed is continued by the next.

The plan is shown first. On a terminal you are asked; elsewhere, deletions and replacements need --yes.

Examples:
  fingerpost apply examples/cloudformation/two-services.yaml --dry-run
  fingerpost apply examples/cloudformation/two-services.yaml --yes
  fingerpost apply examples/cloudformation/shop.yaml --stack shop-test --parameters Stage=test Vpc=vpc-0abc
  fingerpost apply --delete --stack shop-test

Exit codes: 0 done or nothing to do, 1 something failed, 64 bad usage, 78 the template has faults.";

impl Apply {
    /// Plans, asks and applies.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Some(name) = self.stack_name() else {
            eprintln!(
                "fingerpost: --stack: allowed are a letter and then letters, digits and -, {} in all",
                Settings::STACK_MAX
            );
            return Ok(ExitCode::from(BAD_USAGE));
        };
        let evaluated = if self.delete { None } else { Some(self.evaluate(&name)?) };
        let client = Client::new(&self.client)?;
        let mut plan = Plan::make(&client, &name, evaluated.as_ref())?;
        let json = self.output == Output::Json;
        let show = Show::new(&name, evaluated.as_ref(), !json);
        if !json {
            show.plan(&plan)?;
        }
        if self.dry_run || plan.is_empty() {
            show.end(&plan, json, self.dry_run, None)?;
            return Ok(ExitCode::SUCCESS);
        }
        if !self.yes && !self.may_go_on(&plan)? {
            return Ok(ExitCode::FAILURE);
        }
        let applied = stack::apply(&client, &mut plan, PATIENCE, |step| {
            if !json {
                // A closed pipe must not stop us half-way.
                let _ = show.done(step);
            }
        });
        let failure = applied.err().map(|error| show.covered(&error.to_string()));
        show.end(&plan, json, false, failure.as_deref())?;
        Ok(if failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// The name of the stack, if it can be one.
    fn stack_name(&self) -> Option<String> {
        let of_file = || self.template.as_deref().and_then(Path::file_stem).map(|stem| stem.to_string_lossy());
        let name = self.stack.clone().or_else(|| Some(Settings::stack_of(&of_file()?)))?;
        Settings::is_stack(&name).then_some(name)
    }

    /// Reads the template with what is given.
    fn evaluate(&self, name: &str) -> anyhow::Result<Evaluated> {
        let path = self.template.as_deref().unwrap_or_else(|| Path::new(""));
        let mut given = match &self.parameters_file {
            Some(path) => parameters::read(path)?,
            None => BTreeMap::new(),
        };
        given.extend(self.parameters.iter().cloned());
        let settings = Settings {
            stack: name.to_owned(),
            region: self.client.region()?,
            account_id: self.account_id.clone(),
            given,
            purpose: Purpose::Apply,
        };
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(template::read(&path.into(), &bytes, &settings).map_err(Faults::of)?)
    }

    /// Asks on a terminal; elsewhere only what takes nothing away goes on, and what was asked for by --delete.
    fn may_go_on(&self, plan: &Plan) -> anyhow::Result<bool> {
        let takes_away = plan.count(Action::Delete) + plan.count(Action::Replace) > 0;
        if !io::stdin().is_terminal() {
            if takes_away && !self.delete {
                eprintln!("fingerpost: nothing is done: the plan deletes or replaces resources; confirm it with --yes");
            }
            return Ok(!takes_away || self.delete);
        }
        let mut error = io::stderr().lock();
        write!(error, "Apply this plan? [y/N] ")?;
        error.flush()?;
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        let yes = matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes");
        if !yes {
            writeln!(error, "Nothing is done.")?;
        }
        Ok(yes)
    }
}
