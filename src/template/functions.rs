//! The intrinsic functions that make values.

use super::evaluator::{Evaluated, Evaluator, Faulty};
use super::sections::unknown;
use super::token;
use crate::channel::file::Position;
use crate::channel::file::reader::{Trail, key_text};
use crate::channel::file::yaml::{Node, Value};
use crate::model::validate::Shown;

/// The functions that are understood.
const KNOWN: [&str; 8] = ["Ref", "GetAtt", "Sub", "Join", "Select", "Split", "If", "FindInMap"];

impl<'n> Evaluator<'n> {
    /// What a function makes of its argument; the value stands at `at`.
    pub(super) fn function(&mut self, name: &str, argument: &Node, at: Position, trail: &Trail<'_>) -> Evaluated {
        let text = |text: String| Ok(Some(Node::scalar(at, &text, false)));
        match name {
            "Ref" => {
                let name = self.text(argument, trail)?;
                self.reference(&name, at, trail)
            }
            "GetAtt" => self.get_att(argument, at, trail).map(Some),
            "Sub" => self.sub(argument, at, trail).and_then(text),
            "Join" => self.join(argument, trail).and_then(text),
            "Select" => self.select(argument, at, trail).map(Some),
            "Split" => self.split(argument, at, trail).map(Some),
            "FindInMap" => self.find_in_map(argument, at, trail),
            "If" => {
                let [condition, yes, no] = self.arguments(argument, trail, "If", "[condition, value, other value]")?;
                let name = self.text(condition, trail)?;
                let chosen = if self.truth(&name, condition.at, trail)? { yes } else { no };
                self.value(chosen, trail)
            }
            "And" | "Condition" | "Equals" | "Not" | "Or" => self.fault(
                at,
                trail,
                format_args!("{name} yields a condition; allowed is it under Conditions, and Fn::If here"),
            ),
            "ImportValue" => self.fault(
                at,
                trail,
                "ImportValue takes what another stack exports, which is not known here; use a parameter instead",
            ),
            "Base64" | "Cidr" | "ForEach" | "GetAZs" | "GetStackOutput" | "Length" | "ToJsonString" | "Transform" => {
                self.fault(at, trail, format_args!("Fn::{name} is not supported; allowed are {}", KNOWN.join(", ")))
            }
            name => self.fault(at, trail, unknown(name, "a function", KNOWN.into_iter())),
        }
    }

