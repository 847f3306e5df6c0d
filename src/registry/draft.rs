//! The changes of one batch of commands, before they are acknowledged.
//!
//! A draft lies over the catalog: it answers as if its changes were made, and the catalog does not know of them. Each
//! command checks everything before it changes anything, so a refused one leaves no trace in the batch. In the end the
//! draft says what to write ([`Draft::rows`]) and, entry by entry, what was before and what is after.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::Settings;
use super::catalog::Catalog;
use super::command::{Outcome, Refusal};
use super::entry::{NamespaceEntry, Owner, ServiceEntry};
use super::operation::{Operation, OperationStatus};
use super::parts::{Parts, ServiceChange};
use super::rows;
use super::store::{Table, Write};
use crate::model::{Instance, NamespaceId, NamespaceType, OperationId, Revision, ServiceId, ZoneSource};
use crate::table::{Flags, InstanceRoom, Snapshot};
use crate::wire::{Name, NameKey};

/// Changes over a catalog.
pub(super) struct Draft<'c> {
    /// What is acknowledged.
    pub(super) catalog: &'c Catalog,
    /// The registry's settings.
    pub(super) settings: &'c Settings,
    /// The published tables, one for each view.
    pub(super) tables: &'c [Arc<Snapshot>],
    /// This moment, in milliseconds since the epoch.
    pub(super) now: u64,
    /// Namespaces as they will be; `None`: gone.
    pub(super) namespaces: HashMap<NamespaceId, Option<NamespaceEntry>>,
    /// Services as they will be.
    pub(super) services: HashMap<ServiceId, Option<Arc<ServiceEntry>>>,
    /// Those of which more changes than that instances are registered: their own rows are written.
    rewritten: HashSet<ServiceId>,
    /// Declared zones as they will be, if they change.
    pub(super) zones: Option<BTreeMap<Name, ZoneSource>>,
    names: HashMap<(NamespaceId, Box<str>), Option<ServiceId>>,
    http_names: HashMap<Box<str>, Option<NamespaceId>>,
    apexes: HashMap<(usize, Name), Option<NamespaceId>>,
    /// Whether it is a declaration, whose names nobody has claimed.
    pub(super) declares: bool,
    /// Owner names that the batch gives away.
    pub(super) claims: HashSet<(usize, Name)>,
    /// Rows of instances and operations, in the order of the changes.
    rows: Vec<Write>,
    /// Statuses that turn later.
    pub(super) due: Vec<Due>,
    /// Leases that begin anew, and until when they run.
    pub(super) renewals: Vec<Due>,
    /// Instances that have no lease any more.
    pub(super) released: Vec<(ServiceId, Box<str>)>,
    /// SOA serials that are given by another node; all others follow the revision.
    pub(super) serials: HashMap<NamespaceId, u32>,
    /// The revision of another node, which this one takes on, and nothing is written.
    pub(super) follows: Option<Revision>,
    /// The state hash that it must come to.
    pub(super) expected_hash: Option<u64>,
    /// Names of the other node's name servers, if they are others than those here.
    pub(super) name_servers: Option<Vec<Name>>,
}

/// What happens to an instance at a time, if nobody says otherwise before: its status turns, or its lease ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// When, in milliseconds since the epoch.
    pub(super) at: u64,
    pub(super) service: ServiceId,
    pub(super) instance: Box<str>,
}

