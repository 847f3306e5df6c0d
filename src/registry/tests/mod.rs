//! The registry as its channels see it: commands in, names and entries out.

mod conflicts;
mod follow;
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
    let mut first = state(&[("z", 1)]);
    let srv = DnsRecord { record_type: RecordType::Srv, ttl: 10 };
    let services = &mut first.namespaces.get_mut("z.test").unwrap().services;
    services.get_mut("z").unwrap().dns_records = vec![srv];
    registry.apply(Command::Declare(first)).unwrap();
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

//--- The API's commands

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

#[test]
fn a_life_through_the_api_survives_restarts() {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    let namespace = create_namespace(&mut registry, "production.local");
    let api = create_service(&mut registry, namespace, "api", &[RecordType::A, RecordType::Srv]);
    for last in 1..=3 {
        let outcome = registry.apply(register(api, &format!("task-{last}"), last)).unwrap().outcome;
        let operation = operation(&registry, outcome);
        assert_eq!(operation.status, OperationStatus::Success);
        assert_eq!((operation.namespace, operation.service), (Some(namespace), Some(api)));
    }
    let entry = Arc::clone(registry.catalog().read().service(api).unwrap());
    assert_eq!(entry.instances_revision, 3);

    for _ in 0..2 {
        registry = open(&store);
        assert_eq!(addresses(&registry, "api.production.local"), Some(3));
        assert_eq!(addresses(&registry, "task-2.api.production.local"), Some(1));
        assert_eq!(registry.catalog().read().service(api).unwrap(), &entry);
    }
    let revision = registry.catalog().read().revision();
    let change = registry.apply(Command::DeregisterInstance(api, "task-2".into())).unwrap();
    assert_eq!((change.revision, change.instances), (revision + 1, 2));
    assert_eq!(addresses(&registry, "task-2.api.production.local"), None);
    assert!(matches!(registry.apply(Command::DeleteService(api)), Err(Refusal::InUse(_))));
    assert!(matches!(registry.apply(Command::DeleteNamespace(namespace)), Err(Refusal::InUse(_))));
    for id in ["task-1", "task-3"] {
        registry.apply(Command::DeregisterInstance(api, id.into())).unwrap();
    }
    assert_eq!(addresses(&registry, "api.production.local"), Some(0));
    registry.apply(Command::DeleteService(api)).unwrap();
    let gone = registry.apply(Command::DeleteNamespace(namespace)).unwrap();
    assert_eq!((gone.names, gone.instances), (0, 0));
    assert!(matches!(registry.apply(Command::DeleteNamespace(namespace)), Err(Refusal::NoNamespace(_))));
    registry = open(&store);
    assert_eq!(registry.handle().load().names(), 0);
    assert_eq!(registry.catalog().read().revision(), gone.revision);
}

#[test]
fn a_name_has_one_producer() {
    let mut registry = Registry::new(Vec::new());
    let namespace = create_namespace(&mut registry, "z.test");
    let s = create_service(&mut registry, namespace, "s", &[RecordType::Srv]);
    registry.apply(register(s, "i", 1)).unwrap();
    let refused = registry.apply(Command::CreateService(service_of(namespace, "I.s", &[RecordType::A])));
    assert!(matches!(&refused, Err(Refusal::Invalid(text)) if text.contains("i.s.z.test")), "{refused:?}");
    create_service(&mut registry, namespace, "j.s", &[RecordType::A]);
    assert!(matches!(registry.apply(register(s, "j", 2)), Err(Refusal::Invalid(_))));
    // Again, and with another address: it is the instance's own name.
    registry.apply(register(s, "i", 3)).unwrap();
    let twice = registry.apply(Command::CreateService(service_of(namespace, "S", &[RecordType::A])));
    assert!(matches!(twice, Err(Refusal::ServiceExists { id, .. }) if id == s));
    let same = registry.apply(Command::CreateService(service_of(namespace, "s", &[RecordType::Srv]))).unwrap();
    assert_eq!(same.outcome, Outcome::Service(s), "the same request again");
}

