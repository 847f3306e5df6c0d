//! Several files, and what depends on the type of a namespace.

use std::path::Path;

use super::super::declaration;
use super::super::merge::merge;
use super::{faults, services};
use crate::model::{NamespaceType, State};

/// Merges files `a.yaml`, `b.yaml` and so on, each the items of its list of namespaces.
fn files(lists: &[&str]) -> Result<State, Vec<String>> {
    let mut fragments = Vec::new();
    for (name, list) in ["a.yaml", "b.yaml", "c.yaml"].iter().zip(lists) {
        let text = format!("version: 1\nnamespaces:\n{list}\n");
        let (fragment, faults) = declaration::read(&Path::new(name).into(), text.as_bytes());
        assert!(faults.is_empty(), "{faults:?}");
        fragments.push(fragment);
    }
    let (state, faults) = merge(fragments.iter());
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    if faults.is_empty() {
        assert_eq!(crate::model::validate::state(&state), []);
        Ok(state)
    } else {
        Err(faults)
    }
}

#[test]
fn a_namespace_may_be_split() {
    let state = files(&[
        "- {name: x.local, type: DNS_PRIVATE, services: [{name: a}]}",
        "- {name: X.LOCAL, vpc: vpc-1, services: [{name: b}]}",
        "- {name: x.local, soa_ttl: 3, vpc: vpc-1}",
    ]);
    let state = state.unwrap();
    let namespace = &state.namespaces["x.local"];
    assert_eq!((state.namespaces.len(), namespace.services.len()), (1, 2));
    assert_eq!((namespace.vpc.as_deref(), namespace.soa_ttl), (Some("vpc-1"), 3));
}

#[test]
fn options_must_agree() {
    let found =
        files(&["- {name: x.org, type: DNS_PUBLIC, soa_ttl: 3}", "- {name: x.org, type: DNS_PRIVATE, soa_ttl: 4}"]);
    let text = "the value differs from the one at";
    assert_eq!(
        found.unwrap_err(),
        [
            format!("b.yaml:3:23: namespaces[0].type: {text} a.yaml:3:23 for the same namespace; allowed is one"),
            format!("b.yaml:3:45: namespaces[0].soa_ttl: {text} a.yaml:3:44 for the same namespace; allowed is one"),
        ]
    );
    assert!(files(&["- {name: x, vpc: vpc-1}", "- {name: x, vpc: vpc-2}"]).is_err());
}

#[test]
fn the_type_counts_wherever_it_stands() {
    // An HTTP namespace tells services by case; without the type of the other file this would be a DNS name twice.
    let state = files(&["- {name: x, services: [{name: s}]}", "- {name: x, type: HTTP, services: [{name: S}]}"]);
    assert_eq!(state.unwrap().namespaces["x"].namespace_type, NamespaceType::Http);
    let found = files(&["- {name: x, services: [{name: s}]}", "- {name: x, services: [{name: S}]}"]);
    let found = found.unwrap_err();
    assert!(
        found[0].starts_with("b.yaml:3:31: namespaces[0].services[0].name: service S has the DNS name of service s;"),
        "{found:?}"
    );
    assert!(found[0].ends_with("(the other is at a.yaml:3:31)"), "{found:?}");
}

#[test]
fn http_namespaces_differ_by_case() {
    let state = files(&["- {name: Foo, type: HTTP}\n- {name: FOO, type: HTTP}\n- {name: foo}"]).unwrap();
    assert_eq!(state.namespaces.len(), 3);
    let found = files(&["- {name: foo, type: HTTP}", "- {name: FOO}"]).unwrap_err();
    assert!(found[0].starts_with("b.yaml:3:10: namespaces[0].name: FOO is not foo"), "{found:?}");
}

#[test]
fn http_namespaces_have_no_dns_options() {
    let found = files(&[
        "- {name: x, type: HTTP, vpc: vpc-1, soa_ttl: 3, services: [{name: s, dns_records: [{type: A, ttl: 1}]}]}",
    ]);
    let places: Vec<_> = found.unwrap_err().iter().map(|fault| fault.split(": ").nth(1).unwrap().to_owned()).collect();
    assert_eq!(places, ["namespaces[0].vpc", "namespaces[0].soa_ttl", "namespaces[0].services[0].dns_records"]);
}

#[test]
fn a_service_is_not_split() {
    let found = files(&["- {name: x, services: [{name: s}]}", "- {name: x, services: [{name: s}]}"]);
    assert_eq!(
        found.unwrap_err(),
        [
            "b.yaml:3:31: namespaces[0].services[0].name: service s is declared twice, first at a.yaml:3:31; allowed is once"
        ]
    );
}

#[test]
fn namespaces_may_nest() {
    assert_eq!(files(&["- name: a.local\n- name: b.a.local"]).unwrap().namespaces.len(), 2);
}

#[test]
fn an_owner_name_has_one_producer() {
    let srv = "  - name: a\n    dns_records: [{type: SRV, ttl: 1}]\n    instances:\n    - id: b\n      attributes: {AWS_INSTANCE_IPV4: 10.0.0.1, AWS_INSTANCE_PORT: 1}";
    let found = faults(&services(&format!("{srv}\n  - name: b.a")));
    assert!(
        found[0].starts_with(
            "t.yaml:10:11: namespaces[0].services[1].name: service b.a has the DNS name of instance b of service a;"
        ),
        "{found:?}"
    );
    assert!(found[0].ends_with("(the other is at t.yaml:8:11)"), "{found:?}");
    let found = faults(&services(&format!("  - name: b.a\n{srv}")));
    assert!(
        found[0].starts_with("t.yaml:9:11: namespaces[0].services[1].instances[0].id: instance b of service a has"),
        "{found:?}"
    );
}

#[test]
fn names_must_fit_dns() {
    let label = "a".repeat(63);
    let name = format!("{label}.{label}.{label}");
    let found = files(&[&format!("- {{name: {name}, services: [{{name: {label}}}]}}")]).unwrap_err();
    assert!(
        found[0].contains("namespaces[0].services[0].name: \"aaa") || found[0].contains("makes a DNS name of 255"),
        "{found:?}"
    );
    assert!(files(&["- name: a..b"]).is_err());
    assert!(files(&["- {name: a..b, type: HTTP}"]).is_ok());
    assert!(files(&["- {name: local, type: DNS_PUBLIC}"]).is_err());
}

#[test]
fn an_unreadable_file_does_not_blame_others() {
    // The broken file may have said that the namespace is HTTP, where these names are fine.
    let (good, faults) = declaration::read(&Path::new("a.yaml").into(), b"version: 1\nnamespaces: [{name: a..b}]");
    assert!(faults.is_empty());
    let (broken, faults) = declaration::read(&Path::new("b.yaml").into(), b"version: [");
    assert_eq!(faults.len(), 1);
    assert!(merge([&good, &broken].into_iter()).1.is_empty());
    assert_eq!(merge(std::iter::once(&good)).1.len(), 1);
}
