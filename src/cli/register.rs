//! `fingerpost register`: an instance comes.

use std::io::{self, Write};
use std::net::IpAddr;

use clap::Args;
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientOptions};
use serde_json::{Map, Value, json};

use super::Usage;
use super::instance::endpoint;
use super::pairs::{self, Pair, pair};
use super::service::Service;
use super::waiting::Waiting;

/// `fingerpost register …`
#[derive(Args)]
pub(crate) struct Register {
    /// The service: SERVICE.NAMESPACE, as in api.production.local, or its id srv-…
    service: String,

    /// The instance's id, unique in its service; one that is registered already is replaced
    #[arg(long)]
    id: String,

    /// Its IPv4 or IPv6 address; twice for one of each
    #[arg(long, value_name = "ADDR")]
    ip: Vec<IpAddr>,

    /// Its port
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// The name that a service with CNAME records points to
    #[arg(long, value_name = "NAME")]
    cname: Option<String>,

    /// An attribute of your own, or one of Cloud Map's by its name; repeat it
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair)]
    attribute: Vec<Pair>,

    /// Take it as unhealthy until `fingerpost health` says otherwise
    #[arg(long)]
    unhealthy: bool,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    client: ClientOptions,
}

pub(crate) const EXAMPLES: &str = "\
Once it is done, DNS answers with the instance. The flags are these attributes: --ip is AWS_INSTANCE_IPV4 or \
AWS_INSTANCE_IPV6, --port is AWS_INSTANCE_PORT, --cname is AWS_INSTANCE_CNAME, --unhealthy is \
AWS_INIT_HEALTH_STATUS=UNHEALTHY. Attributes are replaced as a whole when an instance is registered again.

Examples:
  fingerpost register api.production.local --id task-3 --ip 10.0.1.13 --port 8080
  fingerpost register api.production.local --id task-4 --ip 10.0.1.14 -a version=2
  fingerpost register assets.production.local --id cdn --cname d111.example.net";

impl Register {
    /// Registers it.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let attributes = self.attributes()?;
        let client = Client::new(&self.client)?;
        let service = Service::find(&client, &self.service)?;
        let (id, place, name) = (&self.id, endpoint(&attributes), service.full_name());
        let input = json!({"ServiceId": service.id(), "InstanceId": id, "Attributes": attributes});
        let operation = client.start(Action::RegisterInstance, &input)?;
        let at = if place == "-" { String::new() } else { format!(" at {place}") };
        match self.waiting.see_through(&client, &operation)? {
            true => writeln!(io::stdout(), "registered {id}{at} in {name}")?,
            false => writeln!(io::stdout(), "registering {id}{at} in {name}: operation {operation}")?,
        }
        Ok(())
    }

    /// The attributes that the flags say.
    fn attributes(&mut self) -> Result<Map<String, Value>, Usage> {
        let mut all = Vec::new();
        for ip in &self.ip {
            let key = if ip.is_ipv4() { "AWS_INSTANCE_IPV4" } else { "AWS_INSTANCE_IPV6" };
            if all.iter().any(|Pair(other, _)| other == key) {
                let kind = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
                return Err(Usage(format!("--ip: an instance has one {kind} address; register {ip} as another")));
            }
            all.push(Pair(key.into(), ip.to_string()));
        }
        let mut add = |key: &str, value: Option<String>| all.extend(value.map(|value| Pair(key.into(), value)));
        add("AWS_INSTANCE_PORT", self.port.map(|port| port.to_string()));
        add("AWS_INSTANCE_CNAME", self.cname.take());
        add("AWS_INIT_HEALTH_STATUS", self.unhealthy.then(|| "UNHEALTHY".into()));
        all.append(&mut self.attribute);
        pairs::object(all)
    }
}
