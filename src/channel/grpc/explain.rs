//! `Explain`: a question out of a message, and what was found into one.

use std::net::{IpAddr, Ipv4Addr};

use tonic::Status;

use super::auth::Caller;
use super::convert;
use super::proto::{self, ExplainReply, ExplainRequest};
use super::server::Parts;
use crate::explain::{Candidate, Explanation, Question};
use crate::model::validate::Shown;

/// The UDP payload of a client that does not say: what we advertise ourselves by default.
const UDP_PAYLOAD: u16 = 1232;

/// Explains what the query would be answered.
pub(super) fn explain(request: ExplainRequest, caller: &Caller, parts: &Parts) -> Result<ExplainReply, Status> {
    let client = match &*request.client {
        "" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        text => text.parse().map_err(|_| {
            let text = format!("client: {} is not an address; allowed are IPv4 and IPv6 addresses", Shown(text));
            Status::invalid_argument(text)
        })?,
    };
    let udp_payload = match request.udp_payload {
        0 => UDP_PAYLOAD,
        octets => u16::try_from(octets).map_err(|_| Status::invalid_argument("udp_payload: allowed are 0 to 65535"))?,
    };
    let record_type = if request.r#type.is_empty() { "A".to_owned() } else { request.r#type };
    let question = Question { name: request.name, record_type, client, udp_payload };
    let found = parts.explainer.explain(&question).map_err(|fault| Status::invalid_argument(fault.to_string()))?;
    if let Some(scope) = caller.namespaces() {
        let namespace = found.namespace.as_ref();
        if !namespace.is_some_and(|entry| scope.has(entry.id, &entry.name, entry.namespace_type)) {
            return Err(Status::permission_denied("the name is in none of the namespaces of the token"));
        }
    }
    Ok(reply(found))
}

fn reply(found: Explanation) -> ExplainReply {
    let name = |(namespace, service): (Box<str>, Box<str>)| proto::ServiceName {
        service: service.into(),
        namespace: namespace.into(),
    };
    ExplainReply {
        revision: found.revision,
        response_code: found.response_code.to_owned(),
        zone: found.zone.map_or_else(String::new, |zone| zone.to_string()),
        view: found.view,
        service: found.service.map(name),
        candidates: found.candidates.into_iter().map(candidate).collect(),
        fail_open: found.fail_open,
        limit: found.limit.unwrap_or_default(),
        ttl: found.ttl,
        truncated: found.truncated,
        size: found.size as u32,
        records: found.records,
        reasons: found.reasons,
    }
}

fn candidate(found: Candidate) -> proto::Candidate {
    proto::Candidate {
        id: found.id.into(),
        status: convert::health_status(found.status).into(),
        eligible: found.eligible,
        reason: found.reason.to_owned(),
    }
}
