//! The data as zone files.
//!
//! Owner, class and type stand on every line, which all readers of zone files understand.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{NAME_SERVER, NS_TTL, SOA_NUMBERS};
use crate::load::data::Data;

/// Writes the zone of a namespace, and returns how many records it has.
pub(super) fn write(data: &Data, namespace: u32, output: &mut impl Write) -> io::Result<u64> {
    let (apex, ttl) = (data.namespace(namespace), data.ttl);
    let [serial, refresh, retry, expire] = SOA_NUMBERS;
    writeln!(output, "; fingerpost load: {data}\n$ORIGIN {apex}.\n$TTL {ttl}")?;
    writeln!(output, "@ IN SOA {NAME_SERVER}. hostmaster {serial} {refresh} {retry} {expire} {ttl}")?;
    writeln!(output, "@ {NS_TTL} IN NS {NAME_SERVER}.")?;
    let mut records = 2;
    let mut text = String::new();
    for service in data.services_of(namespace) {
        text.clear();
        // Writing to a string cannot fail.
        let _ = put_service(data, service, &mut text);
        output.write_all(text.as_bytes())?;
        records += records_of_service(data);
    }
    Ok(records)
}

/// Records of one service and its instances.
fn records_of_service(data: &Data) -> u64 {
    let addresses = u64::from(data.has_v4()) + u64::from(data.has_v6());
    let below = if data.records.srv { addresses * u64::from(data.instances) } else { 0 };
    data.records.types().count() as u64 * u64::from(data.shown()) + below
}

/// Appends the records of a service and of its instances.
fn put_service(data: &Data, service: u32, text: &mut String) -> std::fmt::Result {
    let name = data.service(service);
    for instance in 0..data.shown() {
        if data.records.a {
            writeln!(text, "{name} IN A {}", data.v4(service, instance))?;
        }
        if data.records.aaaa {
            writeln!(text, "{name} IN AAAA {}", data.v6(service, instance))?;
        }
        if data.records.srv {
            let (port, id) = (data.port(instance), data.instance_id(instance));
            writeln!(text, "{name} IN SRV 1 1 {port} {id}.{name}")?;
        }
    }
    let below = if data.records.srv { data.instances } else { 0 };
    for instance in 0..below {
        let id = data.instance_id(instance);
        if data.has_v4() {
            writeln!(text, "{id}.{name} IN A {}", data.v4(service, instance))?;
        }
        if data.has_v6() {
            writeln!(text, "{id}.{name} IN AAAA {}", data.v6(service, instance))?;
        }
    }
    Ok(())
}
