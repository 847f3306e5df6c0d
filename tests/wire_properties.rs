//! What holds for random queries over random tables, and that every instance is drawn equally often.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::net::Ipv4Addr;

use fingerpost::dns::{EmptyService, Outcome, Settings, Transport};
use fingerpost::model::validate;
use fingerpost::registry::{Command, Registry};
use fingerpost::table::{Flags, InstanceRoom, Node, ServiceTarget, Services, Snapshot};
use fingerpost::wire::{NameKey, Options, Query};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Question};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use support::oracle;

//----------- Parsing ----------------------------------------------------------------------------------------

/// A label of any octets.
fn label() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[a-zA-Z0-9_-]{1,12}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 1..=63),
    ]
}

/// An absolute name, the root and the longest among them.
fn name() -> impl Strategy<Value = Name> {
    vec(label(), 0..8).prop_map(|mut labels| {
        loop {
            if let Ok(name) = Name::from_labels(labels.iter().map(Vec::as_slice)) {
                return name;
            }
            labels.pop();
        }
    })
}

fn edns_option() -> impl Strategy<Value = EdnsOption> {
    let code = prop_oneof![Just(3u16), Just(10), Just(11), Just(12), Just(19), 14..=u16::MAX];
    (code, vec(any::<u8>(), 0..20)).prop_map(|(code, data)| {
        // ZONEVERSION is empty in a sound query (RFC 9660 §3.2.1).
        let data = if code == 19 { &[] } else { &data[..] };
        EdnsOption::try_from((code.into(), data)).unwrap()
    })
}

prop_compose! {
    fn edns()(
        payload in any::<u16>(),
        version in prop_oneof![4 => Just(0u8), 1 => any::<u8>()],
        dnssec_ok in any::<bool>(),
        options in vec(edns_option(), 0..4),
    ) -> Edns {
        let mut edns = Edns::new();
        edns.set_max_payload(payload).set_version(version).set_dnssec_ok(dnssec_ok);
        // And there once.
        let mut is_first = true;
        let sound = |option: &EdnsOption| u16::from(EdnsCode::from(option)) != 19 || mem::take(&mut is_first);
        options.into_iter().filter(sound).for_each(|option| edns.options_mut().insert(option));
        edns
    }
}

/// A record that a query should not carry, and may.
fn record() -> impl Strategy<Value = Record> {
    let rdata = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| RData::A(A::from(Ipv4Addr::from(octets)))),
        "[a-z]{0,200}".prop_map(|text| RData::TXT(TXT::new(vec![text]))),
    ];
    (name(), any::<u32>(), rdata).prop_map(|(name, ttl, rdata)| Record::from_rdata(name, ttl, rdata))
}

prop_compose! {
    /// A message of one question and whatever else is allowed.
    fn query()(
        id in any::<u16>(),
        flags in any::<[bool; 6]>(),
        name in name(),
        qtype in any::<u16>(),
        qclass in prop_oneof![Just(1u16), Just(3), any::<u16>()],
        edns in option::of(edns()),
        others in [vec(record(), 0..2), vec(record(), 0..2), vec(record(), 0..2)],
    ) -> Message {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        let metadata = &mut message.metadata;
        [metadata.authoritative, metadata.truncation, metadata.recursion_desired] = [flags[0], flags[1], flags[2]];
        [metadata.recursion_available, metadata.authentic_data] = [flags[3], flags[4]];
        metadata.checking_disabled = flags[5];
        let mut question = Question::query(name, RecordType::from(qtype));
        question.set_query_class(DNSClass::from(qclass));
        message.add_query(question);
        [message.answers, message.authorities, message.additionals] = others;
        message.edns = edns;
        message
    }
}

