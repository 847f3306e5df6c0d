//! What clients of VPCs are answered, through the registry and `dns::answer_in_views`, without a socket.

#![allow(clippy::unwrap_used, reason = "in a test, a panic with its place is the message")]

mod support;

use std::net::IpAddr;
use std::sync::Arc;

use fingerpost::dns::{self, Ctx, Outcome, Settings, Transport};
use fingerpost::model::{
    Attributes, DnsRecord, HealthCheck, NamespaceId, NamespaceType, RecordType, RoutingPolicy, ServiceId,
};
use fingerpost::registry::store::Memory;
use fingerpost::registry::{self, Command, CreateNamespace, CreateService, RegisterInstance, Registry};
use fingerpost::table::{Networks, Seen, Snapshot, Views};
use hickory_proto::op::Message;
use hickory_proto::rr::RData;

//----------- The registry's views ---------------------------------------------

/// Makes a namespace with a service `s` of one instance, as the API would.
fn make(registry: &mut Registry, name: &str, vpc: Option<&str>, address: &str) {
    let namespace_type = if vpc.is_some() { NamespaceType::DnsPrivate } else { NamespaceType::DnsPublic };
    let create =
        CreateNamespace { name: name.into(), namespace_type, vpc: vpc.map(Into::into), ..CreateNamespace::default() };
    registry.apply(Command::CreateNamespace(create)).unwrap();
    let reader = registry.catalog();
    let namespace: NamespaceId = {
        let catalog = reader.read();
        let entry = catalog.namespaces_after(None).find(|entry| *entry.name == *name && entry.vpc.as_deref() == vpc);
        entry.unwrap().id
    };
    let create = CreateService {
        namespace,
        name: "s".into(),
        routing_policy: Some(RoutingPolicy::Multivalue),
        dns_records: vec![DnsRecord { record_type: RecordType::A, ttl: 10 }],
        api_only: false,
        health_check: HealthCheck::None,
        description: None,
        creator_request_id: None,
        tags: Attributes::default(),
    };
    registry.apply(Command::CreateService(create)).unwrap();
    let service: ServiceId = reader.read().services_of(namespace).next().unwrap().id;
    let attributes = Attributes::from_pairs([("AWS_INSTANCE_IPV4", address)]);
    let register = RegisterInstance { service, id: "i".into(), creator_request_id: None, attributes };
    registry.apply(Command::RegisterInstance(register)).unwrap();
}

/// What the client at `client` is told of `name`: the outcome, and the addresses.
fn ask(views: &Views, client: &str, name: &str) -> (Outcome, Vec<IpAddr>) {
    let message = support::Query::new(name, 1).encode();
    let mut buffer = vec![0; dns::MAX_UDP_PAYLOAD];
    buffer[..message.len()].copy_from_slice(&message);
    let mut set = views.views();
    let seen = set.revalidate().seen_by(client.parse().unwrap());
    let mut ctx = support::ctx(Settings::default());
    let reply = dns::answer_in_views(seen, &mut ctx, Transport::Udp, &mut buffer, message.len());
    let response = Message::from_vec(&buffer[..reply.length]).unwrap();
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        _ => None,
    };
    (reply.outcome, response.answers.iter().filter_map(|record| address(&record.data)).collect())
}

