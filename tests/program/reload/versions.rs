//! Declarations that carry their version in every record, so that each response tells which one it shows, whole.

use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};

use crate::support::{addresses, query};

/// Number of a declaration; the first is 1.
pub(crate) type Version = u16;

/// The names that a round asks for, in this order; the first one once more at its end.
const NAMES: [(&str, RecordType); 5] = [
    ("many.production.local.", RecordType::A),
    ("few.production.local.", RecordType::A),
    ("ports.production.local.", RecordType::SRV),
    ("sometimes.production.local.", RecordType::A),
    ("many.production.local.", RecordType::A),
];

/// An address of `version`, of which there are `1..=last` in a network of its own.
fn address(network: u8, version: Version, last: u8) -> Ipv4Addr {
    let [high, low] = version.to_be_bytes();
    Ipv4Addr::new(network, high, low, last)
}

/// The declaration in two files. Each is complete after `services:` and after every service, and would then be
/// taken for a whole declaration.
pub(crate) fn halves(version: Version) -> [String; 2] {
    let head = "version: 1\nnamespaces:\n- name: production.local\n  services:\n";
    let addresses = |name: &str, network, count| {
        let mut text = format!("  - name: {name}\n    dns_records: [{{type: A, ttl: 1}}]\n    instances:\n");
        for last in 1..=count {
            let address = address(network, version, last);
            text += &format!("    - {{id: i-{last}, attributes: {{AWS_INSTANCE_IPV4: {address}}}}}\n");
        }
        text
    };
    let mut ports = "  - name: ports\n    dns_records: [{type: SRV, ttl: 1}]\n    instances:\n".to_owned();
    for last in 1..=2 {
        let address = address(12, version, last);
        ports += &format!(
            "    - {{id: i-{last}, attributes: {{AWS_INSTANCE_IPV4: {address}, AWS_INSTANCE_PORT: {version}}}}}\n"
        );
    }
    let sometimes = if version % 2 == 1 { addresses("sometimes", 13, 1) } else { String::new() };
    [[head, &addresses("many", 10, 5), &sometimes].concat(), [head, &addresses("few", 11, 3), &ports].concat()]
}

/// The declaration in one file.
pub(crate) fn whole(version: Version) -> String {
    let [first, second] = halves(version);
    let services = second.split_once("services:\n").unwrap().1;
    first + services
}

//----------- Reading answers --------------------------------------------------

/// The queries of a round.
pub(crate) fn round() -> Vec<Message> {
    NAMES.iter().map(|(name, qtype)| query(name, *qtype)).collect()
}

/// Reads the responses of a round: the version that each shows, complete. A name that is there in odd versions only
/// shows whether that holds (0 or 1), not which version it is.
pub(crate) fn read_round(responses: &[Message]) -> ([Version; 4], Version) {
    let [many, few, ports, sometimes, again] = responses else { panic!("{responses:?}") };
    let parity = match sometimes.metadata.response_code {
        ResponseCode::NXDomain => 0,
        _ => {
            let version = version_of_addresses(sometimes, 13, 1);
            assert_eq!(version % 2, 1, "{sometimes:?}");
            1
        }
    };
    let versions = [
        version_of_addresses(many, 10, 5),
        version_of_addresses(few, 11, 3),
        version_of_ports(ports),
        version_of_addresses(again, 10, 5),
    ];
    (versions, parity)
}

/// The version in a response that must hold exactly the `count` addresses of one version.
pub(crate) fn version_of_addresses(response: &Message, network: u8, count: u8) -> Version {
    assert_eq!(response.metadata.response_code, ResponseCode::NoError, "{response:?}");
    let mut found = addresses(response);
    found.sort();
    let Some(IpAddr::V4(first)) = found.first() else { panic!("{response:?}") };
    let [_, high, low, _] = first.octets();
    let version = Version::from_be_bytes([high, low]);
    let expected: Vec<IpAddr> = (1..=count).map(|last| address(network, version, last).into()).collect();
    assert_eq!(found, expected, "{response:?}");
    version
}

/// The version in a response that must hold the ports of one version, and its addresses beside them.
fn version_of_ports(response: &Message) -> Version {
    assert_eq!(response.metadata.response_code, ResponseCode::NoError, "{response:?}");
    let port = |data: &RData| match data {
        RData::SRV(srv) => srv.port,
        _ => panic!("{response:?}"),
    };
    let ports: Vec<_> = response.answers.iter().map(|record| port(&record.data)).collect();
    let [version, other] = ports[..] else { panic!("{response:?}") };
    assert_eq!(version, other, "{response:?}");
    let mut additional: Vec<_> = response.additionals.iter().map(|record| record.data.clone()).collect();
    additional.sort();
    assert_eq!(additional, [1, 2].map(|last| RData::A(address(12, version, last).into())), "{response:?}");
    version
}
