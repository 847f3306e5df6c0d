//! How a follower starts: from its file, with a bad one, with a configuration that makes no sense; how small it is.

use std::fs;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use rustix::process::Signal;
use tempfile::TempDir;

use super::primary::Primary;
use super::{addresses, expect_equal, follower, following, is_connected, serial, told};
use crate::support::{Launch, eventually};

/// Name of the state file in the data folder.
const FILE: &str = "followed-state";

#[test]
fn the_file_is_enough() {
    let primary = Primary::new();
    let server = primary.start();
    primary.fill(&server);
    let data = TempDir::new().unwrap();
    let launch = follower(&[&primary]).flag("--data-dir", data.path());
    let mut first = launch.clone().start();
    expect_equal(&server, &first);
    first.signal(Signal::TERM);
    assert!(first.wait().success());
    let (serial_before, records) =
        (serial(&server, "production.local"), told(&server, "web.production.local", RecordType::SRV));
    drop(server);

    let begun = Instant::now();
    let second = launch.clone().start();
    assert_eq!(addresses(&second, "api.production.local"), 2);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(serial(&second, "production.local"), serial_before);
    assert_eq!(told(&second, "web.production.local", RecordType::SRV), records);
    assert!(!is_connected(&second));
    assert!(second.get("/readyz").0 == 200);

    // It goes on from there when the primary is back, and takes only what is new.
    let server = primary.start();
    eventually("it is connected", || is_connected(&second));
    assert_eq!(second.metrics().get("fingerpost_follow_states_total"), 0.0);
    primary.run(&server, "register api.production.local --id task-3 --ip 10.0.0.3");
    expect_equal(&server, &second);
}

#[test]
fn a_killed_follower_has_a_file_of_some_seconds_ago() {
    let primary = Primary::new();
    let server = primary.start();
    primary.fill(&server);
    let data = TempDir::new().unwrap();
    let launch = follower(&[&primary]).flag("--data-dir", data.path());
    let mut first = launch.clone().start();
    eventually("the file is there", || data.path().join(FILE).exists());
    first.signal(Signal::KILL);
    first.wait();
    drop(server);
    assert_eq!(addresses(&launch.start(), "api.production.local"), 2);
}

#[test]
fn a_damaged_file_is_passed_over() {
    let primary = Primary::new();
    let server = primary.start();
    primary.fill(&server);
    let data = TempDir::new().unwrap();
    let launch = follower(&[&primary]).flag("--data-dir", data.path());
    let mut first = launch.clone().start();
    first.signal(Signal::TERM);
    first.wait();
    let path = data.path().join(FILE);
    let sound = fs::read(&path).unwrap();
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    for bad in [&flipped[..], &sound[..sound.len() - 1], &sound[..20], b"", b"something else of more than 16 octets"] {
        fs::write(&path, bad).unwrap();
        let follower = launch.clone().start();
        assert_eq!(follower.logged("cannot be used: "), 1, "{:?}", follower.log());
        expect_equal(&server, &follower);
    }
}

#[test]
fn a_follower_changes_nothing_itself() {
    let refused = |launch: Launch| {
        let output = launch.dns("127.0.0.1:0").run();
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let url = "http://127.0.0.1:1";
    assert!(refused(following(url).flag("--declare", "x.yaml")).contains("declare: a server that follows another one"));
    assert!(refused(following(url).flag("--api", "127.0.0.1:0")).contains("api: a server that follows another one"));
    assert!(refused(following(url).flag("--grpc", "127.0.0.1:0")).contains("grpc: a server that follows another one"));
    let said = refused(following(&format!("{url},{url}")).flag("--follow-key", "x.pem"));
    assert!(said.contains("listed twice") && said.contains("follow-cert is missing"), "{said}");
    let alone = Launch::of(["serve", "--admin", "127.0.0.1:0", "--max-stale", "60", "--namespaces", "a"]);
    let said = refused(alone);
    assert!(said.contains("max-stale: has no effect without follow") && said.contains("namespaces: "), "{said}");
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "secret").unwrap();
    let said = refused(following(url).flag("--follow-token-file", &token));
    assert!(said.contains("chmod 600"), "{said}");
    let said = refused(following("https://127.0.0.1:1").flag("--follow-ca", folder.path().join("none.pem")));
    assert!(said.contains("none.pem: No such file"), "{said}");
}

#[test]
fn a_follower_is_small_and_idle() {
    let declaration = TempDir::new().unwrap();
    let path = declaration.path().join("many.yaml");
    fs::write(&path, many(1000)).unwrap();
    let primary = Primary::with(["--declare", path.to_str().unwrap()]);
    let _server = primary.start();
    let follower = follower(&[&primary]).start();
    eventually("all are there", || follower.metrics().get("fingerpost_snapshot_instances") == 1000.0);
    let status = fs::read_to_string(format!("/proc/{}/status", follower.id())).unwrap();
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
    let own: u64 = own.unwrap().parse().unwrap();
    // Beside it the program itself is mapped, which is large without optimisation; an optimised build needs half of this.
    assert!(own < 8 << 10, "{own} KiB");
    let before = ticks(follower.id());
    std::thread::sleep(Duration::from_secs(3));
    let used = ticks(follower.id()) - before;
    assert!(used <= 10, "{used} hundredths of a second in 3 seconds");
}

/// A declaration of one service with so many instances.
fn many(count: usize) -> String {
    let head = [
        "version: 1",
        "namespaces:",
        "  - name: many.local",
        "    services:",
        "      - name: many",
        "        dns_records: [{type: A, ttl: 10}]",
        "        instances:\n",
    ];
    let mut text = head.join("\n");
    for number in 0..count {
        let (high, low) = (number / 250, number % 250 + 1);
        text += &format!("          - {{id: i-{number}, attributes: {{AWS_INSTANCE_IPV4: 10.1.{high}.{low}}}}}\n");
    }
    text
}

/// Processor time of a process, in clock ticks.
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
