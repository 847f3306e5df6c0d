//! What the tests of the data plane share: tables and queries written as short lines of text.
//!
//! ```text
//! nameserver ns1.example.test                            NS records of every zone
//! namespace z.test 15                                    name, negative TTL
//! service api MULTIVALUE A=10 limit=all                  name, policy, records with their TTLs, FINGERPOST_LIMIT
//! instance i-{1..3} ipv4=10.0.0.{} port=80 unhealthy     id, attributes; a range makes many
//! zone static.test                                       static records; a namespace may have the same name
//! record www.static.test 60 CNAME name:static.test       owner, TTL, type, RDATA as in `octets`
//! ```

#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a faulty text is a faulty test")]

pub(crate) mod oracle;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use fingerpost::dns::{self, Ctx, Reply, Settings, Transport};
use fingerpost::model::{
    Attributes, DnsRecord, HealthStatus, Instance, Namespace, RecordType as ServiceType, RoutingPolicy, Service, State,
    ZoneSource,
};
use fingerpost::registry::{Command, Registry};
use fingerpost::table::Snapshot;
use fingerpost::wire::Name;
use fingerpost::zone::{Record, Records, Zone};
use hickory_proto::rr::RecordType;

//----------- Tables -----------------------------------------------------------------------------------------

/// A state under construction.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) state: State,
    pub(crate) name_servers: Vec<Name>,
    namespace: String,
    service: String,
    zones: Vec<(Name, Records)>,
}

impl Table {
    /// Reads one line of the language above. Returns whether it was one.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split_whitespace().collect();
        match &words[..] {
            ["nameserver", name] => self.name_servers.push(Name::parse(name).unwrap()),
            ["namespace", name, soa_ttl] => {
                let namespace = Namespace { soa_ttl: soa_ttl.parse().unwrap(), ..Namespace::default() };
                self.state.namespaces.insert((*name).into(), namespace);
                self.namespace = (*name).into();
            }
            ["service", name, policy, records @ ..] => {
                let service = read_service(policy, records);
                self.namespace().services.insert((*name).into(), service);
                self.service = (*name).into();
            }
            ["instance", id, attributes @ ..] => {
                for number in numbers(line) {
                    let instance = read_instance(id, attributes, number);
                    let service = self.service.clone();
                    let service = self.namespace().services.get_mut(&*service).unwrap();
                    service.instances.insert(instance.into());
                }
            }
            ["zone", apex] => self.zones.push((Name::parse(apex).unwrap(), Records::new())),
            ["record", owner, ttl, kind, rdata @ ..] => {
                let (owner, rdata) = (Name::parse(owner).unwrap(), octets(rdata.iter()));
                let ttl = ttl.parse().unwrap();
                let record =
                    Record { owner: owner.as_wire(), rtype: rtype(kind), ttl, rdata: &rdata, ..Record::default() };
                self.zones.last_mut().unwrap().1.push(record);
            }
            _ => return false,
        }
        true
    }

    fn namespace(&mut self) -> &mut Namespace {
        self.state.namespaces.get_mut(&*self.namespace).unwrap()
    }

    /// The state so described.
    pub(crate) fn state(&self) -> State {
        let mut state = self.state.clone();
        for (apex, records) in &self.zones {
            let mut digest = DefaultHasher::new();
            let is_shared = state.namespaces.contains_key(apex.to_string().trim_end_matches('.'));
            format!("{is_shared} {records:?}").hash(&mut digest);
            let zone = Zone::new(apex.clone(), records.clone()).expect("a sound zone");
            state.zones.insert(apex.clone(), ZoneSource::new(digest.finish(), Arc::new(zone)));
        }
        state
    }

    /// The snapshot that a registry publishes for this state.
    pub(crate) fn publish(&self) -> Arc<Snapshot> {
        let mut registry = Registry::new(self.name_servers.clone());
        registry.apply(Command::Declare(self.state())).unwrap();
        registry.handle().load()
    }
}

/// The table that `text` describes.
pub(crate) fn table(text: &str) -> Table {
    let mut table = Table::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        assert!(table.read(line), "no line of a table: {line}");
    }
    table
}

/// The same, as published.
pub(crate) fn snapshot(text: &str) -> Arc<Snapshot> {
    table(text).publish()
}

/// A service of the records `A=10 …`, with `limit=` among them.
fn read_service(policy: &str, words: &[&str]) -> Service {
    let mut service = Service {
        routing_policy: match policy {
            "WEIGHTED" => RoutingPolicy::Weighted,
            "MULTIVALUE" => RoutingPolicy::Multivalue,
            _ => panic!("no routing policy: {policy}"),
        },
        ..Service::default()
    };
    for (key, value) in words.iter().map(|word| word.split_once('=').unwrap()) {
        let record_type = match key {
            "A" => ServiceType::A,
            "AAAA" => ServiceType::Aaaa,
            "SRV" => ServiceType::Srv,
            "CNAME" => ServiceType::Cname,
            "limit" => {
                service.attributes = Attributes::from_pairs([("FINGERPOST_LIMIT", value)]);
                continue;
            }
            _ => panic!("no part of a service: {key}"),
        };
        service.dns_records.push(DnsRecord { record_type, ttl: value.parse().unwrap() });
    }
    service
}

