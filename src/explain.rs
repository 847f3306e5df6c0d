//! What a query would be answered, and why.
//!
//! The answer comes from the very function that answers clients; the reasons come from what it was made of: the zone
//! that encloses the name, the service that owns it, and its instances with their health.

use std::net::IpAddr;
use std::sync::Arc;

use domain::base::iana::Rtype;
use domain::base::{Message, ParsedName};
use domain::rdata::AllRecordData;

use crate::dns::{self, Ctx, MAX_UDP_PAYLOAD, Outcome, Settings, Transport};
use crate::model::{HealthCheck, HealthStatus, Instance, RecordType, Revision, RoutingPolicy, Service};
use crate::registry::{NamespaceEntry, Reader, ServiceEntry};
use crate::table::{Flags, InstanceRoom, Snapshot, Views};
use crate::wire::{Name, NameError, NameKey};

/// Octets of a header.
const HEADER: usize = 12;

/// What explains: access to all that answers are made of.
#[derive(Clone)]
pub struct Explainer {
    /// The published tables.
    pub views: Views,
    /// The names of the views after everybody's: the VPCs.
    pub vpcs: Arc<[Box<str>]>,
    /// What the tables were made of.
    pub catalog: Reader,
    /// How answers are given.
    pub settings: Arc<Settings>,
}

/// A query to explain.
#[derive(Clone, Debug)]
pub struct Question {
    /// The name, in presentation format.
    pub name: String,
    /// The type: `A`, `SRV`, `TYPE65`.
    pub record_type: String,
    /// Whose query it is.
    pub client: IpAddr,
    /// The largest UDP response that the client takes, in octets.
    pub udp_payload: u16,
}

/// Why a question cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum QuestionFault {
    /// The name is none.
    #[error("name: {0}")]
    Name(#[from] NameError),
    /// The type is none.
    #[error("type: {0:?} is not a record type; allowed are mnemonics such as A, AAAA, SRV, and TYPE with a number")]
    Type(String),
}

/// What the answer would be, and why.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The revision of the table that answers.
    pub revision: Revision,
    /// NOERROR, NXDOMAIN and so on.
    pub response_code: &'static str,
    /// The apex of the zone that answers, if one of ours does.
    pub zone: Option<Name>,
    /// The namespace whose zone it is.
    pub namespace: Option<Arc<NamespaceEntry>>,
    /// `everybody`, or the client's VPC.
    pub view: String,
    /// The names of the namespace and the service whose name it is.
    pub service: Option<(Box<str>, Box<str>)>,
    /// Its instances.
    pub candidates: Vec<Candidate>,
    /// Whether all answer because none is healthy.
    pub fail_open: bool,
    /// How many records an answer shows; `None`: all.
    pub limit: Option<u32>,
    /// Seconds.
    pub ttl: u32,
    /// Whether the UDP response is truncated.
    pub truncated: bool,
    /// Octets of the UDP response.
    pub size: usize,
    /// The records of one answer: answer, authority and additional section.
    pub records: Vec<String>,
    /// The reasons in words.
    pub reasons: Vec<String>,
}

/// An instance, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: Box<str>,
    /// Its health.
    pub status: HealthStatus,
    /// Whether it may be in an answer.
    pub eligible: bool,
    /// Why, or why not.
    pub reason: &'static str,
}

impl Explainer {
    /// Explains what `question` would be answered at this moment.
    pub fn explain(&self, question: &Question) -> Result<Explanation, QuestionFault> {
        let name = Name::parse(&question.name)?;
        let rtype: Rtype = question
            .record_type
            .to_ascii_uppercase()
            .parse()
            .map_err(|_| QuestionFault::Type(question.record_type.clone()))?;
        let view = self.views.view_of(question.client);
        let loaded = self.views.load(view);
        let seen = loaded.seen();
        let mut explanation = Explanation { view: self.view_name(view), ..Explanation::default() };
        self.answer(&mut explanation, seen, &name, rtype, question.udp_payload);

        let own = seen.private.and_then(|table| Some((table, view, apex_of(table, &name)?)));
        let found = own.or_else(|| Some((seen.common, 0, apex_of(seen.common, &name)?)));
        let Some((table, view, apex)) = found else {
            explanation.revision = seen.common.revision();
            explanation.reasons.push(format!("no zone of ours has {name}: others are asked, if anybody"));
            return Ok(explanation);
        };
        explanation.revision = table.revision();
        explanation.reasons.push(format!("{apex} is the closest zone above {name}, for {}", self.view_name(view)));
        let namespace = self.catalog.read().zone(view, &apex).cloned();
        match namespace {
            Some(namespace) => {
                self.explain_namespace(&mut explanation, table, &namespace, (&apex, &name), rtype);
                explanation.namespace = Some(namespace);
            }
            None => explanation.reasons.push("it is a zone of static records, which a file declares".to_owned()),
        }
        explanation.zone = Some(apex);
        Ok(explanation)
    }

