//! Scripts of query and expected response, run through `dns::answer` without a socket.
//!
//! A script in `tests/answers` begins with its table (see `support`) and the settings that differ from the defaults;
//! steps follow. The comment over a step says which RFC wants it, and is shown when the step fails.
//!
//! ```text
//! set payload=4096 nsid=ns-1 version=text id_server=text empty=nxdomain keepalive=300
//!
//! # RFC 1035 §…: why
//! query Api.z.test A rd cd ad tcp edns=1232 do version=1 nsid keepalive zoneversion option=65001:abcd class=CH opcode=4
//! packet 1234 0100 0001 0000 0000 0000 name:www.z.test 0001 0001            the message itself; `tcp` may stand first
//! rcode NOERROR aa rd cd tc             the flags that are set, all of them
//! answer api.z.test. 10 A 10.0.0.1      one line a record, in any order
//! answer 8 of api.z.test. 10 A 10.0.0.{1..20}    that many different ones
//! answer 1-8 of …                       or a number in between
//! authority …      additional …         the same; the class stands before the type where it is not IN
//! opt nsid=ns-1 keepalive=300 zoneversion=2:7    options; `opt` alone is an OPT record without any
//! octets 29                             length of the response; or 400-512
//! contains name:i-1.api.z.test          octets in the response
//! silence                               no response
//! ```
//!
//! A section without a line is empty. Each step runs many times, so that every record of a choice is seen.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::Path;

use fingerpost::dns::{Ctx, EmptyService, Outcome, Settings, Transport};
use fingerpost::table::Snapshot;
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use support::{octets, oracle, rtype};

/// Times each step runs.
const REPEATS: usize = 200;

macro_rules! scripts {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                run_script(stringify!($name));
            }
        )+

        #[test]
        fn every_script_is_run() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers");
            let mut found: Vec<String> = folder
                .read_dir()
                .unwrap()
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
                .collect();
            found.sort();
            assert_eq!(found, [$(stringify!($name)),+]);
        }
    };
}

scripts!(
    chaos,
    edns,
    edns_options,
    empty_services,
    empty_services_as_on_aws,
    faults,
    flags,
    glue,
    limits,
    negative,
    nested,
    positive,
    sampling,
    services,
    sizes,
    types,
    zone_version,
    zones,
);

//----------- Scripts ----------------------------------------------------------------------------------------

/// Records that one line expects in a section.
struct Expected {
    section: Section,
    count: RangeInclusive<usize>,
    pool: HashSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Answer,
    Authority,
    Additional,
}

/// One query and what should come of it.
#[derive(Default)]
struct Step {
    line: usize,
    comment: String,
    message: Vec<u8>,
    tcp: bool,
    silence: bool,
    rcode: Option<(String, Vec<String>)>,
    records: Vec<Expected>,
    opt: Option<Vec<String>>,
    octets: Option<RangeInclusive<usize>>,
    contains: Vec<Vec<u8>>,
}

/// A whole script.
#[derive(Default)]
struct Script {
    table: support::Table,
    settings: Settings,
    steps: Vec<Step>,
}

fn run_script(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers").join(name).with_extension("script");
    let script = Script::read(&std::fs::read_to_string(path).unwrap());
    let snapshot = script.table.publish();
    let mut ctx = support::ctx(script.settings.clone());
    assert!(!script.steps.is_empty());
    for step in &script.steps {
        let run = std::panic::AssertUnwindSafe(|| step.run(&snapshot, &mut ctx, &script.settings));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("\nin {name}.script, line {}:\n{}", step.line, step.comment);
            std::panic::resume_unwind(panic);
        }
    }
}

