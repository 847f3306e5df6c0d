//! The rules of Cloud Map for names, record combinations and attributes.
//!
//! Pure functions: a value goes in, and either a typed value or a [`Violation`] comes out, whose text names
//! the value and what is allowed. Every channel asks here, so that a file, the AWS API and gRPC refuse the
//! same things in the same words. Sources are named at each rule: "API model" is the service model of
//! `servicediscovery` 2017-03-14 with the documentation in it, "developer guide" the Cloud Map Developer Guide.
//!
//! The files divide by subject: [`names`] (namespaces, services, instances, and whether they fit DNS),
//! [`records`] (types, TTLs, thresholds), [`attributes`] (instances and services). This file applies them to
//! whole services and states.

use std::collections::HashMap;
use std::fmt;

use super::{HealthCheck, Instance, KnownAttribute, NamespaceType, RecordType, Service, State};

pub mod attributes;
pub mod names;
pub mod records;

/// A broken rule. Its text names the value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(Box<str>);

impl Violation {
    /// A violation in its own words.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into().into_boxed_str())
    }

    /// "`value` is not `what`; allowed are `allowed`".
    pub(crate) fn not(value: &str, what: &str, allowed: &str) -> Self {
        Self::new(format!("{} is not {what}; allowed are {allowed}", Shown(value)))
    }
}

/// A foreign value in a message: as it is where it is short and plain, else quoted, escaped and shortened.
pub struct Shown<'a>(pub &'a str);

impl Shown<'_> {
    /// Characters shown of a long value.
    const LONGEST: usize = 80;
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((end, _)) = self.0.char_indices().nth(Self::LONGEST) else {
            let plain = !self.0.is_empty() && self.0.bytes().all(|octet| octet.is_ascii_graphic());
            return if plain { f.write_str(self.0) } else { write!(f, "{:?}", self.0) };
        };
        let start = self.0.get(..end).unwrap_or_default();
        write!(f, "{start:?}… ({} characters)", self.0.chars().count())
    }
}

/// The part of a service that breaks a rule, for channels that know positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The service's own name.
    Name,
    /// Its list of DNS records.
    DnsRecords,
    /// The instance of this id.
    Instance(&'a str),
}

/// The rules that tie a service to its namespace. The rules that need no namespace are
/// [`names::service_name`], [`names::instance_id`], [`records::combination`] and those of [`attributes`].
pub fn service_in_namespace<'a>(
    kind: NamespaceType,
    namespace: &str,
    name: &str,
    service: &'a Service,
) -> Vec<(Part<'a>, Violation)> {
    if kind == NamespaceType::Http {
        // API model, `CreateService`: DnsConfig is for DNS namespaces.
        if service.dns_records.is_empty() {
            return Vec::new();
        }
        let text = "an HTTP namespace has no zone, so its services have no dns_records; allowed are none";
        return vec![(Part::DnsRecords, Violation::new(text))];
    }
    let mut found = Vec::new();
    if let Err(violation) = probe_in_namespace(kind, service) {
        found.push((Part::Name, violation));
    }
    if let Err(violation) = names::service_owner(name, namespace) {
        found.push((Part::Name, violation));
        return found;
    }
    let has_cname = service.ttl(RecordType::Cname).is_some();
    if name == "." && has_cname {
        // RFC 1034 §3.6.2: no other data beside a CNAME; the apex has SOA and NS.
        let text = "CNAME is not possible at the apex, which has SOA and NS records (RFC 1034 §3.6.2); \
                    allowed are A, AAAA and SRV";
        found.push((Part::DnsRecords, Violation::new(text)));
    }
    for instance in service.instances.iter() {
        if let Err(violation) = instance_in_namespace(namespace, name, service, instance) {
            found.push((Part::Instance(instance.id()), violation));
        }
    }
    found
}

/// Whether the service can have the health check it has (API model, `HealthCheckConfig`).
pub fn probe_in_namespace(kind: NamespaceType, service: &Service) -> Result<(), Violation> {
    if !matches!(service.health_check, HealthCheck::Probe(_)) {
        return Ok(());
    }
    if kind == NamespaceType::DnsPrivate {
        let text = "HealthCheckConfig is for public DNS and HTTP namespaces; a private DNS namespace allows \
                    HealthCheckCustomConfig";
        return Err(Violation::new(text));
    }
    if service.ttl(RecordType::Cname).is_some() {
        return Err(Violation::new(
            "HealthCheckConfig is not possible with CNAME records; allowed are A, AAAA and SRV",
        ));
    }
    Ok(())
}

