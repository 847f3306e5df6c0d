//! Where declarations, the API and restarts meet: each of these once went wrong.

use super::*;
use crate::model::{Probe, ProbeType};

/// A state of one namespace.
fn one(name: &str, namespace: Namespace) -> State {
    State { namespaces: [(name.into(), namespace)].into(), ..State::default() }
}

/// The namespace of [`state`], in a VPC.
fn in_vpc(vpc: &str) -> Namespace {
    let namespace = state(&[("a", 1)]).namespaces.remove("z.test").unwrap();
    Namespace { vpc: Some(vpc.into()), ..namespace }
}

/// The same with another health check of its service.
fn with_check(check: HealthCheck) -> State {
    let mut state = state(&[("a", 1)]);
    state.namespaces.get_mut("z.test").unwrap().services.get_mut("a").unwrap().health_check = check;
    state
}

fn service_named(registry: &Registry, namespace: &str, name: &str) -> Arc<ServiceEntry> {
    let catalog = registry.catalog();
    let catalog = catalog.read();
    let namespace = catalog.discovered_namespace(namespace).unwrap();
    Arc::clone(catalog.service_named(namespace, name).unwrap())
}

#[test]
fn a_refused_declaration_leaves_no_part_of_it() {
    let mut registry = Registry::new(Vec::new());
    create_namespace(&mut registry, "z.test");
    let mut both = state(&[("a", 1)]);
    both.namespaces.insert("a.test".into(), Namespace::default());
    let before = registry.catalog().read().revision();
    let refused = registry.apply(Command::Declare(both)).unwrap_err();
    assert!(refused.to_string().contains("was made through the API"), "{refused}");
    let catalog = registry.catalog();
    let catalog = catalog.read();
    assert_eq!((catalog.revision(), catalog.namespaces_after(None).count()), (before, 1));
}

#[test]
fn the_revision_never_goes_back() {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    for count in 1..5 {
        registry.apply(Command::Declare(state(&[("a", count)]))).unwrap();
    }
    let before = registry.catalog().read().revision();
    assert_eq!(open(&store).catalog().read().revision(), before, "also where only files change anything");
}

#[test]
fn a_namespace_may_change_its_vpc_unless_the_api_put_something_into_it() {
    let mut registry = Registry::new(Vec::new());
    registry.apply(Command::Declare(one("z.test", in_vpc("vpc-1")))).unwrap();
    registry.apply(Command::Declare(one("z.test", in_vpc("vpc-2")))).unwrap();
    let a = service_named(&registry, "z.test", "a");
    assert_eq!(registry.catalog().read().apexes.len(), 1);
    registry.apply(register(a.id, "mine", 9)).unwrap();
    let refused = registry.apply(Command::Declare(one("z.test", in_vpc("vpc-1")))).unwrap_err();
    assert!(refused.to_string().contains("holds what the API made"), "{refused}");
    let http = Namespace { namespace_type: NamespaceType::Http, services: [].into(), ..in_vpc("vpc-2") };
    let refused = registry.apply(Command::Declare(one("z.test", http))).unwrap_err();
    assert!(refused.to_string().contains("was of another type"), "{refused}");
    assert_eq!(addresses(&registry, "a.z.test"), Some(2));
}

#[test]
fn services_are_found_after_their_namespace_changed_its_type() {
    let mut registry = Registry::new(Vec::new());
    let namespace = |namespace_type, name: &str| {
        let services = [(name.into(), Service::default())].into();
        one("z.test", Namespace { namespace_type, services, ..Namespace::default() })
    };
    registry.apply(Command::Declare(namespace(NamespaceType::Http, "A"))).unwrap();
    registry.apply(Command::Declare(namespace(NamespaceType::DnsPublic, "a"))).unwrap();
    let a = service_named(&registry, "z.test", "a");
    assert_eq!(registry.catalog().read().service_count(a.namespace), 1);
    // Another key of the same name, under which the one that goes is no longer known.
    registry.apply(Command::Declare(namespace(NamespaceType::DnsPublic, "API"))).unwrap();
    registry.apply(Command::Declare(namespace(NamespaceType::Http, "API"))).unwrap();
    let api = service_named(&registry, "z.test", "API");
    let catalog = registry.catalog();
    let catalog = catalog.read();
    assert_eq!((catalog.service_count(api.namespace), catalog.services_after(None).count()), (1, 1));
}

