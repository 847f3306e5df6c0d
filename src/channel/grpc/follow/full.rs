//! A whole state, taken at one moment and made into chunks as they are wanted.

use std::sync::Arc;

use prost::Message;
use prost::bytes::Bytes;

use super::choice::{Choice, Followed};
use super::{MESSAGE, shown};
use crate::channel::grpc::proto::StateChunk;
use crate::model::{Instances, Revision};
use crate::registry::{Catalog, NamespaceEntry, ServiceEntry};

/// All that a follower gets of a state: shared with the catalog, so that taking it is quick.
pub(crate) struct Full {
    pub(super) revision: Revision,
    pub(super) hash: u64,
    pub(super) followed: Followed,
    namespaces: Vec<(Arc<NamespaceEntry>, u32)>,
    services: Vec<Arc<ServiceEntry>>,
    name_servers: Vec<String>,
}

impl Full {
    /// All that `catalog` holds.
    pub(crate) fn all(catalog: &Catalog) -> Self {
        Self::of(catalog, &Choice::default())
    }

    /// What `catalog` holds of a choice.
    pub(super) fn of(catalog: &Catalog, choice: &Choice) -> Self {
        let (hash, followed) = choice.now(catalog);
        let chosen = catalog.namespaces_after(None).filter(|entry| followed.has(entry.id));
        let namespaces: Vec<_> = chosen.map(|entry| (Arc::clone(entry), catalog.serial(entry.id))).collect();
        let services = match followed.is_all() {
            true => catalog.services_after(None).cloned().collect(),
            false => namespaces.iter().flat_map(|(entry, _)| catalog.services_of(entry.id)).cloned().collect(),
        };
        let name_servers = catalog.name_servers().iter().map(ToString::to_string).collect();
        // The static records of zones will be taken here, too.
        Self { revision: catalog.revision(), hash, followed, namespaces, services, name_servers }
    }

    /// Its chunks, at least one.
    pub(crate) fn chunks(self) -> Chunks {
        let Self { revision, hash, namespaces, services, name_servers, .. } = self;
        Chunks {
            revision,
            hash,
            namespaces: namespaces.into_iter(),
            services: services.into_iter(),
            current: None,
            name_servers,
            is_begun: false,
            is_done: false,
        }
    }
}

/// The chunks still to come.
pub(crate) struct Chunks {
    revision: Revision,
    hash: u64,
    namespaces: std::vec::IntoIter<(Arc<NamespaceEntry>, u32)>,
    services: std::vec::IntoIter<Arc<ServiceEntry>>,
    /// The instances of a service that are next, its id, and the place of the next one.
    current: Option<(Instances, Bytes, usize)>,
    /// For the first chunk.
    name_servers: Vec<String>,
    is_begun: bool,
    is_done: bool,
}

impl Chunks {
    /// Fills a chunk; true if more is to come.
    fn fill(&mut self, chunk: &mut StateChunk) -> bool {
        let mut size = 0;
        while size < MESSAGE {
            if let Some((instances, id, at)) = &mut self.current {
                if let Some(instance) = instances.at(*at) {
                    let instance = shown::instance(id.clone(), instance);
                    size += instance.encoded_len() + 4;
                    chunk.instances.push(instance);
                    *at += 1;
                } else {
                    self.current = None;
                }
            } else if let Some((entry, serial)) = self.namespaces.next() {
                let namespace = shown::namespace(&entry, serial);
                size += namespace.encoded_len() + 4;
                chunk.namespaces.push(namespace);
            } else if let Some(entry) = self.services.next() {
                let service = shown::service(&entry);
                size += service.encoded_len() + 4;
                // A follower keeps them frozen.
                self.current = Some((entry.service.instances.thawed(), service.id.clone(), 0));
                chunk.services.push(service);
            } else {
                return false;
            }
        }
        true
    }
}

impl Iterator for Chunks {
    type Item = StateChunk;

    fn next(&mut self) -> Option<StateChunk> {
        if self.is_done {
            return None;
        }
        let mut chunk = StateChunk { first: !self.is_begun, revision: self.revision, ..StateChunk::default() };
        self.is_begun = true;
        chunk.name_servers = std::mem::take(&mut self.name_servers);
        if !self.fill(&mut chunk) {
            self.is_done = true;
            chunk.last = true;
            chunk.state_hash = self.hash;
        }
        Some(chunk)
    }
}
