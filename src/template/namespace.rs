//! The properties of the three types of namespaces.

use super::properties::{description, parsed, tags, whole};
use super::resource::Namespace;
use crate::channel::file::reader::{Reader, Trail};
use crate::channel::file::yaml::Node;
use crate::model::NamespaceType;
use crate::model::validate::{names, records};

/// The type of a namespace whose resource type ends in `name`.
pub(super) fn type_of(name: &str) -> Option<NamespaceType> {
    match name {
        "HttpNamespace" => Some(NamespaceType::Http),
        "PrivateDnsNamespace" => Some(NamespaceType::DnsPrivate),
        "PublicDnsNamespace" => Some(NamespaceType::DnsPublic),
        _ => None,
    }
}

/// Reads the evaluated properties of a namespace.
pub(super) fn read(
    reader: &mut Reader,
    node: &Node,
    trail: &Trail<'_>,
    namespace_type: NamespaceType,
) -> Option<Namespace> {
    // The keys of each type are its own, so that a message says no others.
    let [name, about, tagged, vpc, properties] = match namespace_type {
        NamespaceType::Http => {
            let [name, about, tagged] = reader.fields(node, trail, ["Name", "Description", "Tags"])?;
            [name, about, tagged, None, None]
        }
        NamespaceType::DnsPrivate => {
            reader.fields(node, trail, ["Name", "Description", "Tags", "Vpc", "Properties"])?
        }
        NamespaceType::DnsPublic => {
            let keys = ["Name", "Description", "Tags", "Properties"];
            let [name, about, tagged, properties] = reader.fields(node, trail, keys)?;
            [name, about, tagged, None, properties]
        }
    };
    let soa_ttl = properties.and_then(|node| {
        let trail = trail.key("Properties");
        let [dns] = reader.fields(node, &trail, ["DnsProperties"])?;
        let trail = trail.key("DnsProperties");
        let [soa] = reader.fields(dns?, &trail, ["SOA"])?;
        let trail = trail.key("SOA");
        let [ttl] = reader.fields(soa?, &trail, ["TTL"])?;
        parsed(reader, ttl, &trail.key("TTL"), |text| records::ttl(whole(text)))
    });
    let description = description(reader, about, trail);
    let tags = tags(reader, tagged, trail);
    if namespace_type == NamespaceType::DnsPrivate {
        reader.required(vpc, node.at, trail, "Vpc");
    }
    let vpc = parsed(reader, vpc, &trail.key("Vpc"), |text| names::vpc(namespace_type, text).map(|()| text.into()));
    reader.required(name, node.at, trail, "Name")?;
    let name = parsed(reader, name, &trail.key("Name"), |text| {
        names::namespace_name(namespace_type, text).map(|()| text.into())
    })?;
    Some(Namespace { namespace_type, name, vpc, description, soa_ttl, tags })
}