    fn view_name(&self, view: usize) -> String {
        let vpc = view.checked_sub(1).and_then(|at| self.vpcs.get(at));
        vpc.map_or_else(|| "everybody".to_owned(), |vpc| vpc.to_string())
    }

    /// Asks as the client would.
    fn answer(
        &self,
        explanation: &mut Explanation,
        seen: crate::table::Seen<'_>,
        name: &Name,
        rtype: Rtype,
        udp_payload: u16,
    ) {
        let query = query(name, rtype, udp_payload);
        let mut buffer = vec![0; MAX_UDP_PAYLOAD.max(query.len())];
        buffer[..query.len()].copy_from_slice(&query);
        let mut ctx = Ctx::new(Arc::clone(&self.settings), fastrand::u64(..));
        let reply = dns::answer_in_views(seen, &mut ctx, Transport::Udp, &mut buffer, query.len());
        explanation.response_code = response_code(reply.outcome);
        explanation.truncated = reply.truncated;
        explanation.size = reply.length;
        explanation.records = records(&buffer[..reply.length]).unwrap_or_default();
        if reply.truncated {
            explanation.reasons.push(format!(
                "the answer does not fit into {} octets over UDP: it is truncated, and the client asks again over TCP",
                udp_payload.min(self.settings.udp_payload)
            ));
        }
    }

    /// Explains a name in the zone of a namespace.
    fn explain_namespace(
        &self,
        explanation: &mut Explanation,
        table: &Snapshot,
        namespace: &NamespaceEntry,
        (apex, name): (&Name, &Name),
        rtype: Rtype,
    ) {
        explanation.reasons.push(format!("it is the zone of namespace {} ({})", namespace.name, namespace.id));
        let mut room = InstanceRoom::new();
        let Some(node) = table.find_or_make(&NameKey::of(name), &mut room) else {
            explanation.reasons.push("nothing in it has this name, and no wildcard covers it".to_owned());
            explanation.ttl = namespace.soa_ttl.unwrap_or(crate::model::Namespace::DEFAULT_SOA_TTL);
            return;
        };
        if !node.flags().has(Flags::SERVICE_DATA) {
            explanation
                .reasons
                .push("no service has this name: static records stand there, or names below it".to_owned());
            return;
        }
        let Some((entry, instance)) = self.service_at(namespace, apex, name) else {
            explanation.reasons.push("it is the apex: SOA and NS records".to_owned());
            return;
        };
        explanation.service = Some((namespace.name.clone(), entry.name.clone()));
        let service = &entry.service;
        if let Some(id) = instance {
            explanation.reasons.push(format!(
                "it is the target of instance {id} in SRV records of service {}, whatever its health",
                entry.name
            ));
            explanation.ttl = service.ttl(RecordType::Srv).unwrap_or_default();
            return;
        }
        explanation.reasons.push(format!("it is service {} ({})", entry.name, entry.id));
        let record_type = match rtype {
            Rtype::A => RecordType::A,
            Rtype::AAAA => RecordType::Aaaa,
            Rtype::SRV => RecordType::Srv,
            _ => RecordType::Cname,
        };
        let Some(ttl) = service.ttl(record_type).or_else(|| service.ttl(RecordType::Cname)) else {
            explanation
                .reasons
                .push(format!("the service has no records of type {rtype}: the answer is empty (NODATA)"));
            return;
        };
        explanation.ttl = ttl;
        explanation.limit = match service.routing_policy {
            RoutingPolicy::Multivalue => service.limit(),
            RoutingPolicy::Weighted => Some(1),
        };
        explain_instances(explanation, service, record_type);
    }

    /// The service that has `name`, and the instance, if it is that one's own.
    fn service_at(
        &self,
        namespace: &NamespaceEntry,
        apex: &Name,
        name: &Name,
    ) -> Option<(Arc<ServiceEntry>, Option<String>)> {
        let catalog = self.catalog.read();
        let relative = relative(name, apex)?;
        if let Some(entry) = catalog.service_named(namespace, if relative.is_empty() { "." } else { &relative }) {
            return Some((Arc::clone(entry), None));
        }
        relative.match_indices('.').find_map(|(at, _)| {
            let (id, service) = (relative.get(..at)?, relative.get(at + 1..)?);
            let entry = catalog.service_named(namespace, service)?;
            let instances = &entry.service.instances;
            let known = instances.iter().find(|instance| instance.id().eq_ignore_ascii_case(id))?;
            Some((Arc::clone(entry), Some(known.id().to_owned())))
        })
    }
}