/// The name in wire form and lower case.
fn lower_case(name: &Name) -> Vec<u8> {
    let labels = name.iter().flat_map(|label| [&[label.len() as u8], label].concat());
    labels.chain([0]).map(|octet| octet.to_ascii_lowercase()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What hickory-proto writes, we read.
    #[test]
    fn queries_are_read_as_they_were_written(message in query(), rest in vec(any::<u8>(), 0..20)) {
        let octets = message.to_vec().unwrap();
        let mut key = NameKey::new();
        let query = Query::parse(&[&octets[..], &rest].concat(), &mut key).unwrap();
        let question = &message.queries[0];
        prop_assert_eq!(key.as_wire(), lower_case(&question.name));
        prop_assert_eq!(query.question_end, 12 + key.length() + 4);
        prop_assert_eq!(query.qtype, u16::from(question.query_type));
        prop_assert_eq!(query.qclass, u16::from(question.query_class));
        prop_assert_eq!(query.edns.is_some(), message.edns.is_some());
        if let (Some(read), Some(written)) = (query.edns, &message.edns) {
            let has = |code: u16| written.options().as_ref().iter().any(|(key, _)| u16::from(*key) == code);
            prop_assert_eq!(read.payload, written.max_payload());
            prop_assert_eq!((read.version, read.dnssec_ok), (written.version(), written.flags().dnssec_ok));
            let read = [Options::NSID, Options::KEEPALIVE, Options::ZONE_VERSION].map(|option| read.options.has(option));
            prop_assert_eq!(read, [3, 11, 19].map(has));
        }
    }

    /// A message cut short anywhere is a fault, and never another query.
    #[test]
    fn a_query_cut_short_is_a_fault(message in query(), cut in any::<prop::sample::Index>()) {
        let octets = message.to_vec().unwrap();
        let cut = cut.index(octets.len());
        prop_assert!(Query::parse(&octets[..cut], &mut NameKey::new()).is_err());
    }

    /// A key that was used before says the same as a new one.
    #[test]
    fn keys_forget(messages in vec(query(), 1..5)) {
        let mut used = NameKey::new();
        for message in messages {
            let octets = message.to_vec().unwrap();
            let mut new = NameKey::new();
            Query::parse(&octets, &mut used).unwrap();
            Query::parse(&octets, &mut new).unwrap();
            prop_assert_eq!(used.pairs(), new.pairs());
        }
    }
}

//----------- Answering --------------------------------------------------------------------------------------

/// One service of a random table: records, policy, limit and the instances' health.
fn service() -> impl Strategy<Value = String> {
    let records = prop::sample::subsequence(vec!["A=10", "AAAA=0", "SRV=77"], 1..=3);
    let policy = prop_oneof![Just("MULTIVALUE"), Just("WEIGHTED")];
    let limit = prop_oneof![Just(""), Just("limit=1"), Just("limit=12"), Just("limit=all")];
    let instances = prop_oneof![3 => 0..12u32, 1 => 0..300u32];
    (records, policy, limit, instances, 0..4u32).prop_map(|(records, policy, limit, instances, sick)| {
        let mut text = format!("{policy} {} {limit}\n", records.join(" "));
        if instances > sick {
            text += &format!("instance i-{{{}..{instances}}} ipv4=10.1.{{/}} ipv6=2001:db8::{{}} port=80\n", sick + 1);
        }
        if sick > 0 {
            text += &format!("instance s-{{1..{sick}}} ipv4=10.200.{{/}} ipv6=fd00::{{}} port=80 unhealthy\n");
        }
        text
    })
}

fn alias() -> impl Strategy<Value = String> {
    (0..4u32).prop_map(|instances| match instances {
        0 => "WEIGHTED CNAME=5\n".to_owned(),
        _ => format!("WEIGHTED CNAME=5\ninstance i-{{1..{instances}}} cname=Host-{{}}.Example.com\n"),
    })
}

/// Labels of services, of instances and of nobody; few, so that questions meet answers.
const LABELS: &[&str] = &["a", "b", "_tcp", "i-1", "s-1", "z", "test", "*"];

/// Up to three namespaces, one within another, of a few services.
fn table() -> impl Strategy<Value = String> {
    let label = || prop::sample::select(&LABELS[..5]);
    let owner = vec(label(), 1..4).prop_map(|labels| labels.join("."));
    let services = vec((owner, prop_oneof![4 => service(), 1 => alias()]), 0..5);
    let namespaces = prop::sample::subsequence(vec!["z.test", "test", "deep.down.z.test"], 1..=3);
    (namespaces, vec(services, 3), option::of("ns[0-9]{1,60}\\.test"), 0..900u32).prop_map(
        |(namespaces, services, name_server, ttl)| {
            let mut text = name_server.map(|name| format!("nameserver {name}\n")).unwrap_or_default();
            for (namespace, services) in namespaces.iter().zip(services) {
                text += &format!("namespace {namespace} {ttl}\n");
                let services: HashMap<String, String> = services.into_iter().collect();
                for (name, service) in services {
                    text += &format!("service {name} {service}");
                }
            }
            text
        },
    )
}

prop_compose! {
    fn settings()(
        udp_payload in prop_oneof![Just(512u16), Just(1232), Just(4096)],
        nsid in option::of(vec(any::<u8>(), 0..=255)),
        version in option::of("[a-z]{0,300}"),
        nx_domain in any::<bool>(),
    ) -> Settings {
        Settings {
            udp_payload,
            nsid: nsid.map(Into::into),
            version: version.map(Into::into),
            empty_service: if nx_domain { EmptyService::NxDomain } else { EmptyService::NoData { ttl: 1 } },
            ..Settings::default()
        }
    }
}

prop_compose! {
    /// A question that a table may answer.
    fn question()(
        labels in vec(prop::sample::select(LABELS), 0..6),
        long in option::weighted(0.2, 1..189usize),
        upper in any::<u64>(),
        below_zone in prop::sample::select(vec!["", ".z.test", ".test", ".deep.down.z.test"]),
        qtype in prop_oneof![
            8 => prop::sample::select(vec![1u16, 28, 33, 5]),
            2 => prop::sample::select(vec![2u16, 6, 255, 252, 13, 16, 41]),
            1 => any::<u16>(),
        ],
        qclass in prop_oneof![9 => Just(1u16), 1 => any::<u16>()],
        flags in any::<u16>(),
        opt in option::of((any::<u16>(), any::<bool>(), prop_oneof![9 => Just(0u8), 1 => any::<u8>()], any::<[bool; 4]>())),
        is_tcp in any::<bool>(),
    ) -> (Transport, support::Query) {
        // Up to three labels in front that make the name long.
        let long = "x".repeat(long.unwrap_or(0));
        let long: Vec<&str> = (0..long.len()).step_by(63).map(|at| &long[at..long.len().min(at + 63)]).collect();
        let dotted = [long, labels].concat().join(".") + below_zone;
        let spelled: String = dotted
            .char_indices()
            .map(|(at, letter)| if upper >> (at % 64) & 1 == 1 { letter.to_ascii_uppercase() } else { letter })
            .collect();
        // QR clear and opcode QUERY; the rest is noise.
        let mut query = support::Query { flags: flags & 0x07ff, qclass, ..support::Query::new(&spelled, qtype) };
        query.opt = opt.map(|(payload, dnssec_ok, version, options)| {
            let codes = [3, 11, 10, 19].into_iter().zip(options);
            let options = codes.filter(|(_, wanted)| *wanted).map(|(code, _)| (code, Vec::new())).collect();
            support::Opt { payload, version, dnssec_ok, options }
        });
        (if is_tcp { Transport::Tcp } else { Transport::Udp }, query)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every response is one that hickory-proto reads, fits, and answers the question; see `support::oracle`.
    #[test]
    fn every_response_is_sound(
        table in table(),
        settings in settings(),
        questions in vec(question(), 100),
        seed in any::<u64>(),
    ) {
        prop_assume!(validate::state(&support::table(&table).state()).is_empty());
        let snapshot = support::snapshot(&table);
        let payload = settings.udp_payload;
        let mut ctx = fingerpost::dns::Ctx::new(settings.into(), seed);
        for (transport, question) in questions {
            let query = question.encode();
            let (reply, response) = support::answer(&snapshot, &mut ctx, transport, &query);
            let message = oracle::check(&query, transport, payload, &reply, &response).unwrap();
            if transport == Transport::Tcp {
                prop_assert!(!reply.truncated);
            }
            // Instances have addresses of their own here, so that no record comes twice.
            let mut records: Vec<String> = message.answers.iter().map(ToString::to_string).collect();
            records.sort();
            let shown = records.len();
            records.dedup();
            prop_assert_eq!(records.len(), shown);
        }
    }

    /// Any octets at all: a response within bounds, or silence.
    #[test]
    fn any_octets_are_answered_soundly(
        mut octets in vec(any::<u8>(), 0..600),
        header in option::weighted(0.9, any::<[u8; 4]>()),
        is_tcp in any::<bool>(),
    ) {
        if let (Some([high, low, counts, _]), true) = (header, octets.len() >= 12) {
            octets[2..12].copy_from_slice(&[high & 0x7f, low, 0, 1, 0, counts & 1, 0, counts >> 1 & 1, 0, counts >> 2 & 3]);
        }
        let snapshot = support::snapshot("namespace z.test 15");
        let transport = if is_tcp { Transport::Tcp } else { Transport::Udp };
        let (reply, response) = support::answer(&snapshot, &mut support::ctx(Settings::default()), transport, &octets);
        oracle::check(&octets, transport, 1232, &reply, &response);
    }
}

//----------- Changing ---------------------------------------------------------------------------------------

/// Every name with what it answers, each of its types drawn from the same seed: also those of instances, whether they
/// have nodes or not. Serials of SOA records are left out: they tell revisions apart.
fn contents(snapshot: &Snapshot) -> BTreeMap<Vec<u8>, String> {
    let show = |node: Node<'_>| {
        let (flags, children) =
            (node.flags().0 & !Flags::INSTANCES_BELOW.0, node.children() as usize + node.names() - 1);
        let mut text = format!("{flags} {children} {}", node.apex_offset());
        let qtypes: BTreeSet<u16> = node.sets().map(|(rtype, _)| rtype).filter(|rtype| *rtype != 6).collect();
        for qtype in qtypes {
            let query = support::Query { name: node.name().to_vec(), ..support::Query::new("", qtype) }.encode();
            let (reply, response) =
                support::answer(snapshot, &mut support::ctx(Settings::default()), Transport::Tcp, &query);
            if reply.outcome == Outcome::Answer {
                text += &format!(" {qtype}: {response:?}");
            }
        }
        (node.name().to_vec(), text)
    };
    let of_instances = |service: Node<'_>| {
        let targets = service.instances_below().into_iter().flat_map(Services::named);
        let show = |target: ServiceTarget<'_>| {
            let (mut key, mut room) = (NameKey::new(), InstanceRoom::new());
            let name = [target.labels, service.name()].concat().to_ascii_lowercase();
            key.fill(&name, name.len());
            show(snapshot.find_or_make(&key, &mut room).unwrap())
        };
        targets.map(show).collect::<Vec<_>>()
    };
    snapshot.nodes().flat_map(|node| [show(node)].into_iter().chain(of_instances(node))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A table that came about by changes is the one made of the last state at once.
    #[test]
    fn a_changed_table_is_as_a_new_one(tables in vec(table(), 2..6)) {
        let tables = tables.iter().map(|text| support::table(text));
        let states: Vec<_> = tables.map(|table| table.state()).filter(|state| validate::state(state).is_empty()).collect();
        let mut registry = Registry::new(Vec::new());
        for state in states {
            registry.apply(Command::Declare(state.clone())).unwrap();
            let mut anew = Registry::new(Vec::new());
            anew.apply(Command::Declare(state)).unwrap();
            let (changed, anew) = (registry.handle().load(), anew.handle().load());
            prop_assert_eq!(contents(&changed), contents(&anew));
            prop_assert_eq!((changed.names(), changed.instances()), (anew.names(), anew.instances()));
            prop_assert_eq!(changed.names(), changed.nodes().map(Node::names).sum::<usize>());
        }
    }
}