#[test]
fn a_namespace_that_conflicts_fails_in_its_operation() {
    let mut registry = Registry::new(Vec::new());
    create_namespace(&mut registry, "z.test");
    for name in ["z.test", "a.Z.test", "test"] {
        let create = CreateNamespace { name: name.into(), vpc: Some("vpc-1".into()), ..CreateNamespace::default() };
        let outcome = registry.apply(Command::CreateNamespace(create)).unwrap().outcome;
        let operation = operation(&registry, outcome);
        assert_eq!(operation.status, OperationStatus::Fail, "{name}");
        let (code, text) = operation.error.unwrap();
        assert_eq!(&*code, "CANNOT_CREATE_HOSTED_ZONE");
        assert!(text.starts_with("ConflictingDomainExists: "), "{text}");
    }
    let http = || {
        let namespace_type = NamespaceType::Http;
        Command::CreateNamespace(CreateNamespace {
            name: "z.test".into(),
            namespace_type,
            ..CreateNamespace::default()
        })
    };
    let outcome = registry.apply(http()).unwrap().outcome;
    let id = operation(&registry, outcome).namespace.unwrap();
    let catalog = registry.catalog();
    assert!(catalog.read().namespace(id).unwrap().http_name.starts_with("z.test-"));
    assert!(matches!(registry.apply(http()), Err(Refusal::NamespaceExists { id: other, .. }) if other == id));
}

#[test]
fn a_namespace_conflicts_with_the_name_of_an_instance() {
    let mut registry = Registry::new(Vec::new());
    let namespace = create_namespace(&mut registry, "z.test");
    let s = create_service(&mut registry, namespace, "s", &[RecordType::Srv]);
    registry.apply(register(s, "i", 1)).unwrap();
    let public = |name: &str| {
        let namespace_type = NamespaceType::DnsPublic;
        Command::CreateNamespace(CreateNamespace { name: name.into(), namespace_type, ..CreateNamespace::default() })
    };
    for (name, status) in [("I.s.z.test", OperationStatus::Fail), ("j.s.z.test", OperationStatus::Success)] {
        let outcome = registry.apply(public(name)).unwrap().outcome;
        assert_eq!(operation(&registry, outcome).status, status, "{name}");
    }
}

#[test]
fn custom_health_waits_for_its_time() {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    let namespace = create_namespace(&mut registry, "z.test");
    let s = create_service(&mut registry, namespace, "s", &[RecordType::A]);
    registry.apply(register(s, "a", 1)).unwrap();
    registry.apply(register(s, "b", 2)).unwrap();
    let unhealthy = |id: &str| Command::SetCustomHealth(s, id.into(), HealthStatus::Unhealthy);
    registry.apply(unhealthy("a")).unwrap();
    let due = registry.next_due().unwrap();
    assert!(due > now() + 29_000, "30 seconds from now");
    assert_eq!(addresses(&registry, "s.z.test"), Some(2));
    registry.apply(unhealthy("a")).unwrap();
    // Taken back, it never shows.
    registry.apply(Command::SetCustomHealth(s, "a".into(), HealthStatus::Healthy)).unwrap();
    assert_eq!(registry.catalog().read().service(s).unwrap().service.instances["a"].status_due, 0);
    registry.apply(unhealthy("a")).unwrap();

    let settings = Settings { custom_health_delay: Duration::ZERO, ..Settings::default() };
    registry = Registry::open(settings, Arc::<Memory>::clone(&store)).unwrap();
    assert!(registry.next_due().is_some(), "what is due is remembered");
    registry.apply(unhealthy("b")).unwrap();
    assert_eq!(addresses(&registry, "s.z.test"), Some(1), "without a delay it shows at once");
    registry.apply(register(s, "b", 2)).unwrap();
    assert_eq!(addresses(&registry, "s.z.test"), Some(2), "a registration starts anew");
    let refused = registry.apply(Command::SetCustomHealth(s, "x".into(), HealthStatus::Healthy));
    assert!(matches!(refused, Err(Refusal::NoInstance(_))));
}

#[test]
fn the_instances_revision_is_the_same_after_a_restart_whoever_wrote_it_last() {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    let namespace = create_namespace(&mut registry, "z.test");
    let s = create_service(&mut registry, namespace, "s", &[RecordType::A]);
    let revision = |registry: &Registry| registry.catalog().read().service(s).unwrap().instances_revision;
    let commands = [
        register(s, "a", 1),
        register(s, "b", 2),
        register(s, "a", 3),
        Command::DeregisterInstance(s, "a".into()),
        register(s, "a", 4),
        Command::DeregisterInstance(s, "b".into()),
    ];
    let mut before = revision(&registry);
    for command in commands {
        registry.apply(command).unwrap();
        let after = revision(&registry);
        assert!(after > before);
        registry = open(&store);
        assert_eq!(revision(&registry), after);
        before = after;
    }
}