#[test]
fn rows_of_former_versions_keep_what_is_refused_now() {
    let mut registry = Registry::new(Vec::new());
    registry.apply(Command::Declare(state(&[("a", 1)]))).unwrap();
    let tags = Attributes::from_pairs([("a\u{1c}", "\u{1d}b")]);
    let a = ServiceEntry::clone(&service_named(&registry, "z.test", "a"));
    let a = ServiceEntry { service: Service { tags: tags.clone(), ..a.service.clone() }, ..a };
    let read = rows::decode_service(a.id.as_bytes(), &rows::encode_service(&a)).unwrap();
    assert_eq!(read.service.tags, tags);
}

#[test]
fn a_declared_name_is_in_nobody_elses_zone() {
    let mut registry = Registry::new(Vec::new());
    create_namespace(&mut registry, "a.z.test");
    let refused = registry.apply(Command::Declare(state(&[("x.a", 1)]))).unwrap_err();
    assert!(refused.to_string().contains("lies in another zone"), "{refused}");
    registry.apply(Command::Declare(state(&[("x.b", 1)]))).unwrap();
}

#[test]
fn an_instance_of_the_apis_gets_no_name_that_is_taken() {
    let mut registry = Registry::new(Vec::new());
    registry.apply(Command::Declare(state(&[("a", 0)]))).unwrap();
    let a = service_named(&registry, "z.test", "a");
    registry.apply(register(a.id, "0", 9)).unwrap();
    // Both at once: `a` gets names for its instances, and one of them is a service's.
    let next = state_with_srv(&[("a", 0), ("0.a", 1)], "a");
    let refused = registry.apply(Command::Declare(next)).unwrap_err();
    assert!(refused.to_string().contains("0.a.z.test"), "{refused}");
}

#[test]
fn a_service_without_records_takes_no_name() {
    let mut registry = Registry::new(Vec::new());
    registry.apply(Command::Declare(state(&[("b", 0)]))).unwrap();
    let namespace = service_named(&registry, "z.test", "b").namespace;
    create_service(&mut registry, namespace, "i-0.a", &[]);
    let mut next = state(&[("a", 1)]);
    let services = &mut next.namespaces.get_mut("z.test").unwrap().services;
    services.get_mut("a").unwrap().dns_records.push(DnsRecord { record_type: RecordType::Srv, ttl: 10 });
    registry.apply(Command::Declare(next)).unwrap();
}

#[test]
fn health_starts_anew_with_another_check_and_only_then() {
    let store = Arc::new(Memory::default());
    let settings = Settings { custom_health_delay: Duration::ZERO, ..Settings::default() };
    let mut registry = Registry::open(settings, Arc::<Memory>::clone(&store)).unwrap();
    registry.apply(Command::Declare(with_check(HealthCheck::Custom))).unwrap();
    let a = service_named(&registry, "z.test", "a").id;
    registry.apply(register(a, "mine", 9)).unwrap();
    registry.apply(Command::SetCustomHealth(a, "mine".into(), HealthStatus::Unhealthy)).unwrap();
    assert_eq!(addresses(&registry, "a.z.test"), Some(1));
    registry.apply(Command::Declare(with_check(HealthCheck::None))).unwrap();
    assert_eq!(addresses(&registry, "a.z.test"), Some(2), "nobody could say that it is well again");
    registry = open(&store);
    assert_eq!(service_named(&registry, "z.test", "a").service.instances["mine"].status, HealthStatus::Unknown);

    let probe = || HealthCheck::Probe(Probe { probe_type: ProbeType::Tcp, path: None, failure_threshold: None });
    registry.apply(Command::Declare(with_check(probe()))).unwrap();
    registry.apply(Command::SetProbedHealth(a, "i-0".into(), HealthStatus::Unhealthy)).unwrap();
    let before = service_named(&registry, "z.test", "a").instances_revision;
    registry.apply(Command::Declare(with_check(probe()))).unwrap();
    let after = service_named(&registry, "z.test", "a");
    assert_eq!(after.service.instances["i-0"].status, HealthStatus::Unhealthy, "the same again says nothing new");
    assert_eq!(after.instances_revision, before);
}

