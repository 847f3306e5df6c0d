//! User instructions per query, from packet octets to response octets, counted by callgrind.
//!
//! `cargo bench --bench instructions` runs itself under `valgrind --tool=callgrind` once for each case; callgrind
//! counts inside [`measured_queries`] and [`measured_query_in_views`] only. Instructions do not depend on the machine's load, so that the figures can be
//! compared from run to run; they differ by a few with the random seeds of the table's hash.
//!
//! `-- --check` compares them with `benches/instructions.json` and fails where one has grown by more than 3 %; `-- --write`
//! writes that file anew, after a change that is worth its price. The file is of builds as `.ci/run` makes them: without
//! link-time optimisation.

mod common;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;

use common::{NAMESPACE, namespace, query, table};
use fingerpost::dns::{self, AHEAD, Ctx, MAX_UDP_PAYLOAD, Settings, Transport};
use fingerpost::model::RecordType;
use fingerpost::table::{Current, Editor, Networks, Publisher, Seen, Snapshot, Views};
use fingerpost::wire::Name;
use fingerpost::zone::{Place, Record, Records, Zone};

/// The counts to compare with.
const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.json");
/// By how much a count may grow.
const TOLERANCE: f64 = 0.03;
/// How often a case that is dearer is counted before it counts as such.
const TRIES: usize = 5;
/// Queries counted.
const QUERIES: u32 = 20_000;
/// Services in the table.
const SERVICES: u32 = 10_000;

/// One thing to measure: its name, the table of services, whether it is a VPC's, the type, the name for a service number.
struct Case {
    name: &'static str,
    table: fn() -> Snapshot,
    view: View,
    qtype: u16,
    question: fn(u32) -> String,
}

/// Who sees the table.
#[derive(Clone, Copy)]
enum View {
    /// It is everybody's, and there is no other.
    Only,
    /// It is the client's VPC's, before an empty one of everybody's.
    Private,
    /// It is everybody's, behind one of the client's VPC's, which has another namespace.
    Common,
}

const CASES: &[Case] = &[
    Case { name: "a_8_of_8", table: || services(8, RecordType::A), view: View::Only, qtype: 1, question: service_name },
    Case { name: "a_1_of_1", table: || services(1, RecordType::A), view: View::Only, qtype: 1, question: service_name },
    Case {
        name: "a_8_of_100",
        table: || services(100, RecordType::A),
        view: View::Only,
        qtype: 1,
        question: service_name,
    },
    Case {
        name: "srv_8_of_8",
        table: || services(8, RecordType::Srv),
        view: View::Only,
        qtype: 33,
        question: service_name,
    },
    Case {
        name: "srv_target",
        table: || services(8, RecordType::Srv),
        view: View::Only,
        qtype: 1,
        question: target_name,
    },
    Case { name: "nodata", table: || services(1, RecordType::A), view: View::Only, qtype: 28, question: service_name },
    Case { name: "nxdomain", table: || services(1, RecordType::A), view: View::Only, qtype: 1, question: missing_name },
    Case { name: "refused", table: || services(1, RecordType::A), view: View::Only, qtype: 1, question: foreign_name },
    Case {
        name: "vpc_a_8_of_8",
        table: || services(8, RecordType::A),
        view: View::Private,
        qtype: 1,
        question: service_name,
    },
    Case {
        name: "vpc_nxdomain",
        table: || services(1, RecordType::A),
        view: View::Private,
        qtype: 1,
        question: missing_name,
    },
    Case {
        name: "behind_vpc_a_8",
        table: || services(8, RecordType::A),
        view: View::Common,
        qtype: 1,
        question: service_name,
    },
    Case { name: "behind_vpc_static", table: static_zone, view: View::Common, qtype: 1, question: service_name },
    Case { name: "static_a", table: static_zone, view: View::Only, qtype: 1, question: service_name },
    Case { name: "static_nxdomain", table: static_zone, view: View::Only, qtype: 1, question: missing_name },
    Case { name: "static_wildcard", table: static_zone, view: View::Only, qtype: 1, question: wildcard_name },
];

