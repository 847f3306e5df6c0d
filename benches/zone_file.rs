//! Reads and serves a zone file of three million records, as `cargo bench --bench zone_file [SERVICES]`: how long it
//! takes until it is read, and until the program's first right answer, and how much memory.
//!
//! Each of 125,000 services has eight A records and eight SRV records, and each of its eight instances an A record.

#[allow(dead_code, reason = "other benchmarks use the rest of it")]
mod common;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fingerpost::channel::file::{Limits, Loader, read_zone};
use fingerpost::zone::Zone;

/// Where the program answers.
const DNS: &str = "127.0.0.1:5390";
/// After this the program is taken not to answer.
const PATIENCE: Duration = Duration::from_secs(60);
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
        serve(&path, services, round);
    }
    for round in 1..=3 {
        let before = resident("self", "VmRSS");
        let mut loader = Loader::new([path.clone()]);
        let start = Instant::now();
        let loaded = loader.load().unwrap_or_else(|faults| panic!("{}", faults[0]));
        let elapsed = start.elapsed();
        let (held, most) = (resident("self", "VmRSS").saturating_sub(before), resident("self", "VmHWM"));
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

/// Starts the program on the zone, and asks for the last service until its eight addresses are the answer.
fn serve(path: &Path, services: u32, round: u32) {
    let start = Instant::now();
    let mut server = Command::new(env!("CARGO_BIN_EXE_fingerpost"))
        .args([
            "serve",
            "--dns",
            DNS,
            "--admin",
            "127.0.0.1:0",
            "--log-level",
            "error",
            "--api",
            "off",
            "--grpc",
            "off",
        ])
        .args(["--data-dir", "none", "--declare"])
        .arg(path)
        .spawn()
        .expect("the program starts");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
    let query = common::query(&format!("service-{:06}.production.example", services - 1), 1);
    let mut response = [0; 1232];
    // Refused at once while nothing listens there.
    while start.elapsed() < PATIENCE {
        let _ = socket.send_to(&query, DNS);
        // ANCOUNT is the number of instances.
        if socket.recv(&mut response).is_ok() && response[6..8] == (INSTANCES as u16).to_be_bytes() {
            break;
        }
    }
    let elapsed = start.elapsed();
    let (held, most) = (resident(&server.id().to_string(), "VmRSS"), resident(&server.id().to_string(), "VmHWM"));
    println!("serve {round}: first right answer after {elapsed:.2?}, {held} MB held, {most} MB at most");
    server.kill().and_then(|()| server.wait()).expect("the program ends");
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

/// A line of a process's status in megabytes.
fn resident(process: &str, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
