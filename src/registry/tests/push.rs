//! Commands of the gRPC channel, leases, draining, and what followers take over.

use super::*;
use crate::model::Attributes;

fn name(service: &str) -> ServiceName {
    ServiceName { service: service.into(), namespace: "".into() }
}

fn put_namespace(name: &str) -> Push {
    let namespace_type = NamespaceType::DnsPrivate;
    Push::PutNamespace(PutNamespace { name: name.into(), namespace_type, ..PutNamespace::default() })
}

fn put_service(service: &str, health_check: HealthCheck) -> Push {
    let dns_records = vec![DnsRecord { record_type: RecordType::A, ttl: 10 }];
    Push::PutService(PutService { service: name(service), dns_records, health_check, ..PutService::default() })
}

fn put_instance(service: &str, id: &str, address: &str, lease: Option<&str>) -> Push {
    let lease = lease.map(|lease| ("FINGERPOST_LEASE", lease));
    let pairs = [("AWS_INSTANCE_IPV4", address), ("owner", "me")].into_iter().chain(lease);
    let attributes = Attributes::from_pairs(pairs);
    Push::PutInstance { service: name(service), id: id.into(), attributes }
}

/// Applies a batch as one; all of it must succeed.
fn push(registry: &mut Registry, batch: Vec<Push>) -> Revision {
    let batch = batch.into_iter().map(|push| (Command::Push(push), None)).collect();
    let results = registry.apply_batch(batch);
    results.into_iter().map(Result::unwrap).next_back().unwrap().revision
}

fn refused(registry: &mut Registry, push: Push) -> String {
    registry.apply(Command::Push(push)).unwrap_err().to_string()
}

fn filled() -> Registry {
    let mut registry = Registry::new(Vec::new());
    push(
        &mut registry,
        vec![
            put_namespace("p.test"),
            put_service("api.p.test", HealthCheck::Custom),
            put_instance("api.p.test", "one", "10.0.0.1", None),
            put_instance("api.p.test", "two", "10.0.0.2", Some("5")),
        ],
    );
    registry
}

#[test]
fn one_batch_makes_all_and_again_changes_nothing() {
    let mut registry = filled();
    assert_eq!(registry.catalog().read().revision(), 1);
    assert_eq!(addresses(&registry, "api.p.test"), Some(2));
    let again = vec![
        put_namespace("p.test"),
        put_service("api.p.test", HealthCheck::Custom),
        put_instance("api.p.test", "one", "10.0.0.1", None),
        Push::RemoveInstance(name("api.p.test"), "three".into()),
        Push::RemoveService(name("web.p.test")),
        Push::RemoveNamespace("q.test".into()),
    ];
    assert_eq!(push(&mut registry, again), 1);
    let other = put_instance("api.p.test", "one", "10.0.0.9", None);
    assert_eq!(push(&mut registry, vec![other]), 2);
    let gone = vec![
        Push::RemoveInstance(name("api.p.test"), "one".into()),
        Push::RemoveInstance(ServiceName { service: "API".into(), namespace: "P.test".into() }, "two".into()),
        Push::RemoveService(name("api.p.test.")),
        Push::RemoveNamespace("p.test".into()),
    ];
    assert_eq!(push(&mut registry, gone), 3);
    assert_eq!(addresses(&registry, "api.p.test"), None);
}

#[test]
fn what_is_refused_says_why() {
    let mut registry = filled();
    let instance = put_instance("web.p.test", "one", "10.0.0.1", None);
    assert_eq!(refused(&mut registry, instance), "there is no service web.p.test");
    let service = put_service("api.p.test", HealthCheck::None);
    assert!(refused(&mut registry, service).contains("health check of service api cannot change"));
    let renew = Push::Renew(name("api.p.test"), "one".into());
    assert!(refused(&mut registry, renew).contains("has no lease"));
    assert!(refused(&mut registry, Push::RemoveNamespace("p.test".into())).contains("has 1 services"));
    assert_eq!(registry.catalog().read().revision(), 1);
}

