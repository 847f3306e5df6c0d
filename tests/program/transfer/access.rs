//! Refused by default, and otherwise as configured; asked with `dig`.

use std::fs;

use hickory_proto::rr::RecordType;
use rustix::process::Signal;
use tempfile::TempDir;

use super::{SECRET, ZONE, dig, keys, populate, records, serial, serve, signature};
use crate::client::run;
use crate::support::{Launch, Server, Udp, have_tool, query_with};

#[test]
fn transfers_are_refused_by_default() {
    if !have_tool("dig") {
        return;
    }
    let server = Launch::serve_nothing().start();
    populate(&server);
    for query in [&["AXFR"][..], &["IXFR=1"], &["+notcp", "IXFR=1"]] {
        let said = dig(server.address(), &[&[ZONE, "+onesoa"], query].concat());
        assert!(records(&said).is_empty(), "{said}");
        assert!(query[0] == "+notcp" || said.contains("Transfer failed"), "{said}");
    }
}

/// Rcode and extended error of what `server` answers to a query for an incremental transfer.
fn refusal(server: &Server, zone: &str) -> (u8, Option<u8>) {
    let edns = hickory_proto::op::Edns::new();
    let query = query_with(&format!("{zone}."), RecordType::IXFR, edns).to_vec().unwrap();
    let response = Udp::connect(server.address()).exchange(&query);
    let extended = response.strip_suffix(&[response[response.len() - 1]]);
    let extended = extended.filter(|front| front.ends_with(&[0, 15, 0, 2, 0])).map(|_| response[response.len() - 1]);
    (response[3] & 0xf, extended)
}

