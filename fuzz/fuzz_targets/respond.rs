//! Any octets as a datagram or as a message of a stream: the response can be read, fits, echoes the question, and is no
//! longer than a query that cannot be read. `tests/support/oracle.rs` says all of it.
//!
//! The first octet picks transport and settings, the rest is the message.

#![no_main]

use std::sync::{Arc, LazyLock};

use fingerpost::dns::{EmptyService, Settings, Transport};
use fingerpost::table::Snapshot;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/mod.rs"]
mod support;

/// Names that are short, so that the fuzzer finds them, and one that is as long as it can be.
static SNAPSHOT: LazyLock<Arc<Snapshot>> = LazyLock::new(|| {
    let long = "l".repeat(63);
    support::snapshot(&format!(
        "nameserver n.t
         namespace t 15
         service a MULTIVALUE A=10 AAAA=10 SRV=10
         instance {{1..20}} ipv4=10.0.0.{{}} ipv6=2001:db8::{{}} port=80
         service b MULTIVALUE A=10 limit=all
         instance {{1..300}} ipv4=10.1.{{/}}
         service c WEIGHTED CNAME=10
         instance {{1..3}} cname=host-{{}}.example.com
         service e MULTIVALUE A=10
         service f.g WEIGHTED A=10 SRV=10
         instance 1 ipv4=10.2.0.1 port=1 unhealthy
         service {long}.{long}.{long} MULTIVALUE SRV=10
         instance {{1..3}} ipv4=10.3.0.{{}} port=1
         namespace {long}.{long}.{long}.u 15
         zone s
         record s 900 SOA name:n.s name:h.s 00000007 00001c20 00000384 00127500 0000003c
         record s 900 NS name:n.s
         record n.s 900 A 0a010001
         record w.s 60 CNAME name:c.s
         record c.s 60 CNAME name:a.t
         record *.s 60 A 0a010004
         record d.s 60 DNAME name:t
         record l.s 60 DNAME name:{long}.{long}.{long}.t
         record z.s 60 NS name:n.z.s
         record n.z.s 60 A 0a010005
         record m.s 60 MX 000a name:a.t"
    ))
});

fuzz_target!(|octets: &[u8]| {
    let Some((choice, message)) = octets.split_first() else { return };
    let is_set = |bit: u8| choice >> bit & 1 == 1;
    let transport = if is_set(0) { Transport::Tcp } else { Transport::Udp };
    let settings = Settings {
        udp_payload: if is_set(1) { 4096 } else { 1232 },
        nsid: is_set(2).then(|| vec![b'n'; if is_set(3) { 255 } else { 4 }].into()),
        version: is_set(4).then(|| "v".repeat(if is_set(3) { 300 } else { 4 }).into()),
        empty_service: if is_set(5) { EmptyService::NxDomain } else { EmptyService::NoData { ttl: 1 } },
        ..Settings::default()
    };
    let payload = settings.udp_payload;
    let (reply, response) = support::answer(&SNAPSHOT, &mut support::ctx(settings), transport, message);
    support::oracle::check(message, transport, payload, &reply, &response);
});
