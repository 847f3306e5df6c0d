//! Precedence and documentation of every option.

use std::collections::BTreeMap;
use std::env;
use std::process::Command as Process;

use clap::{Args, Command, FromArgMatches};

use super::*;

/// One row an option: key, value by flag, by variable, in the file (as TOML), and the default as text.
const ROWS: &[(&str, &str, &str, &str, &str)] = &[
    ("declare", "flag.yaml", "env.yaml:b", "[\"file.yaml\"]", ""),
    ("data-dir", "/flag", "/env", "\"/file\"", "./fingerpost-data"),
    ("dns", "127.0.0.1:1", "127.0.0.1:2,[::1]:2", "[\"127.0.0.1:3\"]", "127.0.0.1:5300"),
    ("api", "127.0.0.1:11", "127.0.0.1:12", "\"127.0.0.1:13\"", "127.0.0.1:8300"),
    ("grpc", "127.0.0.1:21", "127.0.0.1:22", "\"127.0.0.1:23\"", "127.0.0.1:8301"),
    ("admin", "127.0.0.1:31", "127.0.0.1:32", "\"127.0.0.1:33\"", "127.0.0.1:9300"),
    ("workers", "1001", "1002", "1003", "one per core available"),
    ("udp-payload", "601", "602", "603", "1232"),
    ("nsid", "flag", "env", "\"file\"", "none"),
    ("name-server", "ns1.flag", "ns1.env,ns2.env", "[\"ns1.file\"]", "ns.fingerpost.invalid"),
    (
        "vpcs",
        "vpc-a=10.1.0.0/16",
        "vpc-b=10.2.0.0/16,fd00::/8;vpc-c=10.3.0.0/16",
        "{ \"vpc-d\" = [\"10.4.0.0/16\"] }",
        "none",
    ),
    (
        "transfer",
        "zone=a,allow=10.1.0.0/16",
        "zone=b,allow=10.2.0.0/16,fd00::/8;zone=*,allow=10.3.0.0/16,notify=10.3.0.1:53",
        "[{ zone = \"c\", allow = [\"10.4.0.0/16\"] }]",
        "none",
    ),
    ("tsig-keys", "/flag", "/env", "\"/file\"", "none"),
    ("chaos-version", "flag", "env", "\"file\"", "none"),
    ("chaos-id", "flag", "env", "\"file\"", "none"),
    ("empty-service", "nodata", "nxdomain", "\"nodata\"", "nodata"),
    ("empty-service-ttl", "61", "62", "63", "1"),
    ("tcp-idle-timeout", "71", "72", "73", "10"),
    ("tcp-connections", "81", "82", "83", "1024"),
    ("tcp-connections-per-client", "91", "92", "93", "64"),
    ("forward", "10.0.0.1:53", "10.0.0.2:53,tls://10.0.0.3:853#a.test", "[\"10.0.0.4:5353\"]", "none"),
    (
        "forward-rules",
        "a.test=10.0.0.1:53",
        "b.test=10.0.0.2:53,10.0.0.3:53;c.test=system",
        "{ \"d.test\" = [\"10.0.0.4:53\"] }",
        "none",
    ),
    (
        "forward-allow",
        "10.1.0.0/16",
        "10.2.0.0/16,fd00::/8",
        "[\"10.3.0.0/16\"]",
        "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10",
    ),
    ("forward-cache-entries", "171", "172", "173", "10000"),
    ("forward-cache-size", "181", "182", "183", "4194304"),
    ("forward-max-stale", "191", "192", "193", "86400"),
    ("forward-in-flight", "201", "202", "203", "1024"),
    ("forward-timeout", "1", "2", "3", "5"),
    ("search", "a.test", "b.test,c.test", "[\"d.test\"]", "none"),
    ("credentials", "/flag", "/env", "\"/file\"", "none"),
    ("api-tls-cert", "/flag", "/env", "\"/file\"", "none"),
    ("api-tls-key", "/flag", "/env", "\"/file\"", "none"),
    ("region", "flag-1", "env-1", "\"file-1\"", "us-east-1"),
    ("account-id", "000000000001", "000000000002", "\"000000000003\"", "000000000000"),
    ("custom-health-delay", "101", "102", "103", "30"),
    ("probe-interval", "141", "142", "143", "30"),
    ("operation-retention", "111", "112", "113", "24"),
    ("quota-namespaces", "121", "122", "123", "none"),
    ("quota-instances-per-namespace", "131", "132", "133", "none"),
    ("quota-instances-per-service", "141", "142", "143", "none"),
    ("quota-discover-rate", "151", "152", "153", "none"),
    ("quota-discover-revision-rate", "161", "162", "163", "none"),
    ("grpc-tls-cert", "/flag", "/env", "\"/file\"", "none"),
    ("grpc-tls-key", "/flag", "/env", "\"/file\"", "none"),
    ("grpc-client-ca", "/flag", "/env", "\"/file\"", "none"),
    ("log-format", "human", "json", "\"human\"", "human"),
    ("log-level", "error", "warn", "\"debug\"", "info"),
];

