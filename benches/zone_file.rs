//! Reads a zone file of three million records, as `cargo bench --bench zone_file [SERVICES]`: how long it takes, and
//! how much memory.
//!
//! Each of 125,000 services has eight A records and eight SRV records, and each of its eight instances an A record.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use fingerpost::channel::file::{Limits, Loader, read_zone};
use fingerpost::zone::Zone;

/// Instances of a service.
const INSTANCES: u32 = 8;

fn main() {
    let services = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(125_000);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("production.example.zone");
    write(&path, services).expect("a zone file");
    let size = path.metadata().expect("a file").len();
    println!("{services} services, {} records, {} MB", services * INSTANCES * 3 + 2, size / 1_000_000);
    for round in 1..=3 {
        let before = resident("VmRSS");
        let mut loader = Loader::new([path.clone()]);
        let start = Instant::now();
        let loaded = loader.load().unwrap_or_else(|faults| panic!("{}", faults[0]));
        let elapsed = start.elapsed();
        let (held, most) = (resident("VmRSS").saturating_sub(before), resident("VmHWM"));
        println!("load {round}: {elapsed:.2?}, {held} MB held, {most} MB at most; {}", loaded.summary);
    }
    // The two steps of a load, the text being in memory already.
    let bytes = std::fs::read(&path).expect("a file");
    let start = Instant::now();
    let (apex, records) = read_zone(&path, &bytes, Limits::default()).unwrap_or_else(|faults| panic!("{}", faults[0]));
    let parsed = start.elapsed();
    let zone = Zone::new(apex, records).unwrap_or_else(|faults| panic!("{}", faults[0].message));
    println!("parse {parsed:.2?}, group {:.2?}: {} names", start.elapsed() - parsed, zone.len());
}

/// Writes the zone file.
fn write(path: &Path, services: u32) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "$TTL 10\n@ SOA ns hostmaster 1 7200 900 1209600 15\n@ NS ns")?;
    let mut text = String::new();
    for service in 0..services {
        text.clear();
        let name = format!("service-{service:06}");
        let address = |instance| std::net::Ipv4Addr::from(0x0a00_0000 + service * INSTANCES + instance);
        for instance in 0..INSTANCES {
            let _ = writeln!(text, "{name} A {}", address(instance));
        }
        for instance in 0..INSTANCES {
            let _ = writeln!(text, "{name} SRV 1 1 8080 task-{instance}.{name}");
        }
        for instance in 0..INSTANCES {
            let _ = writeln!(text, "task-{instance}.{name} A {}", address(instance));
        }
        file.write_all(text.as_bytes())?;
    }
    file.flush()
}

/// A line of `/proc/self/status` in megabytes.
fn resident(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
