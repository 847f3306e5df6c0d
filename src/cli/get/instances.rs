//! `fingerpost get instances`

use clap::Args;

use super::Common;
use crate::cli::instance;
use crate::cli::service::Service;

/// The flags.
#[derive(Args)]
pub(super) struct Instances {
    /// The service: SERVICE.NAMESPACE, as in api.production.local, or its id srv-…
    service: String,

    #[command(flatten)]
    common: Common,
}

pub(super) const EXAMPLES: &str = "\
All instances are listed, healthy or not; `fingerpost discover` shows what clients of DiscoverInstances see.

Output json is an array of the API's InstanceSummary (Id, Attributes), with HealthStatus, ServiceId, ServiceName and \
NamespaceName beside.

Examples:
  fingerpost get instances api.production.local
  fingerpost get instances api.production.local --output wide
  fingerpost get instances srv-2xkm4wqpzfjd7t5r -o json | jq -r '.[].Id'";

impl Instances {
    /// Lists them, by id.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let client = self.common.connect()?;
        let service = Service::find(&client, &self.service)?;
        let all = instance::all(&client, &service)?;
        let none = || {
            let name = service.full_name();
            format!("no instances in {name}; `fingerpost register {name} --id ID --ip ADDR` makes one")
        };
        Ok(self.common.output.print(&all, |wide| instance::table(&all, wide), none)?)
    }
}
