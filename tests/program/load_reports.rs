//! `fingerpost load generate`, `compare` and `plot`: files in, files and exit codes out.

use std::fs;
use std::path::Path;

use fingerpost::load::report::{Checks, FORMAT, Latency, Report, Step};
use hickory_proto::rr::RecordType;

use crate::support::{Launch, Udp, query};

/// Runs `fingerpost load` in a folder: exit code, standard output, standard error.
fn load(folder: &Path, line: &str) -> (Option<i32>, String, String) {
    let words = ["load".into()].into_iter().chain(line.split_whitespace().map(|word| {
        // Files are those of the folder.
        let parts: Vec<String> = word
            .split(',')
            .map(|part| match part.contains('.') && !part.contains('%') {
                true => folder.join(part).display().to_string(),
                false => part.to_owned(),
            })
            .collect();
        parts.join(",")
    }));
    let output = Launch::of(words).run();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Writes the report of a run with this p99 in microseconds.
fn report(path: &Path, p99: u64) -> Report {
    let step = Step {
        rate: Some(1000.0),
        sent: 1000,
        answered: 1000,
        answer_rate: 1000.0,
        latency: Latency {
            count: 1000,
            p50: 20_000,
            p99: p99 * 1000,
            p99_9: 900_000,
            histogram: vec![(20_000, 990), (p99 * 1000, 10)],
            ..Latency::default()
        },
        checks: Checks { checked: 1000, ..Checks::default() },
        ..Step::default()
    };
    let report =
        Report { format: FORMAT, transport: "udp".into(), label: "run".into(), steps: vec![step], ..Report::default() };
    fs::write(path, serde_json::to_vec(&report).unwrap()).unwrap();
    report
}

#[test]
fn a_comparison_ends_with_1_where_something_is_worse() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, p99) in [("a.json", 100), ("b.json", 102), ("c.json", 200)] {
        report(&folder.join(name), p99);
    }
    let (code, out, err) = load(folder, "compare a.json b.json");
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    assert!(out.ends_with("same\n") && out.contains("one run on each side"), "{out}");
    let (code, out, _) = load(folder, "compare a.json c.json");
    assert!(code == Some(1) && out.contains("+100.0 %") && out.ends_with("worse\n"), "{out}");
    assert_eq!(load(folder, "compare a.json c.json --tolerance 100%").0, Some(0));
    let (code, out, _) = load(folder, "compare --old a.json b.json --new c.json c.json --json");
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, value["verdict"].as_str()), (Some(1), Some("worse")), "{out}");
    let (code, out, _) = load(folder, "compare c.json,c.json a.json,b.json");
    assert!(code == Some(0) && out.ends_with("better\n"), "{out}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let one = report(&folder.join("a.json"), 100);
    let other = Report { transport: "tcp".into(), ..one.clone() };
    fs::write(folder.join("tcp.json"), serde_json::to_vec(&other).unwrap()).unwrap();
    let (code, out, err) = load(folder, "compare a.json tcp.json");
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(err.contains("transport: \"udp\", \"tcp\""), "{err}");
    let (code, out, _) = load(folder, "compare a.json tcp.json --force");
    assert!(code == Some(0) && out.contains("not the same in all runs: transport"), "{out}");

    let later = Report { format: 2, ..one };
    fs::write(folder.join("later.json"), serde_json::to_vec(&later).unwrap()).unwrap();
    fs::write(folder.join("not.json"), "[1").unwrap();
    for (line, code, says) in [
        ("compare a.json later.json", 64, "format 2 is not known; this program reads 1"),
        ("compare a.json not.json", 64, "allowed is what `fingerpost load --json` writes"),
        ("compare a.json none.json", 1, "none.json cannot be read"),
        ("compare a.json", 64, "NEW"),
        ("compare --old a.json", 64, "--new"),
        ("compare a.json a.json --tolerance 5", 64, "allowed are shares from 0 to 1"),
        ("plot a.json --out a.png", 64, "allowed are names that end in .svg"),
        ("plot a.json --out x.svg --chart timeline", 1, "there is nothing to draw"),
        ("generate service=5 --out x.y", 64, "did you mean services?"),
    ] {
        let (found, _, err) = load(folder, line);
        assert_eq!(found, Some(code), "{line}: {err}");
        assert!(err.contains(says), "{line}: {err}");
    }
}

#[test]
fn a_plot_is_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    report(&folder.join("a.json"), 100);
    let (code, _, err) = load(folder, "plot a.json --out a.svg --title Title");
    assert_eq!(code, Some(0), "{err}");
    let picture = fs::read_to_string(folder.join("a.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains(">Title<") && picture.contains("Latency by percentile"));
}

#[test]
fn what_is_generated_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = load(folder.path(), "generate services=20,instances=3 --out d.d --queries 5");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("20 services, 60 instances, 182 records"), "{out}");
    for name in ["declaration.yaml", "zones"] {
        let server = Launch::serve(&folder.path().join("d.d").join(name)).start();
        let response = Udp::connect(server.address()).ask(&query("service-000019.load.test.", RecordType::A));
        assert_eq!(response.answers.len(), 3, "{name}: {response}");
    }
}