#[test]
fn an_instance_that_drains_answers_no_more_until_it_is_registered_again() {
    let mut registry = filled();
    let drain = |id: &str| Push::Drain(name("api.p.test"), id.into());
    assert_eq!(push(&mut registry, vec![drain("one")]), 2);
    assert_eq!(push(&mut registry, vec![drain("one")]), 2, "it drains already");
    assert_eq!(addresses(&registry, "api.p.test"), Some(1));
    // Not even where all others have failed.
    let sick = Push::SetHealth(name("api.p.test"), "two".into(), HealthStatus::Unhealthy);
    registry.settings.custom_health_delay = Duration::ZERO;
    push(&mut registry, vec![sick]);
    assert_eq!(addresses(&registry, "api.p.test"), Some(1));
    push(&mut registry, vec![drain("two")]);
    assert_eq!(addresses(&registry, "api.p.test").unwrap_or_default(), 0);
    push(&mut registry, vec![put_instance("api.p.test", "one", "10.0.0.1", None)]);
    assert_eq!(addresses(&registry, "api.p.test"), Some(1));
}

#[test]
fn what_drains_drains_after_a_restart() {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    push(&mut registry, vec![put_namespace("p.test"), put_service("api.p.test", HealthCheck::None)]);
    push(&mut registry, vec![put_instance("api.p.test", "one", "10.0.0.1", None)]);
    push(&mut registry, vec![Push::Drain(name("api.p.test"), "one".into())]);
    let hash = whole_hash(&registry);
    drop(registry);
    let registry = open(&store);
    assert_eq!(addresses(&registry, "api.p.test").unwrap_or_default(), 0);
    assert_eq!(whole_hash(&registry), hash);
}

#[test]
fn an_instance_goes_when_nobody_renews_its_lease() {
    let mut registry = filled();
    let due = registry.next_due().unwrap();
    let left = due.checked_sub(now()).unwrap();
    assert!((4_000..=5_000).contains(&left), "{left}");
    // As if the time had come; a batch of nothing is what the registry's thread does then.
    let service = registry.catalog().read().services_after(None).next().unwrap().id;
    let lease = |at| Due { at, service, instance: "two".into() };
    registry.leases.renew(lease(now() + 60_000));
    registry.try_batch(Vec::new()).unwrap();
    assert_eq!(addresses(&registry, "api.p.test"), Some(2), "it was renewed");
    registry.leases.renew(lease(now()));
    registry.try_batch(Vec::new()).unwrap();
    assert_eq!(addresses(&registry, "api.p.test"), Some(1));
}

//--- Followers

fn whole_hash(registry: &Registry) -> u64 {
    let catalog = registry.catalog();
    let catalog = catalog.read();
    catalog.namespaces_after(None).fold(0, |sum, entry| sum.wrapping_add(catalog.state_hash(entry.id)))
}

/// What a follower with nothing takes over.
fn whole(registry: &Registry) -> Replica {
    let catalog = registry.catalog();
    let catalog = catalog.read();
    let mut replica = Replica {
        revision: catalog.revision(),
        state_hash: catalog.hashes.values().fold(0, |sum, hash| sum.wrapping_add(*hash)),
        is_whole: true,
        ..Replica::default()
    };
    for entry in catalog.namespaces_after(None) {
        replica.namespaces.push(NamespaceEntry { owner: Owner::Kept, ..NamespaceEntry::clone(entry) });
        replica.serials.push((entry.id, catalog.serial(entry.id)));
    }
    for entry in catalog.services_after(None) {
        let instances = entry.service.instances.iter();
        replica.instances.extend(instances.map(|instance| (entry.id, Instance::clone(instance))));
        let mut entry = ServiceEntry::clone(entry);
        entry.service.instances = Default::default();
        replica.services.push(entry);
    }
    replica
}

/// What a follower takes over of a revision.
fn changes(registry: &Registry, entry: &Entry) -> Replica {
    let mut replica = Replica { revision: entry.revision, state_hash: whole_hash(registry), ..Replica::default() };
    for (id, entry) in &entry.namespaces {
        match entry {
            Some(entry) => replica.namespaces.push(NamespaceEntry::clone(entry)),
            None => replica.removed_namespaces.push(*id),
        }
    }
    for (id, _, entry) in &entry.services {
        match entry {
            Some(entry) => replica.services.push(ServiceEntry::clone(entry)),
            None => replica.removed_services.push(*id),
        }
    }
    for change in &entry.instances {
        match &change.after {
            Some(instance) => replica.instances.push((change.service, Instance::clone(instance))),
            None => replica.removed_instances.push((change.service, change.id().into())),
        }
    }
    replica.serials = entry.serials.clone();
    replica
}

