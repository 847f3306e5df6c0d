//! Compares the answers of DNS with what the reference says may be answered.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost::dns::{Settings, Transport};
use fingerpost::model::{HealthStatus, RecordType as ServiceType};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::World;
use super::ops::{Check, NAMESPACES, SERVICES};
use super::reference::{Instance, Owners, Producer, Reference, Service, below, get};
use super::support::{Query, answer, ctx};

/// Types that are asked for.
const TYPES: [RecordType; 7] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::CNAME,
    RecordType::SOA,
    RecordType::NS,
    RecordType::TXT,
];

/// What may be answered for a name and a type.
#[derive(Debug, Default)]
struct Allowed {
    ttl: u32,
    /// Data of records, as text.
    data: BTreeSet<String>,
    /// How many of them.
    count: usize,
}

impl World {
    /// Asks for every name in play, and for some that are not.
    pub(crate) fn check_answers(&mut self) {
        let zones = Zones::of(&self.reference);
        let owners = &zones.owners;
        let mut names: BTreeSet<String> = owners.keys().cloned().collect();
        names.extend(owners.keys().flat_map(|owner| ancestors(owner).map(String::from).collect::<Vec<_>>()));
        for namespace in NAMESPACES {
            let apex = namespace.to_ascii_lowercase();
            names.extend(SERVICES.map(|service| below(service, &apex)));
            names.insert(apex);
        }
        names.extend(owners.keys().take(5).map(|owner| format!("nobody.{owner}")));
        names.insert("elsewhere".into());
        let snapshot = self.registry.handle().load();
        let mut ctx = ctx(Settings::default());
        // A part of the questions after each step, all of them within a few.
        self.steps += 1;
        for (index, name) in names.iter().enumerate() {
            for qtype in TYPES.into_iter().skip((index + self.steps) % 3).step_by(3) {
                // Names compare without regard to case.
                let asked = if name.len() % 2 == 0 { name.to_ascii_uppercase() } else { name.clone() };
                let query = Query::new(&asked, qtype.into()).edns(4096).encode();
                let (_, response) = answer(&snapshot, &mut ctx, Transport::Tcp, &query);
                let response = Message::from_vec(&response).expect("a response can be read");
                zones.check_response(name, qtype, &response);
                check_serial(&mut self.serials, name, &response);
            }
        }
        assert_eq!(snapshot.names(), zones.nodes.len(), "owner names in the table: {:?}", zones.nodes);
    }
}

/// The serial of a zone goes only up.
fn check_serial(serials: &mut BTreeMap<String, u32>, name: &str, response: &Message) {
    let serial = response.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    });
    let Some(serial) = serial else { return };
    let last = serials.entry(name.to_owned()).or_default();
    assert!(serial >= *last, "the serial of {name} went from {last} to {serial}");
    *last = serial;
}

/// What the reference says of DNS, put together once.
struct Zones<'r> {
    reference: &'r Reference,
    owners: Owners<'r>,
    /// All names at which the table holds something: apexes, owner names, and those between.
    nodes: BTreeSet<String>,
}

impl<'r> Zones<'r> {
    fn of(reference: &'r Reference) -> Self {
        let mut nodes: BTreeSet<String> = reference.apexes().into_iter().collect();
        let owners = reference.owners();
        for (owner, producers) in &owners {
            let apex = &producers[0].0;
            nodes.extend(ancestors(owner).take_while(|name| name.len() > apex.len()).map(String::from));
            nodes.insert(owner.clone());
        }
        Self { reference, owners, nodes }
    }

    #[track_caller]
    fn check_response(&self, name: &str, qtype: RecordType, response: &Message) {
        let shown = || format!("{name} {qtype}: {response:?}");
        let code = response.metadata.response_code;
        let Some(apex) = self.reference.zone_of(name) else {
            assert_eq!(code, ResponseCode::Refused, "{}", shown());
            return;
        };
        assert!(response.metadata.authoritative && !response.metadata.truncation, "{}", shown());
        let producer = self.owners.get(name).and_then(|all| all.first()).map(|(_, producer)| *producer);
        let exists = *name == *apex || producer.is_some() || self.nodes.contains(name);
        let expected = if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
        assert_eq!(code, expected, "{}", shown());

        let namespace = self.reference.namespaces.values().find(|one| one.has_zone() && one.apex() == apex);
        let soa_ttl = namespace.and_then(|one| one.soa_ttl).unwrap_or(15);
        let mut allowed = producer.and_then(|producer| allowed(producer, qtype));
        // An alias answers for every type.
        if allowed.is_none()
            && let Some(Producer::Service(service)) = producer
        {
            allowed = service_records(service, ServiceType::Cname);
        }
        if *name == *apex && [RecordType::SOA, RecordType::NS].contains(&qtype) {
            assert_eq!(response.answers.len(), 1, "{}", shown());
            assert_eq!(response.answers[0].record_type(), qtype);
            assert!(qtype != RecordType::SOA || response.answers[0].ttl == soa_ttl, "{}", shown());
            return;
        }
        // An instance may come at any moment where a service has records of this type.
        let may_come = allowed.is_some();
        match allowed.filter(|allowed| allowed.count > 0) {
            Some(allowed) => {
                let data: BTreeSet<_> = response.answers.iter().map(|record| text(&record.data)).collect();
                assert_eq!(response.answers.len(), allowed.count, "of {allowed:?}, {}", shown());
                assert!(data.len() == allowed.count && data.is_subset(&allowed.data), "of {allowed:?}, {}", shown());
                assert!(response.answers.iter().all(|record| record.ttl == allowed.ttl), "{}", shown());
                self.check_additional(response);
            }
            None => {
                assert!(response.answers.is_empty(), "{}", shown());
                let [soa] = &response.authorities[..] else { panic!("no SOA: {}", shown()) };
                assert_eq!(owner(soa), apex, "{}", shown());
                let ttl = if may_come { soa_ttl.min(1) } else { soa_ttl };
                assert_eq!(soa.ttl, ttl, "{}", shown());
            }
        }
    }

