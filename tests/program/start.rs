//! How a server starts: what it says, what it refuses, and which of two settings wins.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use hickory_proto::op::Edns;
use hickory_proto::rr::RecordType;
use serde_json::Value;

use crate::support::{Launch, Tcp, Udp, example, query, query_with, skip};

/// Exit code and standard error.
fn outcome(launch: &Launch) -> (i32, String) {
    let Output { status, stderr, .. } = launch.run();
    (status.code().expect("ended by a signal"), String::from_utf8(stderr).unwrap())
}

//----------- Sockets and probes -----------------------------------------------

#[test]
fn it_says_where_it_answers_and_then_that_it_is_ready() {
    let server = Launch::serve(&example()).dns("127.0.0.1:0").dns("127.0.0.1:0").start();
    let log = server.log();
    let bare: Vec<&str> = log.iter().map(String::as_str).filter(|line| !line.contains("fingerpost::")).collect();
    let [first, second] = server.dns[..] else { panic!("{log:?}") };
    let listening = |address: SocketAddr| format!("listening on dns udp+tcp {address}");
    let api = format!("listening on api http {}", server.api.unwrap());
    let grpc = format!("listening on grpc http {}", server.grpc.unwrap());
    let admin = format!("listening on admin http {}", server.admin);
    assert_eq!(bare, [&listening(first), &listening(second), &api, &grpc, &admin, "ready"]);
    assert!(first.port() != 0 && second.port() != 0 && first != second && server.admin.port() != 0);

    let (status, body) = server.get("/readyz");
    assert_eq!(status, 200);
    assert_eq!(body, "{\"ready\":true,\"revision\":1,\"declaration\":{\"loads\":1,\"faults\":[]}}\n");
    assert_eq!(server.get("/livez"), (200, "live\n".to_owned()));
    assert_eq!(server.metrics().get("fingerpost_snapshot_instances"), 10.0);
    for address in server.dns.iter().copied() {
        let query = query("api.production.local.", RecordType::A);
        assert_eq!(Udp::connect(address).ask(&query).answers.len(), 3);
        assert_eq!(Tcp::connect(address).ask(&query).answers.len(), 3);
    }
}

#[test]
fn it_logs_the_effective_settings_and_warns_of_odd_ones() {
    let server = Launch::serve_nothing().flag("--api", "off").flag("--grpc", "off").start();
    assert_eq!(server.logged("udp-payload=\"1232\""), 1);
    assert_eq!(server.logged("nothing is declared, and api and grpc are off"), 1);
    assert_eq!((server.api, server.logged("listening on api")), (None, 0));
    assert_eq!((server.grpc, server.logged("listening on grpc")), (None, 0));
}

#[test]
fn it_warns_of_kernel_limits_that_will_hurt() {
    let few = ["sh", "-c", "ulimit -n 200 && exec \"$@\"", "sh"];
    let server = Launch::serve(&example()).through(few).start();
    assert_eq!(server.logged("the limit of open files is 200: 3072 connections need"), 1);

    for (buffer, sysctl) in [("receive", "rmem_max"), ("send", "wmem_max")] {
        let Ok(limit) = fs::read_to_string(format!("/proc/sys/net/core/{sysctl}")) else {
            skip("this kernel does not show its limits of socket buffers");
            return;
        };
        let small = limit.trim().parse::<u64>().unwrap() < 4 << 20;
        assert_eq!(server.logged(&format!("the kernel gave a {buffer} buffer of")), usize::from(small));
    }
}

#[test]
fn json_logs_are_json_lines() {
    let mut server =
        Launch::serve(&example()).flag("--log-format", "json").flag("--log-level", "debug").dns("127.0.0.1:0").start();
    Udp::connect(server.address()).ask(&query("api.production.local.", RecordType::A));
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log();
    assert!(log.len() > 4, "{log:?}");
    for line in &log {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["timestamp"].is_string() && event["level"].is_string() && event["target"].is_string(), "{line}");
    }
}

#[test]
fn no_log_level_hides_that_it_is_ready() {
    for format in ["human", "json"] {
        Launch::serve(&example()).flag("--log-level", "off").flag("--log-format", format).start();
    }
}

