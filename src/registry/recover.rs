//! From a store to what was acknowledged.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::draft::Due;
use super::entry::{NamespaceEntry, ServiceEntry};
use super::store::{Keys, Store, StoreError, Table};
use super::whole::Whole;
use super::{META_REVISION, rows};
use crate::model::{Instance, OperationId, Revision, ServiceId};
use crate::threads::at_once;

/// What a store held: everything acknowledged.
pub(super) struct Recovered {
    /// All of it.
    pub(super) whole: Whole,
    /// Statuses that were to turn later.
    pub(super) due: Vec<Due>,
    /// The last operation.
    pub(super) last_operation: OperationId,
}

/// Reads all of `store`.
pub(super) fn recover(store: &dyn Store) -> Result<Recovered, StoreError> {
    let mut namespaces = Vec::new();
    store.load(Table::Namespaces, &mut |key, value| {
        namespaces.push(rows::decode_namespace(key, value)?);
        Ok(())
    })?;
    let mut services: Vec<ServiceEntry> = Vec::new();
    store.load(Table::Services, &mut |key, value| {
        let entry = rows::decode_service(key, value)?;
        // The namespaces came in the order of their ids.
        let known = namespaces.binary_search_by(|namespace: &NamespaceEntry| namespace.id.cmp(&entry.namespace));
        services.push(entry);
        known.map(drop).map_err(|_| orphan(key))
    })?;
    let Timers { due, leases } = load_instances(store, &mut services)?;
    let revision = match store.get(Table::Meta, META_REVISION)? {
        Some(value) => {
            let octets = <[u8; 8]>::try_from(&*value).map_err(|_| orphan(META_REVISION))?;
            Revision::from_be_bytes(octets)
        }
        None => 0,
    };
    let last = store.scan(Table::Operations, &[], true, 1)?;
    let last = last.first().map(|(key, value)| rows::decode_operation(key, value)).transpose()?;
    let last_operation = last.map_or_else(OperationId::default, |operation| operation.id);
    let whole = Whole { revision, namespaces, services, leases, ..Whole::default() };
    Ok(Recovered { whole, due, last_operation })
}

/// What happens to instances at some time.
#[derive(Default)]
struct Timers {
    /// Statuses that were to turn later.
    due: Vec<Due>,
    /// Instances that have a lease, in seconds.
    leases: Vec<(ServiceId, Box<str>, u32)>,
}

/// Puts the instances in `store` into their services, which are in the order of their ids. Two threads share the
/// services: instances are most of what there is to read.
fn load_instances(store: &dyn Store, services: &mut [ServiceEntry]) -> Result<Timers, StoreError> {
    let (first, second) = services.split_at_mut(services.len() / 2);
    let Some(middle) = second.first().map(|entry| entry.id).filter(|_| !first.is_empty()) else {
        return load_part(store, second, (Bound::Unbounded, Bound::Unbounded));
    };
    // The key of an instance begins with the id of its service.
    let middle = middle.as_bytes().as_slice();
    let parts =
        [(first, (Bound::Unbounded, Bound::Excluded(middle))), (second, (Bound::Included(middle), Bound::Unbounded))];
    let parts = at_once(parts.map(|(services, keys)| move || load_part(store, services, keys)));
    let mut timers = Timers::default();
    for part in parts {
        let mut part = part?;
        timers.due.append(&mut part.due);
        timers.leases.append(&mut part.leases);
    }
    Ok(timers)
}

/// Puts the instances within `keys` into their services, of which there are no others.
fn load_part(store: &dyn Store, services: &mut [ServiceEntry], keys: Keys<'_>) -> Result<Timers, StoreError> {
    let mut timers = Timers::default();
    // Instances come in the order of their services, and of their ids. Those of one service are gathered apart, so that
    // their list is as long as it has to be.
    let mut at = 0;
    let mut gathered: Vec<Arc<Instance>> = Vec::new();
    let put = |services: &mut [ServiceEntry], at: usize, gathered: &mut Vec<Arc<Instance>>| {
        if let Some(entry) = services.get_mut(at).filter(|_| !gathered.is_empty()) {
            entry.service.instances = Vec::from_iter(gathered.drain(..)).into();
        }
    };
    store.load_part(Table::Instances, keys, &mut |key, value| {
        let (id, instance, revision) = rows::decode_instance(key, value)?;
        if services.get(at).is_some_and(|entry| entry.id < id) {
            put(services, at, &mut gathered);
            while services.get(at).is_some_and(|entry| entry.id < id) {
                at += 1;
            }
        }
        let entry = services.get_mut(at).filter(|entry| entry.id == id).ok_or_else(|| orphan(key))?;
        if instance.status_due != 0 {
            timers.due.push(Due { at: instance.status_due, service: id, instance: instance.id().into() });
        }
        if let Some(lease) = instance.lease() {
            timers.leases.push((id, instance.id().into(), lease));
        }
        // That of the service's row is older where instances alone have changed since.
        entry.instances_revision = entry.instances_revision.max(revision.unwrap_or_default());
        gathered.push(Arc::new(instance));
        Ok(())
    })?;
    put(services, at, &mut gathered);
    Ok(timers)
}

