//! The registry as its channels see it: commands in, names and entries out.

mod commands;
mod conflicts;
mod follow;
mod stored;
mod whole;
mod zones;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::model::{
    Attributes, DnsRecord, HealthCheck, HealthStatus, Instance, Namespace, NamespaceId, NamespaceType, RecordType,
    Service, ServiceId, State,
};
use crate::table::{InstanceRoom, Node};
use crate::wire::NameKey;

//--- Declarations

/// A namespace `z.test` with services of one A record, each with as many instances as said.
fn state(services: &[(&str, u8)]) -> State {
    let mut namespace = Namespace::default();
    for (name, instances) in services {
        let mut service =
            Service { dns_records: vec![DnsRecord { record_type: RecordType::A, ttl: 10 }], ..Service::default() };
        service.source = Some(Path::new("z.yaml").into());
        let instance = |number: u8| {
            let address = format!("10.0.0.{number}");
            Instance::new(&format!("i-{number}"), None, [("AWS_INSTANCE_IPV4", &*address)])
        };
        service.instances = (0..*instances).map(instance).collect();
        namespace.services.insert((*name).into(), service);
    }
    namespace.source = Some(Path::new("z.yaml").into());
    State { namespaces: [("z.test".into(), namespace)].into(), ..State::default() }
}

/// [`state`], whose service `name` has SRV records alone.
fn state_with_srv(services: &[(&str, u8)], name: &str) -> State {
    let mut state = state(services);
    let services = &mut state.namespaces.get_mut("z.test").unwrap().services;
    services.get_mut(name).unwrap().dns_records = vec![DnsRecord { record_type: RecordType::Srv, ttl: 10 }];
    state
}

fn addresses(registry: &Registry, name: &str) -> Option<usize> {
    let (snapshot, mut room) = (registry.handle().load(), InstanceRoom::new());
    Some(snapshot.find_or_make(&NameKey::of(&Name::parse(name).unwrap()), &mut room)?.set(1)?.count())
}

#[test]
fn a_declaration_replaces_the_one_before() {
    let mut registry = Registry::new(Vec::new());
    let change = registry.apply(Command::Declare(state(&[("a", 2), ("b", 1)]))).unwrap();
    assert_eq!((change.revision, change.names, change.instances), (1, 3, 3));
    assert_eq!(addresses(&registry, "a.z.test"), Some(2));

    let change = registry.apply(Command::Declare(state(&[("a", 1), ("c", 4)]))).unwrap();
    assert_eq!((change.revision, change.names, change.instances), (2, 3, 5));
    assert_eq!(addresses(&registry, "a.z.test"), Some(1));
    assert_eq!(addresses(&registry, "b.z.test"), None);
    assert_eq!(addresses(&registry, "c.z.test"), Some(4));

    let change = registry.apply(Command::Declare(state(&[("a", 1), ("c", 4)]))).unwrap();
    assert_eq!(change.revision, 2, "the same again is no change");

    let change = registry.apply(Command::Declare(State::default())).unwrap();
    assert_eq!((change.revision, change.names, change.instances), (3, 0, 0));
}

#[test]
fn a_service_may_take_over_the_name_of_an_instance() {
    let mut registry = Registry::new(Vec::new());
    registry.apply(Command::Declare(state_with_srv(&[("z", 1)], "z"))).unwrap();
    assert_eq!(addresses(&registry, "i-0.z.z.test"), Some(1));

    registry.apply(Command::Declare(state(&[("i-0.z", 3), ("z", 1)]))).unwrap();
    assert_eq!(addresses(&registry, "i-0.z.z.test"), Some(3));
}

#[test]
fn a_refused_command_changes_nothing() {
    let mut registry = Registry::new(Vec::new());
    registry.apply(Command::Declare(state(&[("a", 1)]))).unwrap();
    let bad = state(&[("a", 2), (&"x".repeat(64), 1)]);
    assert!(matches!(registry.apply(Command::Declare(bad)), Err(Refusal::Name { .. })));
    assert_eq!(addresses(&registry, "a.z.test"), Some(1));
    assert_eq!(registry.handle().load().revision(), 1);
}

#[tokio::test]
async fn a_command_is_visible_when_it_is_acknowledged() {
    let registry = Registry::new(Vec::new());
    let handle = registry.handle();
    let (sender, thread) = registry.spawn().unwrap();
    let change = sender.send(Command::Declare(state(&[("a", 1)]))).await.unwrap();
    assert_eq!(handle.load().revision(), change.revision);
    drop(sender);
    thread.join().unwrap();
}

//--- Through the API

/// A registry with its store, which outlives it.
fn open(store: &Arc<Memory>) -> Registry {
    let settings = Settings { custom_health_delay: Duration::from_secs(30), ..Settings::default() };
    Registry::open(settings, Arc::<Memory>::clone(store)).unwrap()
}

fn create_namespace(registry: &mut Registry, name: &str) -> NamespaceId {
    let create = CreateNamespace { name: name.into(), vpc: Some("vpc-1".into()), ..CreateNamespace::default() };
    let outcome = registry.apply(Command::CreateNamespace(create)).unwrap().outcome;
    operation(registry, outcome).namespace.unwrap()
}

/// Asks for a namespace, and tells how its operation ended.
fn try_create_namespace(
    registry: &mut Registry,
    name: &str,
    namespace_type: NamespaceType,
    vpc: Option<&str>,
) -> OperationStatus {
    let create =
        CreateNamespace { name: name.into(), namespace_type, vpc: vpc.map(Box::from), ..CreateNamespace::default() };
    let outcome = registry.apply(Command::CreateNamespace(create)).unwrap().outcome;
    operation(registry, outcome).status
}