impl Script {
    fn read(text: &str) -> Self {
        let mut script = Self::default();
        let mut comment = String::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.starts_with('#') {
                comment = comment + line + "\n";
                continue;
            }
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            match verb {
                "" => comment.clear(),
                "set" => rest.split(' ').for_each(|word| set(&mut script.settings, word)),
                "query" | "packet" => {
                    let mut step = Step { line: index + 1, comment: comment.clone(), ..Step::default() };
                    let words: Vec<&str> = rest.split_whitespace().collect();
                    step.tcp = words.contains(&"tcp");
                    step.message = match verb {
                        "query" => read_query(&words).encode(),
                        _ => octets(words.iter().filter(|word| **word != "tcp")),
                    };
                    script.steps.push(step);
                }
                _ => match script.steps.last_mut() {
                    Some(step) => step.read(verb, rest),
                    None => assert!(script.table.read(line), "line {}: {line}", index + 1),
                },
            }
        }
        script
    }
}

fn set(settings: &mut Settings, word: &str) {
    let (key, value) = word.split_once('=').unwrap();
    match key {
        "payload" => settings.udp_payload = value.parse().unwrap(),
        "nsid" => settings.nsid = Some(value.as_bytes().into()),
        "version" => settings.version = Some(value.into()),
        "id_server" => settings.id_server = Some(value.into()),
        "keepalive" => settings.tcp_keepalive = value.parse().unwrap(),
        "empty" if value == "nxdomain" => settings.empty_service = EmptyService::NxDomain,
        _ => panic!("no setting: {word}"),
    }
}

fn read_query(words: &[&str]) -> support::Query {
    let mut query = support::Query::new(words[0], rtype(words[1]));
    let mut opt = None::<support::Opt>;
    for word in &words[2..] {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let edns = || support::Opt { payload: 1232, ..support::Opt::default() };
        match key {
            "tcp" => {}
            "rd" => query.flags |= 0x0100,
            "ad" => query.flags |= 0x0020,
            "cd" => query.flags |= 0x0010,
            "aa" => query.flags |= 0x0400,
            "tc" => query.flags |= 0x0200,
            "ra" => query.flags |= 0x0080,
            "z" => query.flags |= 0x0040,
            "opcode" => query.flags |= value.parse::<u16>().unwrap() << 11,
            "class" if value == "CH" => query.qclass = 3,
            "class" => query.qclass = value.parse().unwrap(),
            "edns" => opt.get_or_insert_with(edns).payload = value.parse().unwrap(),
            "do" => opt.get_or_insert_with(edns).dnssec_ok = true,
            "version" => opt.get_or_insert_with(edns).version = value.parse().unwrap(),
            "nsid" => opt.get_or_insert_with(edns).options.push((3, Vec::new())),
            "keepalive" => opt.get_or_insert_with(edns).options.push((11, Vec::new())),
            "zoneversion" => opt.get_or_insert_with(edns).options.push((19, Vec::new())),
            "option" => {
                let (code, data) = value.split_once(':').unwrap();
                opt.get_or_insert_with(edns).options.push((code.parse().unwrap(), octets([&data].into_iter())));
            }
            _ => panic!("no part of a query: {word}"),
        }
    }
    query.opt = opt;
    query
}

fn range(text: &str) -> RangeInclusive<usize> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    least.parse().unwrap()..=most.parse().unwrap()
}

impl Step {
    /// Reads a line of what is expected.
    fn read(&mut self, verb: &str, rest: &str) {
        let section = match verb {
            "answer" => Section::Answer,
            "authority" => Section::Authority,
            "additional" => Section::Additional,
            "silence" => return self.silence = true,
            "octets" => return self.octets = Some(range(rest)),
            "contains" => return self.contains.push(octets(rest.split_whitespace().collect::<Vec<_>>().iter())),
            "opt" => return self.opt = Some(rest.split_whitespace().map(str::to_owned).collect()),
            "rcode" => {
                let mut words = rest.split_whitespace().map(str::to_owned);
                return self.rcode = Some((words.next().unwrap(), words.collect()));
            }
            _ => panic!("no line of a script: {verb} {rest}"),
        };
        let (count, pattern) = match rest.split_once(" of ") {
            Some((count, pattern)) => (range(count), pattern),
            None => (1..=1, rest),
        };
        let pool = support::numbers(pattern).map(|number| support::substitute(pattern, number)).collect();
        self.records.push(Expected { section, count, pool });
    }

