//! `Parameters`: their types and rules, and the values that they have.

use std::collections::BTreeMap;

use regex::Regex;

use super::Settings;
use super::sections::unknown;
use crate::channel::file::Position;
use crate::channel::file::reader::{Reader, Trail, key_text};
use crate::channel::file::yaml::Node;
use crate::model::validate::Shown;

/// The types that are lists beside `List<…>`.
const COMMA_DELIMITED: &str = "CommaDelimitedList";

/// What parameters are worth.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// Values by name: scalars and lists of them. A parameter with a fault is `None`.
    pub(super) values: BTreeMap<String, Option<Node>>,
    /// The values that must not be shown.
    pub(super) secrets: Vec<String>,
}

/// Reads the section and settles every value.
pub(super) fn read(reader: &mut Reader, section: &[(Node, Node)], settings: &Settings) -> Parameters {
    let mut parameters = Parameters::default();
    let top = Trail::Top;
    let section_trail = top.key("Parameters");
    for (key, node) in section {
        let name = key_text(key);
        let trail = section_trail.key(name);
        let value = parameter(reader, key, node, &trail, settings, &mut parameters.secrets);
        parameters.values.insert(name.to_owned(), value);
    }
    parameters
}

/// The value of one parameter.
fn parameter(
    reader: &mut Reader,
    key: &Node,
    node: &Node,
    trail: &Trail<'_>,
    settings: &Settings,
    secrets: &mut Vec<String>,
) -> Option<Node> {
    let keys = [
        "Type",
        "Default",
        "AllowedValues",
        "AllowedPattern",
        "MinLength",
        "MaxLength",
        "MinValue",
        "MaxValue",
        "NoEcho",
        "ConstraintDescription",
        "Description",
    ];
    let [kind, default, values, pattern, min_length, max_length, min, max, no_echo, constraint, _] =
        reader.fields(node, trail, keys)?;
    let kind = reader.required(kind, node.at, trail, "Type")?;
    let kind = Kind::read(reader, kind, &trail.key("Type"))?;
    let name = key_text(key);
    let (text, at) = match (settings.given.get(name), default) {
        (Some(text), _) => (text.clone(), key.at),
        (None, Some(node)) => (reader.text_or_empty(node, &trail.key("Default"))?.to_owned(), node.at),
        (None, None) => {
            reader.fault(key.at, trail, settings.how_to_give(name));
            return None;
        }
    };
    if let Some(node) = no_echo
        && let Some(word) = reader.text(node, &trail.key("NoEcho"))
        && word.eq_ignore_ascii_case("true")
        && !text.is_empty()
    {
        secrets.push(text.clone());
        if kind.list {
            secrets.extend(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned));
        }
    }
    let because = constraint.and_then(|node| reader.text(node, &trail.key("ConstraintDescription")));
    let rules = Rules {
        values: values.and_then(|node| list(reader, node, &trail.key("AllowedValues"))),
        pattern: pattern.and_then(|node| regex(reader, node, &trail.key("AllowedPattern"))),
        lengths: (number(reader, min_length, trail, "MinLength"), number(reader, max_length, trail, "MaxLength")),
        range: (number(reader, min, trail, "MinValue"), number(reader, max, trail, "MaxValue")),
        number: kind.number,
    };
    let items: Vec<&str> = match kind.list {
        true if text.trim().is_empty() => Vec::new(),
        true => text.split(',').map(str::trim).collect(),
        false => vec![&text],
    };
    for item in &items {
        if let Some(fault) = rules.broken_by(item) {
            let because = because.map(|why| format!(" ({why})")).unwrap_or_default();
            reader.fault(at, trail, format_args!("{fault}{because}"));
            return None;
        }
    }
    let node = |text: &str| Node::scalar(at, text, false);
    Some(match kind.list {
        true => Node::sequence(at, items.into_iter().map(node).collect()),
        false => node(&text),
    })
}

/// The type of a parameter, as far as it matters here.
struct Kind {
    list: bool,
    number: bool,
}

