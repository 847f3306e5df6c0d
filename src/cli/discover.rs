//! `fingerpost discover`: what clients of `DiscoverInstances` see.

use clap::{Args, ValueEnum};
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientOptions};
use serde_json::{Value, json};

use super::instance;
use super::output::Output;
use super::pairs::{self, Pair, pair};
use super::service::Service;

/// `fingerpost discover …`
#[derive(Args)]
pub(crate) struct Discover {
    /// The service: SERVICE.NAMESPACE, as in api.production.local, or its id srv-…
    service: String,

    /// Which instances by health [default: healthy, by the server]
    #[arg(long, value_name = "HEALTH")]
    health: Option<Filter>,

    /// Only instances with this attribute; repeat it
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    query: Vec<Pair>,

    /// Of those, instances with this attribute if there are any; repeat it
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    optional: Vec<Pair>,

    /// How many at most, up to 1000 [default: 100, by the server]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    max: Option<u16>,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    client: ClientOptions,
}

/// Which instances by health.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Filter {
    /// Healthy ones, and those of services without health checks
    Healthy,
    /// Unhealthy ones
    Unhealthy,
    /// All
    All,
    /// Healthy ones; all if none is healthy, as in DNS
    HealthyOrElseAll,
}

pub(crate) const EXAMPLES: &str = "\
Output json is an array of the API's HttpInstanceSummary: InstanceId, NamespaceName, ServiceName, HealthStatus, \
Attributes.

Examples:
  fingerpost discover api.production.local
  fingerpost discover api.production.local --health all --output wide
  fingerpost discover api.production.local --query version=2 --optional zone=a --max 5";

impl Discover {
    /// Asks and prints.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (query, optional) = (pairs::object(self.query)?, pairs::object(self.optional)?);
        let client = Client::new(&self.client)?;
        let service = Service::find(&client, &self.service)?;
        let mut input = json!({"NamespaceName": service.namespace.http_name(), "ServiceName": service.name()});
        let mut add = |member: &str, value: Value| input[member] = value;
        if let Some(filter) = self.health {
            add("HealthStatus", filter.word().into());
        }
        if let Some(max) = self.max {
            add("MaxResults", max.into());
        }
        for (member, parameters) in [("QueryParameters", query), ("OptionalParameters", optional)] {
            if !parameters.is_empty() {
                add(member, parameters.into());
            }
        }
        let mut answer = client.call(Action::DiscoverInstances, &input)?;
        let found = answer.get_mut("Instances").map(Value::take);
        let found: Vec<Value> = found.and_then(|found| found.as_array().cloned()).unwrap_or_default();
        let none = || match self.health {
            Some(Filter::All) => format!("{} has no such instances", service.full_name()),
            _ => format!("{} has no such instances; --health all asks for unhealthy ones, too", service.full_name()),
        };
        Ok(self.output.print(&found, |wide| instance::table(&found, wide), none)?)
    }
}

impl Filter {
    /// The API's word.
    fn word(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
            Self::All => "ALL",
            Self::HealthyOrElseAll => "HEALTHY_OR_ELSE_ALL",
        }
    }
}