    fn run(&self, snapshot: &Snapshot, ctx: &mut Ctx, settings: &Settings) {
        let transport = if self.tcp { Transport::Tcp } else { Transport::Udp };
        let mut seen = HashSet::new();
        for _ in 0..REPEATS {
            let (reply, response) = support::answer(snapshot, ctx, transport, &self.message);
            let Some(message) = oracle::check(&self.message, transport, settings.udp_payload, &reply, &response) else {
                assert!(self.silence);
                continue;
            };
            self.check(&message, &response);
            seen.extend(records(&message, Section::Answer));
        }
        for expected in self.records.iter().filter(|expected| expected.section == Section::Answer) {
            let never: Vec<_> = expected.pool.difference(&seen).collect();
            assert!(never.is_empty(), "never shown: {never:?}");
        }
    }

    fn check(&self, message: &Message, response: &[u8]) {
        let (rcode, flags) = self.rcode.as_ref().expect("an rcode or silence");
        assert!(!self.silence, "not silent: {message}");
        assert_eq!((rcode_name(message), flag_names(message)), (rcode.clone(), flags.clone()), "{message}");
        for section in [Section::Answer, Section::Authority, Section::Additional] {
            self.check_section(section, records(message, section));
        }
        assert_eq!(message.edns.is_some(), self.opt.is_some(), "OPT");
        if let Some(expected) = &self.opt {
            assert_eq!(option_names(message), *expected);
        }
        if let Some(octets) = &self.octets {
            assert!(octets.contains(&response.len()), "{} octets", response.len());
        }
        for octets in &self.contains {
            assert!(response.windows(octets.len()).any(|window| window == octets), "no {octets:02x?}");
        }
    }

    /// Each line takes its records out of the section; none may be left.
    fn check_section(&self, section: Section, mut records: Vec<String>) {
        for expected in self.records.iter().filter(|expected| expected.section == section) {
            let taken: Vec<String> = records.extract_if(.., |record| expected.pool.contains(record)).collect();
            let different: HashSet<&String> = taken.iter().collect();
            assert_eq!(taken.len(), different.len(), "a record twice: {taken:?}");
            assert!(
                expected.count.contains(&taken.len()),
                "{section:?}: {:?} expected of {:?}, left {records:?}",
                expected.count,
                expected.pool
            );
        }
        assert!(records.is_empty(), "{section:?} has more: {records:?}");
    }
}

//--- Responses as text

fn records(message: &Message, section: Section) -> Vec<String> {
    let records = match section {
        Section::Answer => &message.answers,
        Section::Authority => &message.authorities,
        Section::Additional => &message.additionals,
    };
    records.iter().map(show).collect()
}

fn show(record: &Record) -> String {
    let class = match record.dns_class {
        DNSClass::IN => String::new(),
        class => format!("{class} "),
    };
    let data = match &record.data {
        // hickory-proto leaves DNAME in wire form.
        RData::Unknown { code, rdata } if u16::from(*code) == 39 => {
            Name::read(&mut BinDecoder::new(&rdata.anything)).unwrap().to_ascii()
        }
        data => data.to_string(),
    };
    let text = format!("{} {} {class}{} {data}", record.name.to_ascii(), record.ttl, record.record_type());
    text.trim_end().to_owned()
}

fn rcode_name(message: &Message) -> String {
    let code = u16::from(message.response_code);
    match code {
        0 => "NOERROR",
        1 => "FORMERR",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        16 => "BADVERS",
        _ => return code.to_string(),
    }
    .to_owned()
}

fn flag_names(message: &Message) -> Vec<String> {
    let flags = [
        ("aa", message.authoritative),
        ("tc", message.truncation),
        ("rd", message.recursion_desired),
        ("ra", message.recursion_available),
        ("ad", message.authentic_data),
        ("cd", message.checking_disabled),
        ("do", message.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok)),
    ];
    flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned()).collect()
}

