//! From the model to answer data: the only way.
//!
//! Which instances answer is decided here, not per query: the healthy ones, or all of them where none is healthy
//! (Route 53 Developer Guide, "Multivalue answer routing": fail-open).

use std::net::Ipv6Addr;

use super::draft::{NodeDraft, RrSetDraft, ServiceEntry};
use super::edit::Editor;
use super::encode::static_flags;
use super::fill::Fill;
use super::node::{Flags, Layer};
use crate::model::{
    DnsRecord, Glance, Instance, Instances, NamespaceType, RecordType, RoutingPolicy, Service, ZoneSource,
};
use crate::wire::types::rtype;
use crate::wire::{MAX_LABEL, MAX_LENGTH, Name, NameError, wire_labels};
use crate::zone;

/// TTL of NS records in seconds, as in Route 53's zones.
const NS_TTL: u32 = 172_800;
/// SOA timers in seconds (refresh, retry, expire), as in Route 53's zones.
const SOA_TIMERS: [u32; 3] = [7_200, 900, 1_209_600];

/// The zone of a namespace.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its apex.
    pub apex: Name,
}

impl Zone {
    /// The zone of the namespace called `name`; `None` where its type has none.
    pub fn of(name: &str, namespace_type: NamespaceType) -> Result<Option<Self>, NameError> {
        match namespace_type {
            NamespaceType::Http => Ok(None),
            NamespaceType::DnsPrivate | NamespaceType::DnsPublic => Ok(Some(Self { apex: Name::parse(name)? })),
        }
    }

    /// The owner name of a service: the apex for the service called `.`.
    fn owner(&self, service: &str) -> Result<Name, NameError> {
        self.apex.child(service)
    }

    /// Octets of `owner` before the apex.
    fn offset(&self, owner: &Name) -> u8 {
        (owner.as_wire().len() - self.apex.as_wire().len()) as u8
    }
}

/// What stands at the apex of a namespace's zone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apex<'a> {
    /// The service called `.`, whose records are the apex's.
    pub service: Option<&'a Service>,
    /// TTL of the SOA record in seconds, which is the negative TTL.
    pub soa_ttl: u32,
    /// The static records of the same zone. Where they have an SOA or NS record, those stand there.
    pub source: Option<&'a ZoneSource>,
    /// The SOA's serial; added to that of a declared SOA.
    pub serial: u32,
    /// Names in the NS records; the first is also the SOA's.
    pub name_servers: &'a [Name],
}

/// Puts or renews the apex of a namespace's zone.
pub fn put_apex(editor: &mut Editor<'_>, zone: &Zone, apex: &Apex<'_>) -> Result<(), NameError> {
    let Apex { service, soa_ttl, source, serial, name_servers } = *apex;
    let mut draft = match service {
        Some(service) => service_draft(service, false)?,
        None => NodeDraft::default(),
    };
    let (soa, ttl) = match source {
        Some(ZoneSource { soa: Some((soa, ttl)), .. }) => (with_serial(soa, serial), *ttl),
        _ => (soa(zone, soa_ttl, serial, name_servers), soa_ttl),
    };
    draft.sets.push(RrSetDraft::Records { rtype: rtype::SOA, ttl, rdata: vec![soa] });
    if source.is_none_or(|source| !source.has_name_servers) {
        let rdata = name_servers.iter().map(|name| name.as_wire().to_vec()).collect();
        draft.sets.push(RrSetDraft::Records { rtype: rtype::NS, ttl: NS_TTL, rdata });
    }
    editor.put(&zone.apex, 0, Layer::Services, &draft);
    Ok(())
}

/// RDATA of the SOA record of a namespace (RFC 1035 §3.3.13).
fn soa(zone: &Zone, soa_ttl: u32, serial: u32, name_servers: &[Name]) -> Vec<u8> {
    let mut soa = name_servers.first().unwrap_or(&zone.apex).as_wire().to_vec();
    soa.extend_from_slice(zone.apex.child("hostmaster").as_ref().unwrap_or(&zone.apex).as_wire());
    let numbers = [serial].into_iter().chain(SOA_TIMERS).chain([soa_ttl]);
    soa.extend(numbers.flat_map(u32::to_be_bytes));
    soa
}

