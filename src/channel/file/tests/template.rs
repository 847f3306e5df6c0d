//! Templates as declarations.

use super::{faults, state};
use crate::model::{Attributes, State};

/// The state without what declarations cannot say.
fn bare(mut state: State) -> State {
    for namespace in state.namespaces.values_mut() {
        (namespace.description, namespace.tags) = (None, Attributes::default());
        for service in namespace.services.values_mut() {
            service.description = None;
        }
    }
    state
}

#[test]
fn a_template_is_the_state_of_a_declaration() {
    let template = state(include_str!("../../../../examples/cloudformation/two-services.yaml"));
    let service = "dns_records: [{type: A, ttl: 10}], health_check_custom_config: {}";
    let declaration = state(&format!(
        "version: 1\nnamespaces:\n- name: app.local\n  vpc: Vpc\n  services:\n  - {{name: api, {service}}}\n  - {{name: \
         worker, {service}}}\n"
    ));
    assert_eq!(template.namespaces["app.local"].description.as_deref(), Some("Services of the app"));
    assert_eq!(bare(template), declaration);
}

#[test]
fn instances_and_known_attributes_are_declared() {
    let state = state(include_str!("../../../../examples/cloudformation/shop.yaml"));
    let namespace = &state.namespaces["test.shop.local"];
    assert_eq!((namespace.soa_ttl, namespace.tags.get("stage")), (5, Some("test")));
    let grpc = &namespace.services["grpc"];
    let addresses: Vec<_> = grpc.instances.iter().map(|one| (one.id(), one.ipv4().unwrap().to_string())).collect();
    assert_eq!(addresses, [("one", "10.0.2.21".to_owned()), ("two", "10.0.2.22".to_owned())]);
    assert!(grpc.attributes.get("zone").unwrap().starts_with('Z'));
    assert_eq!(namespace.services["queue"].instances.len(), 1);
}

#[test]
fn faults_have_the_paths_of_templates() {
    let found = faults(
        "Resources:\n  A: {Type: AWS::ServiceDiscovery::PrivateDnsNamespace, Properties: {Name: a.local, Vpc: v}}\n  \
         B: {Type: AWS::ServiceDiscovery::PrivateDnsNamespace, Properties: {Name: A.local, Vpc: v}}\n  \
         S: {Type: AWS::ServiceDiscovery::Service, Properties: {Name: s, NamespaceId: ns-aaaaaaaaaaaaaaaa}}\n  \
         I: {Type: AWS::ServiceDiscovery::Instance, Properties: {ServiceId: srv-x, InstanceAttributes: {a: b}}}\n",
    );
    assert_eq!(
        found,
        [
            "t.yaml:3:76: Resources.B.Properties.Name: namespace A.local stands there twice, first on line 2; allowed is once \
             in a file",
            "t.yaml:4:80: Resources.S.Properties.NamespaceId: in a declared template the namespace must be a resource of the \
             same template; allowed is a !Ref to one",
            "t.yaml:5:70: Resources.I.Properties.ServiceId: in a declared template the service must be a resource of the same \
             template; allowed is a !Ref to one",
        ]
    );
    let found = faults("AWSTemplateFormatVersion: 2010-09-09\nParameters:\n  P: {Type: String}\nResources: {}\n");
    assert!(found[0].starts_with("t.yaml:3:3: Parameters.P: a declared template takes parameters from their defaults"));
}

#[test]
fn tags_are_for_templates_alone() {
    assert_eq!(
        faults("version: 1\nnamespaces: [{name: !Ref X}]\n"),
        ["t.yaml:2:21: the tag \"!Ref\" has no meaning here; allowed is no tag"]
    );
}