fn option_names(message: &Message) -> Vec<String> {
    let options = message.edns.iter().flat_map(|edns| edns.options().as_ref());
    options
        .map(|(code, option)| match option {
            EdnsOption::NSID(nsid) => format!("nsid={}", String::from_utf8_lossy(nsid.as_ref())),
            EdnsOption::Unknown(_, data) if *code == EdnsCode::Keepalive => {
                format!("keepalive={}", u16::from_be_bytes(data[..].try_into().unwrap()))
            }
            EdnsOption::Unknown(19, data) => {
                // Type 0 is SOA-SERIAL (RFC 9660 §4).
                let [labels, 0, serial @ ..] = &data[..] else { panic!("{data:?}") };
                format!("zoneversion={labels}:{}", u32::from_be_bytes(serial.try_into().unwrap()))
            }
            _ => format!("{code:?}"),
        })
        .collect()
}

//----------- What a script cannot say -----------------------------------------------------------------------

/// RFC 2308 §3: "The TTL of this record is set from the minimum of the MINIMUM field of the SOA record and the TTL of the
/// SOA itself". In a namespace both are the same; in a zone of static records they need not be.
#[test]
fn the_negative_ttl_is_the_lesser_of_two() {
    for (ttl, minimum, negative) in [(900, 60, 60), (60, 900, 60), (0, 900, 0), (900, 0, 0)] {
        let snapshot = support::snapshot(&format!(
            "zone z.test
             record z.test {ttl} SOA name:ns.z.test name:h.z.test 00000007 00001c20 00000384 00127500 {minimum:08x}"
        ));
        let mut ctx = support::ctx(Settings::default());
        for (name, outcome) in [("none.z.test", Outcome::NxDomain), ("z.test", Outcome::NoData)] {
            let query = support::Query::new(name, 1).encode();
            let (reply, response) = support::answer(&snapshot, &mut ctx, Transport::Udp, &query);
            let message = oracle::check(&query, Transport::Udp, 1232, &reply, &response).unwrap();
            assert_eq!((reply.outcome, message.authorities[0].ttl), (outcome, negative));
        }
        // Asked for itself the SOA has its own TTL.
        let query = support::Query::new("z.test", 6).encode();
        let (_, response) = support::answer(&snapshot, &mut ctx, Transport::Udp, &query);
        assert_eq!(Message::from_vec(&response).unwrap().answers[0].ttl, ttl);
    }
}

/// No buffer, however short, makes a response that is longer than it or that cannot be read.
#[test]
fn a_short_buffer_bounds_the_response() {
    let snapshot = support::snapshot(
        "namespace z.test 15
         service srv MULTIVALUE SRV=10
         instance i-{1..8} ipv4=10.0.0.{} port=80",
    );
    let mut query = support::Query::new("srv.z.test", 33).edns(4096);
    let nsid = Some(vec![b'n'; 100].into());
    let mut ctx = support::ctx(Settings { udp_payload: 4096, nsid, ..Settings::default() });
    for options in [vec![], vec![(3, Vec::new())], vec![(3, Vec::new()), (19, Vec::new())]] {
        query.opt.as_mut().unwrap().options = options;
        let query = query.encode();
        for length in query.len()..600 {
            let mut buffer = vec![0; length];
            buffer[..query.len()].copy_from_slice(&query);
            let reply = fingerpost::dns::answer(&snapshot, &mut ctx, Transport::Udp, &mut buffer, query.len());
            let mut decoder = BinDecoder::new(&buffer[..reply.length]);
            Message::read(&mut decoder).unwrap();
            assert!(decoder.is_empty());
        }
    }
}

/// The transport says how much it received; a number beyond the buffer is a runt, not a panic.
#[test]
fn a_length_beyond_the_buffer_is_silence() {
    let mut ctx = support::ctx(Settings::default());
    let reply = fingerpost::dns::answer(&Snapshot::new(), &mut ctx, Transport::Udp, &mut [0; 40], 41);
    assert_eq!((reply.length, reply.outcome), (0, Outcome::Runt));
}
