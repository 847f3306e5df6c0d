//! The sections of a template, and its resources before their properties are evaluated.

use std::collections::BTreeMap;

use crate::channel::file::Position;
use crate::channel::file::reader::{Reader, Trail, key_text};
use crate::channel::file::yaml::{Node, Value};
use crate::model::validate::Shown;

/// The first words of the types that are ours.
pub(super) const PREFIX: &str = "AWS::ServiceDiscovery::";

/// The types that are ours, without [`PREFIX`].
const OURS: [&str; 5] = ["HttpNamespace", "Instance", "PrivateDnsNamespace", "PublicDnsNamespace", "Service"];

/// The top of a template, with everything in its place and nothing evaluated.
#[derive(Debug)]
pub(super) struct Sections<'n> {
    pub(super) parameters: &'n [(Node, Node)],
    pub(super) mappings: &'n [(Node, Node)],
    pub(super) conditions: &'n [(Node, Node)],
    pub(super) outputs: &'n [(Node, Node)],
    /// The resources in their order in the file.
    pub(super) resources: Vec<RawResource<'n>>,
}

/// A resource whose properties are not evaluated.
#[derive(Debug)]
pub(super) struct RawResource<'n> {
    /// Its logical id.
    pub(super) id: &'n str,
    /// Where that stands.
    pub(super) at: Position,
    /// Its type.
    pub(super) kind: &'n str,
    /// Its properties, and where they would stand if there are none.
    pub(super) properties: Option<&'n Node>,
    /// The condition under which it is made, and its place.
    pub(super) condition: Option<(&'n str, Position)>,
    /// The resources that must be there before it.
    pub(super) depends_on: Vec<(&'n str, Position)>,
    /// Whether it asks to be left when it is taken out of the template.
    pub(super) retained: bool,
}

impl RawResource<'_> {
    /// The type without its prefix, if it is one of ours.
    pub(super) fn ours(&self) -> Option<&str> {
        self.kind.strip_prefix(PREFIX)
    }
}

/// Whether a document is a template: it says so, or it has resources of ours.
pub(crate) fn is_template(root: &Node) -> bool {
    let Value::Mapping(pairs) = &root.value else { return false };
    let of_ours = |node: &Node| {
        let Value::Mapping(resources) = &node.value else { return false };
        resources
            .iter()
            .any(|(_, resource)| member(resource, "Type").is_some_and(|kind| text(kind).starts_with(PREFIX)))
    };
    pairs.iter().any(|(key, value)| match key_text(key) {
        "AWSTemplateFormatVersion" => true,
        "Resources" => of_ours(value),
        _ => false,
    })
}

/// The value of a key, if there is one.
fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Mapping(pairs) = &node.value else { return None };
    pairs.iter().find_map(|(name, value)| (key_text(name) == key).then_some(value))
}

/// The text of a scalar, or nothing.
fn text(node: &Node) -> &str {
    match &node.value {
        Value::Scalar { text, .. } => text,
        _ => "",
    }
}

/// Takes the sections apart.
pub(super) fn read<'n>(reader: &mut Reader, root: &'n Node) -> Option<Sections<'n>> {
    let top = Trail::Top;
    let keys = [
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Mappings",
        "Conditions",
        "Resources",
        "Outputs",
    ];
    let refused = [
        ("Transform", "macros and transforms run at AWS only; allowed are templates as they are after them"),
        ("Rules", "rules are not supported; allowed are AllowedValues and AllowedPattern of parameters"),
        ("Hooks", "hooks run at AWS only; allowed is none"),
    ];
    let [version, description, _, parameters, mappings, conditions, resources, outputs] =
        reader.fields_refusing(root, &top, keys, &refused)?;
    if let Some(node) = version
        && let Some(text) = reader.text(node, &top.key("AWSTemplateFormatVersion"))
        && text != "2010-09-09"
    {
        let message = format_args!("{} is not a version of templates; allowed is 2010-09-09", Shown(text));
        reader.fault(node.at, &top.key("AWSTemplateFormatVersion"), message);
    }
    if let Some(node) = description {
        reader.text(node, &top.key("Description"));
    }
    let mut pairs =
        |node: Option<&'n Node>, key: &str| node.and_then(|node| reader.pairs(node, &top.key(key))).unwrap_or_default();
    let (parameters, mappings) = (pairs(parameters, "Parameters"), pairs(mappings, "Mappings"));
    let (conditions, outputs) = (pairs(conditions, "Conditions"), pairs(outputs, "Outputs"));
    let resources = reader.required(resources, root.at, &top, "Resources")?;
    let trail = top.key("Resources");
    let read = reader.pairs(resources, &trail)?.iter();
    let resources: Vec<_> = read.filter_map(|(key, node)| resource(reader, key, node, &trail)).collect();
    let places: BTreeMap<_, _> = resources.iter().map(|resource| (resource.id, resource.at)).collect();
    for resource in &resources {
        for (needed, at) in &resource.depends_on {
            if !places.contains_key(needed) {
                let known = places.keys().copied();
                let message = unknown(needed, "a resource of this template", known);
                reader.fault(*at, &trail.key(resource.id).key("DependsOn"), message);
            }
        }
    }
    Some(Sections { parameters, mappings, conditions, outputs, resources })
}

/// One resource.
fn resource<'n>(reader: &mut Reader, key: &'n Node, node: &'n Node, trail: &Trail<'_>) -> Option<RawResource<'n>> {
    let id = key_text(key);
    let trail = &trail.key(id);
    if id.is_empty() || !id.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
        reader.fault(key.at, trail, "this is not a logical id; allowed are letters and digits");
        return None;
    }
    let keys = [
        "Type",
        "Properties",
        "Condition",
        "DependsOn",
        "Metadata",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "CreationPolicy",
        "UpdatePolicy",
    ];
    let [kind, properties, condition, depends_on, _, deletion, replacement, _, _] = reader.fields(node, trail, keys)?;
    let kind_node = reader.required(kind, node.at, trail, "Type")?;
    let kind = reader.text(kind_node, &trail.key("Type"))?;
    if let Some(ours) = kind.strip_prefix(PREFIX)
        && !OURS.contains(&ours)
    {
        let known = OURS.map(|name| format!("{PREFIX}{name}"));
        let message = unknown(kind, "a type of resource", known.iter().map(String::as_str));
        reader.fault(kind_node.at, &trail.key("Type"), message);
        return None;
    }
    let condition = condition.and_then(|node| Some((reader.text(node, &trail.key("Condition"))?, node.at)));
    let mut needed = Vec::new();
    if let Some(node) = depends_on {
        let trail = trail.key("DependsOn");
        match &node.value {
            Value::Sequence(items) => {
                let items = items.iter().enumerate();
                needed
                    .extend(items.filter_map(|(index, node)| Some((reader.text(node, &trail.index(index))?, node.at))));
            }
            _ => needed.extend(reader.text(node, &trail).map(|text| (text, node.at))),
        }
    }
    let retained = [deletion, replacement].into_iter().flatten().any(|node| text(node).starts_with("Retain"));
    Some(RawResource { id, at: key.at, kind, properties, condition, depends_on: needed, retained })
}

/// A message for a name that is not among those known, with the nearest of them.
pub(super) fn unknown<'k>(name: &str, what: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<_> = known.collect();
    let near = known.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let meant = near.filter(|near| strsim::jaro_winkler(near, name) > 0.8);
    let hint = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    let allowed = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("{} is not {what}; allowed are {allowed}{hint}", Shown(name))
}