#[test]
fn a_large_batch_is_written_while_it_is_made() {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    let namespace = create_namespace(&mut registry, "z.test");
    let services: Vec<_> = (0..30)
        .map(|number| create_service(&mut registry, namespace, &format!("s{number}"), &[RecordType::A]))
        .collect();
    for round in 0..3_u8 {
        let put = |number: usize| {
            let service = ServiceName { service: format!("S{}.z.test", number % 30).into(), namespace: "".into() };
            let address = format!("10.{round}.{}.{}", number / 250, number % 250);
            let pairs = [("AWS_INSTANCE_IPV4", &*address)];
            let instance = Instance::new(&format!("i{}", number / 30), None, pairs);
            (Command::Push(Push::PutInstance { service, instance }), None)
        };
        let results = registry.apply_batch((0..600).map(put).collect());
        assert!(results.iter().all(Result::is_ok));
        for registry in [&registry, &open(&store)] {
            assert_eq!(registry.catalog().read().instance_count(), 600);
            for (number, service) in services.iter().enumerate() {
                assert_eq!(addresses(registry, &format!("s{number}.z.test")), Some(20));
                let catalog = registry.catalog();
                let catalog = catalog.read();
                let entry = catalog.service(*service).unwrap();
                let prefix = format!("10.{round}.");
                assert!(entry.service.instances.iter().all(|one| one.ipv4().unwrap().to_string().starts_with(&prefix)));
                assert_eq!(entry.instances_revision, 20 * (u64::from(round) + 1));
            }
            let fresh = open(&store).catalog().read().state_hash(namespace);
            assert_eq!(registry.catalog().read().state_hash(namespace), fresh);
        }
    }
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

//--- The store below

/// A store in memory whose commits do something first, which may fail.
struct Hooked<F>(Memory, F);

impl<F: Fn() -> Result<(), StoreError> + Send + Sync> Store for Hooked<F> {
    fn load_part(&self, table: Table, keys: store::Keys<'_>, each: &mut store::Each<'_>) -> Result<(), StoreError> {
        self.0.load_part(table, keys, each)
    }
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Box<[u8]>>, StoreError> {
        self.0.get(table, key)
    }
    fn scan(&self, table: Table, after: &[u8], backwards: bool, limit: usize) -> Result<Vec<store::Row>, StoreError> {
        self.0.scan(table, after, backwards, limit)
    }
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        (self.1)()?;
        self.0.commit(writes)
    }
}