/// A declared SOA whose serial has moved on by `changes` (RFC 1982 arithmetic wraps).
fn with_serial(soa: &[u8], changes: u32) -> Vec<u8> {
    let mut soa = soa.to_vec();
    // Five numbers end the RDATA, the serial first.
    if let Some(serial) = soa.len().checked_sub(20).and_then(|at| soa[at..].first_chunk_mut()) {
        *serial = u32::from_be_bytes(*serial).wrapping_add(changes).to_be_bytes();
    }
    soa
}

/// Puts the records of a zone that is also a namespace's, name by name, beside the services. Its SOA is left to
/// [`put_apex`].
pub fn put_static(editor: &mut Editor<'_>, zone: &zone::Zone) {
    let apex_length = zone.apex().as_wire().len();
    for owner in zone.owners().filter(|owner| owner.records().next().is_some()) {
        let mut sets: Vec<RrSetDraft> = Vec::new();
        for record in owner.records().filter(|record| record.rtype != rtype::SOA) {
            match sets.last_mut() {
                Some(RrSetDraft::Records { rtype, rdata, .. }) if *rtype == record.rtype => {
                    rdata.push(record.rdata.to_vec());
                }
                _ => {
                    let (rtype, ttl) = (record.rtype, record.ttl);
                    sets.push(RrSetDraft::Records { rtype, ttl, rdata: vec![record.rdata.to_vec()] });
                }
            }
        }
        let draft = NodeDraft { flags: static_flags(owner), sets };
        let offset = (owner.name().len() - apex_length) as u8;
        editor.put(&Name::from_lower(owner.name()), offset, Layer::Static, &draft);
    }
}

/// Takes the apex away, after everything below it.
pub fn remove_apex(editor: &mut Editor<'_>, zone: &Zone) {
    editor.remove(&zone.apex, Layer::Services);
}

/// Takes away the names that the service called `name` had as `before` and no longer has as `after` (`None`: gone).
///
/// All services of a change are retired before any is put, because one may take over the name of another.
pub fn retire_service(
    editor: &mut Editor<'_>,
    zone: &Zone,
    name: &str,
    before: &Service,
    after: Option<&Service>,
) -> Result<(), NameError> {
    let owner = zone.owner(name)?;
    if !targets(Some(before)).is_empty() {
        let have_nodes = editor.has_children(&owner);
        for (old, new) in Instances::differences(targets(Some(before)), targets(after)) {
            match (old, new) {
                (Some(old), None) if have_nodes => editor.remove(&owner.child(old.id())?, Layer::Services),
                (Some(old), None) if after.is_some() => editor.retire_instance(&owner, old.id()),
                _ => {}
            }
        }
    }
    // The apex, home of the service called `.`, is renewed or removed with its namespace.
    if !before.dns_records.is_empty() && after.is_none_or(|after| after.dns_records.is_empty()) && name != "." {
        editor.remove(&owner, Layer::Services);
    }
    Ok(())
}

/// Puts the service called `name` and the names of its instances, which were as `before` says.
pub fn put_service(
    editor: &mut Editor<'_>,
    zone: &Zone,
    name: &str,
    service: &Service,
    before: Option<&Service>,
) -> Result<(), NameError> {
    let owner = zone.owner(name)?;
    let ttl = service.ttl(RecordType::Srv);
    let can_be_below = ttl.is_some() && name != "." && have_names_below(service, owner.as_wire().len());
    let is_below = can_be_below && !editor.has_children(&owner);
    if let Some(ttl) = ttl.filter(|_| !is_below) {
        editor.spread(&owner);
        // With another TTL, every one of them is another.
        let before = before.filter(|before| before.ttl(RecordType::Srv) == Some(ttl));
        for (old, new) in Instances::differences(targets(before), targets(Some(service))) {
            // Its health does not show at its own name: an SRV answer may name it anyway.
            if let Some(new) = new
                && old.is_none_or(|old| old.attributes() != new.attributes())
            {
                put_instance(editor, zone, &owner.child(new.id())?, new, ttl);
            }
        }
    }
    // A service that only the API discovers has no name in DNS.
    if !service.dns_records.is_empty() && name != "." {
        editor.put(&owner, zone.offset(&owner), Layer::Services, &service_draft(service, is_below)?);
        editor.forget_retired(&owner);
    }
    Ok(())
}

