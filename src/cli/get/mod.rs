//! `fingerpost get`: what there is.

mod instances;
mod namespaces;
mod operations;
mod services;

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use fingerpost::client::{Client, ClientOptions};
use serde_json::Value;

use super::output::Output;

/// `fingerpost get …`
#[derive(Args)]
pub(crate) struct Get {
    #[command(subcommand)]
    what: What,
}

/// What to list.
#[derive(Subcommand)]
enum What {
    /// List namespaces
    #[command(visible_aliases = ["namespace", "ns"], after_help = namespaces::EXAMPLES)]
    Namespaces(namespaces::Namespaces),
    /// List services
    #[command(visible_aliases = ["service", "svc"], after_help = services::EXAMPLES)]
    Services(services::Services),
    /// List the instances of a service with their health
    #[command(visible_alias = "instance", after_help = instances::EXAMPLES)]
    Instances(instances::Instances),
    /// List operations: what was asked for, and how it went
    #[command(visible_alias = "operation", after_help = operations::EXAMPLES)]
    Operations(operations::Operations),
}

/// Flags of every list.
#[derive(Args)]
struct Common {
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    client: ClientOptions,
}

impl Common {
    /// The client.
    fn connect(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.client)?)
    }
}

/// The examples of the command as a whole.
pub(crate) const EXAMPLES: &str = "\
Examples:
  fingerpost get namespaces
  fingerpost get services --namespace production.local
  fingerpost get instances api.production.local
  fingerpost get operations --output json";

impl Get {
    /// Lists it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Namespaces(namespaces) => namespaces.run(),
            What::Services(services) => services.run(),
            What::Instances(instances) => instances.run(),
            What::Operations(operations) => operations.run(),
        }
    }
}

/// How long ago a moment of the API is, in its largest unit: `12s`, `5m`, `3h`, `20d`.
fn age(moment: Option<&Value>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let Some(moment) = moment.and_then(Value::as_f64) else { return String::new() };
    match now.saturating_sub(moment as u64) {
        seconds @ ..120 => format!("{seconds}s"),
        seconds @ ..7_200 => format!("{}m", seconds / 60),
        seconds @ ..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A number of the API as text.
fn number(value: Option<&Value>) -> String {
    value.and_then(Value::as_u64).map(|number| number.to_string()).unwrap_or_default()
}