/// Services with instances.
fn services(instances: u32, record_type: RecordType) -> Snapshot {
    table(&namespace(SERVICES, instances, &[record_type]))
}

/// A static zone with an A record for each service, and wildcards.
fn static_zone() -> Snapshot {
    static_zone_of(NAMESPACE)
}

/// The same under another name.
fn static_zone_of(apex: &str) -> Snapshot {
    let apex = Name::parse(apex).expect("a name");
    let mut records = Records::new();
    let mut push = |owner: &Name, rtype: u16, rdata: &[u8]| {
        records.push(Record { owner: owner.as_wire(), rtype, ttl: 60, rdata, place: Place::default() });
    };
    let soa = [&[0, 0][..], &1u32.to_be_bytes(), &[0; 12], &15u32.to_be_bytes()].concat();
    push(&apex, 6, &soa);
    push(&apex, 2, b"\x02ns\x07invalid\x00");
    push(&apex.child("*.apps").expect("a name"), 1, &[10, 0, 0, 1]);
    push(&apex.child("*.more.apps").expect("a name"), 16, b"\x01x");
    for number in 0..SERVICES {
        push(&apex.child(&common::service_name(number)).expect("a name"), 1, &(0x0a00_0000 + number).to_be_bytes());
    }
    let zone = Zone::new(apex, records).expect("a sound zone");
    let base = Snapshot::new();
    let mut editor = Editor::new(&base);
    editor.put_zone(Arc::new(zone));
    editor.finish(1, 0)
}

fn service_name(number: u32) -> String {
    format!("{}.{NAMESPACE}", common::service_name(number))
}

fn target_name(number: u32) -> String {
    format!("task-{number:06}-5.{}.{NAMESPACE}", common::service_name(number))
}

fn missing_name(number: u32) -> String {
    format!("missing-{number:06}.{NAMESPACE}")
}

fn wildcard_name(number: u32) -> String {
    format!("tenant-{number:06}.apps.{NAMESPACE}")
}

fn foreign_name(number: u32) -> String {
    format!("service-{number:06}.example.com")
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, replay, case] = &arguments[..]
        && replay == "--replay"
    {
        return replay_queries(CASES.iter().find(|known| known.name == case).expect("a known case"));
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        return println!("skipped: valgrind is not installed");
    }
    let known = known();
    let is_check = arguments.iter().any(|argument| argument == "--check");
    println!("{:<18} {:>22} {:>10} {:>8}", "case", "instructions per query", "stored", "change");
    let mut counts = BTreeMap::new();
    for case in CASES {
        let mut count = per_query(case);
        if is_check {
            // Those that look up one name for every query differ by the seeds of the hash: the least of some counts.
            for _ in 1..TRIES {
                if known.get(case.name).is_some_and(|stored| count > stored * (1.0 + TOLERANCE)) {
                    count = count.min(per_query(case));
                }
            }
        }
        counts.insert(case.name.to_owned(), count.round());
        match known.get(case.name) {
            Some(stored) => {
                println!("{:<18} {count:>22.1} {stored:>10.0} {:>+7.1}%", case.name, (count / stored - 1.0) * 100.0);
            }
            None => println!("{:<18} {count:>22.1}", case.name),
        }
    }
    if arguments.iter().any(|argument| argument == "--write") {
        let text = serde_json::to_string_pretty(&counts).expect("numbers");
        std::fs::write(STORED, text + "\n").expect("the file of counts");
    }
    if is_check {
        let is_dearer =
            |name: &str, count: f64| known.get(name).is_none_or(|stored| count > stored * (1.0 + TOLERANCE));
        let dearer: Vec<&str> =
            counts.iter().filter(|(name, count)| is_dearer(name, **count)).map(|(name, _)| &**name).collect();
        if !dearer.is_empty() {
            eprintln!(
                "more than {:.0} % dearer than in {STORED}, or not in it: {}; if that is worth it, write it anew with \
                 `cargo bench --bench instructions -- --write`",
                TOLERANCE * 100.0,
                dearer.join(", ")
            );
            std::process::exit(1);
        }
    }
}