/// Says of each instance whether it may be in an answer.
fn explain_instances(explanation: &mut Explanation, service: &Service, record_type: RecordType) {
    let gives = |instance: &Instance| match record_type {
        RecordType::A => instance.ipv4().is_some(),
        RecordType::Aaaa => instance.ipv6().is_some(),
        RecordType::Srv => instance.port().is_some(),
        RecordType::Cname => instance.cname().is_some(),
    };
    let healthy = |instance: &Instance| instance.status != HealthStatus::Unhealthy;
    let answering = |one: &Instance| !one.draining && gives(one);
    let instances = || service.instances.iter().map(|instance| &**instance);
    let any_healthy = instances().any(|one| answering(one) && healthy(one));
    explanation.fail_open = !any_healthy && instances().any(answering);
    for instance in instances() {
        let (eligible, reason) = match () {
            () if instance.draining => (false, "it drains"),
            () if !gives(instance) => (false, "it has no attribute for this type"),
            () if explanation.fail_open => (true, "none is healthy, so all answer"),
            () if !healthy(instance) => (false, "it is unhealthy, and others are healthy"),
            () if service.health_check == HealthCheck::None => (true, "the service has no health check"),
            () => (true, "it is healthy"),
        };
        let (id, status) = (instance.id().into(), instance.status);
        explanation.candidates.push(Candidate { id, status, eligible, reason });
    }
    let eligible = explanation.candidates.iter().filter(|one| one.eligible).count();
    explanation.reasons.push(match (eligible, explanation.limit) {
        (0, _) => "no instance can be in the answer: it is empty (NODATA)".to_owned(),
        (count, Some(limit)) if count as u64 > u64::from(limit) => {
            format!("each answer shows {limit} of {count} instances, drawn and ordered anew")
        }
        (count, _) => format!("each answer shows all {count} instances, in an order of its own"),
    });
}

/// The apex of the zone of `table` that encloses `name`.
fn apex_of(table: &Snapshot, name: &Name) -> Option<Name> {
    let mut above = Some(name.clone());
    while let Some(name) = above {
        if let Some(apex) = table.apex_at(&name) {
            return Some(apex);
        }
        above = name.parent();
    }
    None
}

/// The labels of `name` before `apex`, joined by dots.
fn relative(name: &Name, apex: &Name) -> Option<String> {
    let mut wire = name.as_wire().get(..name.as_wire().len().checked_sub(apex.as_wire().len())?)?;
    let mut labels = Vec::new();
    while let Some((length, rest)) = wire.split_first() {
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        labels.push(String::from_utf8_lossy(label));
        wire = rest;
    }
    Some(labels.join("."))
}

/// A query for one name, with EDNS.
fn query(name: &Name, rtype: Rtype, udp_payload: u16) -> Vec<u8> {
    let mut query = vec![0; HEADER];
    // One question, one additional record.
    (query[5], query[11]) = (1, 1);
    query.extend_from_slice(name.as_wire());
    query.extend_from_slice(&rtype.to_int().to_be_bytes());
    query.extend_from_slice(&[0, 1]);
    query.extend_from_slice(&[0, 0, 41]);
    query.extend_from_slice(&udp_payload.to_be_bytes());
    query.extend_from_slice(&[0; 6]);
    query
}

/// The records of a response but for OPT, in presentation format.
fn records(response: &[u8]) -> Option<Vec<String>> {
    let message = Message::from_octets(response).ok()?;
    let (_, answer, authority, additional) = message.sections().ok()?;
    let mut lines = Vec::new();
    for section in [answer, authority, additional] {
        for record in section.flatten().filter(|record| record.rtype() != Rtype::OPT) {
            let record = record.to_any_record::<AllRecordData<_, ParsedName<_>>>().ok()?;
            lines.push(record.to_string());
        }
    }
    Some(lines)
}