/// All names with their octets: what two nodes must have alike.
fn answers(registry: &Registry) -> Vec<String> {
    let table = registry.handle().load();
    let mut all: Vec<_> = table.nodes().map(|node| format!("{:?} {:?}", node.name(), node.words())).collect();
    all.sort();
    all
}

#[test]
fn a_follower_has_the_same_after_every_revision() {
    let mut primary = filled();
    let mut follower = Registry::new(Vec::new());
    let history = primary.history();
    follower.apply(Command::Replicate(Box::new(whole(&primary)))).unwrap();
    assert_eq!(answers(&follower), answers(&primary));

    let steps = [
        vec![put_instance("api.p.test", "three", "10.0.0.3", None)],
        vec![Push::RemoveInstance(name("api.p.test"), "one".into())],
        vec![put_namespace("q.test"), put_service("web.q.test", HealthCheck::None)],
        vec![put_instance("web.q.test", "one", "10.1.0.1", None), Push::Drain(name("api.p.test"), "two".into())],
        vec![
            Push::RemoveInstance(name("web.q.test"), "one".into()),
            Push::RemoveService(name("web.q.test")),
            Push::RemoveNamespace("q.test".into()),
        ],
    ];
    for step in steps {
        let before = primary.catalog().read().revision();
        push(&mut primary, step);
        let entries = history.since(before, 10).unwrap();
        assert_eq!(entries.len(), 1);
        let replica = changes(&primary, &entries[0]);
        follower.apply(Command::Replicate(Box::new(replica))).unwrap();
        assert_eq!(answers(&follower), answers(&primary));
        assert_eq!(follower.catalog().read().revision(), primary.catalog().read().revision());
    }
    assert!(history.since(99, 10).is_none(), "the future is not known");
    // A follower that has other things takes the whole state, and loses them.
    let mut other = filled();
    push(&mut other, vec![put_namespace("z.test")]);
    other.apply(Command::Replicate(Box::new(whole(&primary)))).unwrap();
    assert_eq!(answers(&other), answers(&primary));
}

#[test]
fn a_follower_notices_that_it_differs() {
    let primary = filled();
    let mut follower = Registry::new(Vec::new());
    let mut replica = whole(&primary);
    replica.instances.pop();
    let refusal = follower.apply(Command::Replicate(Box::new(replica))).unwrap_err();
    assert!(matches!(refusal, Refusal::Diverged { .. }), "{refusal}");
    assert_eq!(follower.catalog().read().revision(), 0);
}

#[test]
fn the_hash_is_that_of_what_is_there() {
    let mut registry = filled();
    let before = whole_hash(&registry);
    push(&mut registry, vec![put_instance("api.p.test", "three", "10.0.0.3", None)]);
    assert_ne!(whole_hash(&registry), before);
    push(&mut registry, vec![Push::RemoveInstance(name("api.p.test"), "three".into())]);
    assert_eq!(whole_hash(&registry), before);
}

#[tokio::test]
async fn a_batch_shows_when_every_worker_has_it() {
    let registry = filled();
    let (visibility, handle) = (registry.visibility(), registry.handle());
    let (sender, thread) = registry.spawn().unwrap();
    let mut view = handle.view();
    view.snapshot();
    let batch = vec![put_instance("api.p.test", "three", "10.0.0.3", None), put_instance("x", "y", "10.0.0.4", None)];
    let pushed = sender.push(batch).await.unwrap().await.unwrap().unwrap();
    assert_eq!((pushed.revision, visibility.published()), (2, 2));
    assert_eq!(pushed.refusals, [(1, Refusal::NoServiceNamed("x".into()))]);
    assert_eq!(visibility.visible(), 1, "the view is still of the revision before");
    let waits = tokio::time::timeout(Duration::from_millis(50), visibility.wait(2));
    assert!(waits.await.is_err());
    view.snapshot();
    tokio::time::timeout(Duration::from_millis(500), visibility.wait(2)).await.unwrap();
    drop(sender);
    thread.join().unwrap();
}
