//! `fingerpost export`: a registry as a declaration file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use fingerpost::channel::file;
use fingerpost::config::Faults;
use fingerpost::registry::store::Embedded;
use fingerpost::registry::{Registry, Settings, stored_vpcs};

use super::zone::Zone;

/// `fingerpost export …`
#[derive(Args)]
pub(crate) struct Export {
    /// The data folder; no server may be using it
    #[arg(long, value_name = "DIR", env = "FINGERPOST_DATA_DIR", default_value = "./fingerpost-data")]
    data_dir: PathBuf,

    /// Only this namespace, by id or name; repeat it. Of two with one name, each goes to a file of its own
    #[arg(long, value_name = "ID|NAME")]
    namespace: Vec<String>,

    /// Write to this file, which must not exist, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    zone: Zone,
}

pub(crate) const EXAMPLES: &str = "\
Everything that was made through the API: namespaces, services and instances with ids, tags and health, not operations \
and dates. What files declare is in those files. The result is a declaration file: `fingerpost import` reads it into an \
empty registry, and `fingerpost check` and `serve --declare` take it, too.

With --zone: every record of one zone, as its secondaries have them; sorted, so that it can be compared.

Examples:
  fingerpost export --data-dir /var/lib/fingerpost > registry.yaml
  fingerpost import registry.yaml --data-dir /var/lib/other
  fingerpost export --zone production.local --data-dir /var/lib/fingerpost";

impl Export {
    /// Writes the file.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        // A folder that is not there is a slip, and not an empty registry.
        anyhow::ensure!(
            self.data_dir.is_dir(),
            "{} is not a folder; --data-dir DIR says where a server keeps its data",
            self.data_dir.display()
        );
        match &self.output {
            None => self.write(&mut BufWriter::new(io::stdout().lock())),
            Some(path) => {
                let output = File::create_new(path).with_context(|| format!("cannot make {}", path.display()))?;
                self.write(&mut BufWriter::new(output)).with_context(|| format!("cannot write {}", path.display()))
            }
        }
    }

    /// Writes what is wanted to `output`.
    fn write(&self, output: &mut impl Write) -> anyhow::Result<()> {
        if let Some(zone) = self.zone.wanted() {
            self.zone.write(zone, &self.data_dir, output)?;
            return Ok(output.flush()?);
        }
        let store = Embedded::open(&self.data_dir).map_err(|error| Faults::of([error]))?;
        // As if each were configured: two of them may have namespaces of one name.
        let vpcs = stored_vpcs(&store).map_err(|error| Faults::of([error]))?.into_iter().collect();
        let settings = Settings { vpcs, ..Settings::default() };
        let registry = Registry::open(settings, Arc::new(store)).map_err(|error| Faults::of([error]))?;
        let catalog = registry.catalog();
        file::export(&catalog.read(), &self.namespace, output)?;
        Ok(output.flush()?)
    }
}