//----------- Statistics -------------------------------------------------------------------------------------

/// Pearson's statistic of `observed` against equal chances is no larger than chance allows once in a million
/// (Laurent and Massart, 2000: with n degrees of freedom, P(X > n + 2√(nx) + 2x) < e^-x).
fn assert_uniform(observed: &[u64], what: &str) {
    let freedom = (observed.len() - 1) as f64;
    let expected = observed.iter().sum::<u64>() as f64 / observed.len() as f64;
    let statistic: f64 = observed.iter().map(|seen| (*seen as f64 - expected).powi(2) / expected).sum();
    let bound = freedom + 2.0 * (freedom * 14.0).sqrt() + 28.0;
    assert!(statistic < bound, "{what}: {statistic:.1} with {freedom} degrees of freedom: {observed:?}");
}

/// The numbers of the instances in a response, in their order.
fn drawn(response: &[u8]) -> Vec<usize> {
    let number = |record: &Record| match &record.data {
        RData::A(address) => usize::from(address.octets()[3]),
        RData::AAAA(address) => usize::from(address.octets()[15]),
        RData::SRV(srv) => usize::from(srv.port),
        RData::CNAME(name) => usize::from(name.iter().next().unwrap()[0] - b'a'),
        other => panic!("{other}"),
    };
    Message::from_vec(response).unwrap().answers.iter().map(number).collect()
}