impl Kind {
    /// Reads a type.
    fn read(reader: &mut Reader, node: &Node, trail: &Trail<'_>) -> Option<Self> {
        let text = reader.text(node, trail)?;
        let inner = text.strip_prefix("List<").and_then(|text| text.strip_suffix('>'));
        let element = inner.unwrap_or(text);
        let is_known = matches!((inner, element), (None, "String" | COMMA_DELIMITED) | (_, "Number"))
            || (element.starts_with("AWS::") && !element.starts_with("AWS::SSM::"));
        if !is_known {
            let known = ["String", "Number", "List<Number>", COMMA_DELIMITED, "AWS::EC2::VPC::Id"];
            let message = match element.starts_with("AWS::SSM::") {
                true => format!("{} is looked up at AWS, which is not done here; allowed is String", Shown(text)),
                false => unknown(text, "a type of parameter", known.into_iter()),
            };
            reader.fault(node.at, trail, message);
            return None;
        }
        Some(Self { list: inner.is_some() || text == COMMA_DELIMITED, number: element == "Number" })
    }
}

/// What a value must satisfy.
struct Rules<'n> {
    values: Option<Vec<&'n str>>,
    pattern: Option<(Regex, &'n str)>,
    lengths: (Option<f64>, Option<f64>),
    range: (Option<f64>, Option<f64>),
    number: bool,
}

impl Rules<'_> {
    /// What is wrong with a value.
    fn broken_by(&self, text: &str) -> Option<String> {
        let not = |allowed: String| Some(format!("the value {} is not allowed; allowed are {allowed}", Shown(text)));
        if let Some(values) = &self.values
            && !values.contains(&text)
        {
            return not(values.join(", "));
        }
        if let Some((regex, source)) = &self.pattern
            && !regex.is_match(text)
        {
            return not(format!("values that match {source}"));
        }
        let length = text.chars().count() as f64;
        if !within(length, self.lengths) {
            return not(format!("{} characters", shown_range(self.lengths)));
        }
        if self.number || self.range != (None, None) {
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() && within(number, self.range) => {}
                Ok(number) if number.is_finite() => return not(shown_range(self.range)),
                _ => return not("numbers".to_owned()),
            }
        }
        None
    }
}

/// Whether a number is in a range whose ends may be open.
fn within(number: f64, (min, max): (Option<f64>, Option<f64>)) -> bool {
    min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
}

/// A range for people.
fn shown_range(range: (Option<f64>, Option<f64>)) -> String {
    match range {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("{min} and more"),
        (None, Some(max)) => format!("up to {max}"),
        (None, None) => "any".to_owned(),
    }
}

/// The number of a key.
fn number(reader: &mut Reader, node: Option<&Node>, trail: &Trail<'_>, key: &str) -> Option<f64> {
    let node = node?;
    let trail = trail.key(key);
    let text = reader.text(node, &trail)?;
    let number = text.parse().ok();
    if number.is_none() {
        reader.fault(node.at, &trail, format_args!("{} is not a number", Shown(text)));
    }
    number
}

/// A list of texts.
fn list<'n>(reader: &mut Reader, node: &'n Node, trail: &Trail<'_>) -> Option<Vec<&'n str>> {
    let items = reader.items(node, trail)?.iter().enumerate();
    Some(items.filter_map(|(index, node)| reader.text_or_empty(node, &trail.index(index))).collect())
}

/// A pattern, which must match a value as a whole.
fn regex<'n>(reader: &mut Reader, node: &'n Node, trail: &Trail<'_>) -> Option<(Regex, &'n str)> {
    let text = reader.text(node, trail)?;
    match Regex::new(&format!("^(?:{text})$")) {
        Ok(regex) => Some((regex, text)),
        Err(_) => {
            let message = "this is not a regular expression that is understood here; allowed are those without \
                           look-around and back-references";
            reader.fault(node.at, trail, message);
            None
        }
    }
}

/// What is given and is neither a parameter nor a value of an ignored resource.
pub(super) fn superfluous<'s>(
    settings: &'s Settings,
    parameters: &Parameters,
    ignored: impl Fn(&str) -> bool,
) -> Vec<(&'s str, String)> {
    let given = settings.given.keys().map(String::as_str);
    let unknown_names = given.filter(|name| {
        let resource = name.split('.').next().unwrap_or_default();
        !parameters.values.contains_key(*name) && !ignored(resource)
    });
    unknown_names
        .map(|name| {
            let known = parameters.values.keys().map(String::as_str);
            (name, unknown(name, "a parameter of this template", known))
        })
        .collect()
}

/// The place of faults of what was given and stands nowhere in the file.
pub(super) const NOWHERE: Position = Position::WHOLE;
