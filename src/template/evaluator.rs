//! What the names in a template mean, and the walk over its nodes.
//!
//! A node goes in, and a node comes out that has no functions any more: `!Ref Name` has become the value of the
//! parameter, at the place of the `!Ref`. What depends on a resource has become a reference ([`super::token`]).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Settings;
use super::sections::{PREFIX, Sections, unknown};
use super::token::{self, REF};
use crate::channel::file::Position;
use crate::channel::file::reader::{Reader, Trail, key_text};
use crate::channel::file::yaml::{Node, Value};

/// The type whose resources give their logical id as id of a VPC.
const VPC: &str = "AWS::EC2::VPC";

/// A fault that has been noted: there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Faulty;

/// A value; `None` where there is nothing, as with `AWS::NoValue`.
pub(super) type Evaluated = Result<Option<Node>, Faulty>;

/// A resource, as others see it.
#[derive(Clone, Copy, Debug)]
struct Known<'n> {
    /// Its type.
    kind: &'n str,
    /// The condition under which it is made.
    condition: Option<&'n str>,
}

/// How far a condition is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// We are at it: to come here again is a cycle.
    Begun,
    /// Known, or with a fault that has been noted.
    Known(Result<bool, Faulty>),
}

/// Evaluates the nodes of one template.
pub(super) struct Evaluator<'n> {
    /// Takes the faults.
    pub(super) reader: Reader,
    /// What is known beside the template.
    pub(super) settings: &'n Settings,
    /// Values of parameters; `None` where one has a fault.
    pub(super) parameters: BTreeMap<String, Option<Node>>,
    /// `Mappings`.
    pub(super) mappings: &'n [(Node, Node)],
    /// `Conditions`.
    pub(super) conditions: &'n [(Node, Node)],
    /// What is known of them.
    pub(super) truths: BTreeMap<&'n str, Truth>,
    /// How many of them are begun.
    pub(super) begun: usize,
    /// All resources.
    resources: BTreeMap<&'n str, Known<'n>>,
    /// Whether conditions are evaluated, in which no resource can be meant.
    pub(super) in_conditions: bool,
    /// What people should know.
    pub(super) notes: BTreeSet<String>,
    /// Whether a value of an ignored resource is missed rather than a fault, and what was missed last.
    pub(super) lenient: bool,
    pub(super) missed: Option<String>,
}

