//! AWS CloudFormation templates, as far as they are about Cloud Map.
//!
//! ```text
//!  bytes ─▶ sections ─▶ parameters ─▶ conditions ─▶ evaluator + functions ─▶ namespace, service, instance ─▶ order
//!  (nodes with places)  (and what is given)         (nodes without functions)  (schema, faults)              │
//!                                                                                            Evaluated ◀─────┘
//! ```
//!
//! A template goes in with the values of its parameters, and its `AWS::ServiceDiscovery::*` resources come out, typed,
//! each behind those it needs. Resources of other types are named and otherwise ignored. What is known only once a
//! resource exists stays a reference in the text ([`Text`]).
//!
//! Nothing here knows servers or files: [`crate::stack`] applies a template, [`crate::channel::file`] declares one.
//!
//! # Where this differs from CloudFormation
//!
//! - A name that is not given is `STACK-LogicalId`, without a random part.
//! - `Select` and `Split` work on values of the template, not on those of resources to be made.
//! - `Transform`, `Rules`, `Fn::ImportValue`, `Fn::ForEach` and parameters from SSM are refused.
//! - A `Ref` to an ignored `AWS::EC2::VPC` is its logical id.
//! - `AWS::StackId` ends in zeros, and a declared template has `us-east-1` and `000000000000` as region and account.
//! - With a fault in an expression, the other properties of the resource are not checked until it is mended.
//! - A replacement deletes first: two things of one name cannot stand side by side.
//! - What a `DeletionPolicy` says is told to have no effect.

#![forbid(unsafe_code)]

mod conditions;
mod evaluator;
mod functions;
mod instance;
mod namespace;
mod order;
mod parameters;
mod properties;
mod resource;
mod sections;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod token;

use std::path::Path;
use std::sync::Arc;

use self::evaluator::Evaluator;
pub use self::resource::{Instance, Kind, Namespace, Placed, Resource, Service, Target, namespace_type_name};
pub(crate) use self::sections::is_template;
use self::sections::{RawResource, Sections};
use self::settings::PSEUDO;
pub use self::settings::{Purpose, Settings};
pub(crate) use self::token::REF;
pub use self::token::Text;
use crate::channel::file::Fault;
use crate::channel::file::reader::{Reader, Trail, key_text};
use crate::channel::file::yaml::{self, Document, Node, Value};
use crate::model::DnsRecord;

/// A template with everything in it evaluated.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// Its resources, each behind those it needs.
    pub resources: Vec<Resource>,
    /// What is ignored: logical ids and types.
    pub ignored: Vec<(Box<str>, Box<str>)>,
    /// Its outputs in their order.
    pub outputs: Vec<Output>,
    /// What people should know.
    pub notes: Vec<String>,
    /// Values of parameters with `NoEcho`.
    secrets: Vec<String>,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: Box<str>,
    /// What it is.
    pub value: Text,
    /// For people.
    pub description: Option<Box<str>>,
}

impl Evaluated {
    /// The text with the values of `NoEcho` parameters covered.
    pub fn covered(&self, text: &str) -> String {
        cover(&self.secrets, text)
    }
}

/// Covers secrets in a text.
fn cover(secrets: &[String], text: &str) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "****"))
}

/// Reads and evaluates the template in `bytes`. With a fault anywhere there is no result, and all faults are told.
pub fn read(file: &Arc<Path>, bytes: &[u8], settings: &Settings) -> Result<Evaluated, Vec<Fault>> {
    let document = yaml::parse_tagged(bytes).map_err(|trouble| vec![Fault::new(file, trouble.at, trouble.message)])?;
    of_document(file, &document, settings)
}