/// Puts a service all of whose names are new, and those of its instances: how many names it has directly below the apex;
/// `None`, and nothing is put, if it takes more than that, and so an editor.
pub fn fill_service(fill: &mut Fill, zone: &Zone, name: &str, service: &Service) -> Result<Option<u32>, NameError> {
    if name != "." && service.dns_records.is_empty() {
        return Ok(Some(0));
    }
    let apex = zone.apex.as_wire();
    let length = 1 + name.len() + apex.len();
    if !is_plain(name) || length > MAX_LENGTH || !have_names_below(service, length) {
        return Ok(None);
    }
    let draft = service_draft(service, true)?;
    let mut wire = [0; MAX_LENGTH];
    wire[1 + name.len()..length].copy_from_slice(apex);
    wire[0] = name.len() as u8;
    wire[1..][..name.len()].copy_from_slice(name.as_bytes());
    wire[1..][..name.len()].make_ascii_lowercase();
    fill.put(&wire[..length], (1 + name.len()) as u8, 0, &draft);
    Ok(Some(1))
}

/// Whether the instances of a service, whose own name is `length` octets long, can do without nodes.
fn have_names_below(service: &Service, length: usize) -> bool {
    targets(Some(service)).ids().all(|id| is_plain(id) && 1 + id.len() + length <= MAX_LENGTH)
}

/// Whether a text is one label with nothing special about it.
fn is_plain(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len()) && !label.contains('.') && label != "*"
}

/// The instances that have names of their own: those of a service with SRV records.
pub(crate) fn targets(service: Option<&Service>) -> &Instances {
    const NONE: &Instances = &Instances::EMPTY;
    service.filter(|service| service.ttl(RecordType::Srv).is_some()).map_or(NONE, |service| &service.instances)
}

/// Puts `name`, an instance's own, with its addresses.
fn put_instance(editor: &mut Editor<'_>, zone: &Zone, name: &Name, instance: &Instance, ttl: u32) {
    let v4 = instance.ipv4().map(|address| RrSetDraft::V4 { ttl, shown: 1, addresses: vec![address.octets()] });
    let v6 = instance.ipv6().map(|address| RrSetDraft::V6 { ttl, shown: 1, addresses: vec![address.octets()] });
    let draft = NodeDraft { flags: Flags::default(), sets: v4.into_iter().chain(v6).collect() };
    editor.put(name, zone.offset(name), Layer::Services, &draft);
}

/// What DNS shows of an instance.
#[derive(Clone, Copy)]
struct Shown<'s> {
    instance: &'s Instance,
    is_unhealthy: bool,
    draining: bool,
    v4: Option<[u8; 4]>,
    v6: Option<[u8; 16]>,
    port: Option<u16>,
}

impl<'s> Shown<'s> {
    /// That of each instance, in their order.
    fn of_all(service: &'s Service) -> Vec<Self> {
        // What A records show is known without a look into the instances, of which most do not change.
        let is_enough = service.dns_records.iter().all(|record| record.record_type == RecordType::A);
        service.instances.glances().map(|glance| Self::of(glance, is_enough)).collect()
    }

    /// That of one, with its IPv4 address alone if that `is_enough`.
    fn of(glance: Glance<'s>, is_enough: bool) -> Self {
        let Glance { instance, ipv4, is_unhealthy, draining } = glance;
        let v4 = ipv4.map(|address| address.octets());
        let mut shown = Self { instance, is_unhealthy, draining, v4, v6: None, port: None };
        if is_enough {
            return shown;
        }
        for (key, value) in instance.attributes().iter() {
            match key {
                "AWS_INSTANCE_IPV6" => shown.v6 = value.parse().ok().map(|address: Ipv6Addr| address.octets()),
                "AWS_INSTANCE_PORT" => shown.port = value.parse().ok(),
                _ => {}
            }
        }
        shown
    }
}