#[test]
fn a_zone_is_what_answers_are_made_of() {
    if !have_tool("dig") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let mut server = serve("allow=127.0.0.0/8", &keys(folder.path())).flag("--data-dir", &data).start();
    populate(&server);
    let address = server.address();
    run(&server, &format!("register old.{ZONE} --id b --cname b.example")).out();
    run(&server, &format!("register old.{ZONE} --id a --cname a.example")).out();
    run(&server, &format!("health api.{ZONE} t3 unhealthy")).out();
    let said = dig(address, &["AXFR", ZONE, "+onesoa"]);
    let zone = records(&said);
    let of = |what: &str| zone.iter().filter(|line| line.contains(what)).cloned().collect::<Vec<_>>();
    let api = format!("api.{ZONE}.\t10\tIN\tA\t10.0.1.");
    assert_eq!(of(&api).len(), 11, "more than answers show, without the unhealthy one: {said}");
    assert!(!zone.contains(&format!("{api}3")), "{said}");
    assert_eq!(of("CNAME"), [format!("old.{ZONE}.\t20\tIN\tCNAME\ta.example.")]);
    assert_eq!(of("SRV"), [format!("web.{ZONE}.\t15\tIN\tSRV\t1 1 8080 w1.web.{ZONE}.")]);
    assert_eq!(of("w1.web").len(), 2, "the target has its address: {said}");
    assert_eq!((of("SOA").len(), of("\tNS\t").len()), (1, 1));
    // All unhealthy: all answer.
    for last in 1..=12 {
        run(&server, &format!("health api.{ZONE} t{last} unhealthy")).out();
    }
    let said = dig(address, &["AXFR", ZONE, "+onesoa"]);
    assert_eq!(records(&said).iter().filter(|line| line.starts_with(&api)).count(), 12, "{said}");
    // What changed since: one came. Before, all is given.
    let before = serial(address).unwrap();
    run(&server, &format!("register api.{ZONE} --id t99 --ip 10.0.1.99")).out();
    let after = serial(address).unwrap();
    assert!(after > before);
    let since = |serial: u32| format!("IXFR={serial}");
    for transport in ["+tcp", "+notcp"] {
        let said = dig(address, &[transport, &since(before), ZONE]);
        let lines: Vec<_> = said.lines().filter(|line| line.contains("\tIN\t") && !line.starts_with(';')).collect();
        let serials = lines.iter().filter(|line| line.contains("SOA"));
        let serials: Vec<_> =
            serials.map(|line| line.split_whitespace().nth(6).unwrap().parse::<u32>().unwrap()).collect();
        assert_eq!(serials, [after, before, after, after], "{said}");
        assert!(lines.iter().any(|line| line.contains("10.0.1.99")), "{said}");
    }
    let said = dig(address, &["+tcp", &since(1), ZONE]);
    assert!(said.contains("10.0.2.1") && said.contains("10.0.1.99"), "the whole zone: {said}");
    for query in [[&*since(after), "+tcp"], [&since(after), "+notcp"], [&since(1), "+notcp"]] {
        let said = dig(address, &[&query[..], &[ZONE]].concat());
        assert_eq!(records(&said).len(), 1, "{query:?}: {said}");
    }
    assert_eq!(server.metrics().family("fingerpost_transfers_total")["kind=\"ixfr\""], 2);
    // The file is the same but for the order, and a server that starts anew has the same serial.
    let mut expected = records(&dig(address, &["AXFR", ZONE, "+onesoa"]));
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let output = Launch::of(["export", "--zone", ZONE]).flag("--data-dir", &data).run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().next().unwrap().contains("\tIN\tSOA\t"), "{text}");
    let mut exported: Vec<_> = text.lines().map(str::to_owned).collect();
    exported.sort();
    expected.sort();
    assert_eq!(exported, expected);
    let missing = Launch::of(["export", "--zone", "other.local"]).flag("--data-dir", &data).run();
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn networks_and_keys_are_looked_at() {
    if !have_tool("dig") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let server = serve("allow=127.0.0.1/32,keys=transfer.key", &keys(folder.path())).start();
    populate(&server);
    let (address, key) = (server.address(), signature(SECRET));
    let axfr = |more: &[&str]| dig(address, &[&["AXFR", ZONE], more].concat());
    assert!(records(&axfr(&[])).is_empty(), "not signed");
    assert!(records(&axfr(&["-y", &key])).len() > 15, "{}", axfr(&["-y", &key]));
    assert!(records(&axfr(&["-y", &key, "-b", "127.0.0.2"])).is_empty(), "from another network");
    assert!(records(&axfr(&["-y", &signature("bm90IHRoZSBzZWNyZXQsIG5vdCBhdCBhbGw=")])).is_empty(), "another secret");
    assert!(records(&axfr(&["-y", &key.replace("transfer", "other")])).is_empty(), "another key");
    let said = dig(address, &["AXFR", "other.local", "-y", &key]);
    assert!(records(&said).is_empty(), "{said}");
    // The errors, as a query that dig shows whole.
    let soa = |key: &str| dig(address, &["SOA", ZONE, "-y", key]);
    let said = soa(&key);
    assert!(said.contains("NOERROR") && said.contains("TSIG PSEUDOSECTION") && !said.contains("verify"), "{said}");
    let said = soa(&signature("bm90IHRoZSBzZWNyZXQsIG5vdCBhdCBhbGw="));
    assert!(said.contains("NOTAUTH") && said.contains("BADSIG"), "{said}");
    let said = soa(&key.replace("transfer", "other"));
    assert!(said.contains("NOTAUTH") && said.contains("BADKEY"), "{said}");
    assert_eq!(refusal(&server, ZONE), (5, Some(18)));
    assert_eq!(refusal(&server, "other.local"), (5, Some(20)));
    let metrics = server.metrics();
    let refused = metrics.family("fingerpost_transfers_refused_total");
    assert_eq!(refused[r#"reason="prohibited""#], 3, "{refused:?}");
    assert_eq!(refused[r#"reason="not_authoritative""#], 2, "{refused:?}");
    let signed = metrics.family("fingerpost_tsig_queries_total");
    assert_eq!((signed[r#"result="bad_signature""#], signed[r#"result="bad_key""#]), (2, 2), "{signed:?}");
    assert_eq!(metrics.family("fingerpost_transfers_total")[r#"kind="axfr""#], 1);
}

#[test]
fn faults_of_keys_stop_the_start() {
    let folder = TempDir::new().unwrap();
    let path = keys(folder.path());
    let refused = serve("keys=unheard", &path).dns("127.0.0.1:0").run();
    assert_eq!(refused.status.code(), Some(78));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("has no key unheard."), "{message}");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let refused = serve("keys=transfer.key", &path).dns("127.0.0.1:0").run();
    assert_eq!(refused.status.code(), Some(78));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("chmod 600"));
}

#[test]
fn a_large_zone_comes_in_many_signed_messages() {
    if !have_tool("dig") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("large.zone");
    let mut text = "$ORIGIN large.test.\n@ 60 SOA ns h 7 60 60 60 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n".to_owned();
    text += "sub 60 NS ns.sub\nns.sub 60 A 192.0.2.2\n*.w 60 TXT \"a; b\" c\n$GENERATE 1-5000 host-$ 60 A 10.0.0.1\n";
    fs::write(&file, text).unwrap();
    let server = Launch::serve(&file)
        .flag("--transfer", "zone=*,keys=transfer.key")
        .flag("--tsig-keys", keys(folder.path()))
        .start();
    let said = dig(server.address(), &["AXFR", "large.test", "+onesoa", "-y", &signature(SECRET)]);
    let zone = records(&said);
    assert_eq!(zone.len(), 5006, "{}", said.lines().filter(|line| line.starts_with(';')).collect::<String>());
    let signatures = said.lines().filter(|line| line.contains("TSIG") && !line.starts_with(';')).count();
    assert!(signatures >= 5, "{signatures} signatures");
    assert!(zone.contains(&"ns.sub.large.test.\t60\tIN\tA\t192.0.2.2".to_owned()), "glue");
    let export = Launch::of(["export", "--zone", "large.test"]).flag("--declare", &file).run();
    let mut lines: Vec<_> = String::from_utf8(export.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, zone);
}

#[test]
fn clients_of_a_vpc_transfer_its_zones() {
    if !have_tool("dig") {
        return;
    }
    let server = Launch::serve_nothing()
        .flag("--vpc", "vpc-1=127.0.1.0/24")
        .flag("--vpc", "vpc-2=127.0.2.0/24")
        .flag("--transfer", "zone=*,allow=127.0.0.0/8")
        .start();
    for vpc in ["vpc-1", "vpc-2"] {
        run(&server, &format!("create namespace {ZONE} --vpc {vpc} --soa-ttl {}", &vpc[4..])).out();
    }
    let zone = |client: &str| records(&dig(server.address(), &["AXFR", ZONE, "+onesoa", "-b", client]));
    for (client, ttl) in [("127.0.1.1", "\t1\t"), ("127.0.2.1", "\t2\t")] {
        assert!(zone(client).iter().any(|line| line.contains(ttl)), "{client}: {:?}", zone(client));
    }
    assert!(zone("127.0.0.1").is_empty());
}
