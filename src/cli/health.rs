//! `fingerpost health`: somebody says how an instance is.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientOptions};
use serde_json::{Value, json};

use super::service::Service;

/// `fingerpost health …`
#[derive(Args)]
pub(crate) struct Health {
    /// The service: SERVICE.NAMESPACE, as in api.production.local, or its id srv-…
    service: String,

    /// The instance
    id: String,

    /// How it is
    status: Status,

    #[command(flatten)]
    client: ClientOptions,
}

/// How an instance is.
#[derive(Clone, Copy, ValueEnum)]
enum Status {
    /// DNS and discovery give it
    Healthy,
    /// They do not, unless all instances are unhealthy
    Unhealthy,
}

pub(crate) const EXAMPLES: &str = "\
For services with a custom health check (`fingerpost create service … --custom-health`). The server waits before the \
status takes effect, 30 seconds unless its --custom-health-delay says otherwise; the opposite status cancels it until \
then.

Examples:
  fingerpost health api.production.local task-3 unhealthy
  fingerpost health api.production.local task-3 healthy";

impl Health {
    /// Says it, and prints whether it is so yet.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let client = Client::new(&self.client)?;
        let service = Service::find(&client, &self.service)?;
        let status = match self.status {
            Status::Healthy => "HEALTHY",
            Status::Unhealthy => "UNHEALTHY",
        };
        let (id, name) = (&self.id, service.full_name());
        let input = json!({"ServiceId": service.id(), "InstanceId": id, "Status": status});
        client.call(Action::UpdateInstanceCustomHealthStatus, &input)?;
        let answer =
            client.call(Action::GetInstancesHealthStatus, &json!({"ServiceId": service.id(), "Instances": [id]}))?;
        let now = answer.get("Status").and_then(|all| all.get(id)).and_then(Value::as_str);
        let when = match now == Some(status) {
            true => format!("{id} in {name} is {status}"),
            false => format!("{id} in {name} will be {status} once the server's --custom-health-delay is over"),
        };
        Ok(writeln!(io::stdout(), "{when}")?)
    }
}
