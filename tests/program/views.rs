//! VPCs: the same query, from clients at different addresses, over both transports.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use rustix::process::Signal;

use crate::support::{Launch, Server, Tcp, Udp, addresses, eventually, query};

const DECLARED: &str = "
version: 1
namespaces:
  - name: first.internal
    vpc: vpc-1
    services: [{name: s, dns_records: [{type: A, ttl: 10}], instances: [{id: i, attributes: {AWS_INSTANCE_IPV4: 10.1.0.1}}]}]
  - name: second.internal
    vpc: vpc-2
    services: [{name: s, dns_records: [{type: A, ttl: 10}], instances: [{id: i, attributes: {AWS_INSTANCE_IPV4: 10.2.0.1}}]}]
  - name: example.com
    type: DNS_PUBLIC
    services: [{name: s, dns_records: [{type: A, ttl: 10}], instances: [{id: i, attributes: {AWS_INSTANCE_IPV4: 192.0.2.1}}]}]
";

/// Two VPCs of loopback networks, and a third for IPv6.
const VPCS: &str = "vpc-1=127.0.1.0/24,127.0.3.3/32;vpc-2=127.0.2.0/24;vpc-3=::1/128";

/// A folder with a declaration `d.yaml`.
fn declare(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("d.yaml"), text).unwrap();
    folder
}

/// Asks over UDP and over TCP from the address `client`; both must say the same.
#[track_caller]
fn ask(server: &Server, client: &str, name: &str) -> (ResponseCode, Vec<IpAddr>) {
    let query = query(name, RecordType::A);
    let said = |response: Message| (response.metadata.response_code, addresses(&response));
    let udp = said(Udp::connect_from(client, server.address()).ask(&query));
    let tcp = said(Tcp::connect_from(client, server.address()).ask(&query));
    assert_eq!(udp, tcp, "{client} {name}");
    udp
}

#[test]
fn private_namespaces_answer_the_clients_of_their_vpc() {
    let folder = declare(DECLARED);
    // A socket that takes all addresses tells the client's as well as one of a single address does.
    for address in ["127.0.0.1:0", "0.0.0.0:0"] {
        let mut server = Launch::serve(folder.path()).variable("FINGERPOST_VPC", VPCS).dns(address).start_as_is();
        server.dns[0].set_ip([127, 0, 0, 1].into());
        let answer = |address: &str| (ResponseCode::NoError, vec![address.parse::<IpAddr>().unwrap()]);
        let refused = (ResponseCode::Refused, Vec::new());
        let nxdomain = (ResponseCode::NXDomain, Vec::new());
        for client in ["127.0.1.1", "127.0.1.254", "127.0.3.3"] {
            assert_eq!(ask(&server, client, "s.first.internal."), answer("10.1.0.1"), "{client}");
            assert_eq!(ask(&server, client, "s.second.internal."), refused, "{client}");
            assert_eq!(ask(&server, client, "x.first.internal."), nxdomain, "{client}");
        }
        assert_eq!(ask(&server, "127.0.2.7", "s.second.internal."), answer("10.2.0.1"));
        assert_eq!(ask(&server, "127.0.2.7", "s.first.internal."), refused);
        for name in ["s.first.internal.", "s.second.internal.", "x.first.internal."] {
            assert_eq!(ask(&server, "127.0.0.1", name), refused, "{name}");
            assert_eq!(ask(&server, "127.0.3.2", name), refused, "{name}");
        }
        for client in ["127.0.0.1", "127.0.1.1", "127.0.2.1"] {
            assert_eq!(ask(&server, client, "s.example.com."), answer("192.0.2.1"), "{client}");
            assert_eq!(ask(&server, client, "x.example.com."), nxdomain, "{client}");
        }
        // One query is one response in the metrics, whichever table has answered it.
        let responses = server.metrics();
        let count = |rcode: &str| {
            let sample =
                |transport| format!("fingerpost_dns_responses_total{{transport=\"{transport}\",rcode=\"{rcode}\"}}");
            (responses.get(&sample("udp")), responses.get(&sample("tcp")))
        };
        assert_eq!([count("NOERROR"), count("NXDOMAIN"), count("REFUSED")], [(7.0, 7.0), (6.0, 6.0), (10.0, 10.0)]);
    }
}