#[test]
fn operations_are_kept_for_their_time() {
    let mut registry = Registry::new(Vec::new());
    create_namespace(&mut registry, "z.test");
    let kept = |registry: &Registry| registry.store().scan(Table::Operations, &[], false, 10).unwrap().len();
    let sweep = |registry: &mut Registry| {
        registry.swept = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        registry.sweep().unwrap();
    };
    sweep(&mut registry);
    assert_eq!(kept(&registry), 1, "a day has not passed");
    registry.settings.operation_retention = Duration::ZERO;
    thread::sleep(Duration::from_millis(2));
    sweep(&mut registry);
    assert_eq!(kept(&registry), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_wait_share_a_commit() {
    let counted = Arc::new(AtomicUsize::new(0));
    let slow = Hooked(Memory::default(), {
        let counted = Arc::clone(&counted);
        move || {
            thread::sleep(Duration::from_millis(20));
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    });
    let mut registry = Registry::open(Settings::default(), Arc::new(slow)).unwrap();
    let namespace = create_namespace(&mut registry, "z.test");
    let s = create_service(&mut registry, namespace, "s", &[RecordType::A]);
    let commits = || counted.load(Ordering::Relaxed);
    let before = commits();
    let (sender, thread) = registry.spawn().unwrap();
    let start = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..200_u8 {
        let (sender, command) = (sender.clone(), register(s, &format!("i-{number}"), number));
        waiting.spawn(async move { sender.send(command).await });
    }
    assert!(waiting.join_all().await.iter().all(Result::is_ok));
    let shared = commits() - before;
    assert!((1..=20).contains(&shared), "{shared} commits for 200 commands");
    assert!(start.elapsed() < Duration::from_secs(2), "one after the other they take four");
    // Alone, a command waits for nobody: its own commit is all it takes.
    let start = Instant::now();
    sender.send(register(s, "alone", 1)).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(20 + 100), "{:?}", start.elapsed());
    drop(sender);
    thread.join().unwrap();
}

#[test]
fn a_failed_commit_stops_all_writing() {
    let failing = Hooked(Memory::default(), || Err(StoreError::Io("no space left".into())));
    let mut registry = Registry::open(Settings::default(), Arc::new(failing)).unwrap();
    let create = || Command::CreateNamespace(CreateNamespace { name: "z.test".into(), ..CreateNamespace::default() });
    let told = Arc::new(AtomicUsize::new(0));
    registry.observe_failure({
        let told = Arc::clone(&told);
        move |reason| {
            assert!(reason.contains("no space left"));
            told.fetch_add(1, Ordering::Relaxed);
        }
    });
    for _ in 0..2 {
        assert!(matches!(registry.apply(create()), Err(Refusal::Store(text)) if text.contains("no space left")));
    }
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!(registry.handle().load().names(), 0, "nothing shows that is not durable");
}

#[test]
fn an_export_is_imported_as_it_was() {
    let mut registry = Registry::new(Vec::new());
    let namespace = create_namespace(&mut registry, "z.test");
    let s = create_service(&mut registry, namespace, "s", &[RecordType::A, RecordType::Srv]);
    for (id, last) in [("a", 1), ("b:/@", 2)] {
        registry.apply(register(s, id, last)).unwrap();
    }
    let tags = Attributes::from_pairs([("team", "core: \"x\"\n"), ("null", "")]);
    registry.apply(Command::Tag(Resource::Service(s), tags)).unwrap();
    let attributes = Attributes::from_pairs([("FINGERPOST_LIMIT", "all"), ("text", "#a, b")]);
    registry.apply(Command::PutServiceAttributes(s, attributes)).unwrap();
    let export = |registry: &Registry| {
        let mut text = Vec::new();
        crate::channel::file::export(&registry.catalog().read(), &[], &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    let text = export(&registry);
    let state = crate::channel::file::read(Path::new("export.yaml"), text.as_bytes()).unwrap();

    let store = Arc::new(Memory::default());
    let mut imported = open(&store);
    imported.apply(Command::Import(state.clone())).unwrap();
    let entry = Arc::clone(imported.catalog().read().service(s).unwrap());
    let before = Arc::clone(registry.catalog().read().service(s).unwrap());
    assert_eq!(entry.service.tags, before.service.tags);
    assert_eq!(entry.service.instances.ids().collect::<Vec<_>>(), ["a", "b:/@"]);
    assert_eq!(entry.service.health_check, HealthCheck::Custom);
    assert_eq!(addresses(&imported, "s.z.test"), Some(2));
    let again = open(&store);
    assert_eq!(addresses(&again, "s.z.test"), Some(2), "and it is durable");
    // All but the default of the SOA's TTL, which now is given, reads the same again.
    assert_eq!(export(&again).replace("    soa_ttl: 15\n", ""), text);
    assert!(matches!(imported.apply(Command::Import(state)), Err(Refusal::Invalid(_))), "once only");
}

#[test]
fn a_token_stands_for_the_same_request_alone() {
    let mut registry = Registry::new(Vec::new());
    let create = |description: &str| {
        let description = Some(description.into());
        let creator_request_id = Some("token".into());
        let namespace_type = NamespaceType::DnsPublic;
        let name = "z.test".into();
        Command::CreateNamespace(CreateNamespace {
            name,
            namespace_type,
            description,
            creator_request_id,
            ..CreateNamespace::default()
        })
    };
    let first = registry.apply(create("one")).unwrap().outcome;
    assert_eq!(registry.apply(create("one")).unwrap().outcome, first);
    assert!(matches!(registry.apply(create("two")), Err(Refusal::NamespaceExists { .. })));
    let id = operation(&registry, first).namespace.unwrap();
    let update = |description: &str| {
        let (description, updater_request_id) = (Some(description.into()), Some("t".into()));
        let namespace_type = NamespaceType::DnsPublic;
        Command::UpdateNamespace(UpdateNamespace { id, namespace_type, description, soa_ttl: None, updater_request_id })
    };
    let two = registry.apply(update("two")).unwrap().outcome;
    assert_eq!(registry.apply(update("two")).unwrap().outcome, two);
    assert_ne!(registry.apply(update("three")).unwrap().outcome, two);
    assert_eq!(registry.catalog().read().namespace(id).unwrap().description.as_deref(), Some("three"));

    // An operation past its time cannot be asked for any more: another stands for it.
    registry.settings.operation_retention = Duration::ZERO;
    let again = registry.apply(update("three")).unwrap().outcome;
    assert_eq!(operation(&registry, again).namespace, Some(id));
}
