//! Compares every read with the reference.

use fingerpost::model::{Attributes, HealthCheck, RecordType, RoutingPolicy};
use fingerpost::registry;

use super::World;
use super::ops::{Check, Pairs};
use super::reference::{Namespace, Owner, Service};

impl World {
    /// Compares everything there is. Where something was declared just now, instances revisions may grow by more than
    /// they must.
    pub(crate) fn check(&mut self) {
        let moves = std::mem::take(&mut self.moves);
        self.check_entries(false);
        let catalog = self.registry.catalog();
        let catalog = catalog.read();
        for service in self.reference.services.values_mut() {
            let entry = catalog.service(service.id).expect("was compared");
            let (is, least) = (entry.instances_revision, service.revision);
            assert!(is == least || moves && is > least, "{}: instances revision {is}, not {least}", service.name);
            let last = self.revisions.entry(service.id).or_default();
            assert!(is >= *last, "{}: the instances revision went from {last} to {is}", service.name);
            service.revision = is;
            *last = is;
        }
        drop(catalog);
        self.check_answers();
    }

    /// Compares namespaces, services and instances. Right after a start, empty namespaces may wait for the
    /// declaration that takes them away.
    pub(crate) fn check_entries(&self, is_start: bool) {
        let catalog = self.registry.catalog();
        let catalog = catalog.read();
        let mut count = 0;
        for entry in catalog.namespaces_after(None) {
            let Some(known) = self.reference.namespaces.get(&entry.id) else {
                let waits = is_start && entry.owner == registry::Owner::Kept && catalog.service_count(entry.id) == 0;
                assert!(waits, "a namespace too much: {entry:?}");
                continue;
            };
            count += 1;
            check_namespace(known, entry, is_start);
            assert_eq!(catalog.namespace(entry.id).map(|one| one.id), Some(entry.id));
            let found = catalog.discovered_namespace(&entry.http_name).map(|one| one.id);
            assert_eq!(found, Some(entry.id), "{} is found under its name", entry.http_name);
            let mut services: Vec<_> = self.reference.services_of(known.id).map(|one| one.id).collect();
            let mut listed: Vec<_> = catalog.services_of(known.id).map(|one| one.id).collect();
            services.sort_unstable();
            listed.sort_unstable();
            assert_eq!(listed, services, "services of {}", known.name);
            assert_eq!(catalog.service_count(known.id), services.len());
        }
        assert_eq!(count, self.reference.namespaces.len(), "a namespace is missing");
        let mut instances = 0;
        let mut listed = 0;
        for entry in catalog.services_after(None) {
            let known = self.reference.services.get(&entry.id);
            let known = known.unwrap_or_else(|| panic!("a service too much: {entry:?}"));
            let namespace = catalog.namespace(entry.namespace).expect("a service has its namespace");
            let found = catalog.service_named(namespace, &known.name).map(|one| one.id);
            assert_eq!(found, Some(entry.id), "{} is found under its name", known.name);
            check_service(known, entry);
            instances += known.instances.len();
            listed += 1;
        }
        assert_eq!(listed, self.reference.services.len(), "a service is missing");
        assert_eq!(catalog.instance_count(), instances);
    }
}

fn check_namespace(known: &Namespace, entry: &registry::NamespaceEntry, is_start: bool) {
    assert_eq!(owner(&entry.owner), known.owner, "owner of {}", known.name);
    let is = (&*entry.name, entry.namespace_type, entry.vpc.as_deref(), pairs(&entry.tags));
    assert_eq!(is, (&*known.name, known.kind, known.vpc.as_deref(), known.tags.clone()));
    // What the file says of a namespace counts again once the file has been read.
    if !(is_start && entry.owner == registry::Owner::Kept) {
        assert_eq!((entry.soa_ttl, entry.description.as_deref()), (known.soa_ttl, known.description.as_deref()));
    }
    assert_eq!(entry.creator_request_id.as_deref(), known.token.as_deref());
    assert_eq!(entry.operation, known.operation);
}

fn check_service(known: &Service, entry: &registry::ServiceEntry) {
    let name = &known.name;
    assert_eq!((&*entry.name, entry.namespace), (&**name, known.namespace));
    assert_eq!(owner(&entry.owner), known.owner, "owner of {name}");
    let service = &entry.service;
    let records: Vec<(RecordType, u32)> = service.dns_records.iter().map(|one| (one.record_type, one.ttl)).collect();
    assert_eq!(records, known.records.types, "records of {name}");
    assert_eq!(service.routing_policy == RoutingPolicy::Weighted, known.records.weighted);
    let check = match service.health_check {
        HealthCheck::None => Check::None,
        HealthCheck::Custom => Check::Custom,
        HealthCheck::Probe(_) => Check::Probe,
    };
    assert_eq!(check, known.check, "check of {name}");
    assert_eq!(pairs(&service.attributes), known.attributes, "attributes of {name}");
    assert_eq!(pairs(&service.tags), known.tags, "tags of {name}");
    assert_eq!(service.description.as_deref(), known.description.as_deref());
    assert_eq!(entry.creator_request_id.as_deref(), known.token.as_deref());

    let ids: Vec<_> = service.instances.ids().collect();
    assert_eq!(ids, known.instances.keys().collect::<Vec<_>>(), "instances of {name}");
    for instance in service.instances.iter() {
        let expected = &known.instances[instance.id()];
        let attributes: Pairs = own(instance.attributes().iter());
        assert_eq!(attributes, expected.attributes, "attributes of {}", instance.id());
        assert_eq!(instance.status, expected.health, "health of {} in {name}", instance.id());
        assert_eq!(instance.declared, expected.declared);
        assert_eq!(instance.operation, expected.operation);
        assert_eq!(instance.creator_request_id(), expected.token.as_deref());
        assert_eq!(instance.status_due, 0);
    }
}

fn owner(owner: &registry::Owner) -> Owner {
    match owner {
        registry::Owner::Api => Owner::Api,
        registry::Owner::File(_) => Owner::File,
        registry::Owner::Kept => Owner::Kept,
    }
}

fn pairs(attributes: &Attributes) -> Pairs {
    own(attributes.iter())
}

fn own<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> Pairs {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
