//! What is served: the files that `fingerpost load generate` writes, made once for each specification.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fingerpost::load;
use fingerpost::load::data::Data;

/// Lines of the files of queries, which nobody reads here.
const QUERIES: u32 = 1;

/// A specification and the files that follow from it.
#[derive(Clone)]
pub(crate) struct Files {
    /// The data.
    pub(crate) data: Data,
    /// The text that it was made from, for the generator.
    pub(crate) specification: String,
    /// The zone's name, without a final dot.
    pub(crate) apex: String,
    /// The zone file.
    pub(crate) zone: PathBuf,
    /// The same as a declaration of services.
    pub(crate) declaration: PathBuf,
}

impl Files {
    /// The files of `data` in `folder`, which are not made here.
    pub(crate) fn at(folder: &Path, data: &Data) -> Self {
        let apex = data.namespace(0);
        let zone = folder.join("zones").join(format!("{apex}.zone"));
        Self {
            data: data.clone(),
            specification: data.to_string(),
            apex,
            zone,
            declaration: folder.join("declaration.yaml"),
        }
    }

    /// Makes the files of so many services with so many instances below `folder`.
    pub(crate) fn generate(folder: &Path, services: u32, instances: u32) -> Result<Self> {
        let data = Data { services, instances, ..Data::default() };
        let files = Self::at(&folder.join(format!("data-{services}x{instances}")), &data);
        if files.declaration.exists() {
            return Ok(files);
        }
        let folder = files.declaration.parent().context("a folder")?;
        fs::create_dir_all(folder)?;
        load::generate::generate(&files.data, folder, QUERIES).context("the data")?;
        Ok(files)
    }

    /// How many names and records a zone of this data has, without those of its apex.
    pub(crate) fn records(&self) -> u64 {
        // A and SRV at the service, and A at the instance's name.
        u64::from(self.data.services) * u64::from(self.data.instances) * 3
    }
}
