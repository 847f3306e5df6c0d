//! From a store to what was acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::draft::Due;
use super::entry::{NamespaceEntry, ServiceEntry};
use super::store::{Store, StoreError, Table};
use super::{META_REVISION, rows};
use crate::model::{OperationId, Revision, ServiceId};

/// What a store held: everything acknowledged.
pub(super) struct Recovered {
    /// The revision of it.
    pub(super) revision: Revision,
    pub(super) namespaces: Vec<NamespaceEntry>,
    /// With their instances.
    pub(super) services: Vec<ServiceEntry>,
    /// Statuses that were to turn later.
    pub(super) due: Vec<Due>,
    /// Instances that have a lease, in seconds.
    pub(super) leases: Vec<(ServiceId, Box<str>, u32)>,
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
    let (mut due, mut leases) = (Vec::new(), Vec::new());
    // So do services, and instances in the order of theirs.
    let mut at = 0;
    store.load(Table::Instances, &mut |key, value| {
        let (id, instance) = rows::decode_instance(key, value)?;
        while services.get(at).is_some_and(|entry| entry.id < id) {
            at += 1;
        }
        let entry = services.get_mut(at).filter(|entry| entry.id == id).ok_or_else(|| orphan(key))?;
        if instance.status_due != 0 {
            due.push(Due { at: instance.status_due, service: id, instance: instance.id().into() });
        }
        if let Some(lease) = instance.lease() {
            leases.push((id, instance.id().into(), lease));
        }
        entry.service.instances.insert(Arc::new(instance));
        Ok(())
    })?;
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
    Ok(Recovered { revision, namespaces, services, due, leases, last_operation })
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
