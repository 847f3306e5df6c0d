//! `fingerpost load` against `fingerpost serve`, both as users start them.

use std::path::Path;
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Launch, Server};

/// What is asked for.
const DATA: &str = "services=200,instances=10,records=a+aaaa+srv";

/// A server of the data.
fn serve(folder: &Path) -> Server {
    let out =
        Launch::of(["load", "generate", DATA, "--queries", "500", "--out"].map(Path::new).into_iter().chain([folder]));
    assert!(out.run().status.success());
    Launch::serve(&folder.join("declaration.yaml")).start()
}

/// Runs `fingerpost load` with these flags, and reads its report.
#[track_caller]
fn load(server: &Server, flags: &[&str]) -> (Value, Output) {
    let address = server.address().to_string();
    let output =
        Launch::of(["load", "--server", &address, "--json", "-"].into_iter().chain(flags.iter().copied())).run();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output)
}

/// A number of the only step.
fn number(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(&format!("/steps/0{pointer}")).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report}"))
}

#[test]
fn a_mix_over_each_transport_is_answered_right() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path());
    for (transport, rate, sent) in [("udp", "2k", 2000), ("tcp", "2k", 2000), ("tcp-connect", "200", 200)] {
        let mix = "a=4,aaaa=2,srv=2,nodata=1,nxdomain=1,instance=2";
        let flags = ["--generate", DATA, "--mix", mix, "--duration", "1s", "--timeout", "5s", "--rate", rate];
        let (report, output) = load(&server, &[&flags[..], &["--transport", transport]].concat());
        assert!(output.status.success(), "{report}");
        assert_eq!([number(&report, "/answered"), number(&report, "/lost")], [sent, 0], "{transport}: {report}");
        assert_eq!(number(&report, "/checks/checked"), sent);
        assert_eq!(report["steps"][0]["checks"]["examples"], serde_json::json!([]));
        assert!(number(&report, "/rcodes/NXDOMAIN") > 0);
    }
}

#[test]
fn other_data_than_is_served_is_noticed() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path());
    let (report, output) =
        load(&server, &["--generate", "services=200,instances=9", "--rate", "500", "--duration", "1s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(number(&report, "/checks/wrong_record") > 0, "{report}");
}

#[test]
fn a_file_of_queries_is_asked_and_a_table_printed() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path());
    let file = folder.path().join("queries.txt");
    let picture = folder.path().join("run.svg");
    let address = server.address().to_string();
    let output =
        Launch::of(["load", "--server", &address, "--outstanding", "5", "--duration", "1s", "--sockets", "1000"])
            .flag("--queries", &file)
            .flag("--plot", &picture)
            .run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("ANSWERED/S"));
    assert!(std::fs::read_to_string(picture).unwrap().starts_with("<svg"));
}

#[test]
fn changes_are_shown_and_no_answer_is_stale() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path());
    let (grpc, api) = (format!("http://{}", server.grpc.unwrap()), format!("http://{}", server.api.unwrap()));
    for (flag, url, rate) in [("--grpc", &grpc, "500"), ("--api", &api, "50")] {
        let common =
            ["--generate", DATA, "--rate", "1k", "--duration", "2s", "--timeout", "5s", "--churn-services", "10"];
        let (report, output) = load(&server, &[&common[..], &["--churn", rate, flag, url]].concat());
        assert!(output.status.success(), "{report} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(number(&report, "/churn/acknowledged"), 2 * rate.parse::<u64>().unwrap(), "{report}");
        assert_eq!([number(&report, "/churn/failed"), number(&report, "/checks/stale")], [0, 0]);
        assert!(number(&report, "/churn/visible/count") > 0, "{report}");
        // What was made for it is gone, so that it can be made again.
        assert!(!is_left(&api));
    }
}

/// Whether the namespace of changes is still there.
fn is_left(api: &str) -> bool {
    let left = Launch::of(["get", "namespaces", "--endpoint", api]).run();
    assert!(left.status.success(), "{}", String::from_utf8_lossy(&left.stderr));
    String::from_utf8_lossy(&left.stdout).contains("churn.load.test")
}

#[test]
fn what_was_prepared_is_taken_away_when_the_preparation_fails() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path());
    let (grpc, api) = (format!("http://{}", server.grpc.unwrap()), format!("http://{}", server.api.unwrap()));
    for (flag, url) in [("--grpc", &grpc), ("--api", &api)] {
        // One service of the names that it takes cannot be changed to what it wants.
        for words in [
            "namespace churn.load.test --type public",
            "service service-000003 --namespace churn.load.test --record A:9 --custom-health",
        ] {
            let words = ["create"].into_iter().chain(words.split(' ')).chain(["--endpoint", &api]);
            let made = Launch::of(words).run();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let address = server.address().to_string();
        let flags = ["load", "--server", &address, "--generate", DATA, "--rate", "10", "--duration", "1s"];
        let output = Launch::of(flags).flag("--churn", "10").flag(flag, url).run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        if flag == "--grpc" {
            assert!(said.contains("cannot change") && !is_left(&api), "{said}");
        } else {
            // A namespace that is there already is somebody else's.
            assert!(is_left(&api), "{said}");
        }
    }
}

#[test]
fn a_signal_ends_few_changes_at_once() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path());
    let (grpc, api) = (format!("http://{}", server.grpc.unwrap()), format!("http://{}", server.api.unwrap()));
    for (flag, url) in [("--grpc", &grpc), ("--api", &api)] {
        let address = server.address().to_string();
        let flags = ["load", "--server", &address, "--generate", DATA, "--rate", "100", "--duration", "60m"];
        let json = folder.path().join("report.json");
        // A change every 50 s.
        let launch = Launch::of(flags).flag("--churn", "0.02").flag("--churn-services", "5").flag(flag, url);
        let mut child = launch.flag("--json", &json).spawn();
        let begun = Instant::now();
        while !is_left(&api) && begun.elapsed() < Duration::from_secs(10) {
            sleep(Duration::from_millis(20));
        }
        sleep(Duration::from_secs(1));
        let stopped = Instant::now();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        while child.try_wait().unwrap().is_none() && stopped.elapsed() < Duration::from_secs(15) {
            sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let status = child.wait().unwrap();
        assert!(stopped.elapsed() < Duration::from_secs(10), "{flag}: {:?}", stopped.elapsed());
        let report = std::fs::read_to_string(&json).unwrap_or_default();
        assert!(status.success() && !is_left(&api), "{flag}: {status} {report}");
    }
}

#[test]
fn nonsense_is_refused_and_silence_is_a_failure() {
    for (flags, said) in [
        (&["--rate", "5"][..], "--server"),
        (&["--server", "127.0.0.1:1", "--mix", "b=1"], "kinds are"),
        (&["--server", "127.0.0.1:1", "--rate", "0"], "allowed are rates"),
        (&["--server", "127.0.0.1:1", "--rate", "1k", "--outstanding", "5"], "cannot be used with"),
        (&["--server", "127.0.0.1:1", "--churn", "5"], "--grpc"),
        (&["--server", "127.0.0.1:1", "--plot", "run.png"], "allowed are names that end in .svg"),
    ] {
        let output = Launch::of([&["load"], flags].concat()).run();
        assert_eq!(output.status.code(), Some(64), "{flags:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let flags = ["load", "--server", &address, "--rate", "50", "--duration", "500ms", "--timeout", "100ms"];
    assert_eq!(Launch::of(flags).run().status.code(), Some(1));
}