#[test]
fn namespaces_of_one_name_are_kept_apart() {
    let settings = registry::Settings { vpcs: vec!["vpc-1".into(), "vpc-2".into()], ..registry::Settings::default() };
    let mut registry = Registry::open(settings, Arc::new(Memory::default())).unwrap();
    make(&mut registry, "z.test", Some("vpc-1"), "10.1.0.1");
    make(&mut registry, "z.test", Some("vpc-2"), "10.2.0.1");
    make(&mut registry, "z.test", None, "192.0.2.1");
    make(&mut registry, "public.test", None, "192.0.2.2");
    make(&mut registry, "only.test", Some("vpc-1"), "10.1.0.2");
    make(&mut registry, "deep.public.test", Some("vpc-2"), "10.2.0.2");

    let networks = [("127.0.1.0/24", 1), ("fd01::/16", 1), ("127.0.2.0/24", 2)];
    let networks = Networks::new(networks.map(|(text, view)| (text.parse().unwrap(), view)));
    let views = Views::new(registry.handle(), registry.handles().into_iter().skip(1), networks);
    let (first, second, nobody) = ("127.0.1.9", "127.0.2.9", "127.0.0.1");
    let answer = |address: &str| (Outcome::Answer, vec![address.parse().unwrap()]);
    let refused = (Outcome::Refused, Vec::new());
    let nxdomain = (Outcome::NxDomain, Vec::new());

    for client in [first, "fd01::1", "::ffff:127.0.1.9"] {
        assert_eq!(ask(&views, client, "s.z.test"), answer("10.1.0.1"), "{client}");
    }
    assert_eq!(ask(&views, second, "s.z.test"), answer("10.2.0.1"));
    assert_eq!(ask(&views, nobody, "s.z.test"), answer("192.0.2.1"));
    for client in [first, second, nobody] {
        assert_eq!(ask(&views, client, "s.public.test"), answer("192.0.2.2"), "{client}");
        assert_eq!(ask(&views, client, "x.z.test"), nxdomain, "{client}");
        assert_eq!(ask(&views, client, "example.com"), refused, "{client}");
    }
    assert_eq!(ask(&views, first, "s.only.test"), answer("10.1.0.2"));
    assert_eq!(ask(&views, second, "s.only.test"), refused);
    assert_eq!(ask(&views, nobody, "s.only.test"), refused);
    // The private zone answers for all names below it, and the public one around it for the others.
    assert_eq!(ask(&views, second, "s.deep.public.test"), answer("10.2.0.2"));
    assert_eq!(ask(&views, second, "x.deep.public.test"), nxdomain);
    assert_eq!(ask(&views, first, "s.deep.public.test"), nxdomain);

    let commands = [
        CreateNamespace { name: "y.test".into(), ..CreateNamespace::default() },
        CreateNamespace { name: "y.test".into(), vpc: Some("vpc-3".into()), ..CreateNamespace::default() },
    ];
    let [without, unknown] =
        commands.map(|create| registry.apply(Command::CreateNamespace(create)).unwrap_err().to_string());
    assert!(without.contains("needs a vpc") && without.contains("vpc-1, vpc-2"), "{without}");
    assert!(unknown.contains("\"vpc-3\" is not a VPC") && unknown.contains("vpc-1, vpc-2"), "{unknown}");
}

//----------- The two steps ----------------------------------------------------

const PRIVATE: &str = "
    namespace z.test 15
    service s MULTIVALUE A=10 SRV=10
    instance i-{1..20} ipv4=10.1.0.{} port=80
    zone both.test
    record both.test 60 SOA name:ns.both.test name:h.both.test 00000001 00001c20 00000384 00127500 0000000f
    record out.both.test 60 CNAME name:s.public.test
    record away.both.test 60 DNAME name:public.test
    record cut.both.test 60 NS name:ns.cut.both.test
";

const COMMON: &str = "
    namespace z.test 15
    service s MULTIVALUE A=10 SRV=10
    instance i-{1..20} ipv4=192.0.2.{} port=80
    namespace public.test 15
    service s MULTIVALUE A=10 SRV=10
    instance i-{1..20} ipv4=198.51.100.{} port=80
    zone both.test
    record both.test 60 SOA name:ns.both.test name:h.both.test 00000001 00001c20 00000384 00127500 0000000f
    record x.both.test 60 A 0a050001
";

/// Names, and whether a private zone has them.
const NAMES: &[(&str, bool)] = &[
    ("z.test", true),
    ("s.z.test", true),
    ("i-1.s.z.test", true),
    ("nobody.z.test", true),
    ("both.test", true),
    ("x.both.test", true),
    ("out.both.test", true),
    ("s.away.both.test", true),
    ("a.b.cut.both.test", true),
    ("public.test", false),
    ("S.Public.Test", false),
    ("i-3.s.public.test", false),
    ("nobody.public.test", false),
    ("test", false),
    ("example.com", false),
    ("version.bind", false),
    (".", false),
];