#[test]
fn a_probe_is_added_only_where_all_instances_have_ports() {
    let mut registry = open(&Arc::new(Memory::default()));
    let namespace_type = NamespaceType::DnsPublic;
    let create = CreateNamespace { name: "p.test".into(), namespace_type, ..CreateNamespace::default() };
    let outcome = registry.apply(Command::CreateNamespace(create)).unwrap().outcome;
    let namespace = operation(&registry, outcome).namespace.unwrap();
    let create = CreateService { health_check: HealthCheck::None, ..service_of(namespace, "a", &[RecordType::A]) };
    let Outcome::Service(id) = registry.apply(Command::CreateService(create)).unwrap().outcome else {
        panic!("no service")
    };
    let attributes = Attributes::from_pairs([("AWS_INSTANCE_IPV4", "10.0.0.2")]);
    let portless = RegisterInstance { service: id, id: "b".into(), creator_request_id: None, attributes };
    registry.apply(register(id, "a", 1)).unwrap();
    registry.apply(Command::RegisterInstance(portless)).unwrap();
    let update = || {
        let probe = Some(Probe { probe_type: ProbeType::Tcp, path: None, failure_threshold: None });
        let dns_records = Some(vec![DnsRecord { record_type: RecordType::A, ttl: 10 }]);
        Command::UpdateService(UpdateService { id, description: None, dns_records, probe })
    };
    let refusal = registry.apply(update()).unwrap_err();
    let text = "AWS_INSTANCE_PORT of instance b is missing; HealthCheckConfig needs it";
    assert_eq!(refusal, Refusal::Invalid(text.into()));
    registry.apply(register(id, "b", 2)).unwrap();
    registry.apply(update()).unwrap();
}

#[test]
fn what_is_kept_is_kept_as_last_declared() {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    registry.apply(Command::Declare(state(&[("a", 1)]))).unwrap();
    registry.apply(register(service_named(&registry, "z.test", "a").id, "mine", 9)).unwrap();
    let mut next = state(&[("a", 1)]);
    next.namespaces.get_mut("z.test").unwrap().soa_ttl = 99;
    registry.apply(Command::Declare(next)).unwrap();
    let registry = open(&store);
    let catalog = registry.catalog();
    assert_eq!(catalog.read().discovered_namespace("z.test").unwrap().soa_ttl, Some(99));
}

#[test]
fn a_zone_does_not_cut_what_the_same_batch_makes() {
    let mut registry = Registry::new(Vec::new());
    let namespace = create_namespace(&mut registry, "test");
    let public = CreateNamespace {
        name: "a.test".into(),
        namespace_type: NamespaceType::DnsPublic,
        ..CreateNamespace::default()
    };
    let public = Command::CreateNamespace(public);
    let place = registry.running.enter(&public, &registry.catalog.read(), now()).unwrap();
    let operation = place.as_ref().map(operation::Place::take);
    let service = Command::CreateService(service_of(namespace, "a", &[RecordType::A]));
    let results = registry.apply_batch(vec![(service, None), (public, operation)]);
    assert!(results[0].is_ok());
    let outcome = results[1].as_ref().unwrap().outcome;
    assert_eq!(super::operation(&registry, outcome).status, OperationStatus::Fail);
}

#[test]
fn a_declaration_shares_its_fate_with_no_command() {
    let mut registry = Registry::new(Vec::new());
    let namespace = create_namespace(&mut registry, "test");
    let service = |name| (Command::CreateService(service_of(namespace, name, &[RecordType::A])), None);
    let bad = Command::Declare(state(&[(&"x".repeat(64), 1)]));
    let results = registry.apply_batch(vec![service("a"), (bad, None), service("b")]);
    let accepted: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, false, true]);
}

#[test]
fn a_request_again_needs_no_quota() {
    let quotas = Quotas { namespaces: Some(1), ..Quotas::default() };
    let settings = Settings { quotas, ..Settings::default() };
    let mut registry = Registry::open(settings, Arc::new(Memory::default())).unwrap();
    let create = |name: &str| {
        let creator_request_id = Some("token".into());
        Command::CreateNamespace(CreateNamespace {
            name: name.into(),
            creator_request_id,
            ..CreateNamespace::default()
        })
    };
    let first = registry.apply(create("a.test")).unwrap();
    assert_eq!(registry.apply(create("a.test")).unwrap().outcome, first.outcome);
    assert!(matches!(registry.apply(create("b.test")), Err(Refusal::Quota(_))));
}