fn command() -> Command {
    Options::augment_args(Command::new("serve"))
}

fn parse(arguments: &[String]) -> Options {
    let arguments = std::iter::once("serve".to_owned()).chain(arguments.iter().cloned());
    let matches = command().try_get_matches_from(arguments).unwrap();
    Options::from_arg_matches(&matches).unwrap()
}

fn variable(key: &str) -> String {
    format!("FINGERPOST_{}", key.replace('-', "_").to_uppercase())
}

/// The flag of a key without its dashes: the key itself, but that tables take one entry a flag.
fn long(key: &str) -> &str {
    match key {
        "vpcs" => "vpc",
        "forward-rules" => "forward-rule",
        _ => key,
    }
}

/// The effective value of `key` as text.
fn effective(given: Options, mut file: Options, key: &str) -> String {
    // Of these, one without the others is a fault.
    if key.starts_with("grpc-") {
        file.grpc_tls_cert.get_or_insert_with(|| "/beside".into());
        file.grpc_tls_key.get_or_insert_with(|| "/beside".into());
    }
    if given.api_tls_cert.is_some() || file.api_tls_cert.is_some() {
        file.api_tls_key.get_or_insert_with(|| "/beside".into());
    } else if given.api_tls_key.is_some() || file.api_tls_key.is_some() {
        file.api_tls_cert = Some("/beside".into());
    }
    let config = Config::resolve(given, file).unwrap();
    let settings: BTreeMap<_, _> = config.settings().into_iter().collect();
    settings[key].clone()
}

fn in_file(key: &str, value: &str) -> Options {
    file::parse("f.toml", &format!("version = 1\n{key} = {value}\n")).unwrap()
}

fn flag(key: &str, value: &str) -> Options {
    parse(&[format!("--{}", long(key)), value.to_owned()])
}

/// What `value`, as TOML, looks like once it is effective.
fn untoml(value: &str) -> String {
    value.replace(['[', ']', '{', '}', '"', ' '], "")
}

#[test]
fn the_rows_are_all_options() {
    let options: Vec<String> = command()
        .get_arguments()
        .filter_map(|arg| arg.get_long().map(str::to_owned))
        .filter(|long| !["config", "help"].contains(&long.as_str()))
        .collect();
    let rows: Vec<&str> = ROWS.iter().map(|row| row.0).collect();
    assert_eq!(options, rows.iter().map(|key| long(key)).collect::<Vec<_>>());
    let config = Config::resolve(Options::default(), Options::default()).unwrap();
    let settings: Vec<&str> = config.settings().iter().map(|(key, _)| *key).collect();
    assert_eq!(settings, rows);
}

#[test]
fn the_three_names_follow_one_rule() {
    for arg in command().get_arguments().filter(|arg| arg.get_long() != Some("help")) {
        let long = arg.get_long().unwrap();
        assert_eq!(arg.get_env().unwrap().to_str().unwrap(), variable(long));
    }
}

#[test]
fn a_file_beats_the_default_and_a_flag_beats_the_file() {
    let defaults: BTreeMap<_, _> =
        Config::resolve(Options::default(), Options::default()).unwrap().settings().into_iter().collect();
    for (key, by_flag, _, by_file, default) in ROWS {
        let found = &defaults[key];
        if *key == "workers" {
            assert_eq!(*found, cores().to_string());
        } else {
            assert_eq!(found, default, "default of {key}");
        }
        assert_eq!(effective(Options::default(), in_file(key, by_file), key), untoml(by_file));
        assert_eq!(effective(flag(key, by_flag), in_file(key, by_file), key), *by_flag);
    }
    // Two options have the default among so few values that the rows cannot tell.
    assert_eq!(effective(Options::default(), in_file("empty-service", "\"nxdomain\""), "empty-service"), "nxdomain");
    assert_eq!(
        effective(flag("empty-service", "nodata"), in_file("empty-service", "\"nxdomain\""), "empty-service"),
        "nodata"
    );
    assert_eq!(effective(Options::default(), in_file("log-format", "\"json\""), "log-format"), "json");
    assert_eq!(effective(flag("log-format", "human"), in_file("log-format", "\"json\""), "log-format"), "human");
}

/// Set in the process that the next test starts.
const CHILD: &str = "CONFIG_TEST_CHILD";

#[test]
fn a_variable_beats_the_file_and_a_flag_beats_the_variable() {
    if env::var_os(CHILD).is_some() {
        for (key, by_flag, by_variable, by_file, _) in ROWS {
            // With NXDOMAIN, that outcome's variable, there is no TTL to see.
            let others = match *key {
                "empty-service-ttl" => vec!["--empty-service=nodata".to_owned()],
                _ => Vec::new(),
            };
            let by_variable = match *key {
                "declare" => by_variable.replace(':', ","),
                _ => by_variable.to_string(),
            };
            let flags = [others.clone(), vec![format!("--{}={by_flag}", long(key))]].concat();
            assert_eq!(effective(parse(&others), in_file(key, by_file), key), by_variable);
            assert_eq!(effective(parse(&flags), in_file(key, by_file), key), *by_flag);
        }
        println!("checked {} variables", ROWS.len());
        return;
    }
    // A process of its own, because variables set in this one would reach the other tests.
    let output = Process::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("config::tests::a_variable_beats_the_file_and_a_flag_beats_the_variable")
        .envs(ROWS.iter().map(|row| (variable(long(row.0)), row.2)))
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("checked {} variables", ROWS.len())), "{output:?}");
}

