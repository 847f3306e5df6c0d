//! `fingerpost check`: every fault with its place, and nothing else.

use std::fs;
use std::path::Path;

use crate::support::{Launch, example};

/// Six faults in a declaration, by line and column.
const FAULTY: &str = "\
version: 1
namespaces:
  - name: production.local
    soa_ttl: soon
    services:
      - name: api
        routing_policy: ROUND_ROBIN
        dns_records: [{type: A, ttl: 10}]
        instances:
          - id: task-1
            attributes: {AWS_INSTANCE_IPV4: 10.0.1.256}
          - id: task-2
            attributes: {AWS_INSTANCE_IPV4: 10.0.1.12}
          - id: task-1
            attributes: {AWS_INSTANCE_IPV4: 10.0.1.13}
      - name: mail
        dns_records: [{type: MX, ttl: 10}]
        colour: red
";

/// Runs `check` on `paths`: exit code, lines of standard output and of standard error.
fn check<P: AsRef<Path>>(paths: &[P]) -> (Option<i32>, Vec<String>, Vec<String>) {
    let words = [Path::new("check")].into_iter().chain(paths.iter().map(AsRef::as_ref));
    let output = Launch::of(words).run();
    let lines = |octets: Vec<u8>| String::from_utf8(octets).unwrap().lines().map(str::to_owned).collect();
    (output.status.code(), lines(output.stdout), lines(output.stderr))
}

#[test]
fn what_is_valid_is_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let toml = folder.path().join("fingerpost.toml");
    fs::write(&toml, "version = 1\nworkers = 2\n").unwrap();
    let (code, out, faults) = check(&[example(), toml.clone()]);
    assert_eq!((code, &*faults), (Some(0), &[][..]));
    let valid = format!("{}: configuration is valid", toml.display());
    assert_eq!(out, [&valid, "declarations are valid: files=1 namespaces=1 services=5 instances=10 zones=1 records=4"]);
}

#[test]
fn every_fault_of_every_file_is_listed_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (toml, yaml) = (folder.path().join("faulty.toml"), folder.path().join("faulty.yaml"));
    fs::write(&toml, "version = 1\nudp-payload = 99999\nworker = 2\n").unwrap();
    fs::write(&yaml, FAULTY).unwrap();
    // The order of the paths is not that of the report: configuration comes first.
    let (code, out, faults) = check(&[&yaml, &toml]);
    assert_eq!(code, Some(1));
    assert_eq!(out, ["8 faults"]);
    let expected = [
        (&toml, ":2:15: udp-payload: 99999 is not in the range 512 to 4096"),
        (&toml, ":3:1: unknown field `worker`, expected one of `declare`, "),
        (&yaml, ":4:14: namespaces[0].soa_ttl: soon is not a TTL; allowed are 0 to 2147483647 seconds"),
        (
            &yaml,
            ":7:25: namespaces[0].services[0].routing_policy: ROUND_ROBIN is not a routing policy; allowed are \
             MULTIVALUE and WEIGHTED",
        ),
        (
            &yaml,
            ":11:45: namespaces[0].services[0].instances[0].attributes.AWS_INSTANCE_IPV4: 10.0.1.256 is not an IPv4 \
             address; ",
        ),
        (
            &yaml,
            ":14:17: namespaces[0].services[0].instances[2].id: instance task-1 stands there twice, first on line 10",
        ),
        (
            &yaml,
            ":17:30: namespaces[0].services[1].dns_records[0].type: MX is not a record type; allowed are A, AAAA, SRV \
             and CNAME",
        ),
        (&yaml, ":18:9: namespaces[0].services[1].colour: the key is not known; allowed are name, "),
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, (file, words)) in faults.iter().zip(expected) {
        assert!(fault.starts_with(&format!("{}{words}", file.display())), "{fault}");
    }
}

#[test]
fn a_folder_is_read_whole_and_a_missing_file_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(example(), folder.path().join("a.yaml")).unwrap();
    fs::write(folder.path().join("b.json"), r#"{"version": 1, "namespaces": [{"name": "staging.local"}]}"#).unwrap();
    fs::write(folder.path().join("notes.txt"), "not read").unwrap();
    let (code, out, _) = check(&[folder.path()]);
    assert_eq!(code, Some(0));
    assert_eq!(out, ["declarations are valid: files=2 namespaces=2 services=5 instances=10 zones=1 records=4"]);

    // The same namespace's service in a second file.
    fs::copy(example(), folder.path().join("c.yml")).unwrap();
    let (code, _, faults) = check(&[folder.path()]);
    assert_eq!(code, Some(1));
    assert!(faults.iter().any(|fault| fault.contains("c.yml:") && fault.contains("a.yaml:")), "{faults:#?}");

    let missing = folder.path().join("missing.yaml");
    let (code, out, faults) = check(&[&missing]);
    assert_eq!((code, &*out), (Some(1), &["1 fault".to_owned()][..]));
    assert!(faults[0].starts_with(&format!("{}: the file cannot be read", missing.display())), "{faults:?}");
}
