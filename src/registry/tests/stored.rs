//! What commits and restarts leave: operations, batches, failures, exports.

use std::thread;

use super::*;

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