/// An instance, with `number` in place of every brace.
fn read_instance(id: &str, words: &[&str], number: u32) -> Instance {
    let mut status = HealthStatus::default();
    let mut attributes = Vec::new();
    for word in words {
        let Some((key, value)) = word.split_once('=') else {
            assert_eq!(*word, "unhealthy");
            status = HealthStatus::Unhealthy;
            continue;
        };
        let key = match key {
            "ipv4" => "AWS_INSTANCE_IPV4",
            "ipv6" => "AWS_INSTANCE_IPV6",
            "port" => "AWS_INSTANCE_PORT",
            "cname" => "AWS_INSTANCE_CNAME",
            _ => panic!("no attribute: {key}"),
        };
        attributes.push((key, substitute(value, number)));
    }
    let pairs = attributes.iter().map(|(key, value)| (*key, &**value));
    Instance::new(&substitute(id, number), None, pairs).with_status(status)
}

/// The numbers of the range `{1..3}` in `text`; a single one where there is none.
pub(crate) fn numbers(text: &str) -> std::ops::RangeInclusive<u32> {
    let range = text.split_once('{').and_then(|(_, rest)| rest.split_once('}')?.0.split_once(".."));
    range.map_or(0..=0, |(first, last)| first.parse().unwrap()..=last.parse().unwrap())
}

/// `text` with `number` in place of every pair of braces: `{1..3}`, or `{}` for the same again. Numbers above 255
/// fill two octets of an address: `{/}` is `high.low`.
pub(crate) fn substitute(text: &str, number: u32) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}').unwrap();
        result += before;
        match inside {
            "/" => result += &format!("{}.{}", number / 256, number % 256),
            _ => result += &number.to_string(),
        }
        rest = after;
    }
    result + rest
}

/// Octets written as hexadecimal digits, as `name:` with a dotted name, or as `repeat:` with a number and digits.
pub(crate) fn octets<'w>(words: impl Iterator<Item = &'w &'w str>) -> Vec<u8> {
    let hex = |digits: &str| -> Vec<u8> {
        assert!(digits.len().is_multiple_of(2), "{digits}");
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    };
    let read = |word: &&str| match word.split_once(':') {
        Some(("name", name)) => wire(name),
        Some((_, repeated)) => {
            let (times, digits) = repeated.split_once(':').unwrap();
            hex(digits).repeat(times.parse().unwrap())
        }
        None => hex(word),
    };
    words.flat_map(read).collect()
}

/// The number of a type, by its name or as `TYPE` and the number.
pub(crate) fn rtype(word: &str) -> u16 {
    match word.strip_prefix("TYPE") {
        Some(number) => number.parse().unwrap(),
        None => word.parse::<RecordType>().unwrap().into(),
    }
}

//----------- Queries ----------------------------------------------------------------------------------------

/// A query to be encoded, octet for octet as said.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// In wire form.
    pub(crate) name: Vec<u8>,
    pub(crate) qtype: u16,
    pub(crate) qclass: u16,
    /// The two octets behind the id.
    pub(crate) flags: u16,
    pub(crate) opt: Option<Opt>,
}

/// An OPT record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opt {
    pub(crate) payload: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Query {
    /// A query of class IN without flags for the dotted `name`.
    pub(crate) fn new(name: &str, qtype: u16) -> Self {
        Self { name: wire(name), qtype, qclass: 1, flags: 0, opt: None }
    }

    /// The same with an OPT record.
    pub(crate) fn edns(mut self, payload: u16) -> Self {
        self.opt = Some(Opt { payload, ..Opt::default() });
        self
    }

    /// The message. Its id is made from its own octets.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut message = vec![0x5a, self.qtype as u8];
        message.extend_from_slice(&self.flags.to_be_bytes());
        message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(self.opt.is_some())]);
        message.extend_from_slice(&self.name);
        message.extend_from_slice(&self.qtype.to_be_bytes());
        message.extend_from_slice(&self.qclass.to_be_bytes());
        if let Some(opt) = &self.opt {
            message.extend_from_slice(&[0, 0, 41]);
            message.extend_from_slice(&opt.payload.to_be_bytes());
            message.extend_from_slice(&[0, opt.version, u8::from(opt.dnssec_ok) << 7, 0]);
            let length: usize = opt.options.iter().map(|(_, data)| 4 + data.len()).sum();
            message.extend_from_slice(&(length as u16).to_be_bytes());
            for (code, data) in &opt.options {
                message.extend_from_slice(&code.to_be_bytes());
                message.extend_from_slice(&(data.len() as u16).to_be_bytes());
                message.extend_from_slice(data);
            }
        }
        message
    }
}

/// The wire form of a dotted name, case kept.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

//----------- Answers ----------------------------------------------------------------------------------------

/// A context with a seed that does not change.
pub(crate) fn ctx(settings: Settings) -> Ctx {
    Ctx::new(Arc::new(settings), 42)
}

/// The response to `message` and what is told of it; the buffer is as long as the servers' and full of rubbish.
pub(crate) fn answer(snapshot: &Snapshot, ctx: &mut Ctx, transport: Transport, message: &[u8]) -> (Reply, Vec<u8>) {
    let length = match transport {
        Transport::Udp => dns::MAX_UDP_PAYLOAD,
        Transport::Tcp => 65_535,
    };
    let mut buffer = vec![0xa5; length.max(message.len())];
    buffer[..message.len()].copy_from_slice(message);
    let reply = match transport {
        // As a worker does.
        Transport::Udp => {
            let ahead = dns::look_ahead(snapshot, ctx, std::iter::once(&buffer[..]));
            let reply = ahead.answer_v4(0, ctx, &mut buffer, message.len());
            reply.unwrap_or_else(|| ahead.answer(0, ctx, &mut buffer, message.len()))
        }
        Transport::Tcp => dns::answer(snapshot, ctx, transport, &mut buffer, message.len()),
    };
    buffer.truncate(reply.length);
    (reply, buffer)
}