#[test]
fn a_change_in_one_vpc_shows_there() {
    let folder = declare(DECLARED);
    let server = Launch::serve(folder.path()).flag("--vpc", "vpc-1=127.0.1.0/24").flag("--vpc", "vpc-2=127.0.2.0/24");
    let server = server.start();
    fs::write(folder.path().join("d.yaml"), DECLARED.replace("10.2.0.1", "10.2.0.9")).unwrap();
    let changed = (ResponseCode::NoError, vec!["10.2.0.9".parse::<IpAddr>().unwrap()]);
    // Over one transport, lest the change come between the two.
    let client = Udp::connect_from("127.0.2.1", server.address());
    let ask_once = || addresses(&client.ask(&query("s.second.internal.", RecordType::A)));
    eventually("the new address", || ask_once() == changed.1);
    assert_eq!(ask(&server, "127.0.2.1", "s.second.internal."), changed);
    assert_eq!(ask(&server, "127.0.1.1", "s.first.internal.").1.len(), 1);
}

#[test]
fn without_vpcs_everybody_sees_all() {
    let folder = declare(DECLARED);
    let server = Launch::serve(folder.path()).start();
    for client in ["127.0.0.1", "127.0.1.1", "127.0.2.1"] {
        for name in ["s.first.internal.", "s.second.internal.", "s.example.com."] {
            assert_eq!(ask(&server, client, name).1.len(), 1, "{client} {name}");
        }
    }
}

/// Exit code and standard error.
fn outcome(launch: &Launch) -> (Option<i32>, String) {
    let output = launch.run();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn faults_end_the_start() {
    let folder = declare(DECLARED);
    let path = folder.path();
    let serve = |vpcs: &str| outcome(&Launch::serve(path).flag("--vpc", vpcs));
    let (code, said) = serve("vpc-1=127.0.1.0/24");
    assert_eq!(code, Some(78));
    assert!(said.contains("d.yaml: namespace second.internal: \"vpc-2\" is not a VPC of this server"), "{said}");
    assert!(said.contains("knows vpc-1"), "{said}");

    let (code, said) = serve("vpc-1=127.0.1.0/24,10.0.0.0/8;vpc-2=10.0.0.0/16");
    assert_eq!(code, Some(78));
    assert!(said.contains("10.0.0.0/8 of vpc-1 and 10.0.0.0/16 of vpc-2 overlap"), "{said}");

    let (code, said) = serve("vpc-1=127.0.1.1/24");
    assert_eq!(code, Some(64));
    assert!(said.contains("the network is 127.0.1.0/24"), "{said}");

    let without = declare(&DECLARED.replace("    vpc: vpc-2\n", ""));
    let (code, said) = outcome(&Launch::serve(without.path()).flag("--vpc", "vpc-1=127.0.1.0/24"));
    assert_eq!(code, Some(78));
    assert!(said.contains("d.yaml: namespace second.internal: a private namespace needs a vpc"), "{said}");
}

#[test]
fn a_file_has_vpcs_too_and_a_reload_tells_of_a_change() {
    let folder = declare(DECLARED);
    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("fingerpost.toml");
    let write = |path: &Path, network: &str| {
        let text = format!("version = 1\n[vpcs]\n\"vpc-1\" = [\"{network}\"]\n\"vpc-2\" = [\"127.0.2.0/24\"]\n");
        fs::write(path, text).unwrap();
    };
    write(&file, "127.0.1.0/24");
    let server = Launch::serve(folder.path()).flag("--config", &file).start();
    assert_eq!(ask(&server, "127.0.1.1", "s.first.internal.").0, ResponseCode::NoError);
    assert_eq!(ask(&server, "127.0.0.1", "s.first.internal.").0, ResponseCode::Refused);
    write(&file, "127.0.0.0/24");
    server.signal(Signal::HUP);
    eventually("the log's word", || server.logged("take effect at the next start: vpcs") == 1);
    assert_eq!(ask(&server, "127.0.0.1", "s.first.internal.").0, ResponseCode::Refused);
}
