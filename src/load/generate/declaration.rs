//! The data as a declaration.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::load::data::Data;

/// Writes the declaration of all namespaces.
pub(super) fn write(data: &Data, output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "# fingerpost load: {data}\nversion: 1\nnamespaces:")?;
    let mut text = String::new();
    for namespace in 0..data.namespaces {
        writeln!(output, "  - name: {}\n    soa_ttl: {}", data.namespace(namespace), data.ttl)?;
        for (index, service) in data.services_of(namespace).enumerate() {
            text.clear();
            if index == 0 {
                text.push_str("    services:\n");
            }
            // Writing to a string cannot fail.
            let _ = put_service(data, service, &mut text);
            output.write_all(text.as_bytes())?;
        }
    }
    Ok(())
}

/// Appends a service with its instances.
fn put_service(data: &Data, service: u32, text: &mut String) -> std::fmt::Result {
    write!(text, "      - name: {}\n        dns_records: [", data.service(service))?;
    for (index, (_, name)) in data.records.types().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(text, "{comma}{{type: {name}, ttl: {}}}", data.ttl)?;
    }
    text.push_str("]\n");
    match data.limit {
        Some(Data::DEFAULT_LIMIT) => {}
        Some(limit) => writeln!(text, "        attributes: {{FINGERPOST_LIMIT: \"{limit}\"}}")?,
        None => text.push_str("        attributes: {FINGERPOST_LIMIT: all}\n"),
    }
    text.push_str("        instances:\n");
    for instance in 0..data.instances {
        write!(text, "          - {{id: {}, attributes: {{", data.instance_id(instance))?;
        if data.has_v4() {
            write!(text, "AWS_INSTANCE_IPV4: {}, ", data.v4(service, instance))?;
        }
        if data.has_v6() {
            write!(text, "AWS_INSTANCE_IPV6: \"{}\", ", data.v6(service, instance))?;
        }
        writeln!(text, "AWS_INSTANCE_PORT: {}}}}}", data.port(instance))?;
    }
    Ok(())
}
