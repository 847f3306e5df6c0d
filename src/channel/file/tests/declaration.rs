//! One file: what is read, and every fault at its place.

use super::{faults, services, state};
use crate::model::{HealthCheck, HealthStatus, NamespaceType, ProbeType, RecordType, RoutingPolicy};

#[test]
fn the_example_is_read_whole() {
    let state = state(include_str!("../../../../examples/production.yaml"));
    let namespace = &state.namespaces["production.local"];
    assert_eq!(namespace.namespace_type, NamespaceType::DnsPrivate);
    assert_eq!((namespace.vpc.as_deref(), namespace.soa_ttl), (Some("vpc-0abc123def456789"), 15));
    let names: Vec<_> = namespace.services.keys().map(|name| &**name).collect();
    assert_eq!(names, ["api", "docs", "grpc-api", "orders-queue", "web"]);
    let api = &namespace.services["api"];
    assert_eq!(
        (api.routing_policy, api.ttl(RecordType::A), api.limit()),
        (RoutingPolicy::Multivalue, Some(10), Some(8))
    );
    assert_eq!(api.health_check, HealthCheck::Custom);
    let health: Vec<_> = api.instances.iter().map(|instance| instance.status).collect();
    assert_eq!(health[..3], [HealthStatus::Healthy; 3]);
    assert_eq!(health[3..], [HealthStatus::Unhealthy]);
    assert_eq!(api.instances["task-1"].port(), Some(8080));
    assert_eq!(namespace.services["web"].instances["web-1"].ipv6(), Some("2001:db8:3::31".parse().unwrap()));
    assert_eq!(namespace.services["web"].instances["web-1"].status, HealthStatus::Unknown);
    assert_eq!(namespace.services["docs"].instances["primary"].cname(), Some("docs.example.org"));
    assert_eq!(state.instance_count(), 10);
}

#[test]
fn the_least_declaration_is_enough() {
    assert!(state("version: 1\nnamespaces: []\n").namespaces.is_empty());
    let namespace = &state("{\"version\": 1,\n\t\"namespaces\": [{\"name\": \"X.Local\"}]}").namespaces["x.local"];
    assert_eq!((namespace.namespace_type, namespace.soa_ttl), (NamespaceType::DnsPrivate, 15));
}

#[test]
fn attributes_are_text_as_written() {
    let text = services(
        "  - name: s\n    instances:\n    - id: 1\n      attributes: {a: 010, b: yes, c: 1e3, d: '', e: 'null', 5: 1.0, f: !!str null}",
    );
    let state = state(&text);
    let attributes = &state.namespaces["x.local"].services["s"].instances["1"].attributes();
    let pairs: Vec<_> = attributes.iter().collect();
    let expected = [("a", "010"), ("b", "yes"), ("c", "1e3"), ("d", ""), ("e", "null"), ("5", "1.0"), ("f", "null")];
    assert_eq!(pairs, expected);
}

#[test]
fn attributes_without_a_value_are_faults() {
    let text = services("  - name: s\n    instances:\n    - id: i\n      attributes: {a: , b: ~, c: [1]}");
    let path = "namespaces[0].services[0].instances[0].attributes";
    assert_eq!(
        faults(&text),
        [
            format!("t.yaml:8:21: {path}.a: nothing stands here; allowed is text, \"\" for an empty one"),
            format!("t.yaml:8:28: {path}.b: nothing stands here; allowed is text, \"\" for an empty one"),
            format!("t.yaml:8:34: {path}.c: a list stands here; allowed is text, \"\" for an empty one"),
        ]
    );
}

#[test]
fn anchors_save_writing() {
    let text = services(
        "  - name: a\n    dns_records: &r [{type: A, ttl: 5}]\n    instances: &i\n    - id: 1\n      attributes: {AWS_INSTANCE_IPV4: 10.0.0.1}\n  - {name: b, dns_records: *r, instances: *i}",
    );
    let services = &state(&text).namespaces["x.local"].services;
    assert_eq!(services["a"], services["b"]);
}

#[test]
fn the_fault_of_the_manual_prints_so() {
    let text = services("  - name: s\n    dns_records: [{type: A, ttl: 99999999999}]");
    assert_eq!(
        faults(&text),
        [
            "t.yaml:6:34: namespaces[0].services[0].dns_records[0].ttl: 99999999999 is not a TTL; allowed are 0 to 2147483647 seconds"
        ]
    );
}