/// Evaluates the template in `document`.
pub(crate) fn of_document(file: &Arc<Path>, document: &Document, settings: &Settings) -> Result<Evaluated, Vec<Fault>> {
    let mut reader = Reader::new(file);
    reader.faults.extend(document.troubles.iter().map(|trouble| Fault::new(file, trouble.at, trouble.message.clone())));
    let Some(sections) = sections::read(&mut reader, &document.root) else { return Err(reader.faults) };
    let parameters = parameters::read(&mut reader, sections.parameters, settings);
    let ignored = |id: &str| sections.resources.iter().any(|one| one.id == id && one.ours().is_none());
    for (name, message) in parameters::superfluous(settings, &parameters, ignored) {
        reader.fault(parameters::NOWHERE, &Trail::Top.key(name), message);
    }
    let secrets = parameters.secrets;
    let mut evaluator = Evaluator::new(reader, settings, parameters.values, &sections);
    evaluator.all_conditions();
    let evaluated = evaluate(&mut evaluator, &sections);
    let (notes, mut faults) = (evaluator.notes, evaluator.reader.faults);
    if faults.is_empty() {
        return Ok(Evaluated { notes: notes.into_iter().collect(), secrets, ..evaluated });
    }
    for fault in &mut faults {
        fault.message = cover(&secrets, &token::shown(&fault.message)).into();
    }
    faults.sort();
    faults.dedup();
    Err(faults)
}

/// Evaluates resources and outputs. The result is complete if there are no faults.
fn evaluate<'n>(evaluator: &mut Evaluator<'n>, sections: &Sections<'n>) -> Evaluated {
    let top = Trail::Top;
    let trail = top.key("Resources");
    let mut evaluated = Evaluated::default();
    let mut made: Vec<Resource> = Vec::new();
    for raw in &sections.resources {
        if let Some((condition, at)) = raw.condition
            && evaluator.truth(condition, at, &trail.key(raw.id).key("Condition")) != Ok(true)
        {
            continue;
        }
        match raw.ours() {
            Some(ours) => made.extend(resource(evaluator, raw, ours, &trail.key(raw.id))),
            None => evaluated.ignored.push((raw.id.into(), raw.kind.into())),
        }
    }
    targets(&mut evaluator.reader, &made, &trail);
    evaluated.resources = ordered(evaluator, sections, made);
    evaluated.outputs = outputs(evaluator, sections.outputs);
    evaluated
}

/// Evaluates one resource of ours.
fn resource<'n>(
    evaluator: &mut Evaluator<'n>,
    raw: &RawResource<'n>,
    ours: &str,
    trail: &Trail<'_>,
) -> Option<Resource> {
    if raw.retained {
        evaluator.notes.insert(format!("DeletionPolicy and UpdateReplacePolicy have no effect here ({})", raw.id));
    }
    let trail = &trail.key("Properties");
    let none = Node { at: raw.at, tag: None, value: Value::Mapping([].into()) };
    let node = evaluator.value(raw.properties.unwrap_or(&none), trail).ok()?.unwrap_or(none);
    let reader = &mut evaluator.reader;
    let whose = (&*evaluator.settings.stack, raw.id, raw.at);
    let kind = match namespace::type_of(ours) {
        Some(namespace_type) => Kind::Namespace(namespace::read(reader, &node, trail, namespace_type)?),
        None if ours == "Service" => Kind::Service(service::read(reader, &node, trail, whose)?),
        None => Kind::Instance(instance::read(reader, &node, trail, whose)?),
    };
    Some(Resource { logical_id: raw.id.into(), at: raw.at, kind })
}

