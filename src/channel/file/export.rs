//! A registry's content as a declaration file: what [`super::read`] reads back, ids included.

use std::io::{self, Write};
use std::sync::Arc;

use crate::channel::cloudmap::shapes::words::Word;
use crate::model::{HealthCheck, HealthStatus, Instance, NamespaceType, Pairs, Service};
use crate::registry::{Catalog, NamespaceEntry, ServiceEntry};

/// Writes the namespaces of `catalog` to `output`, in the order of their names: every one, or those whose id or name is
/// in `only`. A declaration has one namespace of a name; with two, nothing is written.
pub fn export(catalog: &Catalog, only: &[String], output: &mut impl Write) -> io::Result<()> {
    let is_wanted = |entry: &&Arc<NamespaceEntry>| {
        let id = entry.id.to_string();
        only.is_empty() || only.iter().any(|one| *one == id || **one == *entry.name)
    };
    let mut namespaces: Vec<_> = catalog.namespaces_after(None).filter(is_wanted).collect();
    namespaces.sort_by(|a, b| a.name.cmp(&b.name));
    let same = namespaces.iter().zip(namespaces.iter().skip(1)).find(|(a, b)| a.name.eq_ignore_ascii_case(&b.name));
    if let Some((one, other)) = same {
        let text = format!(
            "two namespaces are called {}: {} and {}; a declaration has one of a name, so write them to two files with \
             --namespace ID",
            one.name, one.id, other.id
        );
        return Err(io::Error::other(text));
    }
    writeln!(output, "version: 1")?;
    if namespaces.is_empty() {
        return writeln!(output, "namespaces: []");
    }
    writeln!(output, "namespaces:")?;
    for entry in namespaces {
        namespace(entry, output)?;
        let mut services = catalog.services_of(entry.id).peekable();
        if services.peek().is_some() {
            writeln!(output, "    services:")?;
        }
        for entry in services {
            service(entry, output)?;
        }
    }
    Ok(())
}

/// A namespace without its services.
fn namespace(entry: &NamespaceEntry, output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "  - name: {}", scalar(&entry.name))?;
    writeln!(output, "    type: {}", entry.namespace_type.word())?;
    writeln!(output, "    id: {}", entry.id)?;
    if let Some(vpc) = &entry.vpc {
        writeln!(output, "    vpc: {}", scalar(vpc))?;
    }
    if let Some(ttl) = entry.soa_ttl.filter(|_| entry.namespace_type != NamespaceType::Http) {
        writeln!(output, "    soa_ttl: {ttl}")?;
    }
    about(entry.description.as_deref(), entry.tags.pairs(), "    ", output)
}

/// A service with its instances.
fn service(entry: &ServiceEntry, output: &mut impl Write) -> io::Result<()> {
    let Service { dns_records, health_check, attributes, instances, .. } = &entry.service;
    writeln!(output, "      - name: {}", scalar(&entry.name))?;
    writeln!(output, "        id: {}", entry.id)?;
    writeln!(output, "        routing_policy: {}", entry.service.routing_policy.word())?;
    if !dns_records.is_empty() {
        let records: Vec<_> = dns_records
            .iter()
            .map(|record| format!("{{type: {}, ttl: {}}}", record.record_type.word(), record.ttl))
            .collect();
        writeln!(output, "        dns_records: [{}]", records.join(", "))?;
    }
    match health_check {
        HealthCheck::None => {}
        HealthCheck::Custom => writeln!(output, "        health_check_custom_config: {{}}")?,
        HealthCheck::Probe(probe) => {
            write!(output, "        health_check_config: {{type: {}", probe.probe_type.word())?;
            if let Some(path) = &probe.path {
                write!(output, ", resource_path: {}", scalar(path))?;
            }
            if let Some(threshold) = probe.failure_threshold {
                write!(output, ", failure_threshold: {threshold}")?;
            }
            writeln!(output, "}}")?;
        }
    }
    if !attributes.is_empty() {
        writeln!(output, "        attributes: {}", map(attributes.pairs()))?;
    }
    about(entry.service.description.as_deref(), entry.service.tags.pairs(), "        ", output)?;
    if !instances.is_empty() {
        writeln!(output, "        instances:")?;
    }
    instances.iter().try_for_each(|one| instance(one, output))
}

/// An instance.
fn instance(instance: &Instance, output: &mut impl Write) -> io::Result<()> {
    write!(output, "          - {{id: {}, attributes: {}", scalar(instance.id()), map(instance.attributes()))?;
    if instance.status != HealthStatus::Unknown {
        write!(output, ", health_status: {}", instance.status.word())?;
    }
    writeln!(output, "}}")
}

/// Description and tags.
fn about(description: Option<&str>, tags: Pairs<'_>, indent: &str, output: &mut impl Write) -> io::Result<()> {
    if let Some(description) = description {
        writeln!(output, "{indent}description: {}", scalar(description))?;
    }
    if tags.iter().next().is_some() {
        writeln!(output, "{indent}tags: {}", map(tags))?;
    }
    Ok(())
}

/// Pairs in braces.
fn map(pairs: Pairs<'_>) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{}: {}", scalar(key), scalar(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A text as it is where YAML takes it so, else as a JSON string, which YAML takes, too.
fn scalar(text: &str) -> String {
    let inner = |octet: u8| octet.is_ascii_alphanumeric() || b"_./-".contains(&octet);
    let is_word = text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(inner);
    let means_more = ["null", "true", "false", "yes", "no", "on", "off"];
    if is_word && !means_more.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
