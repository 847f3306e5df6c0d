//! `fingerpost import`: declaration files into a registry.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use fingerpost::channel::file::Loader;
use fingerpost::config::Faults;
use fingerpost::registry::store::Embedded;
use fingerpost::registry::{Command, Registry, Settings, stored_vpcs};

/// `fingerpost import …`
#[derive(Args)]
pub(crate) struct Import {
    /// Declaration files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The data folder, made where it is missing; no server may be using it
    #[arg(long, value_name = "DIR", env = "FINGERPOST_DATA_DIR", default_value = "./fingerpost-data")]
    data_dir: PathBuf,
}

pub(crate) const EXAMPLES: &str = "\
All or nothing: a fault in a file, or a name or an id that the registry has already, and nothing is changed. What is \
imported is as if made through the API, which may change it from then on.

Examples:
  fingerpost export --data-dir /var/lib/fingerpost > registry.yaml
  fingerpost import registry.yaml --data-dir /var/lib/other";

impl Import {
    /// Imports, and says how much.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let loaded = Loader::new(self.paths).load().map_err(Faults::of)?;
        let store = Embedded::open(&self.data_dir).map_err(|error| Faults::of([error]))?;
        // As if each were configured: zones of one name in two VPCs are two.
        let mut vpcs = stored_vpcs(&store).map_err(|error| Faults::of([error]))?;
        vpcs.extend(loaded.state.namespaces.values().filter_map(|namespace| namespace.vpc.clone()));
        let settings = Settings { vpcs: vpcs.into_iter().collect(), ..Settings::default() };
        let mut registry = Registry::open(settings, Arc::new(store)).map_err(|error| Faults::of([error]))?;
        let summary = loaded.summary;
        registry.apply(Command::Import(loaded.state))?;
        let (services, instances) = (summary.services, summary.instances);
        writeln!(
            io::stdout(),
            "imported into {}: {} namespaces, {services} services, {instances} instances",
            self.data_dir.display(),
            summary.namespaces
        )?;
        Ok(())
    }
}