/// The node of a service. With `is_below`, the names of its instances are in it.
fn service_draft(service: &Service, is_below: bool) -> Result<NodeDraft, NameError> {
    let all = Shown::of_all(service);
    let set = |record: &DnsRecord| record_set(service, &all, record);
    let sets = service.dns_records.iter().map(set).collect::<Result<_, _>>()?;
    let is_empty = service.instances.glances().all(|glance| glance.draining);
    let flags = if is_empty { Flags::NO_INSTANCES } else { Flags::default() };
    let has_names = is_below && !targets(Some(service)).is_empty();
    Ok(NodeDraft { flags: if has_names { flags.with(Flags::INSTANCES_BELOW) } else { flags }, sets })
}

/// The RRset of one type, from the instances that answer and have what it takes.
fn record_set(
    service: &Service,
    all: &[Shown<'_>],
    &DnsRecord { record_type, ttl }: &DnsRecord,
) -> Result<RrSetDraft, NameError> {
    let shown = match service.routing_policy {
        RoutingPolicy::Multivalue => service.limit().unwrap_or(u32::MAX),
        RoutingPolicy::Weighted => 1,
    };
    Ok(match record_type {
        RecordType::A => RrSetDraft::V4 { ttl, shown, addresses: distinct(answering(all, |one| one.v4)) },
        RecordType::Aaaa => RrSetDraft::V6 { ttl, shown, addresses: distinct(answering(all, |one| one.v6)) },
        RecordType::Srv => {
            let entry = |one: &Shown<'_>| {
                let mut labels = wire_labels(one.instance.id()).ok()?;
                labels.pop();
                Some(ServiceEntry { port: one.port.unwrap_or_default(), labels, v4: one.v4, v6: one.v6 })
            };
            let answering = answering(all, |one| one.port.map(|_| one.instance.id()));
            // Both lists are in the order of ids.
            let mut rest = answering.iter().peekable();
            let (mut entries, mut silent) = (Vec::with_capacity(answering.len()), Vec::new());
            for one in all {
                let answers = rest.next_if(|id| **id == one.instance.id()).is_some();
                if answers { &mut entries } else { &mut silent }.extend(entry(one));
            }
            in_order_of_names(&mut entries);
            in_order_of_names(&mut silent);
            RrSetDraft::Services { ttl, shown, entries, silent }
        }
        RecordType::Cname => {
            let targets = answering(all, |one| one.instance.cname());
            let targets = targets.into_iter().map(wire_labels).collect::<Result<_, _>>()?;
            RrSetDraft::Aliases { ttl, targets }
        }
    })
}

/// What `pick` takes from the instances that answer: the healthy ones with something to give, or all with
/// something to give where none of them is healthy. One that drains never answers.
fn answering<'a, 's, T>(all: &'a [Shown<'s>], pick: impl Fn(&'a Shown<'s>) -> Option<T>) -> Vec<T> {
    let picked = |healthy_only: bool| {
        let instances = all.iter().filter(|one| !one.draining);
        let answering = instances.filter(move |one| !healthy_only || !one.is_unhealthy);
        answering.filter_map(&pick).collect()
    };
    let healthy: Vec<T> = picked(true);
    if healthy.is_empty() { picked(false) } else { healthy }
}

/// Brings instances, which are in the order of their ids, into that of their names.
fn in_order_of_names(entries: &mut [ServiceEntry]) {
    if entries.iter().any(|entry| entry.labels.iter().any(u8::is_ascii_uppercase)) {
        entries.sort_by_cached_key(|entry| entry.labels.get(1..).unwrap_or_default().to_ascii_lowercase());
    }
}

/// Each item once: instances that share an address are one record (RFC 2181 §5).
fn distinct<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items
}