impl<'c> Draft<'c> {
    /// No change.
    pub(super) fn new(catalog: &'c Catalog, settings: &'c Settings, tables: &'c [Arc<Snapshot>], now: u64) -> Self {
        Self {
            catalog,
            settings,
            tables,
            now,
            namespaces: HashMap::new(),
            services: HashMap::new(),
            rewritten: HashSet::new(),
            zones: None,
            declares: false,
            names: HashMap::new(),
            http_names: HashMap::new(),
            apexes: HashMap::new(),
            claims: HashSet::new(),
            rows: Vec::new(),
            due: Vec::new(),
            renewals: Vec::new(),
            released: Vec::new(),
            serials: HashMap::new(),
            follows: None,
            expected_hash: None,
            name_servers: None,
        }
    }

    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        let is_same = self.namespaces.is_empty() && self.services.is_empty() && self.zones.is_none();
        is_same && self.rows.is_empty() && self.follows.is_none()
    }

    //--- Reading

    /// The namespace, as changed.
    pub(super) fn namespace(&self, id: NamespaceId) -> Option<&NamespaceEntry> {
        match self.namespaces.get(&id) {
            Some(entry) => entry.as_ref(),
            None => self.catalog.namespaces.get(&id).map(|entry| &**entry),
        }
    }

    /// The service, as changed.
    pub(super) fn service(&self, id: ServiceId) -> Option<&ServiceEntry> {
        match self.services.get(&id) {
            Some(entry) => entry.as_deref(),
            None => self.catalog.services.get(&id).map(|entry| &**entry),
        }
    }

    /// The service of a namespace that has a name, or its key.
    pub(super) fn service_named(&self, namespace: NamespaceId, name: &str) -> Option<ServiceId> {
        // Nearly always no service comes or goes.
        if !self.names.is_empty() {
            let key = self.namespace(namespace).map_or_else(|| Box::from(name), |entry| entry.service_key(name));
            if let Some(id) = self.names.get(&(namespace, key)) {
                return *id;
            }
        }
        let is_exact = self.catalog.namespaces.get(&namespace)?.namespace_type == NamespaceType::Http;
        let known = self.catalog.services.named(namespace, name, is_exact)?;
        // One that has gone or is called otherwise, where its namespace changed its type, and its name has another key.
        let is_called = |entry: &ServiceEntry| entry.name.eq_ignore_ascii_case(name);
        let stays = self.services.get(&known).is_none_or(|entry| entry.as_deref().is_some_and(is_called));
        stays.then_some(known)
    }

    /// The services of a namespace, as changed.
    pub(super) fn services_of(&self, namespace: NamespaceId) -> Vec<ServiceId> {
        let known = self.catalog.names.get(&namespace).into_iter().flatten();
        let known = known.filter(|(key, _)| !self.names.contains_key(&(namespace, (*key).clone()))).map(|(_, id)| *id);
        let changed = self.names.iter().filter(|((id, _), _)| *id == namespace).filter_map(|(_, id)| *id);
        known.chain(changed).collect()
    }

    /// The namespace discovered under a name, as changed.
    pub(super) fn discovered(&self, http_name: &str) -> Option<NamespaceId> {
        self.http_names.get(http_name).copied().unwrap_or_else(|| self.catalog.http_names.get(http_name).copied())
    }

    /// The namespace whose zone begins at `apex`, as changed.
    pub(super) fn namespace_at(&self, view: usize, apex: &Name) -> Option<NamespaceId> {
        let key = (view, apex.clone());
        self.apexes.get(&key).copied().unwrap_or_else(|| self.catalog.apexes.get(&key).copied())
    }

    /// All zones of namespaces in `view`, as changed.
    pub(super) fn apexes(&self, view: usize) -> impl Iterator<Item = (&Name, NamespaceId)> {
        let known = self.catalog.apexes.iter().filter(|(key, _)| !self.apexes.contains_key(key));
        let changed = self.apexes.iter().filter_map(|(key, id)| Some((key, id.as_ref()?)));
        known.chain(changed).filter(move |((of, _), _)| *of == view).map(|((_, apex), id)| (apex, *id))
    }

    /// Whether nothing changes of a service but that instances are registered in it.
    pub(super) fn is_registered(&self, id: ServiceId) -> bool {
        !self.rewritten.contains(&id)
    }

    //--- Changing

    /// The namespace, to be changed; it exists.
    pub(super) fn edit_namespace(&mut self, id: NamespaceId) -> Option<&mut NamespaceEntry> {
        let catalog = self.catalog;
        let known = || catalog.namespaces.get(&id).map(|entry| NamespaceEntry::clone(entry));
        self.namespaces.entry(id).or_insert_with(known).as_mut()
    }

    /// The service, to be changed; it exists.
    pub(super) fn edit_service(&mut self, id: ServiceId) -> Option<&mut ServiceEntry> {
        self.rewritten.insert(id);
        self.edit_registered(id)
    }

    /// The service, to have an instance registered in it whose row tells the instances revision.
    pub(super) fn edit_registered(&mut self, id: ServiceId) -> Option<&mut ServiceEntry> {
        let catalog = self.catalog;
        let known = || catalog.services.get(&id).map(|entry| Arc::new(ServiceEntry::clone(entry)));
        // Nobody else has it: it is not copied again.
        self.services.entry(id).or_insert_with(known).as_mut().map(Arc::make_mut)
    }

    /// Puts a namespace.
    pub(super) fn put_namespace(&mut self, entry: NamespaceEntry) {
        self.http_names.insert(entry.http_name.clone(), Some(entry.id));
        if let Some((view, apex)) = self.settings.zone(&entry) {
            self.apexes.insert((view, apex), Some(entry.id));
        }
        self.namespaces.insert(entry.id, Some(entry));
    }

    /// Takes away a namespace.
    pub(super) fn remove_namespace(&mut self, id: NamespaceId) {
        if let Some(entry) = self.namespace(id).cloned() {
            self.http_names.insert(entry.http_name.clone(), None);
            if let Some((view, apex)) = self.settings.zone(&entry) {
                self.apexes.insert((view, apex), None);
            }
        }
        self.namespaces.insert(id, None);
    }

    /// Puts a service into its namespace.
    pub(super) fn put_service(&mut self, entry: ServiceEntry) {
        if let Some(namespace) = self.namespace(entry.namespace) {
            let key = namespace.service_key(&entry.name);
            self.names.insert((entry.namespace, key), Some(entry.id));
        }
        self.rewritten.insert(entry.id);
        self.services.insert(entry.id, Some(Arc::new(entry)));
    }

    /// Takes the name of a service from it, which gets another one; unless somebody has that name already.
    pub(super) fn release_name(&mut self, id: ServiceId) {
        let Some(entry) = self.service(id) else { return };
        let Some(namespace) = self.namespace(entry.namespace) else { return };
        let key = (entry.namespace, namespace.service_key(&entry.name));
        if self.names.get(&key).is_none_or(|known| *known == Some(id)) {
            self.names.insert(key, None);
        }
    }

    /// Takes away a service with all of its instances.
    pub(super) fn remove_service(&mut self, id: ServiceId) {
        if let Some(entry) = self.service(id) {
            let namespace = entry.namespace;
            let key = self.namespace(namespace).map(|owner| owner.service_key(&entry.name));
            let rows: Vec<_> = entry.service.instances.iter().filter(|one| !one.declared).cloned().collect();
            if let Some(key) = key {
                self.names.insert((namespace, key), None);
            }
            for instance in rows {
                self.remove_instance_row(id, instance.id());
            }
        }
        self.rewritten.insert(id);
        self.services.insert(id, None);
    }

    /// Has an instance written, whose service is, too.
    pub(super) fn write_instance(&mut self, service: ServiceId, instance: &Instance) {
        self.write_registered(service, instance, None);
    }

    /// Has an instance written with the instances revision of its registration.
    pub(super) fn write_registered(&mut self, service: ServiceId, instance: &Instance, revision: Option<u64>) {
        self.renew(service, instance.id(), instance.lease());
        let key = rows::instance_key(service, instance.id());
        self.rows.push(Write { table: Table::Instances, key, value: Some(rows::encode_instance(instance, revision)) });
        if instance.status_due != 0 {
            self.due.push(Due { at: instance.status_due, service, instance: instance.id().into() });
        }
    }

    /// Has an instance's row removed.
    pub(super) fn remove_instance_row(&mut self, service: ServiceId, id: &str) {
        self.rows.push(Write { table: Table::Instances, key: rows::instance_key(service, id), value: None });
    }

    /// The outcome of what was done, as the operation of whoever has one.
    pub(super) fn done(&mut self, operation: Option<Operation>) -> Outcome {
        operation.map_or(Outcome::Done, |operation| Outcome::Operation(self.finish(operation)))
    }

    /// Has an operation written as done.
    pub(super) fn finish(&mut self, operation: Operation) -> OperationId {
        let status = if operation.error.is_some() { OperationStatus::Fail } else { OperationStatus::Success };
        let operation = Operation { status, updated: self.now.max(operation.id.milliseconds()), ..operation };
        let (key, value) = (rows::operation_key(operation.id), Some(rows::encode_operation(&operation)));
        self.rows.push(Write { table: Table::Operations, key, value });
        operation.id
    }

    /// The outcome of a request that was made before: its operation of then, or another where that one is past its time
    /// and can no longer be asked for.
    pub(super) fn replayed(&mut self, known: OperationId, operation: Operation) -> Outcome {
        let age = self.now.saturating_sub(known.milliseconds());
        let is_kept = u128::from(age) < self.settings.operation_retention.as_millis();
        Outcome::Operation(if is_kept { known } else { self.finish(operation) })
    }

    //--- Who may have what

    /// Refused where a file owns the namespace.
    pub(super) fn may_change_namespace(entry: &NamespaceEntry) -> Result<(), Refusal> {
        declared(&entry.owner, || format!("namespace {}", entry.name))
    }

    /// Refused where a file owns the service.
    pub(super) fn may_change_service(entry: &ServiceEntry) -> Result<(), Refusal> {
        declared(&entry.owner, || format!("service {}", entry.name))
    }

    /// Takes the owner name for `what`, in the zone of a namespace; refused where somebody has it, or where it lies in
    /// another zone of the same view.
    pub(super) fn claim(&mut self, view: usize, apex: &Name, owner: &Name, what: &str) -> Result<(), Refusal> {
        let taken = |by: &str| Err(Refusal::Invalid(format!("{what} would have the DNS name {owner}, {by}")));
        let Some(table) = self.tables.get(view) else { return Ok(()) };
        let mut room = InstanceRoom::default();
        if let Some(node) = table.find_or_make(&NameKey::of(owner), &mut room)
            && node.flags().has(Flags::SERVICE_DATA.with(Flags::STATIC_DATA))
        {
            return taken("at which other records stand");
        }
        let mut above = Some(owner.clone());
        while let Some(name) = above.filter(|name| name != apex) {
            let is_apex = table.find_name(&name).is_some_and(|node| node.apex_offset() == 0);
            if is_apex || self.namespace_at(view, &name).is_some() {
                return taken(&format!("which lies in the zone {name}"));
            }
            if table.find_name(&name).is_some_and(|node| node.flags().has(Flags::CUT)) {
                return taken(&format!("which lies below the delegation {name}"));
            }
            above = name.parent();
        }
        let key = (view, owner.clone());
        if !self.claims.insert(key) {
            return taken("which is just being given away");
        }
        Ok(())
    }

    /// Everything to write.
    pub(super) fn rows(&mut self) -> Vec<Write> {
        let mut rows = std::mem::take(&mut self.rows);
        if self.follows.is_some() {
            return Vec::new();
        }
        // A declared namespace is kept with what the API put into it.
        let mut holders: HashSet<NamespaceId> = HashSet::new();
        for (id, entry) in &self.services {
            let kept = entry.as_deref().filter(|entry| {
                !matches!(entry.owner, Owner::File(_)) || entry.service.instances.iter().any(|one| !one.declared)
            });
            holders.extend(kept.map(|entry| entry.namespace));
            // One that a file declares may have no row yet.
            if !self.rewritten.contains(id) && kept.is_some_and(|entry| !matches!(entry.owner, Owner::File(_))) {
                continue;
            }
            if kept.is_some() || self.catalog.services.contains_key(id) {
                let value = kept.map(rows::encode_service);
                rows.push(Write { table: Table::Services, key: (*id.as_bytes()).into(), value });
            }
        }
        let is_declared = |entry: &&NamespaceEntry| matches!(entry.owner, Owner::File(_));
        let changed =
            self.namespaces.iter().filter(|(_, entry)| entry.as_ref().is_some_and(|entry| is_declared(&entry)));
        holders.extend(changed.map(|(id, _)| *id).filter(|id| self.holds_others(*id)));
        for entry in holders.iter().filter_map(|id| self.namespace(*id)).filter(is_declared) {
            let value = Some(rows::encode_namespace(entry));
            rows.push(Write { table: Table::Namespaces, key: (*entry.id.as_bytes()).into(), value });
        }
        for (id, entry) in &self.namespaces {
            // One that a file declares has no row once nothing of the API's is in it.
            let stays = entry.as_ref().filter(|entry| !is_declared(entry));
            let had_row = || !holders.contains(id) && self.catalog.namespaces.contains_key(id);
            if stays.is_some() || entry.is_none() || had_row() {
                let value = stays.map(rows::encode_namespace);
                rows.push(Write { table: Table::Namespaces, key: (*id.as_bytes()).into(), value });
            }
        }
        rows
    }

    /// Everything to change.
    pub(super) fn into_parts(self) -> Parts {
        let catalog = self.catalog;
        let rewritten = self.rewritten;
        let change = |(id, after)| {
            let (place, is_registered) = (catalog.services.place(&id), !rewritten.contains(&id));
            ServiceChange { id, place, after, is_registered }
        };
        Parts {
            namespaces: self.namespaces.into_iter().map(|(id, entry)| (id, entry.map(Arc::new))).collect(),
            services: self.services.into_iter().map(change).collect(),
            names: self.names,
            keys: Vec::new(),
            http_names: self.http_names,
            apexes: self.apexes,
            zones: self.zones,
            due: self.due,
            renewals: self.renewals,
            released: self.released,
        }
    }
}

/// Refused where `owner` is a file.
fn declared(owner: &Owner, what: impl FnOnce() -> String) -> Result<(), Refusal> {
    match owner {
        Owner::Api | Owner::Kept => Ok(()),
        Owner::File(file) => Err(Refusal::Declared { what: what(), file: file.display().to_string() }),
    }
}
