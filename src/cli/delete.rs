//! `fingerpost delete`: namespaces and services that are empty.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientOptions};
use serde_json::json;

use super::namespace::Namespace;
use super::service::Service;
use super::waiting::Waiting;

/// `fingerpost delete …`
#[derive(Args)]
pub(crate) struct Delete {
    #[command(subcommand)]
    what: What,
}

/// What to delete.
#[derive(Subcommand)]
enum What {
    /// Delete a namespace that has no services
    #[command(visible_alias = "ns")]
    Namespace {
        /// Its name or id
        #[arg(value_name = "NAME|ID")]
        namespace: String,

        #[command(flatten)]
        waiting: Waiting,

        #[command(flatten)]
        client: ClientOptions,
    },
    /// Delete a service that has no instances
    #[command(visible_alias = "svc")]
    Service {
        /// The service: SERVICE.NAMESPACE, as in api.production.local, or its id srv-…
        service: String,

        #[command(flatten)]
        client: ClientOptions,
    },
}

pub(crate) const EXAMPLES: &str = "\
A service must have no instances, and a namespace no services.

Examples:
  fingerpost delete service api.production.local
  fingerpost delete namespace production.local";

impl Delete {
    /// Deletes it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Namespace { namespace, waiting, client } => {
                let client = Client::new(&client)?;
                let namespace = Namespace::find(&client, &namespace)?;
                let (id, name) = (namespace.id(), namespace.name());
                let operation = client.start(Action::DeleteNamespace, &json!({"Id": id}))?;
                match waiting.see_through(&client, &operation)? {
                    true => writeln!(io::stdout(), "deleted namespace {name} ({id})")?,
                    false => writeln!(io::stdout(), "deleting namespace {name} ({id}): operation {operation}")?,
                }
            }
            What::Service { service, client } => {
                let client = Client::new(&client)?;
                let service = Service::find(&client, &service)?;
                client.call(Action::DeleteService, &json!({"Id": service.id()}))?;
                writeln!(io::stdout(), "deleted service {} ({})", service.full_name(), service.id())?;
            }
        }
        Ok(())
    }
}
