//! `fingerpost create`: namespaces and services.

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientOptions};
use serde_json::{Value, json};

use super::namespace::Namespace;
use super::service::Service;
use super::waiting::Waiting;
use super::{Usage, text};

/// `fingerpost create …`
#[derive(Args)]
pub(crate) struct Create {
    #[command(subcommand)]
    what: What,
}

/// What to create.
#[derive(Subcommand)]
enum What {
    /// Create a namespace; unless it is an HTTP one, DNS has a zone of its name then
    #[command(visible_alias = "ns", after_help = NAMESPACE_EXAMPLES)]
    Namespace(NewNamespace),
    /// Create a service in a namespace
    #[command(visible_alias = "svc", after_help = SERVICE_EXAMPLES)]
    Service(NewService),
}

/// `fingerpost create namespace …`
#[derive(Args)]
struct NewNamespace {
    /// The name, such as production.local
    name: String,

    /// Who can ask for it
    #[arg(long = "type", value_name = "TYPE", default_value = "private")]
    kind: Kind,

    /// VPC of a private namespace; any id will do, unless the server's configuration maps VPCs to networks
    #[arg(long, value_name = "ID", default_value = "vpc-default")]
    vpc: String,

    /// TTL of the zone's SOA record, which bounds how long resolvers keep that a name is not there [default: the
    /// server's]
    #[arg(long, value_name = "SECONDS")]
    soa_ttl: Option<u32>,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    client: ClientOptions,
}

/// Who can ask for a namespace.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// DNS clients of a VPC
    Private,
    /// All DNS clients
    Public,
    /// Nobody over DNS; the API alone
    Http,
}

/// `fingerpost create service …`
#[derive(Args)]
struct NewService {
    /// The name in its namespace, such as api
    name: String,

    /// The namespace
    #[arg(short, long, value_name = "NAME|ID")]
    namespace: String,

    /// Records of each instance: A, AAAA, SRV or CNAME, with their TTL in seconds; repeat it
    #[arg(long, value_name = "TYPE:TTL", value_parser = record)]
    record: Vec<Record>,

    /// No records: in a DNS namespace, a service for DiscoverInstances alone
    #[arg(long, conflicts_with = "record")]
    no_records: bool,

    /// Answer with one instance, drawn at random, rather than with up to eight; CNAME records always do
    #[arg(long)]
    weighted: bool,

    /// Let `fingerpost health` say how instances are
    #[arg(long)]
    custom_health: bool,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    #[command(flatten)]
    client: ClientOptions,
}

const NAMESPACE_EXAMPLES: &str = "\
Examples:
  fingerpost create namespace production.local
  fingerpost create namespace production.local --vpc vpc-0abc123def456789 --soa-ttl 15
  fingerpost create namespace jobs --type http";

const SERVICE_EXAMPLES: &str = "\
Examples:
  fingerpost create service api -n production.local --record A:10 --custom-health
  fingerpost create service grpc -n production.local --record A:10 --record SRV:10
  fingerpost create service worker -n jobs";

pub(crate) const EXAMPLES: &str = "\
Examples:
  fingerpost create namespace production.local
  fingerpost create service api -n production.local --record A:10 --custom-health";

impl Create {
    /// Creates it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Namespace(namespace) => namespace.run(),
            What::Service(service) => service.run(),
        }
    }
}

impl NewNamespace {
    /// Creates it.
    fn run(self) -> anyhow::Result<()> {
        let mut input = json!({"Name": self.name});
        let action = match self.kind {
            Kind::Private => Action::CreatePrivateDnsNamespace,
            Kind::Public => Action::CreatePublicDnsNamespace,
            Kind::Http => Action::CreateHttpNamespace,
        };
        if self.kind == Kind::Private {
            input["Vpc"] = self.vpc.into();
        }
        if let Some(ttl) = self.soa_ttl {
            if self.kind == Kind::Http {
                return Err(Usage("--soa-ttl: an HTTP namespace has no zone; leave it away".into()).into());
            }
            input["Properties"] = json!({"DnsProperties": {"SOA": {"TTL": ttl}}});
        }
        if let Some(description) = self.description {
            input["Description"] = description.into();
        }
        let client = Client::new(&self.client)?;
        let operation = client.start(action, &input)?;
        let name = self.name;
        if !self.waiting.see_through(&client, &operation)? {
            return Ok(writeln!(io::stdout(), "creating namespace {name}: operation {operation}")?);
        }
        let answer = client.call(Action::GetOperation, &json!({"OperationId": operation}))?;
        let id = answer.pointer("/Operation/Targets/NAMESPACE").and_then(Value::as_str).unwrap_or_default();
        Ok(writeln!(io::stdout(), "created namespace {name} ({id})")?)
    }
}

impl NewService {
    /// Creates it.
    fn run(self) -> anyhow::Result<()> {
        let client = Client::new(&self.client)?;
        let namespace = Namespace::find(&client, &self.namespace)?;
        let mut input = json!({"Name": self.name, "NamespaceId": namespace.id()});
        match (self.record.is_empty(), namespace.is_dns()) {
            (true, true) if self.no_records => input["Type"] = "HTTP".into(),
            (true, true) => {
                let text = format!(
                    "{} is in DNS: say which records instances get, as in --record A:10, or --no-records",
                    namespace.name()
                );
                return Err(Usage(text).into());
            }
            (true, false) => {}
            (false, _) => {
                let records: Vec<Value> =
                    self.record.iter().map(|Record(kind, ttl)| json!({"Type": kind, "TTL": ttl})).collect();
                let weighted = self.weighted || self.record.iter().any(|Record(kind, _)| kind == "CNAME");
                let policy = if weighted { "WEIGHTED" } else { "MULTIVALUE" };
                input["DnsConfig"] = json!({"RoutingPolicy": policy, "DnsRecords": records});
            }
        }
        if self.custom_health {
            input["HealthCheckCustomConfig"] = json!({});
        }
        if let Some(description) = self.description {
            input["Description"] = description.into();
        }
        let mut answer = client.call(Action::CreateService, &input)?;
        let value = answer.get_mut("Service").map(Value::take).unwrap_or_default();
        let service = Service { value, namespace };
        let (name, id) = (service.full_name(), text(&service.value, "Id"));
        Ok(writeln!(io::stdout(), "created service {name} ({id})")?)
    }
}

/// A record type with its TTL.
#[derive(Clone)]
struct Record(String, u32);

/// Reads `A:10`.
fn record(text: &str) -> Result<Record, String> {
    let refuse = || "allowed is TYPE:TTL, such as A:10; types are A, AAAA, SRV and CNAME".to_owned();
    let (kind, ttl) = text.split_once(':').ok_or_else(refuse)?;
    let kind = kind.to_ascii_uppercase();
    match (["A", "AAAA", "SRV", "CNAME"].contains(&kind.as_str()), ttl.parse()) {
        (true, Ok(ttl)) => Ok(Record(kind, ttl)),
        _ => Err(refuse()),
    }
}