#[test]
fn help_and_documentation_tell_names_defaults_and_meaning() {
    let help = command().render_long_help().to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let documentation = include_str!("../../docs/configuration.md");
    for arg in command().get_arguments().filter(|arg| arg.get_long() != Some("help")) {
        let long = arg.get_long().unwrap();
        let row = ROWS.iter().find(|row| self::long(row.0) == long);
        let default = row.map_or("", |row| row.4);
        let flag = format!("--{long} <{}>", arg.get_value_names().unwrap()[0]);
        assert!(help.contains(&flag), "{flag}");
        assert!(help.contains(&format!("[env: {}]", variable(long))), "{long}: {help}");
        let shown = arg.get_help().unwrap().to_string().replace('\n', " ");
        assert!(default.is_empty() || shown.contains(&format!("[default: {default}")), "{long}: {shown}");

        let key = row.map_or_else(|| "–".to_owned(), |row| format!("`{}`", row.0));
        let default = if default.is_empty() { "none" } else { default };
        let start =
            format!("| `--{long} {}` | `{}` | {key} | {default} | ", arg.get_value_names().unwrap()[0], variable(long));
        let row = documentation.lines().find(|line| line.starts_with(&start));
        assert!(row.is_some_and(|row| row.len() > start.len() + 10), "docs/configuration.md lacks: {start}");
    }
}

#[test]
fn faults_between_options_are_refused() {
    let twice = parse(&["--dns=127.0.0.1:53,127.0.0.1:53".to_owned(), "--admin=127.0.0.1:53".to_owned()]);
    let Faults(faults) = Config::resolve(twice, Options::default()).unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
    let free = parse(&["--dns=127.0.0.1:0,127.0.0.1:0".to_owned()]);
    assert!(Config::resolve(free, Options::default()).is_ok());
    assert!(Config::resolve(Options::default(), in_file("dns", "[]")).is_err());
    let overlapping = flag("vpcs", "vpc-1=10.0.0.0/8;vpc-2=10.1.0.0/16");
    let Faults(faults) = Config::resolve(overlapping, Options::default()).unwrap_err();
    assert_eq!(faults, ["vpcs: 10.0.0.0/8 of vpc-1 and 10.1.0.0/16 of vpc-2 overlap"]);
    let same = parse(&["--api=127.0.0.1:53".to_owned(), "--dns=127.0.0.1:53".to_owned()]);
    let Faults(faults) = Config::resolve(same, Options::default()).unwrap_err();
    assert_eq!(faults, ["api: 127.0.0.1:53 is a dns address, too"]);
    let same = parse(&["--api=127.0.0.1:54".to_owned(), "--grpc=127.0.0.1:54".to_owned()]);
    let Faults(faults) = Config::resolve(same, Options::default()).unwrap_err();
    assert_eq!(faults, ["grpc: 127.0.0.1:54 is the api address, too"]);
    for half in ["api-tls-cert", "api-tls-key", "grpc-tls-cert", "grpc-tls-key", "grpc-client-ca"] {
        let Faults(faults) = Config::resolve(flag(half, "a.pem"), Options::default()).unwrap_err();
        assert!(faults[0].starts_with(&format!("{half}: ")), "{faults:?}");
    }
}

#[test]
fn surprises_are_warned_of() {
    let config = Config::resolve(flag("declare", "a.yaml"), Options::default()).unwrap();
    assert_eq!(config.warnings, [""; 0]);
    let config = Config::resolve(flag("admin", "0.0.0.0:9300"), in_file("declare", "[\"a\"]")).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].contains("0.0.0.0:9300"), "{:?}", config.warnings);
    let config = Config::resolve(Options::default(), Options::default()).unwrap();
    assert_eq!(config.warnings, [""; 0], "the api can register");
    let config = Config::resolve(flag("api", "off"), Options::default()).unwrap();
    assert_eq!(config.warnings, [""; 0], "grpc can register");
    let config = Config::resolve(flag("api", "off"), in_file("grpc", "\"off\"")).unwrap();
    assert!(config.warnings[0].contains("nothing is declared"));
}

#[test]
fn the_idle_timeout_is_told_to_clients() {
    let config = Config::resolve(flag("tcp-idle-timeout", "3600"), Options::default()).unwrap();
    assert_eq!(config.answers.tcp_keepalive, 36_000);
    assert_eq!(config.tcp.idle_timeout, Duration::from_secs(3600));
}
