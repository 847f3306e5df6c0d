//! What the API's commands do.

use super::*;

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
    let (mut registry, namespace, s) = with_named_instance("z.test");
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
    let (mut registry, ..) = with_named_instance("z.test");
    for (name, expected) in [("I.s.z.test", OperationStatus::Fail), ("j.s.z.test", OperationStatus::Success)] {
        let status = try_create_namespace(&mut registry, name, NamespaceType::DnsPublic, None);
        assert_eq!(status, expected, "{name}");
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