/// The rules that tie an instance of a service called `name` to a namespace that owns a zone.
pub fn instance_in_namespace(
    namespace: &str,
    name: &str,
    service: &Service,
    instance: &Instance,
) -> Result<(), Violation> {
    if service.ttl(RecordType::Srv).is_some() {
        names::instance_owner(instance.id(), name, namespace)?;
    }
    if instance.has(KnownAttribute::Ec2InstanceId) {
        // API model, `RegisterInstance$Attributes`.
        return Err(Violation::new(
            "AWS_EC2_INSTANCE_ID is for HTTP namespaces only; allowed are AWS_INSTANCE_IPV4, AWS_INSTANCE_IPV6 and \
             AWS_INSTANCE_CNAME",
        ));
    }
    Ok(())
}

/// Who produces an owner name: a service, or an instance of an SRV service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Name of the service.
    pub service: &'a str,
    /// The instance whose address records stand at the name, as target of the service's SRV record.
    pub instance: Option<&'a str>,
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.instance {
            None => write!(f, "service {}", Shown(self.service)),
            Some(instance) => write!(f, "instance {} of service {}", Shown(instance), Shown(self.service)),
        }
    }
}

/// The owner names of one DNS namespace, each with its one producer.
///
/// Names compare without regard to case (RFC 4343). A service's name is taken also where it has no records:
/// API model, `CreateService$Name`, refuses services whose names differ only by case.
#[derive(Debug, Default)]
pub struct Owners<'a> {
    /// Producer by owner name, relative to the namespace, in lower case.
    taken: HashMap<String, Owner<'a>>,
}

impl<'a> Owners<'a> {
    /// Takes the name for `owner`, or tells who has it.
    pub fn take(&mut self, owner: Owner<'a>) -> Result<(), (Owner<'a>, Violation)> {
        let mut name = match (owner.instance, owner.service) {
            (None, service) => service.to_owned(),
            (Some(instance), ".") => instance.to_owned(),
            (Some(instance), service) => format!("{instance}.{service}"),
        };
        name.make_ascii_lowercase();
        match self.taken.entry(name) {
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(owner);
                Ok(())
            }
            std::collections::hash_map::Entry::Occupied(taken) => {
                let text = format!(
                    "{owner} has the DNS name of {}; allowed are names that differ in more than case, \
                     also from the names of SRV targets (instance id before service name)",
                    taken.get()
                );
                Err((*taken.get(), Violation::new(text)))
            }
        }
    }

    /// Takes every name of `service`, and yields what breaks the rule.
    pub fn take_all(
        &mut self,
        name: &'a str,
        service: &'a Service,
    ) -> impl Iterator<Item = (Part<'a>, Owner<'a>, Violation)> {
        let has_srv = service.ttl(RecordType::Srv).is_some();
        let targets = service.instances.ids().filter(move |_| has_srv).map(Some);
        std::iter::once(None).chain(targets).filter_map(move |instance| {
            let (taken, violation) = self.take(Owner { service: name, instance }).err()?;
            Some((instance.map_or(Part::Name, Part::Instance), taken, violation))
        })
    }
}