/// Each instance at each position, each instance at all, and each pair at the first two positions equally often, for
/// every type, with fewer instances than an answer shows, as many, and more.
#[test]
fn every_instance_comes_at_every_position_equally_often() {
    for (count, shown) in [(3, 3), (8, 8), (20, 8)] {
        let snapshot = support::snapshot(&format!(
            "namespace z.test 15
             service s MULTIVALUE A=10 AAAA=10 SRV=10
             instance {{1..{count}}} ipv4=10.0.0.{{}} ipv6=64:ff9b::10.0.0.{{}} port={{}}
             instance sick ipv4=10.0.0.200 ipv6=64:ff9b::10.0.0.200 port=200 unhealthy"
        ));
        for qtype in [1, 28, 33] {
            let what = format!("{shown} of {count}, type {qtype}");
            let mut ctx = support::ctx(Settings::default());
            let query = support::Query::new("s.z.test", qtype).edns(1232).encode();
            let mut places = vec![vec![0u64; count]; shown];
            let mut included = vec![0u64; count];
            let mut pairs = vec![0u64; count * count];
            for _ in 0..12_000 {
                let (_, response) = support::answer(&snapshot, &mut ctx, Transport::Udp, &query);
                let items: Vec<usize> = drawn(&response).iter().map(|number| number - 1).collect();
                assert_eq!(items.len(), shown);
                for (place, item) in items.iter().enumerate() {
                    places[place][*item] += 1;
                    included[*item] += 1;
                }
                pairs[items[0] * count + items[1]] += 1;
            }
            for (place, seen) in places.iter().enumerate() {
                assert_uniform(seen, &format!("{what}, place {place}"));
            }
            assert_uniform(&included, &format!("{what}, shown at all"));
            let unequal = (0..count * count).filter(|pair| pair / count != pair % count);
            let pairs: Vec<u64> = unequal.map(|pair| pairs[pair]).collect();
            assert_uniform(&pairs, &format!("{what}, first two"));
        }
    }
}