#[test]
fn all_faults_are_listed_at_their_places() {
    let text = "version: 1
namespaces:
- name: x.local
  type: PRIVATE
  soa_tll: 3
  services:
  - name: -s
    routing_policy: weighted
  - dns_records: [{type: MX, ttl: -1}, {ttl: 1}]
    instances:
    - id: a b
      attributes: {AWS_INSTANCE_PORT: 0, AWS_FOO: x}
    - {id: i}
    - attributes: {}
- vpc: ''
";
    let places: Vec<_> =
        faults(text).iter().map(|fault| fault.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    let service = "namespaces[0].services[1]";
    assert_eq!(
        places,
        [
            "t.yaml:4:9 namespaces[0].type".to_owned(),
            "t.yaml:5:3 namespaces[0].soa_tll".into(),
            "t.yaml:7:11 namespaces[0].services[0].name".into(),
            "t.yaml:8:21 namespaces[0].services[0].routing_policy".into(),
            format!("t.yaml:9:5 {service}"),
            format!("t.yaml:9:26 {service}.dns_records[0].type"),
            format!("t.yaml:9:35 {service}.dns_records[0].ttl"),
            format!("t.yaml:9:40 {service}.dns_records[1]"),
            format!("t.yaml:11:11 {service}.instances[0].id"),
            format!("t.yaml:12:39 {service}.instances[0].attributes.AWS_INSTANCE_PORT"),
            format!("t.yaml:12:51 {service}.instances[0].attributes.AWS_FOO"),
            format!("t.yaml:13:7 {service}.instances[1]"),
            format!("t.yaml:14:7 {service}.instances[2]"),
            "t.yaml:15:3 namespaces[1]".into(),
            "t.yaml:15:8 namespaces[1].vpc".into(),
        ]
    );
}

#[test]
fn unknown_keys_name_the_known_ones() {
    let fault = faults("version: 1\nnamespaces:\n- {name: x, service: []}\n");
    assert_eq!(
        fault,
        [
            "t.yaml:3:13: namespaces[0].service: the key is not known; allowed are name, type, vpc, soa_ttl, id, description, tags, records, services; did you mean services?"
        ]
    );
    assert!(!faults("version: 1\nnamespaces: []\nzzz: 1\n")[0].contains("did you mean"));
    assert_eq!(faults("version: 1\nnamespaces: []\n<<: {}\n").len(), 1);
}

#[test]
fn the_version_is_checked_before_anything_else() {
    assert_eq!(faults("namespaces: [x]\n"), ["t.yaml:1:1: version is missing"]);
    assert_eq!(
        faults("version: 2\nnamespaces: [x]\n"),
        ["t.yaml:1:10: version: 2 is not a version of this format; allowed are 1"]
    );
    assert_eq!(faults("version: 1\n"), ["t.yaml:1:1: namespaces is missing"]);
    assert_eq!(faults("[]"), ["t.yaml:1:1: a list stands here; allowed is a mapping"]);
    assert_eq!(faults("version: 1\nnamespaces:\n").len(), 1);
    assert_eq!(faults(""), ["t.yaml:1:1: the file holds no document; allowed is one"]);
}

#[test]
fn duplicates_in_a_file_are_faults() {
    let id = "{AWS_INSTANCE_IPV4: 10.0.0.1}";
    let text = services(&format!(
        "  - name: s\n    instances:\n    - {{id: i, attributes: {id}}}\n    - {{id: j, attributes: {id}}}\n    - {{id: i, attributes: {id}}}"
    ));
    let path = "namespaces[0].services[0].instances[2].id";
    assert_eq!(
        faults(&text),
        [format!("t.yaml:9:12: {path}: instance i stands there twice, first on line 7; allowed is once")]
    );
    let text = services("  - name: s\n  - name: s");
    assert_eq!(
        faults(&text),
        [
            "t.yaml:6:11: namespaces[0].services[1].name: service s is declared twice, first at t.yaml:5:11; allowed is once"
        ]
    );
    let text = "version: 1\nnamespaces:\n- name: x.local\n- name: X.local\n";
    assert_eq!(
        faults(text),
        [
            "t.yaml:4:9: namespaces[1].name: namespace X.local stands there twice, first on line 3; allowed is once in a file"
        ]
    );
    let text = "version: 1\nnamespaces: []\nversion: 1\n";
    assert_eq!(faults(text), ["t.yaml:3:1: the key \"version\" stands there twice, first on line 1; allowed is once"]);
}

#[test]
fn probes_are_for_public_and_http_namespaces() {
    let text = "  - name: s\n    health_check_config: {type: TCP, failure_threshold: 2}";
    let fault = faults(&services(text));
    assert!(fault[0].contains("HealthCheckConfig is for public DNS and HTTP namespaces"), "{fault:?}");
    let state = state(&format!("version: 1\nnamespaces:\n- name: x.local\n  type: HTTP\n  services:\n{text}\n"));
    let HealthCheck::Probe(probe) = &state.namespaces["x.local"].services["s"].health_check else { panic!() };
    assert_eq!((probe.probe_type, probe.failure_threshold), (ProbeType::Tcp, Some(2)));
    let path = "namespaces[0].services[0].health_check_config";
    assert_eq!(
        faults(&services("  - name: s\n    health_check_config: {type: TCP, resource_path: /x}"))[1],
        format!("t.yaml:6:53: {path}.resource_path: /x is not possible with TCP; allowed are paths for HTTP and HTTPS")
    );
    let both = "  - name: s\n    health_check_config: {type: HTTP}\n    health_check_custom_config: {}";
    assert!(faults(&services(both))[0].contains("it stands beside health_check_custom_config"));
}

#[test]
fn ids_descriptions_tags_and_health_are_read() {
    let text = services(
        "  - name: s\n    id: srv-0123456789abcdef\n    description: ours\n    tags: {team: core}\n    health_check_custom_config: {}\n    \
         instances: [{id: i, attributes: {a: b}, health_status: UNHEALTHY}]",
    );
    let state = state(&text);
    let service = &state.namespaces["x.local"].services["s"];
    assert_eq!(service.id.unwrap().to_string(), "srv-0123456789abcdef");
    assert_eq!((service.description.as_deref(), service.tags.get("team")), (Some("ours"), Some("core")));
    assert_eq!(service.instances["i"].status, HealthStatus::Unhealthy);
    let fault = faults(&services("  - {name: s, id: srv-1, tags: {\"aws:x\": y}}"));
    assert_eq!(fault.len(), 2, "{fault:?}");
}

#[test]
fn the_custom_check_has_a_threshold() {
    state(&services("  - name: s\n    health_check_custom_config: {failure_threshold: 5}"));
    let path = "namespaces[0].services[0].health_check_custom_config.failure_threshold";
    assert_eq!(
        faults(&services("  - name: s\n    health_check_custom_config: {failure_threshold: 11}")),
        [format!("t.yaml:6:53: {path}: 11 is not a failure threshold; allowed are 1 to 10")]
    );
    assert_eq!(faults(&services("  - name: s\n    health_check_custom_config:")).len(), 1);
}

#[test]
fn initial_health_needs_a_check() {
    let instance = "instances: [{id: i, attributes: {AWS_INIT_HEALTH_STATUS: UNHEALTHY}}]";
    let health = |check: &str| {
        let state = state(&services(&format!("  - name: s\n    {check}\n    {instance}")));
        state.namespaces["x.local"].services["s"].instances["i"].status
    };
    assert_eq!(health("health_check_custom_config: {}"), HealthStatus::Unhealthy);
    assert_eq!(health("attributes: {}"), HealthStatus::Unknown);
}

#[test]
fn rules_of_the_model_are_asked() {
    let cases = [
        (
            "  - {name: s, dns_records: [{type: A, ttl: 1}, {type: A, ttl: 2}]}",
            "5:28: ",
            ".dns_records: A stands there twice",
        ),
        ("  - {name: s, dns_records: [{type: CNAME, ttl: 1}]}", "5:28: ", ".dns_records: CNAME needs"),
        ("  - {name: s, attributes: {FINGERPOST_LIMIT: 0}}", "5:46: ", ".attributes.FINGERPOST_LIMIT: 0 is not"),
        (
            "  - {name: s, dns_records: [{type: A, ttl: 1}], instances: [{id: i, attributes: {a: b}}]}",
            "5:81: ",
            ".instances[0].attributes: AWS_INSTANCE_IPV4 is missing",
        ),
        (
            "  - {name: s, instances: [{id: i, attributes: {AWS_EC2_INSTANCE_ID: i-12345678}}]}",
            "5:32: ",
            ".instances[0].id: AWS_EC2_INSTANCE_ID is for HTTP",
        ),
    ];
    for (lines, place, message) in cases {
        let found = faults(&services(lines));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(place) && found[0].contains(message), "{found:?}");
    }
}

#[test]
fn a_fault_in_the_records_raises_no_other() {
    // With the type unknown, nobody can say which attributes are missing.
    let text = services("  - {name: s, dns_records: [{type: B, ttl: 1}], instances: [{id: i, attributes: {}}]}");
    assert_eq!(faults(&text).len(), 1);
}

#[test]
fn strange_bytes_are_faults_with_places() {
    let found = super::read(std::path::Path::new("t.yaml"), b"version: 1\nnamespaces: \xff").unwrap_err();
    assert_eq!(found[0].to_string(), "t.yaml:2:13: the file is not UTF-8 from here on; allowed is UTF-8");
}