/// Checks that services name namespaces and instances services, and instances against their services.
fn targets(reader: &mut Reader, made: &[Resource], trail: &Trail<'_>) {
    let find = |target: &Target| match target {
        Target::Resource(id) => made.iter().find(|one| one.logical_id == *id),
        Target::Id(_) => None,
    };
    for one in made {
        let trail = trail.key(&one.logical_id);
        let trail = trail.key("Properties");
        match &one.kind {
            Kind::Namespace(_) => {}
            Kind::Service(service) => {
                let other = find(&service.namespace.value).map(|other| &other.kind);
                if matches!(other, Some(Kind::Service(_) | Kind::Instance(_))) {
                    let message = "this is no namespace; allowed is a namespace";
                    reader.fault(service.namespace.at, &trail.key("NamespaceId"), message);
                }
            }
            Kind::Instance(instance) => {
                let records: Option<&[DnsRecord]> = match find(&instance.service.value).map(|other| &other.kind) {
                    Some(Kind::Service(service)) => Some(&service.dns_records),
                    Some(_) => {
                        let message = "this is no service; allowed is a service";
                        reader.fault(instance.service.at, &trail.key("ServiceId"), message);
                        continue;
                    }
                    None => None,
                };
                instance::check(reader, instance, &trail, records);
            }
        }
    }
}

/// The resources, each behind those it needs.
fn ordered(evaluator: &mut Evaluator<'_>, sections: &Sections<'_>, mut made: Vec<Resource>) -> Vec<Resource> {
    let nodes: Vec<_> = sections
        .resources
        .iter()
        .map(|raw| {
            let explicit = raw.depends_on.iter().map(|(id, _)| *id);
            let own = made.iter().find(|one| *one.logical_id == *raw.id);
            (raw.id, explicit.chain(own.into_iter().flat_map(Resource::needs)).collect())
        })
        .collect();
    match order::order(&nodes) {
        Ok(order) => {
            let place = |id: &str| order.iter().position(|at| nodes.get(*at).is_some_and(|(name, _)| *name == id));
            let mut keyed: Vec<_> = made.iter().map(|one| place(&one.logical_id)).zip(0..).collect();
            keyed.sort_unstable();
            let mut slots: Vec<_> = made.into_iter().map(Some).collect();
            keyed.into_iter().filter_map(|(_, index): (_, usize)| slots.get_mut(index)?.take()).collect()
        }
        Err(cycle) => {
            let first = cycle.first().map(String::as_str).unwrap_or_default();
            let at = sections.resources.iter().find(|raw| raw.id == first).map(|raw| raw.at);
            let message = match &*cycle {
                [_] => "the resource needs itself".to_owned(),
                _ => format!("the resources need each other in a circle: {} -> {first}", cycle.join(" -> ")),
            };
            evaluator.reader.fault(at.unwrap_or(parameters::NOWHERE), &Trail::Top.key("Resources").key(first), message);
            made.clear();
            made
        }
    }
}

/// Evaluates the outputs. One that needs a value of an ignored resource is left out, with a note.
fn outputs(evaluator: &mut Evaluator<'_>, section: &[(Node, Node)]) -> Vec<Output> {
    let top = Trail::Top;
    let section_trail = top.key("Outputs");
    let mut outputs = Vec::new();
    for (key, node) in section {
        let name = key_text(key);
        let trail = section_trail.key(name);
        let keys = ["Value", "Description", "Condition", "Export"];
        let Some([value, description, condition, _]) = evaluator.reader.fields(node, &trail, keys) else { continue };
        if let Some(node) = condition {
            let condition = evaluator.text(node, &trail.key("Condition"));
            if condition.and_then(|name| evaluator.truth(&name, node.at, &trail.key("Condition"))) != Ok(true) {
                continue;
            }
        }
        let Some(value) = evaluator.reader.required(value, node.at, &trail, "Value") else { continue };
        let description = description.and_then(|node| evaluator.reader.text_or_empty(node, &trail.key("Description")));
        evaluator.lenient = true;
        let value = evaluator.text(value, &trail.key("Value"));
        evaluator.lenient = false;
        if let Some(missed) = evaluator.missed.take() {
            evaluator.notes.insert(format!("the output {name} is left out: {missed}"));
        } else if let Ok(value) = value {
            outputs.push(Output {
                name: name.into(),
                value: Text::new(&value),
                description: description.map(Into::into),
            });
        }
    }
    outputs
}