    /// Addresses beside SRV records are those of their targets.
    fn check_additional(&self, response: &Message) {
        for record in response.additionals.iter().filter(|record| record.record_type() != RecordType::OPT) {
            let name = owner(record);
            let producer = self.owners.get(&name).and_then(|all| all.first());
            let allowed = producer.and_then(|(_, producer)| allowed(*producer, record.record_type()));
            assert!(allowed.is_some_and(|one| one.data.contains(&text(&record.data))), "{name}: {response:?}");
        }
    }
}

/// What a producer answers for a type.
fn allowed(producer: Producer<'_>, qtype: RecordType) -> Option<Allowed> {
    match (producer, qtype) {
        (Producer::Service(service), RecordType::A) => service_records(service, ServiceType::A),
        (Producer::Service(service), RecordType::AAAA) => service_records(service, ServiceType::Aaaa),
        (Producer::Service(service), RecordType::SRV) => service_records(service, ServiceType::Srv),
        (Producer::Service(service), RecordType::CNAME) => service_records(service, ServiceType::Cname),
        (Producer::Instance(service, instance), RecordType::A | RecordType::AAAA) => {
            let key = if qtype == RecordType::A { "AWS_INSTANCE_IPV4" } else { "AWS_INSTANCE_IPV6" };
            let data = BTreeSet::from([get(&instance.attributes, key)?.to_owned()]);
            Some(Allowed { ttl: service.ttl(ServiceType::Srv)?, data, count: 1 })
        }
        _ => None,
    }
}

/// What a service answers for one of its types: of the healthy instances that have something, or of all that have.
fn service_records(service: &Service, record_type: ServiceType) -> Option<Allowed> {
    let ttl = service.ttl(record_type)?;
    let data = |(id, one): (&String, &Instance)| {
        let attribute = |key| get(&one.attributes, key).map(String::from);
        match record_type {
            ServiceType::A => attribute("AWS_INSTANCE_IPV4"),
            ServiceType::Aaaa => attribute("AWS_INSTANCE_IPV6"),
            ServiceType::Cname => attribute("AWS_INSTANCE_CNAME").map(|name| name.trim_end_matches('.').to_owned()),
            // The owner name goes in front when a record is read.
            ServiceType::Srv => Some(format!("1 1 {} {}", attribute("AWS_INSTANCE_PORT")?, id.to_ascii_lowercase())),
        }
    };
    let is_well = |one: &Instance| service.check == Check::None || one.health != HealthStatus::Unhealthy;
    let mut all: BTreeSet<_> = service.instances.iter().filter(|(_, one)| is_well(one)).filter_map(data).collect();
    if all.is_empty() {
        all = service.instances.iter().filter_map(data).collect();
    }
    let shown = match get(&service.attributes, "FINGERPOST_LIMIT") {
        _ if service.records.weighted => 1,
        Some("all") => usize::MAX,
        Some(limit) => limit.parse().expect("a limit"),
        None => 8,
    };
    Some(Allowed { ttl, count: all.len().min(shown), data: all })
}

/// A record's data as the reference writes it.
fn text(data: &RData) -> String {
    match data {
        RData::A(address) => address.to_string(),
        RData::AAAA(address) => address.to_string(),
        RData::CNAME(target) => plain(&target.0),
        RData::SRV(srv) => {
            let target = plain(&srv.target);
            let id = target.split('.').next().unwrap_or_default();
            // An id with a dot is two labels.
            let id = if id == "x" { "x.y" } else { id };
            format!("{} {} {} {id}", srv.priority, srv.weight, srv.port)
        }
        other => panic!("nobody asked for {other:?}"),
    }
}

/// The owner of a record.
fn owner(record: &Record) -> String {
    plain(&record.name)
}

/// A name as the reference writes it.
fn plain(name: &Name) -> String {
    let labels = name.iter().map(|label| String::from_utf8_lossy(label).to_ascii_lowercase());
    labels.collect::<Vec<_>>().join(".")
}

/// The names above one.
fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(move |(dot, _)| &name[dot + 1..])
}
