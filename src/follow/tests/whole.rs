//! What a primary sends.

use bytes::Bytes;

use super::proto::{self, Changes, Heartbeat, StateChunk, follow_reply::Event};
use crate::model::{NamespaceId, ServiceId};
use crate::registry::store::Nothing;
use crate::registry::{Command, Registry, Replica};

pub(super) fn namespace() -> proto::Namespace {
    proto::Namespace {
        id: Bytes::copy_from_slice(NamespaceId::of_name(&["z.test"]).as_bytes()),
        name: "z.test".to_owned(),
        r#type: proto::NamespaceType::DnsPublic.into(),
        serial: 7,
        ..Default::default()
    }
}

fn service_id() -> Bytes {
    Bytes::copy_from_slice(ServiceId::of_name(&["z.test", "api"]).as_bytes())
}

pub(super) fn service() -> proto::Service {
    proto::Service {
        id: service_id(),
        namespace: namespace().id,
        name: "api".to_owned(),
        dns_records: vec![proto::DnsRecord { r#type: proto::RecordType::A.into(), ttl: 10 }],
        routing_policy: proto::RoutingPolicy::Multivalue.into(),
        attributes: Vec::new(),
    }
}

pub(super) fn instance(number: u8) -> proto::Instance {
    proto::Instance {
        service: service_id(),
        id: format!("i-{number}"),
        attributes: vec!["AWS_INSTANCE_IPV4".to_owned(), format!("10.0.0.{number}")],
        status: proto::HealthStatus::Healthy.into(),
        draining: false,
    }
}

/// The state hash of so many instances: what a follower's own registry makes of them.
pub(super) fn hash(instances: u8) -> u64 {
    let replica = Replica {
        revision: 1,
        is_whole: true,
        namespaces: vec![super::super::convert::namespace(namespace()).unwrap()],
        services: vec![super::super::convert::service(service()).unwrap()],
        instances: (1..=instances).map(|n| super::super::convert::instance(instance(n)).unwrap()).collect(),
        ..Replica::default()
    };
    let mut registry = Registry::open(Default::default(), std::sync::Arc::new(Nothing)).unwrap();
    match registry.apply(Command::Replicate(Box::new(replica))) {
        Err(crate::registry::Refusal::Diverged { found, .. }) => found,
        other => panic!("{other:?}"),
    }
}

/// A state of so many instances, in two pieces.
pub(super) fn state(revision: u64, instances: u8) -> [Event; 2] {
    let first = StateChunk {
        first: true,
        revision,
        namespaces: vec![namespace()],
        services: vec![service()],
        name_servers: vec!["ns1.example.com".to_owned()],
        ..Default::default()
    };
    let last = StateChunk {
        last: true,
        revision,
        state_hash: hash(instances),
        instances: (1..=instances).map(instance).collect(),
        ..Default::default()
    };
    [Event::State(first), Event::State(last)]
}

/// Changes that put one more.
pub(super) fn one_more(revision: u64, instances: u8) -> Changes {
    let serial = proto::Serial { namespace: namespace().id, serial: revision as u32 };
    let instances_after = vec![instance(instances)];
    Changes {
        revision,
        state_hash: hash(instances),
        instances: instances_after,
        serials: vec![serial],
        ..Default::default()
    }
}

pub(super) fn beat(revision: u64, instances: u8) -> Event {
    Event::Heartbeat(Heartbeat { revision, state_hash: hash(instances) })
}