/// A response whose address records are in the order of their octets, those drawn out of many without their addresses:
/// the draws of a query whose way is plain are others than those of the way of all queries.
fn ordered(octets: &[u8], qtype: u16) -> Vec<u8> {
    let length = match qtype {
        1 => 16,
        28 => 28,
        _ => return octets.to_vec(),
    };
    let end = 12 + octets[12..].iter().position(|octet| *octet == 0).expect("a name") + 5;
    let count = usize::from(u16::from_be_bytes([octets[6], octets[7]]));
    let Some((records, rest)) = octets[end..].split_at_checked(count * length) else { return octets.to_vec() };
    let mut records: Vec<Vec<u8>> = records.chunks(length).map(<[u8]>::to_vec).collect();
    if records.len() == 8 && records.iter().all(|record| record[..2] == [0xc0, 12]) {
        records.iter_mut().for_each(|record| record.truncate(12));
    }
    records.sort();
    [&octets[..end], &records.concat(), rest].concat()
}

/// Which table answers is decided before anything of the response is: the response is that of the table alone.
#[test]
fn the_response_is_that_of_the_table_that_has_the_name() {
    let (private, common) = (support::snapshot(PRIVATE), support::snapshot(COMMON));
    let mut outcomes = Vec::new();
    for (name, is_private) in NAMES {
        let table: &Snapshot = if *is_private { &private } else { &common };
        for qtype in [1, 28, 33, 5, 6, 2, 43, 255, 252, 250, 41] {
            let plain = support::Query::new(name, qtype);
            let queries = [
                plain.clone(),
                support::Query { qclass: 3, ..plain.clone() },
                support::Query { flags: 0x2000, ..plain.clone() },
                plain.clone().edns(512),
                plain.clone().edns(1232),
                // Also the version of the zone is that table's.
                support::Query {
                    opt: Some(support::Opt {
                        payload: 1232,
                        options: vec![(19, Vec::new())],
                        ..support::Opt::default()
                    }),
                    ..plain
                },
            ];
            for message in queries.iter().map(support::Query::encode) {
                for (transport, length) in [(Transport::Udp, dns::MAX_UDP_PAYLOAD), (Transport::Tcp, 65_535)] {
                    let seen = Seen { private: Some(&private), common: &common };
                    let settings = Settings { version: Some("fingerpost".into()), ..Settings::default() };
                    let mut ctx: [Ctx; 2] = [settings.clone(), settings].map(support::ctx);
                    // The draws of a context follow from its seed: several, so that one too many would show.
                    for _ in 0..3 {
                        let mut buffer = vec![0xa5; length];
                        buffer[..message.len()].copy_from_slice(&message);
                        let reply = dns::answer_in_views(seen, &mut ctx[0], transport, &mut buffer, message.len());
                        let (expected, octets) = support::answer(table, &mut ctx[1], transport, &message);
                        assert_eq!(reply, expected, "{name} {qtype}");
                        let [seen, alone] = [&buffer[..reply.length], &octets].map(|octets| ordered(octets, qtype));
                        assert_eq!(seen, alone, "{name} {qtype}");
                        outcomes.push(reply.outcome);
                    }
                }
            }
        }
    }
    use Outcome::{Answer, NoData, NotImp, NxDomain, Referral, Refused};
    for outcome in [Answer, NoData, NxDomain, Referral, Refused, NotImp] {
        assert!(outcomes.contains(&outcome), "{outcome:?}");
    }
}

/// What cannot be parsed is answered once, whoever sends it.
#[test]
fn malformed_queries_are_answered_as_ever() {
    let (private, common) = (support::snapshot(PRIVATE), support::snapshot(COMMON));
    let sound = support::Query::new("s.z.test", 1).edns(1232).encode();
    for end in 0..sound.len() {
        let mut buffer = vec![0; dns::MAX_UDP_PAYLOAD];
        buffer[..end].copy_from_slice(&sound[..end]);
        let seen = Seen { private: Some(&private), common: &common };
        let mut ctx = support::ctx(Settings::default());
        let reply = dns::answer_in_views(seen, &mut ctx, Transport::Udp, &mut buffer, end);
        let (expected, octets) = support::answer(&common, &mut ctx, Transport::Udp, &sound[..end]);
        assert_eq!((reply, &buffer[..reply.length]), (expected, &*octets));
    }
}
