//! Pieces of a state, or of a large change, put together.

use std::sync::Arc;

use super::convert::{self, Bad};
use crate::channel::grpc::proto;
use crate::registry::Replica;
use crate::wire::Name;

/// What a state may have at most: namespaces, services and instances together. Whatever sends more is no primary.
const MOST: usize = 50_000_000;
/// Name servers at most.
const MOST_NAME_SERVERS: usize = 64;

/// What has come so far.
#[derive(Default)]
pub(super) struct Gathering {
    replica: Option<Replica>,
    entries: usize,
}

impl Gathering {
    /// Whether nothing has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.replica.is_none()
    }

    /// Takes a piece of the state; the last one gives it back whole.
    pub(super) fn chunk(&mut self, chunk: proto::StateChunk) -> Result<Option<Replica>, Bad> {
        if chunk.first {
            // What came before is void.
            let names = chunk.name_servers.iter().take(MOST_NAME_SERVERS).map(|name| name_server(name));
            let name_servers = names.collect::<Result<Vec<_>, _>>()?;
            let name_servers = Some(name_servers).filter(|names| !names.is_empty());
            let (revision, is_whole) = (chunk.revision, true);
            self.entries = 0;
            self.replica = Some(Replica { revision, is_whole, name_servers, ..Replica::default() });
        }
        let Some(replica) = self.replica.as_mut().filter(|replica| replica.is_whole) else {
            return Err(Bad::new("a piece of a state without the first"));
        };
        if replica.revision != chunk.revision {
            let (one, other) = (replica.revision, chunk.revision);
            return Err(Bad::new(format!("pieces of one state with revisions {one} and {other}")));
        }
        self.entries += chunk.namespaces.len() + chunk.services.len() + chunk.instances.len();
        if self.entries > MOST {
            return Err(Bad::new(format!("a state of more than {MOST} entries")));
        }
        // Static records (`zones`) are not taken over yet.
        put(replica, chunk.namespaces, chunk.services, chunk.instances)?;
        if !chunk.last {
            return Ok(None);
        }
        replica.state_hash = chunk.state_hash;
        Ok(self.replica.take())
    }

    /// Takes changes; the last message of a revision gives them back whole.
    pub(super) fn changes(&mut self, changes: proto::Changes) -> Result<Option<Replica>, Bad> {
        let revision = changes.revision;
        let replica = self.replica.get_or_insert_with(|| Replica { revision, ..Replica::default() });
        if replica.is_whole {
            return Err(Bad::new("changes amid the pieces of a state"));
        }
        if replica.revision != revision {
            let one = replica.revision;
            return Err(Bad::new(format!("pieces of one change with revisions {one} and {revision}")));
        }
        self.entries += changes.namespaces.len() + changes.services.len() + changes.instances.len();
        self.entries += changes.removed_namespaces.len() + changes.removed_services.len();
        self.entries += changes.removed_instances.len() + changes.serials.len();
        if self.entries > MOST {
            return Err(Bad::new(format!("changes of more than {MOST} entries")));
        }
        put(replica, changes.namespaces, changes.services, changes.instances)?;
        for id in changes.removed_namespaces {
            replica.removed_namespaces.push(convert::namespace_id(&id)?);
        }
        for id in changes.removed_services {
            replica.removed_services.push(convert::service_id(&id)?);
        }
        for instance in changes.removed_instances {
            replica.removed_instances.push((convert::service_id(&instance.service)?, instance.id.into()));
        }
        for serial in changes.serials {
            replica.serials.push((convert::namespace_id(&serial.namespace)?, serial.serial));
        }
        if changes.more {
            return Ok(None);
        }
        replica.state_hash = changes.state_hash;
        self.entries = 0;
        Ok(self.replica.take())
    }
}

/// Puts what came or changed.
fn put(
    replica: &mut Replica,
    namespaces: Vec<proto::Namespace>,
    services: Vec<proto::Service>,
    instances: Vec<proto::Instance>,
) -> Result<(), Bad> {
    for namespace in namespaces {
        let serial = namespace.serial;
        let entry = convert::namespace(namespace)?;
        replica.serials.push((entry.id, serial));
        replica.namespaces.push(entry);
    }
    for service in services {
        // The one before has all of its instances.
        if let Some(entry) = replica.services.last_mut().filter(|entry| replica.is_whole && &*entry.name != ".") {
            entry.service.instances.freeze();
        }
        replica.services.push(convert::service(service)?);
    }
    for instance in instances {
        let (service, instance) = convert::instance(instance)?;
        match replica.services.last_mut() {
            // So a whole state comes: a service, and then its instances.
            Some(entry) if replica.is_whole && entry.id == service => {
                entry.service.instances.thaw();
                entry.service.instances.insert(Arc::new(instance));
            }
            _ => replica.instances.push((service, instance)),
        }
    }
    Ok(())
}

fn name_server(name: &str) -> Result<Name, Bad> {
    Name::parse(name).map_err(|fault| Bad::new(format!("name server {name:?}: {fault}")))
}