/// WEIGHTED: every instance is the one equally often, for addresses, SRV and CNAME.
#[test]
fn every_instance_is_the_one_equally_often() {
    for count in [3, 8, 20] {
        let mut table = format!(
            "namespace z.test 15
             service s WEIGHTED A=10 AAAA=10 SRV=10
             instance {{1..{count}}} ipv4=10.0.0.{{}} ipv6=64:ff9b::10.0.0.{{}} port={{}}
             service c WEIGHTED CNAME=10\n"
        );
        for (number, letter) in ('b'..='z').take(count).enumerate() {
            table += &format!("instance {number} cname={letter}.example.com\n");
        }
        let snapshot = support::snapshot(&table);
        for (name, qtype) in [("s.z.test", 1), ("s.z.test", 28), ("s.z.test", 33), ("c.z.test", 5), ("c.z.test", 1)] {
            let mut ctx = support::ctx(Settings::default());
            let query = support::Query::new(name, qtype).encode();
            let mut seen = vec![0u64; count];
            for _ in 0..4_000 {
                let (_, response) = support::answer(&snapshot, &mut ctx, Transport::Udp, &query);
                let drawn = drawn(&response);
                assert_eq!(drawn.len(), 1);
                seen[drawn[0] - 1] += 1;
            }
            assert_uniform(&seen, &format!("{name}, type {qtype}, one of {count}"));
        }
    }
}