impl<'n> Evaluator<'n> {
    /// An evaluator of `sections`.
    pub(super) fn new(
        reader: Reader,
        settings: &'n Settings,
        parameters: BTreeMap<String, Option<Node>>,
        sections: &Sections<'n>,
    ) -> Self {
        let known = |resource: &super::sections::RawResource<'n>| {
            (resource.id, Known { kind: resource.kind, condition: resource.condition.map(|(name, _)| name) })
        };
        Self {
            reader,
            settings,
            parameters,
            mappings: sections.mappings,
            conditions: sections.conditions,
            truths: BTreeMap::new(),
            begun: 0,
            resources: sections.resources.iter().map(known).collect(),
            in_conditions: false,
            notes: BTreeSet::new(),
            lenient: false,
            missed: None,
        }
    }

    /// Notes a fault.
    pub(super) fn fault<T>(
        &mut self,
        at: Position,
        trail: &Trail<'_>,
        message: impl std::fmt::Display,
    ) -> Result<T, Faulty> {
        self.reader.fault(at, trail, message);
        Err(Faulty)
    }

    /// Evaluates a node and all in it. Every fault in it is noted.
    pub(super) fn value(&mut self, node: &Node, trail: &Trail<'_>) -> Evaluated {
        if let Some((name, argument)) = function(node) {
            return self.function(&name, &argument, node.at, trail);
        }
        match &node.value {
            Value::Scalar { text, .. } if token::is_forged(text) => {
                self.fault(node.at, trail, "the text has a noncharacter of Unicode; allowed are characters")
            }
            Value::Scalar { .. } => Ok(Some(node.clone())),
            Value::Sequence(items) => {
                let items: Vec<_> =
                    items.iter().enumerate().map(|(index, node)| self.value(node, &trail.index(index))).collect();
                let items: Vec<_> = items.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
                Ok(Some(Node::sequence(node.at, items)))
            }
            Value::Mapping(pairs) => {
                let pairs: Vec<_> = pairs
                    .iter()
                    .map(|(key, value)| {
                        Ok(self.value(value, &trail.key(key_text(key)))?.map(|value| (key.clone(), value)))
                    })
                    .collect();
                let pairs: Vec<_> = pairs.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
                Ok(Some(Node { at: node.at, tag: None, value: Value::Mapping(pairs.into()) }))
            }
        }
    }

    /// Evaluates a node that must be text.
    pub(super) fn text(&mut self, node: &Node, trail: &Trail<'_>) -> Result<String, Faulty> {
        match self.value(node, trail)? {
            Some(value) => self.reader.text_or_empty(&value, trail).map(str::to_owned).ok_or(Faulty),
            None => self.fault(node.at, trail, "AWS::NoValue stands here; allowed is text"),
        }
    }

    //--- Names

    /// What `Ref` yields.
    pub(super) fn reference(&mut self, name: &str, at: Position, trail: &Trail<'_>) -> Evaluated {
        if let Some(pseudo) = name.strip_prefix("AWS::") {
            return match self.settings.pseudo(pseudo) {
                Some(value) => Ok(value.map(|text| Node::scalar(at, &text, false))),
                None => {
                    let known = super::PSEUDO.iter().copied();
                    self.fault(at, trail, unknown(name, "a pseudo parameter", known))
                }
            };
        }
        match self.parameters.get(name) {
            Some(Some(value)) => return Ok(Some(Node { at, ..value.clone() })),
            Some(None) => return Err(Faulty),
            None => {}
        }
        self.attribute(name, REF, at, trail).map(Some)
    }

    /// What `Fn::GetAtt` yields, and `Ref` of a resource.
    pub(super) fn attribute(
        &mut self,
        resource: &str,
        attribute: &str,
        at: Position,
        trail: &Trail<'_>,
    ) -> Result<Node, Faulty> {
        let text = |text: &str| Ok(Node::scalar(at, text, false));
        let Some(known) = self.resources.get(resource).copied() else {
            let names = self.parameters.keys().map(String::as_str).chain(self.resources.keys().copied());
            let message = unknown(resource, "a parameter or a resource of this template", names);
            return self.fault(at, trail, message);
        };
        if self.in_conditions {
            let message = format!("{resource} is a resource, which no condition can know; allowed are parameters");
            return self.fault(at, trail, message);
        }
        if let Some(condition) = known.condition
            && !self.truth(condition, at, trail)?
        {
            let message = format!("{resource} is not made, because its condition {condition} is false; use Fn::If");
            return self.fault(at, trail, message);
        }
        if let Some(ours) = known.kind.strip_prefix(PREFIX) {
            let attributes: &[&str] = match ours {
                "HttpNamespace" => &["Id", "Arn", "Name"],
                "Service" => &["Id", "Arn", "Name"],
                "Instance" => &[],
                _ => &["Id", "Arn", "HostedZoneId", "Name"],
            };
            if attribute != REF && !attributes.contains(&attribute) {
                let what = format!("an attribute of {resource}, an {}", known.kind);
                let message = unknown(attribute, &what, attributes.iter().copied());
                return self.fault(at, trail, message);
            }
            return text(&token::reference(resource, attribute));
        }
        let name = match attribute {
            REF => resource.to_owned(),
            attribute => format!("{resource}.{attribute}"),
        };
        if let Some(value) = self.settings.given.get(&name) {
            return text(value);
        }
        if known.kind == VPC && matches!(attribute, REF | "VpcId") {
            self.notes.insert(format!(
                "{resource} is an {VPC}, which is ignored; its logical id is taken as the id of the VPC. Give another with \
                 --parameters {name}=VPC-ID"
            ));
            return text(resource);
        }
        let message = format!(
            "{} of {resource} is not known, because an {} is ignored here; {}",
            if attribute == REF { "the value" } else { attribute },
            known.kind,
            self.settings.how_to_give(&name),
        );
        if self.lenient {
            self.missed = Some(message);
            return Err(Faulty);
        }
        self.fault(at, trail, message)
    }
}

/// The function that a node calls, and its argument: `!Name argument`, `Fn::Name: argument` or `Ref: argument`.
pub(super) fn function(node: &Node) -> Option<(Rc<str>, Node)> {
    if let Some(tag) = &node.tag {
        return Some((Rc::clone(tag), Node { tag: None, ..node.clone() }));
    }
    let Value::Mapping(pairs) = &node.value else { return None };
    let [(key, argument)] = &**pairs else { return None };
    match key_text(key) {
        "Ref" => Some(("Ref".into(), argument.clone())),
        key => Some((key.strip_prefix("Fn::")?.into(), argument.clone())),
    }
}
