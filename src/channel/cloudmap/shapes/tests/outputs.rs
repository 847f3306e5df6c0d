//! Every output with every member, against the API model's members, their order and their types.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, de};
use serde_json::{Value, json};

use super::model::Model;
use crate::channel::cloudmap::shapes::{
    discovery::*, instances::*, namespaces::*, operations::*, paging::NextToken, pairs::Map, service_outputs::*,
    tags::*, timestamp::Timestamp, words::*,
};
use crate::model::{self, HealthStatus, NamespaceType, ProbeType, RecordType, RoutingPolicy};
use crate::registry::{OperationStatus, OperationType};

/// JSON whose members keep their order.
#[derive(Debug)]
enum Ordered {
    Map(Vec<(String, Self)>),
    List(Vec<Self>),
    Text(String),
    Whole,
    Float,
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no null")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ordered, E> {
                Ok(Ordered::Text(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Ordered, E> {
                Ok(Ordered::Whole)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Ordered, E> {
                Ok(Ordered::Float)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ordered, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = seq.next_element()? {
                    list.push(element);
                }
                Ok(Ordered::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Ordered::Map(members))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// Whether `value` is a full one of the shape.
fn compare(model: &Model<'_>, name: &str, value: &Ordered) {
    let shape = &model.shapes[name];
    match (&*shape.r#type, value) {
        ("structure", Ordered::Map(members)) => {
            let mut found: Vec<_> = members.iter().map(|(member, _)| &**member).collect();
            let mut wanted: Vec<_> = shape.members.iter().map(|(member, _)| member).collect();
            if name == "ServiceSummary" {
                // The one summary whose order differs from the whole's; we keep the whole's.
                found.sort_unstable();
                wanted.sort_unstable();
            }
            assert_eq!(found, wanted, "{name}");
            for (member, value) in members {
                compare(model, shape.members.get(member).unwrap(), value);
            }
        }
        ("list", Ordered::List(elements)) if !elements.is_empty() => {
            elements.iter().for_each(|element| compare(model, shape.element.as_ref().unwrap(), element));
        }
        ("map", Ordered::Map(pairs)) if !pairs.is_empty() => pairs.iter().for_each(|(key, value)| {
            compare(model, shape.key.as_ref().unwrap(), &Ordered::Text(key.clone()));
            compare(model, shape.value.as_ref().unwrap(), value);
        }),
        ("string", Ordered::Text(text)) => assert!(shape.r#enum.is_empty() || shape.r#enum.contains(text), "{text}"),
        ("integer" | "long", Ordered::Whole) | ("timestamp", Ordered::Float) => {}
        (wanted, found) => panic!("{name}: {wanted} {found:?}"),
    }
}

/// The outputs of actions, as JSON.
fn outputs() -> Vec<(&'static [&'static str], String)> {
    fn json(output: impl Serialize) -> String {
        serde_json::to_string(&output).unwrap()
    }
    let time = Timestamp(1_587_055_860_121);
    let attributes = Map([("AWS_INSTANCE_IPV4", "10.0.0.1"), ("a", "b")].into_iter());
    let namespace = |creator_request_id| Namespace {
        id: "ns-1",
        arn: "arn:aws:x".to_owned(),
        resource_owner: "123456789012",
        name: "x.local",
        r#type: NamespaceType::DnsPrivate,
        description: Some("d"),
        service_count: 1,
        properties: NamespaceProperties::dns("x.local", "Z1", Some(15)),
        create_date: time,
        creator_request_id,
    };
    let records = [model::DnsRecord { record_type: RecordType::Srv, ttl: 10 }];
    let service = |namespace_id, creator_request_id| Service {
        id: "srv-1",
        arn: "arn:aws:x".to_owned(),
        resource_owner: "123456789012",
        name: "api",
        namespace_id,
        description: Some("d"),
        instance_count: 1,
        dns_config: DnsConfigOutput::of("ns-1", RoutingPolicy::Weighted, &records),
        r#type: ServiceType::DnsHttp,
        health_check_config: Some(HealthCheckConfigOutput {
            r#type: ProbeType::Https,
            resource_path: Some("/"),
            failure_threshold: Some(3),
        }),
        health_check_custom_config: Some(HealthCheckCustomConfigOutput::default()),
        create_date: time,
        creator_request_id,
        created_by_account: Some("123456789012"),
    };
    let instance = |creator_request_id| Instance {
        id: "i",
        creator_request_id,
        attributes: attributes.clone(),
        created_by_account: Some("123456789012"),
    };
    let operation = Operation {
        id: "op",
        owner_account: Some("123456789012"),
        r#type: OperationType::RegisterInstance,
        status: OperationStatus::Fail,
        error_message: Some("m"),
        error_code: Some("INTERNAL_FAILURE"),
        create_date: time,
        update_date: time,
        targets: vec![(OperationTargetType::Service, "srv-1"), (OperationTargetType::Instance, "i")],
    };
    let discovered = HttpInstanceSummary {
        instance_id: "i",
        namespace_name: "x.local",
        service_name: "api",
        health_status: Health(HealthStatus::Healthy),
        attributes: attributes.clone(),
    };
    let one = GetServiceOutput { service: service(Some("ns-1"), Some("r")) };
    let service_attributes = ServiceAttributesOutput {
        service_arn: "arn:aws:x".to_owned(),
        resource_owner: "123456789012",
        attributes: attributes.clone(),
    };
    let status = Map([("i", Health(HealthStatus::Unknown))].into_iter());
    vec![
        (
            &[
                "CreateHttpNamespace",
                "CreatePrivateDnsNamespace",
                "CreatePublicDnsNamespace",
                "DeleteNamespace",
                "DeregisterInstance",
                "RegisterInstance",
                "UpdateHttpNamespace",
                "UpdatePrivateDnsNamespace",
                "UpdatePublicDnsNamespace",
                "UpdateService",
            ],
            json(StartedOutput { operation_id: "op" }),
        ),
        (
            &[
                "DeleteService",
                "DeleteServiceAttributes",
                "TagResource",
                "UntagResource",
                "UpdateInstanceCustomHealthStatus",
                "UpdateServiceAttributes",
            ],
            json(EmptyOutput {}),
        ),
        (&["CreateService", "GetService"], json(one)),
        (
            &["DiscoverInstances"],
            json(DiscoverInstancesOutput { instances: vec![discovered], instances_revision: u64::MAX / 2 }),
        ),
        (&["DiscoverInstancesRevision"], json(DiscoverInstancesRevisionOutput { instances_revision: 0 })),
        (&["GetInstance"], json(GetInstanceOutput { resource_owner: "123456789012", instance: instance(Some("r")) })),
        (
            &["GetInstancesHealthStatus"],
            json(GetInstancesHealthStatusOutput { status, next_token: Some(NextToken::default()) }),
        ),
        (&["GetNamespace"], json(GetNamespaceOutput { namespace: namespace(Some("r")) })),
        (&["GetOperation"], json(GetOperationOutput { operation })),
        (&["GetServiceAttributes"], json(GetServiceAttributesOutput { service_attributes })),
        (
            &["ListInstances"],
            json(ListInstancesOutput {
                resource_owner: "123456789012",
                instances: vec![instance(None)],
                next_token: Some(NextToken::default()),
            }),
        ),
        (
            &["ListNamespaces"],
            json(ListNamespacesOutput { namespaces: vec![namespace(None)], next_token: Some(NextToken::default()) }),
        ),
        (
            &["ListOperations"],
            json(ListOperationsOutput {
                operations: vec![OperationSummary { id: "op", status: OperationStatus::Success }],
                next_token: Some(NextToken::default()),
            }),
        ),
        (
            &["ListServices"],
            json(ListServicesOutput { services: vec![service(None, None)], next_token: Some(NextToken::default()) }),
        ),
        (&["ListTagsForResource"], json(ListTagsForResourceOutput { tags: vec![Tag { key: "k", value: "" }] })),
    ]
}

#[test]
fn outputs_have_the_models_members() {
    let model = Model::read();
    let outputs = outputs();
    let mut actions: Vec<_> = outputs.iter().flat_map(|(actions, _)| *actions).collect();
    actions.sort_unstable();
    assert!(actions.into_iter().eq(model.actions.keys()));
    for (actions, json) in outputs {
        for output in actions.iter().filter_map(|&action| model.actions[action].output.as_ref()) {
            compare(&model, output, &serde_json::from_str(&json).unwrap());
        }
    }
}

#[test]
fn what_is_absent_is_left_out() {
    let properties = serde_json::to_value(NamespaceProperties::http("x")).unwrap();
    assert_eq!(properties, json!({"DnsProperties": {"SOA": {}}, "HttpProperties": {"HttpName": "x"}}));
    let properties = serde_json::to_value(NamespaceProperties::dns("x", "Z1", None)).unwrap();
    assert_eq!(properties["DnsProperties"], json!({"HostedZoneId": "Z1"}));
    assert_eq!(serde_json::to_value(DnsConfigOutput::default()).unwrap(), json!({}));
    assert_eq!(serde_json::to_value(HealthCheckCustomConfigOutput::default()).unwrap(), json!({"FailureThreshold": 1}));
    let page = ListNamespacesOutput { namespaces: Vec::new(), next_token: None };
    assert_eq!(serde_json::to_value(page).unwrap(), json!({"Namespaces": []}));
    let empty = Map(std::iter::empty::<(&str, &str)>());
    assert_eq!(serde_json::to_value(empty).unwrap(), json!({}));
}

#[test]
fn cbor_has_the_same_members() {
    let tags = ListTagsForResourceOutput { tags: vec![Tag { key: "k", value: "v" }] };
    let mut octets = Vec::new();
    ciborium::into_writer(&tags, &mut octets).unwrap();
    let read: Value = ciborium::from_reader(&*octets).unwrap();
    assert_eq!(read, serde_json::to_value(&tags).unwrap());
}