/// Every rule, applied to everything `state` holds: empty for a state that a channel accepted.
pub fn state(state: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    for (namespace_name, namespace) in &state.namespaces {
        let kind = namespace.namespace_type;
        found.extend(names::namespace_name(kind, namespace_name).err());
        found.extend(records::ttl(&namespace.soa_ttl.to_string()).err());
        if let Some(vpc) = &namespace.vpc {
            found.extend(names::vpc(kind, vpc).err());
        }
        let mut owners = Owners::default();
        for (name, service) in &namespace.services {
            found.extend(names::service_name(name).err());
            found.extend(records::combination(&service.dns_records, service.routing_policy).err());
            found.extend(service.dns_records.iter().filter_map(|record| records::ttl(&record.ttl.to_string()).err()));
            let pairs: Vec<_> = service.attributes.iter().collect();
            found.extend(attributes::service(&pairs).into_iter().map(|fault| fault.violation));
            for instance in service.instances.iter() {
                found.extend(names::instance_id(instance.id()).err());
                let pairs: Vec<_> = instance.attributes().iter().collect();
                let faults = attributes::instance(&pairs, &service.dns_records);
                found.extend(faults.into_iter().map(|fault| fault.violation));
            }
            let tied = service_in_namespace(kind, namespace_name, name, service);
            found.extend(tied.into_iter().map(|(_, violation)| violation));
            if kind != NamespaceType::Http {
                found.extend(owners.take_all(name, service).map(|(_, _, violation)| violation));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DnsRecord, Instance, RoutingPolicy};

    fn service(types: &[RecordType], instances: &[(&str, &[(&str, &str)])]) -> Service {
        Service {
            dns_records: types.iter().map(|&record_type| DnsRecord { record_type, ttl: 10 }).collect(),
            instances: instances.iter().map(|(id, pairs)| Instance::new(id, None, pairs.iter().copied())).collect(),
            ..Service::default()
        }
    }

    #[test]
    fn values_are_shown_short_and_printable() {
        assert_eq!(Shown("a.b").to_string(), "a.b");
        assert_eq!(Shown("").to_string(), "\"\"");
        assert_eq!(Shown("a b\n").to_string(), "\"a b\\n\"");
        let long = "ä".repeat(100);
        assert_eq!(Shown(&long).to_string(), format!("\"{}\"… (100 characters)", "ä".repeat(80)));
    }

    #[test]
    fn http_namespaces_have_no_records() {
        let a = service(&[RecordType::A], &[]);
        let found = service_in_namespace(NamespaceType::Http, "x", "s", &a);
        assert_eq!(found[0].0, Part::DnsRecords);
        let api_only = service(&[], &[("i", &[("AWS_EC2_INSTANCE_ID", "i-12345678")])]);
        assert!(service_in_namespace(NamespaceType::Http, "x", "s", &api_only).is_empty());
        let found = service_in_namespace(NamespaceType::DnsPublic, "x.org", "s", &api_only);
        assert_eq!(found[0].0, Part::Instance("i"));
    }

    #[test]
    fn the_apex_has_no_cname() {
        let cname = service(&[RecordType::Cname], &[]);
        let found = service_in_namespace(NamespaceType::DnsPrivate, "x", ".", &cname);
        assert_eq!(found[0].0, Part::DnsRecords);
        assert!(service_in_namespace(NamespaceType::DnsPrivate, "x", "www", &cname).is_empty());
        assert!(service_in_namespace(NamespaceType::DnsPrivate, "x", ".", &service(&[RecordType::A], &[])).is_empty());
    }

    #[test]
    fn instance_names_count_for_srv_only() {
        let long = "x".repeat(64);
        let address: &[(&str, &str)] = &[("AWS_INSTANCE_IPV4", "10.0.0.1")];
        let srv = service(&[RecordType::Srv], &[(&long, address)]);
        let found = service_in_namespace(NamespaceType::DnsPrivate, "x", "s", &srv);
        assert_eq!(found[0].0, Part::Instance(&long));
        let a = service(&[RecordType::A], &[(&long, address)]);
        assert!(service_in_namespace(NamespaceType::DnsPrivate, "x", "s", &a).is_empty());
    }

    #[test]
    fn an_owner_name_has_one_producer() {
        let srv = service(&[RecordType::Srv], &[("b", &[])]);
        let other = service(&[RecordType::A], &[]);
        let mut owners = Owners::default();
        assert_eq!(owners.take_all("a", &srv).count(), 0);
        assert_eq!(owners.take_all("c.a", &other).count(), 0);
        let clash: Vec<_> = owners.take_all("B.a", &other).collect();
        let taken = Owner { service: "a", instance: Some("b") };
        assert_eq!((clash[0].0, clash[0].1), (Part::Name, taken));
        assert!(clash[0].2.to_string().starts_with("service B.a has the DNS name of instance b of service a;"));
        // Without SRV, instances produce no names.
        let plain = service(&[RecordType::A], &[("b", &[]), ("B", &[])]);
        assert_eq!(Owners::default().take_all("a", &plain).count(), 0);
        let twice = service(&[RecordType::Srv], &[("b", &[]), ("B", &[])]);
        assert_eq!(Owners::default().take_all("a", &twice).count(), 1);
        // At the apex an instance stands where a service of its name would.
        let mut owners = Owners::default();
        assert_eq!(owners.take_all(".", &srv).count(), 0);
        assert_eq!(owners.take_all("b", &other).count(), 1);
    }

    #[test]
    fn a_whole_state_is_checked() {
        let mut good = State::default();
        let namespace = good.namespaces.entry("x.local".into()).or_default();
        namespace
            .services
            .insert("s".into(), service(&[RecordType::A], &[("i", &[("AWS_INSTANCE_IPV4", "10.0.0.1")])]));
        assert_eq!(state(&good), []);
        let mut cname = service(&[RecordType::Cname], &[("!", &[])]);
        cname.routing_policy = RoutingPolicy::Multivalue;
        good.namespaces.entry("arn:x".into()).or_default().services.insert("-".into(), cname);
        // The namespace's name, the service's, the policy, the instance's id, its missing name, and the name in DNS.
        assert_eq!(state(&good).len(), 5, "{:#?}", state(&good));
    }
}