    /// The arguments of a function that takes `N` of them, as a list.
    pub(super) fn arguments<'a, const N: usize>(
        &mut self,
        argument: &'a Node,
        trail: &Trail<'_>,
        name: &str,
        form: &str,
    ) -> Result<[&'a Node; N], Faulty> {
        let items = match &argument.value {
            Value::Sequence(items) => items.iter().collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        match items.try_into() {
            Ok(items) => Ok(items),
            Err(_) => self.fault(argument.at, trail, format_args!("this is no argument of {name}; allowed is {form}")),
        }
    }

    /// `Fn::GetAtt`: `Resource.Attribute` or `[Resource, Attribute]`.
    fn get_att(&mut self, argument: &Node, at: Position, trail: &Trail<'_>) -> Result<Node, Faulty> {
        let form = "Resource.Attribute or [Resource, Attribute]";
        let (resource, attribute) = match &argument.value {
            Value::Scalar { text, .. } => match text.split_once('.') {
                Some((resource, attribute)) => (resource.to_owned(), attribute.to_owned()),
                None => {
                    return self.fault(
                        argument.at,
                        trail,
                        format_args!("{} has no attribute; allowed is {form}", Shown(text)),
                    );
                }
            },
            _ => {
                let [resource, attribute] = self.arguments(argument, trail, "GetAtt", form)?;
                (self.text(resource, trail)?, self.text(attribute, trail)?)
            }
        };
        self.attribute(&resource, &attribute, at, trail)
    }

    /// `Fn::Sub`: text with `${Name}`, `${Resource.Attribute}` and `${!Literal}`, alone or with values of names.
    fn sub(&mut self, argument: &Node, at: Position, trail: &Trail<'_>) -> Result<String, Faulty> {
        let (text, values) = match &argument.value {
            Value::Sequence(_) => {
                let [text, values] = self.arguments(argument, trail, "Sub", "text, or [text, {Name: value}]")?;
                (text, self.reader.pairs(values, trail).ok_or(Faulty)?)
            }
            _ => (argument, &[][..]),
        };
        let source = self.reader.text(text, trail).ok_or(Faulty)?;
        if token::is_forged(source) {
            return self.fault(at, trail, "the text has a noncharacter of Unicode; allowed are characters");
        }
        let mut made = String::new();
        let mut rest = source;
        while let Some((before, behind)) = rest.split_once("${") {
            made.push_str(before);
            let Some((name, after)) = behind.split_once('}') else {
                return self.fault(text.at, trail, format_args!("${{ has no }} behind it in {}", Shown(source)));
            };
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                made.push_str(&format!("${{{literal}}}"));
                continue;
            }
            let name = name.trim();
            let value = values.iter().find(|(key, _)| key_text(key) == name);
            let value = match (value, name.split_once('.')) {
                (Some((_, node)), _) => self.value(node, &trail.key(name))?,
                (None, Some((resource, attribute))) => Some(self.attribute(resource, attribute, at, trail)?),
                (None, None) => self.reference(name, at, trail)?,
            };
            match value.as_ref().map(|node| &node.value) {
                Some(Value::Scalar { text, .. }) => made.push_str(text),
                _ => return self.fault(at, trail, format_args!("{} is not text; allowed in Sub is text", Shown(name))),
            }
        }
        made.push_str(rest);
        Ok(made)
    }

    /// `Fn::Join`: `[delimiter, list]`.
    fn join(&mut self, argument: &Node, trail: &Trail<'_>) -> Result<String, Faulty> {
        let [delimiter, list] = self.arguments(argument, trail, "Join", "[delimiter, [value, …]]")?;
        let delimiter = self.text(delimiter, trail)?;
        Ok(self.texts(list, trail)?.join(&delimiter))
    }

    /// `Fn::Select`: `[index, list]`.
    fn select(&mut self, argument: &Node, at: Position, trail: &Trail<'_>) -> Result<Node, Faulty> {
        let [index, list] = self.arguments(argument, trail, "Select", "[index, [value, …]]")?;
        let index_text = self.text(index, trail)?;
        let texts = self.texts(list, trail)?;
        match index_text.parse::<usize>().ok().and_then(|index| texts.get(index)) {
            Some(text) => Ok(Node::scalar(at, text, false)),
            None => {
                let allowed = match texts.len() {
                    0 => "none, the list is empty".to_owned(),
                    length => format!("0 to {}", length - 1),
                };
                self.fault(
                    index.at,
                    trail,
                    format_args!("{} is not an index of the list; allowed are {allowed}", Shown(&index_text)),
                )
            }
        }
    }

    /// `Fn::Split`: `[delimiter, text]`.
    fn split(&mut self, argument: &Node, at: Position, trail: &Trail<'_>) -> Result<Node, Faulty> {
        let [delimiter, text] = self.arguments(argument, trail, "Split", "[delimiter, text]")?;
        let delimiter = self.text(delimiter, trail)?;
        let source = self.text(text, trail)?;
        if delimiter.is_empty() {
            return self.fault(argument.at, trail, "the delimiter of Split is empty; allowed is text");
        }
        if token::is_open(&source) {
            let message = format!(
                "{} is known only once the resource exists; allowed in Split are values of the template",
                token::shown(&source)
            );
            return self.fault(text.at, trail, message);
        }
        Ok(Node::sequence(at, source.split(&delimiter).map(|part| Node::scalar(at, part, false)).collect()))
    }

    /// `Fn::FindInMap`: `[map, first key, second key]`.
    fn find_in_map(&mut self, argument: &Node, at: Position, trail: &Trail<'_>) -> Evaluated {
        let [map, first, second] = self.arguments(argument, trail, "FindInMap", "[map, key, second key]")?;
        let mut pairs = self.mappings;
        let mut found = None;
        for (place, what) in
            [(map, "a mapping"), (first, "a first key of the mapping"), (second, "a second key of the mapping")]
        {
            let name = self.text(place, trail)?;
            let Some((_, node)) = pairs.iter().find(|(key, _)| key_text(key) == name) else {
                let known = pairs.iter().map(|(key, _)| key_text(key));
                return self.fault(place.at, trail, unknown(&name, what, known));
            };
            found = Some(node);
            pairs = match &node.value {
                Value::Mapping(pairs) => pairs,
                _ => &[],
            };
        }
        Ok(found.map(|node| Node { at, ..node.clone() }))
    }

    /// Evaluates a node that must be a list of texts.
    fn texts(&mut self, node: &Node, trail: &Trail<'_>) -> Result<Vec<String>, Faulty> {
        let Some(value) = self.value(node, trail)? else { return Ok(Vec::new()) };
        let items = self.reader.items(&value, trail).ok_or(Faulty)?.iter().enumerate();
        items
            .map(|(index, node)| self.reader.text_or_empty(node, &trail.index(index)).map(str::to_owned).ok_or(Faulty))
            .collect()
    }
}