#[test]
fn namespaces_of_two_vpcs_are_not_mixed_when_the_vpcs_go() {
    let store = Arc::new(Memory::default());
    let settings = Settings { vpcs: vec!["vpc-1".into(), "vpc-2".into()], ..Settings::default() };
    let mut registry = Registry::open(settings.clone(), Arc::<Memory>::clone(&store)).unwrap();
    for vpc in ["vpc-1", "vpc-2"] {
        let vpc = Some(vpc.into());
        let create = CreateNamespace { name: "z.test".into(), vpc, ..CreateNamespace::default() };
        registry.apply(Command::CreateNamespace(create)).unwrap();
    }
    let refused = Registry::open(Settings::default(), Arc::<Memory>::clone(&store)).err().unwrap();
    assert!(refused.to_string().contains("configure the VPCs"), "{refused}");
    Registry::open(settings, store).unwrap();
}

#[test]
fn a_declared_namespace_conflicts_with_the_name_of_an_instance() {
    let (mut registry, ..) = with_named_instance("test");
    let public = || Namespace { namespace_type: NamespaceType::DnsPublic, ..Namespace::default() };
    let refused = registry.apply(Command::Declare(one("i.s.test", public()))).unwrap_err().to_string();
    assert!(refused.contains("namespace i.s.test conflicts with test (ns-"), "{refused}");
    assert!(refused.contains("which was made through the API"), "{refused}");
    registry.apply(Command::Declare(one("j.s.test", public()))).unwrap();
}

#[test]
fn a_namespace_that_the_api_left_has_no_row() {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    let declared = |namespace_type| one("z.test", Namespace { namespace_type, ..Namespace::default() });
    registry.apply(Command::Declare(declared(NamespaceType::DnsPublic))).unwrap();
    let id = registry.catalog().read().discovered_namespace("z.test").unwrap().id;
    let s = create_service(&mut registry, id, "s", &[RecordType::A]);
    registry.apply(Command::Declare(State::default())).unwrap();
    registry.apply(Command::DeleteService(s)).unwrap();
    registry.apply(Command::Declare(declared(NamespaceType::Http))).unwrap();
    let status = try_create_namespace(&mut registry, "z.test", NamespaceType::DnsPublic, None);
    assert_eq!(status, OperationStatus::Success);
    assert_eq!(open(&store).catalog().read().namespaces_after(None).count(), 1);
}

#[test]
fn ids_of_the_apis_that_are_no_names_of_their_own_refuse_srv_records() {
    for (ids, why) in [
        (&[".x"][..], "instance .x of service a cannot have a DNS name"),
        (&["i", "I"][..], "instance i of service a has the DNS name i.a.z.test"),
        (&["i", "j"][..], ""),
    ] {
        let mut registry = Registry::new(Vec::new());
        registry.apply(Command::Declare(state(&[("a", 0)]))).unwrap();
        let a = service_named(&registry, "z.test", "a");
        for id in ids {
            registry.apply(register(a.id, id, 9)).unwrap();
        }
        match registry.apply(Command::Declare(state_with_srv(&[("a", 0)], "a"))) {
            Ok(_) => assert_eq!(why, "", "{ids:?}"),
            Err(refused) => assert!(!why.is_empty() && refused.to_string().contains(why), "{refused}"),
        }
    }
}

#[test]
fn a_namespace_is_not_declared_where_a_kept_service_stands() {
    let mut registry = Registry::new(Vec::new());
    registry.apply(Command::Declare(state(&[("a", 1), ("b", 1)]))).unwrap();
    let a = service_named(&registry, "z.test", "a").id;
    registry.apply(register(a, "mine", 9)).unwrap();
    // Neither service is declared any more; of one, something is left.
    let with = |name: &str| {
        let mut next = state(&[]);
        next.namespaces
            .insert(name.into(), Namespace { source: Some(Path::new("z.yaml").into()), ..Namespace::default() });
        Command::Declare(next)
    };
    let refused = registry.apply(with("a.z.test")).unwrap_err().to_string();
    assert!(refused.contains("namespace a.z.test conflicts with z.test"), "{refused}");
    registry.apply(with("b.z.test")).unwrap();
    assert_eq!((addresses(&registry, "a.z.test"), addresses(&registry, "b.z.test")), (Some(1), None));
}