//----------- Refusals ---------------------------------------------------------

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"], &["check", "--help"]] {
        let output = Launch::of(arguments).run();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn bad_usage_is_64() {
    let cases: [(&[&str], &str); 8] = [
        (&[], "Usage: fingerpost"),
        (&["sing"], "'sing'"),
        (&["check"], "PATH"),
        (&["serve", "--wrokers", "2"], "'--wrokers'"),
        (&["serve", "--workers", "0"], "'0' for '--workers"),
        (&["serve", "--dns", "localhost:53"], "'localhost:53' for '--dns"),
        (&["serve", "--log-format", "xml"], "'xml' for '--log-format"),
        (&["serve", "stray"], "'stray'"),
    ];
    for (arguments, word) in cases {
        let (code, said) = outcome(&Launch::of(arguments));
        assert_eq!(code, 64, "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    let (code, said) = outcome(&Launch::of(["serve"]).variable("FINGERPOST_WORKERS", "many"));
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("'many'"), "{said}");
}

#[test]
fn a_bad_configuration_or_declaration_is_78() {
    let folder = tempfile::tempdir().unwrap();
    let toml = folder.path().join("fingerpost.toml");
    let yaml = folder.path().join("faulty.yaml");
    fs::write(&toml, "version = 1\nworkers = 2\nworker = 3\n").unwrap();
    fs::write(&yaml, "version: 1\nnamespaces:\n  - name: production.local\n    soa_ttl: soon\n").unwrap();
    let missing = folder.path().join("missing.yaml");

    let place = |path: &std::path::Path, place: &str| format!("{}{place}", path.display());
    let same = ["--dns", "127.0.0.1:5399", "--dns", "127.0.0.1:5399"];
    let cases = [
        (Launch::of(["serve"]).flag("--config", &toml), place(&toml, ":3:1: unknown field `worker`")),
        (Launch::of(["serve"]).flag("--config", folder.path().join("no.toml")), "no.toml: ".to_owned()),
        (Launch::of(["serve"].into_iter().chain(same)), "127.0.0.1:5399 is listed twice".to_owned()),
        (Launch::serve(&yaml).dns("127.0.0.1:0"), place(&yaml, ":4:14: namespaces[0].soa_ttl: soon is not a TTL")),
        (Launch::serve(&missing).dns("127.0.0.1:0"), place(&missing, ": ")),
    ];
    for (launch, words) in cases {
        let (code, said) = outcome(&launch);
        assert_eq!(code, 78, "{said}");
        assert!(said.contains(&words), "{words} is not in: {said}");
        assert!(said.lines().all(|line| line != "ready"), "{said}");
    }
}

#[test]
fn an_api_that_anyone_could_change_is_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let keys = "version = 1\n[[credential]]\naccess-key-id = \"A\"\nsecret-access-key = \"secret\"\n";
    for (name, text, mode) in [("good", keys, 0o600), ("open", keys, 0o644), ("bad", "version = 1\n[[x]]\n", 0o600)] {
        fs::write(path(name), text).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let beyond = Launch::serve(&example()).dns("127.0.0.1:0").flag("--api", "0.0.0.0:0");
    let cases = [
        (beyond.clone(), "give it some (--credentials FILE".to_owned()),
        (beyond.clone().flag("--credentials", path("open")), "(mode 644): chmod 600".to_owned()),
        (beyond.clone().flag("--credentials", path("bad")), "bad:2:3: unknown field `x`".to_owned()),
        (beyond.clone().flag("--credentials", path("none")), "none: No such file".to_owned()),
        (beyond.clone().variable("FINGERPOST_ACCESS_KEY_ID", "A"), "SECRET_ACCESS_KEY: is missing".to_owned()),
        (
            beyond.clone().flag("--api-tls-cert", path("bad")).flag("--credentials", path("good")),
            "api-tls-key is missing".to_owned(),
        ),
    ];
    for (launch, words) in cases {
        let (code, said) = outcome(&launch);
        assert_eq!(code, 78, "{said}");
        assert!(said.contains(&words) && !said.contains("secret\""), "{words} is not in: {said}");
    }
    let by_file = beyond.clone().flag("--credentials", path("good"));
    let by_environment =
        beyond.variable("FINGERPOST_ACCESS_KEY_ID", "A").variable("FINGERPOST_SECRET_ACCESS_KEY", "secret");
    for launch in [by_file, by_environment] {
        let server = launch.start();
        assert_eq!((server.logged("access keys of the api: 1"), server.logged("secret\"")), (1, 0));
    }
    assert_eq!(Launch::serve(&example()).start().logged("the api has no credentials"), 1);
}

#[test]
fn a_taken_address_is_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for launch in
        [Launch::serve(&example()).dns(&address), Launch::of(["serve", "--dns", "127.0.0.1:0", "--admin", &address])]
    {
        let (code, said) = outcome(&launch);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("{address}: Address already in use")), "{said}");
        assert!(said.lines().all(|line| line != "ready"), "{said}");
    }
}

#[test]
fn a_second_server_does_not_share_the_first_ones_port() {
    let server = Launch::serve(&example()).start();
    let address = server.address().to_string();
    assert_eq!(outcome(&Launch::serve(&example()).dns(&address)).0, 1);
}

//----------- Precedence -------------------------------------------------------

#[test]
fn a_flag_wins_over_a_variable_that_over_the_file_and_that_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fingerpost.toml");
    let text = format!("version = 1\nudp-payload = 700\ndeclare = [{:?}]\n", example());
    fs::write(&file, text).unwrap();

    let default = Launch::serve_nothing();
    let from_file = default.clone().flag("--config", &file);
    let from_variable = from_file.clone().variable("FINGERPOST_UDP_PAYLOAD", "800");
    let from_flag = from_variable.clone().flag("--udp-payload", "900");
    for (launch, payload) in [(default, 1232), (from_file, 700), (from_variable, 800), (from_flag, 900)] {
        let server = launch.start();
        let query = query_with("api.production.local.", RecordType::A, Edns::new());
        let response = Udp::connect(server.address()).ask(&query);
        assert_eq!(response.edns.unwrap().max_payload(), payload);
        assert_eq!(response.answers.len(), if payload == 1232 { 0 } else { 3 }, "the file also declares");
    }
}

#[test]
fn the_file_and_the_environment_reach_every_kind_of_option() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fingerpost.toml");
    fs::write(&file, "version = 1\nnsid = \"from the file\"\nempty-service = \"nxdomain\"\n").unwrap();
    let server = Launch::of(["serve"])
        .variable("FINGERPOST_CONFIG", &file)
        .variable("FINGERPOST_DECLARE", example())
        .variable("FINGERPOST_DNS", "127.0.0.1:0,127.0.0.2:0")
        .variable("FINGERPOST_ADMIN", "127.0.0.1:0");
    // `start` would add an address of its own.
    let server = server.start_as_is();
    assert_eq!(
        server.dns.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>(),
        ["127.0.0.1", "127.0.0.2"]
    );
    for setting in ["nsid=\"from the file\"", "empty-service=\"nxdomain\"", "workers="] {
        assert_eq!(server.logged(setting), 1, "{setting}");
    }
    assert_eq!(Udp::connect(server.dns[1]).ask(&query("api.production.local.", RecordType::A)).answers.len(), 3);
}
