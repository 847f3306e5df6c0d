//! `fingerpost deregister`: instances go.

use std::io::{self, Write};

use clap::Args;
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientError, ClientOptions};
use serde_json::json;

use super::service::Service;
use super::waiting::Waiting;

/// `fingerpost deregister …`
#[derive(Args)]
pub(crate) struct Deregister {
    /// The service: SERVICE.NAMESPACE, as in api.production.local, or its id srv-…
    service: String,

    /// Ids of instances
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    client: ClientOptions,
}

pub(crate) const EXAMPLES: &str = "\
Once it is done, DNS answers without the instance; who asked before may use the answer until its TTL is over.

Examples:
  fingerpost deregister api.production.local task-3
  fingerpost deregister api.production.local task-3 task-4 --no-wait";

impl Deregister {
    /// Deregisters them all, whatever becomes of one; fails if one did.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let client = Client::new(&self.client)?;
        let service = Service::find(&client, &self.service)?;
        let start = |id: &String| {
            let input = json!({"ServiceId": service.id(), "InstanceId": id});
            (id.clone(), client.start(Action::DeregisterInstance, &input))
        };
        let started: Vec<(String, Result<String, ClientError>)> = self.ids.iter().map(start).collect();
        let (name, count) = (service.full_name(), started.len());
        let mut failures = Vec::new();
        for (id, operation) in started {
            let done = operation.and_then(|operation| Ok((self.waiting.see_through(&client, &operation)?, operation)));
            match done {
                Ok((true, _)) => writeln!(io::stdout(), "deregistered {id} from {name}")?,
                Ok((false, operation)) => {
                    writeln!(io::stdout(), "deregistering {id} from {name}: operation {operation}")?;
                }
                Err(error) => failures.push(format!("{id}: {error}")),
            }
        }
        match &failures[..] {
            [] => Ok(()),
            [failure] if count == 1 => Err(anyhow::anyhow!("{failure}")),
            several => Err(anyhow::anyhow!("not deregistered, {} of {count}: {}", several.len(), several.join("; "))),
        }
    }
}
