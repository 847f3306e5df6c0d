//! `fingerpost export --zone`: one zone as a zone file.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::Args;
use fingerpost::channel::file::Loader;
use fingerpost::config::Faults;
use fingerpost::registry::store::{Embedded, Memory, Store, StoreError, Table, Write as Row};
use fingerpost::registry::{Command, Registry, Settings, stored_vpcs};
use fingerpost::transfer::text;
use fingerpost::wire::Name;

/// Which zone, and what else a server that has it is told.
#[derive(Args)]
pub(crate) struct Zone {
    /// Write this zone, as servers that transfer it get it, instead of a declaration
    #[arg(long, value_name = "ZONE", conflicts_with = "namespace", value_parser = name)]
    zone: Option<Name>,

    /// With --zone: the VPC whose zone it is, where several have one of that name
    #[arg(long, value_name = "ID", requires = "zone")]
    vpc: Option<Box<str>>,

    /// With --zone: the file or folder that the server declares; repeat it
    #[arg(long, value_name = "PATH", requires = "zone")]
    declare: Vec<std::path::PathBuf>,

    /// With --zone: the server's --name-server; repeat it
    #[arg(
        long,
        value_name = "NAME",
        requires = "zone",
        value_delimiter = ',',
        value_parser = name,
        env = "FINGERPOST_NAME_SERVER",
        hide_env_values = true,
        default_value = "ns.fingerpost.invalid"
    )]
    name_server: Vec<Name>,
}

/// Reads a name.
fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|fault| fault.to_string())
}

impl Zone {
    /// The zone, if one is wanted.
    pub(crate) fn wanted(&self) -> Option<&Name> {
        self.zone.as_ref()
    }

    /// Writes the zone `apex` as a server on `data_dir` would have it, with the revision for its serial.
    pub(crate) fn write(&self, apex: &Name, data_dir: &Path, output: &mut impl Write) -> anyhow::Result<()> {
        let fault = |error: StoreError| Faults::of([error]);
        let stored = Embedded::open(data_dir).map_err(fault)?;
        let declared = match &*self.declare {
            [] => None,
            paths => Some(Loader::new(paths.to_vec()).load().map_err(Faults::of)?.state),
        };
        let mut vpcs = stored_vpcs(&stored).map_err(fault)?;
        let namespaces = declared.iter().flat_map(|state| state.namespaces.values());
        vpcs.extend(namespaces.filter_map(|namespace| namespace.vpc.clone()));
        let vpcs: Vec<Box<str>> = vpcs.into_iter().collect();
        // A copy, so that nothing is written to the folder.
        let store = Memory::new();
        for table in [Table::Namespaces, Table::Services, Table::Instances, Table::Meta] {
            let each = &mut |key: &[u8], value: &[u8]| {
                store.commit(&[Row { table, key: key.into(), value: Some(value.into()) }])
            };
            stored.load(table, each).map_err(fault)?;
        }
        let settings = Settings { name_servers: self.name_server.clone(), vpcs: vpcs.clone(), ..Settings::default() };
        let mut registry = Registry::open(settings, Arc::new(store)).map_err(fault)?;
        registry.apply(Command::Declare(declared.unwrap_or_default()))?;

        let views = [None].into_iter().chain(vpcs.iter().map(Some)).zip(registry.handles());
        let views = views.filter(|(vpc, _)| self.vpc.is_none() || *vpc == self.vpc.as_ref());
        let views = views.map(|(vpc, handle)| (vpc, handle.load()));
        let found: Vec<_> =
            views.filter(|(_, table)| table.find_name(apex).is_some_and(|node| node.is_apex())).collect();
        match &*found {
            [] => bail!("there is no zone {apex} in {}", data_dir.display()),
            [(_, table)] => {
                let records = text::write(table, apex, output).context("cannot write the zone")?;
                ensure!(records > 0, "the zone {apex} has no SOA record");
                Ok(())
            }
            several => {
                let vpcs: Vec<_> = several.iter().filter_map(|(vpc, _)| vpc.map(|vpc| &**vpc)).collect();
                bail!("there are {} zones {apex}: say whose with --vpc, of {}", several.len(), vpcs.join(", "))
            }
        }
    }
}
