//! The properties of `AWS::ServiceDiscovery::Instance`.

use super::properties::{generated, map, parsed, target};
use super::resource::{Instance, Placed};
use super::token::Text;
use crate::channel::file::Position;
use crate::channel::file::reader::{Reader, Trail, key_text};
use crate::channel::file::yaml::{self, Node, Value};
use crate::model::DnsRecord;
use crate::model::validate::{attributes, names};

/// Reads the evaluated properties of an instance of the resource `logical_id`, which stands at `at`.
pub(super) fn read(
    reader: &mut Reader,
    node: &Node,
    trail: &Trail<'_>,
    (stack, logical_id, at): (&str, &str, Position),
) -> Option<Instance> {
    let [id, service, attributes] = reader.fields(node, trail, ["InstanceId", "ServiceId", "InstanceAttributes"])?;
    let attributes = reader.required(attributes, node.at, trail, "InstanceAttributes");
    let pairs = attributes.and_then(|node| instance_attributes(reader, node, &trail.key("InstanceAttributes")));
    let id = match id {
        None => Some(generated(stack, logical_id, at)),
        id => parsed(reader, id, &trail.key("InstanceId"), |text| names::instance_id(text).map(|()| text.into())),
    };
    let service = reader.required(service, node.at, trail, "ServiceId")?;
    let service = target(reader, service, &trail.key("ServiceId"))?;
    let attributes_at = attributes?.at;
    Some(Instance { id: id?, service, attributes: pairs?, attributes_at })
}

/// `InstanceAttributes`: an object, or text that is one in JSON.
fn instance_attributes(reader: &mut Reader, node: &Node, trail: &Trail<'_>) -> Option<Vec<(Box<str>, Placed<Text>)>> {
    let Value::Scalar { text, .. } = &node.value else { return Some(map(reader, node, trail)) };
    let parsed = match text.trim_start().starts_with('{') {
        true => yaml::parse(text.as_bytes()).ok(),
        false => None,
    };
    let Some(document) = parsed.filter(|document| document.troubles.is_empty()) else {
        reader.fault(node.at, trail, "this is no map of texts; allowed is a mapping, or text with an object in JSON");
        return None;
    };
    // Places in the text are none in the file.
    let Value::Mapping(pairs) = &document.root.value else { return None };
    let pairs = pairs.iter().map(|(key, value)| {
        let at = node.at;
        (Node::scalar(at, key_text(key), false), Node { at, ..value.clone() })
    });
    let object = Node { at: node.at, tag: None, value: Value::Mapping(pairs.collect()) };
    Some(map(reader, &object, trail))
}

/// Checks the attributes against the records of the service, which are `None` if they are not known.
pub(super) fn check(reader: &mut Reader, instance: &Instance, trail: &Trail<'_>, dns_records: Option<&[DnsRecord]>) {
    let trail = trail.key("InstanceAttributes");
    let shown: Vec<_> = instance.attributes.iter().map(|(key, text)| (key, text.value.to_string())).collect();
    let shown: Vec<(&str, &str)> = shown.iter().map(|(key, text)| (&***key, text.as_str())).collect();
    for fault in attributes::instance(&shown, dns_records.unwrap_or_default()) {
        match fault.index.and_then(|index| instance.attributes.get(index)) {
            Some((key, text)) => reader.fault(text.at, &trail.key(key), fault.violation),
            None => reader.fault(instance.attributes_at, &trail, fault.violation),
        }
    }
}