/// A registry with the instance `i` of the service `s`, whose instances have names, in a namespace.
fn with_named_instance(namespace: &str) -> (Registry, NamespaceId, ServiceId) {
    let mut registry = Registry::new(Vec::new());
    let namespace = create_namespace(&mut registry, namespace);
    let s = create_service(&mut registry, namespace, "s", &[RecordType::Srv]);
    registry.apply(register(s, "i", 1)).unwrap();
    (registry, namespace, s)
}

/// The operation of an outcome.
fn operation(registry: &Registry, outcome: Outcome) -> Operation {
    let Outcome::Operation(id) = outcome else { panic!("no operation: {outcome:?}") };
    let key = rows::operation_key(id);
    let value = registry.store().get(Table::Operations, &key).unwrap().expect("the operation is stored");
    decode_operation(&key, &value).unwrap()
}

fn service_of(namespace: NamespaceId, name: &str, records: &[RecordType]) -> CreateService {
    CreateService {
        namespace,
        name: name.into(),
        routing_policy: None,
        dns_records: records.iter().map(|&record_type| DnsRecord { record_type, ttl: 10 }).collect(),
        api_only: false,
        health_check: HealthCheck::Custom,
        description: None,
        creator_request_id: Some("token".into()),
        tags: Attributes::default(),
    }
}

fn create_service(registry: &mut Registry, namespace: NamespaceId, name: &str, records: &[RecordType]) -> ServiceId {
    match registry.apply(Command::CreateService(service_of(namespace, name, records))).unwrap().outcome {
        Outcome::Service(id) => id,
        other => panic!("{other:?}"),
    }
}

fn register(service: ServiceId, id: &str, last: u8) -> Command {
    let address = format!("10.0.0.{last}");
    let attributes = Attributes::from_pairs([("AWS_INSTANCE_IPV4", &*address), ("AWS_INSTANCE_PORT", "80")]);
    Command::RegisterInstance(RegisterInstance { service, id: id.into(), creator_request_id: None, attributes })
}

//--- Both

#[test]
fn what_is_declared_is_the_files_and_what_was_registered_stays() {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    registry.apply(Command::Declare(state(&[("a", 2)]))).unwrap();
    let (namespace, a) = {
        let catalog = registry.catalog();
        let catalog = catalog.read();
        let namespace = catalog.discovered_namespace("z.test").unwrap().clone();
        (namespace.id, catalog.service_named(&namespace, "A").unwrap().id)
    };
    for refused in [
        Command::DeleteService(a),
        Command::DeleteNamespace(namespace),
        register(a, "i-1", 7),
        Command::DeregisterInstance(a, "i-1".into()),
        Command::Tag(Resource::Service(a), Attributes::from_pairs([("k", "v")])),
    ] {
        let shown = format!("{refused:?}");
        let refusal = registry.apply(refused).unwrap_err();
        assert!(matches!(&refusal, Refusal::Declared { file, .. } if file == "z.yaml"), "{shown}: {refusal:?}");
    }
    registry.apply(register(a, "mine", 9)).unwrap();
    let mine = create_service(&mut registry, namespace, "mine", &[RecordType::A]);
    assert_eq!(addresses(&registry, "a.z.test"), Some(3));

    // A restart, before the files are read, and after.
    registry = open(&store);
    assert_eq!(addresses(&registry, "a.z.test"), Some(1));
    registry.apply(Command::Declare(state(&[("a", 2)]))).unwrap();
    assert_eq!(addresses(&registry, "a.z.test"), Some(3));
    let conflict = registry.apply(Command::Declare(state(&[("mine", 1)]))).unwrap_err();
    assert!(conflict.to_string().starts_with("z.yaml: service mine was made through the API"), "{conflict}");

    registry.apply(Command::Declare(State::default())).unwrap();
    assert_eq!(addresses(&registry, "a.z.test"), Some(1), "declared instances go, the other stays");
    assert_eq!(registry.catalog().read().namespace(namespace).unwrap().owner, Owner::Kept);
    registry.apply(Command::DeregisterInstance(a, "mine".into())).unwrap();
    registry.apply(Command::DeleteService(a)).unwrap();
    registry.apply(Command::DeleteService(mine)).unwrap();
    registry.apply(Command::DeleteNamespace(namespace)).unwrap();
    assert_eq!(open(&store).handle().load().names(), 0);
}

#[test]
fn vpcs_have_views_of_their_own() {
    let settings = Settings { vpcs: vec!["vpc-1".into(), "vpc-2".into()], ..Settings::default() };
    let mut registry = Registry::open(settings, Arc::new(Memory::default())).unwrap();
    let create = |vpc: &str| {
        let vpc = Some(vpc.into());
        Command::CreateNamespace(CreateNamespace { name: "z.test".into(), vpc, ..CreateNamespace::default() })
    };
    let mut ids = Vec::new();
    for vpc in ["vpc-1", "vpc-2"] {
        let outcome = registry.apply(create(vpc)).unwrap().outcome;
        ids.push(operation(&registry, outcome).namespace.unwrap());
    }
    let s = create_service(&mut registry, ids[1], "s", &[RecordType::A]);
    registry.apply(register(s, "i", 1)).unwrap();
    let names: Vec<_> = registry.handles().iter().map(|handle| handle.load().names()).collect();
    assert_eq!(names, [0, 1, 2]);
    let unknown = registry.apply(create("vpc-3")).unwrap_err();
    assert!(unknown.to_string().contains("vpc-1, vpc-2"), "{unknown}");
}
