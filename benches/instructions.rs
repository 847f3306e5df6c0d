//! User instructions per query, from packet octets to response octets, counted by callgrind.
//!
//! `cargo bench --bench instructions` runs itself under `valgrind --tool=callgrind` once for each case; callgrind
//! counts inside [`measured_query`] only. Instructions do not depend on the machine's load, so that the figures can be
//! compared from run to run; they differ by a few with the random seeds of the table's hash.

mod common;

use std::process::Command;
use std::sync::Arc;

use common::{NAMESPACE, namespace, query, table};
use fingerpost::dns::{self, Ctx, MAX_UDP_PAYLOAD, Settings, Transport};
use fingerpost::model::RecordType;
use fingerpost::table::Snapshot;

/// Queries counted.
const QUERIES: u32 = 20_000;
/// Services in the table.
const SERVICES: u32 = 10_000;

/// One thing to measure: its name, the instances of each service, the type, the name for a service number.
struct Case {
    name: &'static str,
    instances: u32,
    records: &'static [RecordType],
    qtype: u16,
    question: fn(u32) -> String,
}

const CASES: &[Case] = &[
    Case { name: "a_8_of_8", instances: 8, records: &[RecordType::A], qtype: 1, question: service_name },
    Case { name: "a_1_of_1", instances: 1, records: &[RecordType::A], qtype: 1, question: service_name },
    Case { name: "a_8_of_100", instances: 100, records: &[RecordType::A], qtype: 1, question: service_name },
    Case { name: "srv_8_of_8", instances: 8, records: &[RecordType::Srv], qtype: 33, question: service_name },
    Case { name: "nodata", instances: 1, records: &[RecordType::A], qtype: 28, question: service_name },
    Case { name: "nxdomain", instances: 1, records: &[RecordType::A], qtype: 1, question: missing_name },
    Case { name: "refused", instances: 1, records: &[RecordType::A], qtype: 1, question: foreign_name },
];

fn service_name(number: u32) -> String {
    format!("{}.{NAMESPACE}", common::service_name(number))
}

fn missing_name(number: u32) -> String {
    format!("missing-{number:06}.{NAMESPACE}")
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
    println!("{:<12} {:>24}", "case", "instructions per query");
    for case in CASES {
        println!("{:<12} {:>24.1}", case.name, count_instructions(case.name) as f64 / f64::from(QUERIES));
    }
}

/// Instructions of all queries of a case.
fn count_instructions(case: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured_query*"])
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
    let snapshot = table(&namespace(SERVICES, case.instances, case.records));
    let mut numbers = fastrand::Rng::with_seed(1);
    let mut ctx = Ctx::new(Arc::new(Settings::default()), 1);
    let mut buffer = [0; MAX_UDP_PAYLOAD];
    let mut octets = 0;
    for _ in 0..QUERIES {
        let packet = query(&(case.question)(numbers.u32(..SERVICES)), case.qtype);
        buffer[..packet.len()].copy_from_slice(&packet);
        octets += measured_query(&snapshot, &mut ctx, &mut buffer, packet.len());
    }
    assert!(octets > 0);
}

/// What a worker does with one packet; kept apart so that it can be counted alone.
#[inline(never)]
fn measured_query(snapshot: &Snapshot, ctx: &mut Ctx, buffer: &mut [u8; MAX_UDP_PAYLOAD], received: usize) -> usize {
    dns::answer(snapshot, ctx, Transport::Udp, buffer, received).length
}