/// The counts that were stored; none where there is no file.
fn known() -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(STORED).unwrap_or_else(|_| "{}".into());
    serde_json::from_str(&text).expect("numbers by name")
}

/// Instructions of a query of a case.
fn per_query(case: &Case) -> f64 {
    count_instructions(case.name) as f64 / f64::from(QUERIES)
}

/// Instructions of all queries of a case.
fn count_instructions(case: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured_quer*"])
        .arg(std::env::current_exe().expect("own path"))
        .args(["--replay", case])
        .output()
        .expect("valgrind runs");
    let report = String::from_utf8_lossy(&output.stderr);
    let total = report.lines().find_map(|line| line.split_once("Collected : "));
    total.expect("a total in callgrind's report").1.trim().parse().expect("a number")
}

/// Answers queries for random services.
fn replay_queries(case: &Case) {
    let snapshot = (case.table)();
    let (mut private, mut common) = (Snapshot::new(), Snapshot::new());
    match case.view {
        View::Only => {}
        View::Private => private = snapshot.clone(),
        View::Common => (private, common) = (static_zone_of("other.test"), snapshot.clone()),
    }
    let [common, private] = [common, private].map(|snapshot| Publisher::new(snapshot).handle());
    // A hundred VPCs of two networks each; the client is in one of them.
    let networks = (0..200).map(|n: usize| (format!("10.{n}.0.0/16").parse().expect("a network"), 1 + n / 2));
    let mut views = Views::new(common, vec![private; 100], Networks::new(networks)).views();
    let client = IpAddr::from([10, 77, 0, 1]);
    let mut numbers = fastrand::Rng::with_seed(1);
    let mut ctx = Ctx::new(Arc::new(Settings::default()), 1);
    let mut buffers = vec![[0; MAX_UDP_PAYLOAD]; AHEAD];
    let mut octets = 0;
    for _ in 0..QUERIES as usize / AHEAD {
        let mut lengths = [0; AHEAD];
        for (buffer, length) in buffers.iter_mut().zip(&mut lengths) {
            let packet = query(&(case.question)(numbers.u32(..SERVICES)), case.qtype);
            buffer[..packet.len()].copy_from_slice(&packet);
            *length = packet.len();
        }
        if let View::Only = case.view {
            octets += measured_queries(&snapshot, &mut ctx, &mut buffers, &lengths);
            continue;
        }
        for (buffer, length) in buffers.iter_mut().zip(lengths) {
            octets += measured_query_in_views(views.revalidate(), client, &mut ctx, buffer, length);
        }
    }
    assert!(octets > 0);
}

/// What a worker does with one packet of a VPC's client. Its name begins as that of the other, and is counted.
#[inline(never)]
fn measured_query_in_views(
    current: Current<'_>,
    client: IpAddr,
    ctx: &mut Ctx,
    buffer: &mut [u8; MAX_UDP_PAYLOAD],
    received: usize,
) -> usize {
    let Seen { private: Some(private), common } = current.seen_by(client) else { return 0 };
    // Said again, lest the compiler make a second caller of `dns::answer` and no longer inline it in the other cases.
    let seen = Seen { private: Some(private), common };
    dns::answer_in_views(seen, ctx, Transport::Udp, buffer, received).length
}

/// What a worker does with packets that it looks up side by side; kept apart so that it can be counted alone.
#[inline(never)]
fn measured_queries(
    snapshot: &Snapshot,
    ctx: &mut Ctx,
    buffers: &mut [[u8; MAX_UDP_PAYLOAD]],
    lengths: &[usize; AHEAD],
) -> usize {
    let ahead = dns::look_ahead(snapshot, ctx, buffers.iter().map(|buffer| &buffer[..]));
    let mut octets = 0;
    for (at, (buffer, length)) in buffers.iter_mut().zip(lengths).enumerate() {
        let reply = ahead.answer_v4(at, ctx, buffer, *length);
        octets += reply.unwrap_or_else(|| ahead.answer(at, ctx, buffer, *length)).length;
    }
    octets
}
