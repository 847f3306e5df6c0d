//! The templates in `examples/`, and JSON.

use super::super::{Evaluated, Kind, Target};
use super::evaluated;
use crate::model::{HealthCheck, RecordType, RoutingPolicy};

/// Logical ids in their order.
fn ids(evaluated: &Evaluated) -> Vec<&str> {
    evaluated.resources.iter().map(|resource| &*resource.logical_id).collect()
}

#[test]
fn two_services() {
    let evaluated = evaluated(include_str!("../../../examples/cloudformation/two-services.yaml"), &[]);
    assert_eq!(ids(&evaluated), ["Namespace", "ApiDiscovery", "WorkerDiscovery"]);
    for (resource, name) in evaluated.resources[1..].iter().zip(["api", "worker"]) {
        let Kind::Service(service) = &resource.kind else { panic!("{resource:?}") };
        assert_eq!((&*service.name.value, &service.namespace.value), (name, &Target::Resource("Namespace".into())));
        assert_eq!((service.dns_records[0].record_type, service.dns_records[0].ttl), (RecordType::A, 10));
        assert_eq!(service.routing_policy, RoutingPolicy::Multivalue);
        assert_eq!(service.health_check.value, HealthCheck::Custom);
    }
}

#[test]
fn shop() {
    let text = include_str!("../../../examples/cloudformation/shop.yaml");
    let test = evaluated(text, &[]);
    assert_eq!(ids(&test), ["Namespace", "Grpc", "GrpcOne", "GrpcTwo", "Queue", "QueueUrl"]);
    let production = evaluated(text, &[("Stage", "production"), ("Addresses", "10.1.0.1,10.1.0.2")]);
    assert_eq!(ids(&production), ["Namespace", "Grpc", "GrpcOne", "GrpcTwo"]);
    let Kind::Instance(two) = &production.resources[3].kind else { panic!() };
    let attributes: Vec<_> = two.attributes.iter().map(|(key, text)| (&**key, text.value.to_string())).collect();
    let expected = [("AWS_INSTANCE_IPV4", "10.1.0.2".to_owned()), ("AWS_INSTANCE_PORT", "443".to_owned())];
    assert_eq!(attributes, expected);
    let Kind::Namespace(namespace) = &production.resources[0].kind else { panic!() };
    assert_eq!(namespace.soa_ttl.as_ref().map(|ttl| ttl.value), Some(15));
}

#[test]
fn json_and_numbers_of_any_form() {
    let text = r#"{"Resources": {
        "Task": {"Type": "AWS::ServiceDiscovery::Instance", "Properties": {"ServiceId": {"Ref": "Api"},
            "InstanceAttributes": {"AWS_INSTANCE_IPV4": "10.0.0.1", "weight": 7, "on": true}}},
        "Api": {"Type": "AWS::ServiceDiscovery::Service", "DependsOn": ["Space"], "Properties": {
            "NamespaceId": {"Fn::GetAtt": ["Space", "Id"]}, "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 60.0}]}}},
        "Space": {"Type": "AWS::ServiceDiscovery::PublicDnsNamespace", "Properties": {"Name": "example.org"}}}}"#;
    let evaluated = evaluated(text, &[]);
    assert_eq!(ids(&evaluated), ["Space", "Api", "Task"]);
    let [_, api, task] = &*evaluated.resources else { panic!() };
    let Kind::Service(service) = &api.kind else { panic!() };
    assert_eq!((&*service.name.value, service.dns_records[0].ttl), ("shop-Api", 60));
    let Kind::Instance(instance) = &task.kind else { panic!() };
    let values: Vec<_> = instance.attributes.iter().map(|(_, text)| text.value.to_string()).collect();
    assert_eq!((&*instance.id.value, &*values.join(" ")), ("shop-Task", "10.0.0.1 7 true"));
}