/// The VPCs of the namespaces in `store`, for whoever has its rows and not its configuration.
pub fn stored_vpcs(store: &dyn Store) -> Result<BTreeSet<Box<str>>, StoreError> {
    let mut vpcs = BTreeSet::new();
    store.load(Table::Namespaces, &mut |key, value| {
        vpcs.extend(rows::decode_namespace(key, value)?.vpc);
        Ok(())
    })?;
    Ok(vpcs)
}

/// A row that lacks what it belongs to, which no commit leaves behind.
fn orphan(key: &[u8]) -> StoreError {
    let key = key.escape_ascii();
    StoreError::Corrupt(format!("the row {key} stands alone; restore the data folder from a copy"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Instance, NamespaceId, NamespaceType, Service, ServiceId};
    use crate::registry::entry::Owner;
    use crate::registry::store::{Memory, Write};

    /// The octets of an id, in the order of the numbers.
    fn id(number: u8) -> [u8; 16] {
        format!("{number:016}").into_bytes().try_into().unwrap()
    }

    /// A store with services of these numbers, which are their ids, and with an instance of each of `owners`.
    fn store(services: &[u8], owners: &[u8]) -> Memory {
        let store = Memory::new();
        let put = |table, key: &[u8], value| Write { table, key: key.into(), value: Some(value) };
        let namespace = NamespaceEntry {
            id: NamespaceId::from_bytes(&id(0)).unwrap(),
            name: "a".into(),
            http_name: "a".into(),
            namespace_type: NamespaceType::Http,
            vpc: None,
            soa_ttl: None,
            description: None,
            tags: Attributes::default(),
            creator_request_id: None,
            created: 0,
            operation: OperationId::default(),
            updater: None,
            owner: Owner::Api,
        };
        let service = |number: &u8| ServiceEntry {
            id: ServiceId::from_bytes(&id(*number)).unwrap(),
            namespace: namespace.id,
            name: number.to_string().into(),
            service: Service::default(),
            creator_request_id: None,
            created: 0,
            instances_revision: 0,
            owner: Owner::Api,
        };
        let services = services.iter().map(service);
        let services = services.map(|entry| put(Table::Services, entry.id.as_bytes(), rows::encode_service(&entry)));
        let instance = |owner: &u8| {
            let mut instance = Instance::new(&owner.to_string(), None, []);
            instance.status_due = u64::from(*owner);
            let id = ServiceId::from_bytes(&id(*owner)).unwrap();
            put(Table::Instances, &rows::instance_key(id, instance.id()), rows::encode_instance(&instance, None))
        };
        let namespaces = [put(Table::Namespaces, namespace.id.as_bytes(), rows::encode_namespace(&namespace))];
        let writes = namespaces.into_iter().chain(services).chain(owners.iter().map(instance));
        store.commit(&writes.collect::<Vec<_>>()).unwrap();
        store
    }

    #[test]
    fn every_instance_comes_to_its_service() {
        for count in 0..6 {
            let services: Vec<u8> = (1..=count).map(|number| number * 10).collect();
            let recovered = recover(&store(&services, &services)).unwrap();
            let ids = recovered.whole.services.iter().map(|entry| {
                let ids: Vec<u8> = entry.service.instances.iter().map(|one| one.id().parse().unwrap()).collect();
                assert_eq!(ids.iter().map(|one| id(*one)).collect::<Vec<_>>(), [*entry.id.as_bytes()]);
                ids[0]
            });
            assert_eq!(ids.collect::<Vec<_>>(), services);
            let due: Vec<u64> = recovered.due.iter().map(|due| due.at).collect();
            assert_eq!(due, services.iter().map(|number| u64::from(*number)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_instance_without_its_service_is_damage() {
        for services in [&[][..], &[20], &[20, 40], &[20, 40, 60]] {
            for owner in [1, 10, 30, 50, 70, 255] {
                let recovered = recover(&store(services, &[services, &[owner]].concat()));
                assert!(matches!(recovered, Err(StoreError::Corrupt(_))), "{owner} among {services:?}");
            }
        }
    }
}