/// The same seed, the same answers; another seed, others.
#[test]
fn answers_follow_from_the_seed() {
    let snapshot = support::snapshot(
        "namespace z.test 15
         service s MULTIVALUE A=10
         instance {1..20} ipv4=10.0.0.{}",
    );
    let query = support::Query::new("s.z.test", 1).encode();
    let run = |seed| -> Vec<Vec<usize>> {
        let mut ctx = fingerpost::dns::Ctx::new(Settings::default().into(), seed);
        (0..50).map(|_| drawn(&support::answer(&snapshot, &mut ctx, Transport::Udp, &query).1)).collect()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// Over TCP an answer of `all` grows to 65,535 octets and no further, without TC; on UDP to the client's size.
#[test]
fn five_thousand_instances_fill_a_message() {
    let snapshot = support::snapshot(
        "namespace z.test 15
         service s MULTIVALUE A=10 AAAA=10 SRV=10 limit=all
         instance {1..5000} ipv4=10.0.{/} ipv6=64:ff9b::10.0.{/} port={}",
    );
    // What the question and an OPT record leave, by the size of a record.
    let addresses = |limit: usize, record: usize| (limit - 26 - 11) / record;
    for (transport, qtype, limit, least, most) in [
        (Transport::Tcp, 1, 65_535, addresses(65_535, 16), 4096),
        (Transport::Tcp, 28, 65_535, addresses(65_535, 28), 4096),
        // Targets of one to four digits: 30 to 33 octets a record.
        (Transport::Tcp, 33, 65_535, addresses(65_535, 33), addresses(65_535, 30)),
        (Transport::Udp, 1, 1232, addresses(1232, 16), addresses(1232, 16)),
        (Transport::Udp, 28, 1232, addresses(1232, 28), addresses(1232, 28)),
        (Transport::Udp, 33, 1232, addresses(1232, 33), addresses(1232, 30)),
    ] {
        let mut ctx = support::ctx(Settings::default());
        let query = support::Query::new("s.z.test", qtype).edns(4096).encode();
        for _ in 0..20 {
            let (reply, response) = support::answer(&snapshot, &mut ctx, transport, &query);
            let message = oracle::check(&query, transport, 1232, &reply, &response).unwrap();
            assert_eq!((reply.outcome, reply.truncated), (Outcome::Answer, false));
            assert!((least..=most).contains(&message.answers.len()), "{} of type {qtype}", message.answers.len());
            assert!(limit - response.len() < 48, "{} octets of {limit}", response.len());
            let mut records: Vec<String> = message.answers.iter().map(ToString::to_string).collect();
            records.sort();
            records.dedup();
            assert_eq!(records.len(), message.answers.len(), "an instance twice");
        }
    }
}

/// A pointer names the first 16,384 octets (RFC 1035 §4.1.4): targets behind them have no addresses beside them, and
/// those before them do.
#[test]
fn addresses_of_far_targets_are_left_out() {
    let snapshot = support::snapshot(
        "namespace z.test 15
         service s MULTIVALUE SRV=10 limit=all
         instance {100..699} ipv4=10.0.{/} port={}",
    );
    let query = support::Query::new("s.z.test", 33).encode();
    let (reply, response) = support::answer(&snapshot, &mut support::ctx(Settings::default()), Transport::Tcp, &query);
    let message = oracle::check(&query, Transport::Tcp, 1232, &reply, &response).unwrap();
    assert_eq!(message.answers.len(), 600);
    // The question ends at 26; a record has 32 octets, of which 18 come before the target.
    assert_eq!(message.additionals.len(), (16_383 - 26 - 18) / 32 + 1);
}