/// The response code in words.
fn response_code(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answer | Outcome::NoData | Outcome::Referral => "NOERROR",
        Outcome::NxDomain => "NXDOMAIN",
        Outcome::YxDomain => "YXDOMAIN",
        Outcome::Refused => "REFUSED",
        Outcome::FormErr => "FORMERR",
        Outcome::NotImp => "NOTIMP",
        Outcome::BadVers => "BADVERS",
        _ => "no response",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DnsRecord, NamespaceType};
    use crate::registry::{Command, Push, PutNamespace, PutService, Registry, ServiceName};

    /// A service `api.e.test` with so many instances, and an explainer of it.
    fn explainer(instances: usize, health_check: HealthCheck) -> (Registry, Explainer) {
        let mut registry = Registry::new(Vec::new());
        let name = || ServiceName { service: "api.e.test".into(), namespace: "".into() };
        let dns_records =
            vec![DnsRecord { record_type: RecordType::A, ttl: 7 }, DnsRecord { record_type: RecordType::Srv, ttl: 9 }];
        let namespace =
            PutNamespace { name: "e.test".into(), namespace_type: NamespaceType::DnsPrivate, ..Default::default() };
        let service = PutService { service: name(), dns_records, health_check, ..PutService::default() };
        let mut pushes = vec![Push::PutNamespace(namespace), Push::PutService(service)];
        for number in 0..instances {
            let status = if number == 0 { "UNHEALTHY" } else { "HEALTHY" };
            let pairs: [(&str, String); 3] = [
                ("AWS_INSTANCE_IPV4", format!("10.0.0.{number}")),
                ("AWS_INSTANCE_PORT", "80".to_owned()),
                ("AWS_INIT_HEALTH_STATUS", status.to_owned()),
            ];
            let pairs = pairs.iter().map(|(key, value)| (*key, &**value));
            pushes.push(Push::PutInstance {
                service: name(),
                instance: Instance::new(&format!("i-{number}"), None, pairs),
            });
        }
        for push in pushes {
            registry.apply(Command::Push(push)).unwrap();
        }
        let explainer = Explainer {
            views: registry.handle().into(),
            vpcs: Arc::default(),
            catalog: registry.catalog(),
            settings: Arc::default(),
        };
        (registry, explainer)
    }

    fn explain(explainer: &Explainer, name: &str, record_type: &str, udp_payload: u16) -> Explanation {
        let client = [127, 0, 0, 1].into();
        let question = Question { name: name.into(), record_type: record_type.into(), client, udp_payload };
        explainer.explain(&question).unwrap()
    }

    fn fates(explanation: &Explanation) -> Vec<(&str, bool, &str)> {
        explanation.candidates.iter().map(|one| (&*one.id, one.eligible, one.reason)).collect()
    }

    #[test]
    fn each_instance_has_its_reason() {
        let (mut registry, explainer) = explainer(3, HealthCheck::Custom);
        let name = ServiceName { service: "api.e.test".into(), namespace: "".into() };
        registry.apply(Command::Push(Push::Drain(name, "i-2".into()))).unwrap();
        let found = explain(&explainer, "API.e.test.", "A", 1232);
        assert_eq!((found.response_code, found.ttl, found.limit, found.fail_open), ("NOERROR", 7, Some(8), false));
        assert_eq!(found.zone.as_ref().map(Name::to_string).as_deref(), Some("e.test."));
        assert_eq!(found.service, Some(("e.test".into(), "api".into())));
        let expected = [
            ("i-0", false, "it is unhealthy, and others are healthy"),
            ("i-1", true, "it is healthy"),
            ("i-2", false, "it drains"),
        ];
        assert_eq!(fates(&found), expected);
        assert_eq!(found.records.len(), 1);
        assert!(found.records[0].contains("10.0.0.1"), "{:?}", found.records);
        assert!(found.reasons.iter().any(|reason| reason.contains("all 1 instances")), "{:?}", found.reasons);
    }

    #[test]
    fn fail_open_limits_truncation_and_other_names_are_told() {
        let (_registry, only) = explainer(1, HealthCheck::Custom);
        let found = explain(&only, "api.e.test", "A", 1232);
        assert!(found.fail_open && found.candidates[0].eligible);

        let (_registry, many) = explainer(40, HealthCheck::None);
        let found = explain(&many, "api.e.test", "SRV", 512);
        assert!(found.reasons.iter().any(|reason| reason.contains("8 of 40 instances")), "{:?}", found.reasons);
        assert_eq!(found.ttl, 9);
        let found = explain(&many, "i-7.api.e.test", "A", 512);
        assert!(found.reasons.iter().any(|reason| reason.contains("target of instance i-7")), "{:?}", found.reasons);
        let found = explain(&many, "nobody.e.test", "A", 512);
        assert_eq!(found.response_code, "NXDOMAIN");
        let found = explain(&many, "example.org", "A", 512);
        assert_eq!((found.response_code, found.zone), ("REFUSED", None));
        let found = explain(&many, "api.e.test", "AAAA", 512);
        assert!(found.reasons.iter().any(|reason| reason.contains("no records of type AAAA")), "{:?}", found.reasons);
        let client = [127, 0, 0, 1].into();
        let bad = Question { name: "a".into(), record_type: "NONSENSE".into(), client, udp_payload: 512 };
        assert!(many.explain(&bad).unwrap_err().to_string().contains("NONSENSE"));
    }
}
