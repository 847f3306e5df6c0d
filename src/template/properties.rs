//! Properties that several types share: literals, texts, targets, tags and maps.

use super::resource::{Placed, Target};
use super::token::{self, Text};
use crate::channel::file::Position;
use crate::channel::file::reader::{Reader, Trail, key_text};
use crate::channel::file::yaml::Node;
use crate::model::validate::Violation;

/// Text that must be known from the template alone.
pub(super) fn literal<'n>(reader: &mut Reader, node: &'n Node, trail: &Trail<'_>) -> Option<&'n str> {
    let text = reader.text(node, trail)?;
    if token::is_open(text) {
        let message = format!(
            "{} is known only once the resource exists; allowed here are values of the template",
            token::shown(text)
        );
        reader.fault(node.at, trail, message);
        return None;
    }
    Some(text)
}

/// A literal that a rule is read by; `None` if it is absent or has a fault.
pub(super) fn parsed<T>(
    reader: &mut Reader,
    node: Option<&Node>,
    trail: &Trail<'_>,
    parse: impl FnOnce(&str) -> Result<T, Violation>,
) -> Option<Placed<T>> {
    let node = node?;
    let text = literal(reader, node, trail)?;
    let value = reader.checked(node.at, trail, parse(text))?;
    Some(Placed { value, at: node.at })
}

/// A whole number as templates may write it: `60`, `60.0` and `"60"` are one.
pub(super) fn whole(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, rest)) if !rest.is_empty() && rest.bytes().all(|octet| octet == b'0') => whole,
        _ => text,
    }
}

/// `Description`.
pub(super) fn description(reader: &mut Reader, node: Option<&Node>, trail: &Trail<'_>) -> Option<Placed<Text>> {
    let node = node?;
    let trail = trail.key("Description");
    let text = reader.text_or_empty(node, &trail)?;
    if text.chars().count() > 1024 {
        reader.fault(node.at, &trail, "the description is too long; allowed are 1024 characters");
        return None;
    }
    Some(Placed { value: Text::new(text), at: node.at })
}

/// A namespace or service: a resource of the template, or what is there already.
pub(super) fn target(reader: &mut Reader, node: &Node, trail: &Trail<'_>) -> Option<Placed<Target>> {
    let text = reader.text(node, trail)?;
    let value = match Text::new(text).as_id_of() {
        Some(resource) => Target::Resource(resource.into()),
        None => Target::Id(literal(reader, node, trail)?.into()),
    };
    Some(Placed { value, at: node.at })
}

/// `Tags`: a list of `{Key, Value}`.
pub(super) fn tags(reader: &mut Reader, node: Option<&Node>, trail: &Trail<'_>) -> Vec<(Box<str>, Text)> {
    let Some(node) = node else { return Vec::new() };
    let trail = trail.key("Tags");
    let mut tags: Vec<(Box<str>, Text)> = Vec::new();
    for (index, node) in reader.items(node, &trail).unwrap_or_default().iter().enumerate() {
        let trail = trail.index(index);
        let Some([key, value]) = reader.fields(node, &trail, ["Key", "Value"]) else { continue };
        let (key_node, value) =
            (reader.required(key, node.at, &trail, "Key"), reader.required(value, node.at, &trail, "Value"));
        let Some((key_node, value)) = key_node.zip(value) else { continue };
        let key = literal(reader, key_node, &trail.key("Key"));
        let value = reader.text_or_empty(value, &trail.key("Value"));
        let Some((key, value)) = key.zip(value) else { continue };
        let reserved = ["aws:", "fingerpost:"].iter().any(|prefix| key.to_ascii_lowercase().starts_with(prefix));
        let fits = !reserved && (1..=128).contains(&key.chars().count());
        if !fits || tags.iter().any(|(known, _)| **known == *key) {
            let allowed = "different keys of 1 to 128 characters that begin neither with aws: nor with fingerpost:";
            let violation = Violation::not(key, "the key of a tag here", allowed);
            reader.fault(key_node.at, &trail.key("Key"), violation);
            continue;
        }
        tags.push((key.into(), Text::new(value)));
    }
    tags
}

/// A map of texts with the places of its values. Any scalar is taken as it was written: `8080` is "8080".
pub(super) fn map(reader: &mut Reader, node: &Node, trail: &Trail<'_>) -> Vec<(Box<str>, Placed<Text>)> {
    let pairs = reader.pairs(node, trail).unwrap_or_default();
    let pair = |(key, node): &(Node, Node)| {
        let key = key_text(key);
        let text = reader.text_or_empty(node, &trail.key(key))?;
        Some((key.into(), Placed { value: Text::new(text), at: node.at }))
    };
    pairs.iter().filter_map(pair).collect()
}

/// The name that a resource gets which has none: the stack's and its own, as far as it fits. CloudFormation adds a random
/// part; here applying twice must not make two.
pub(super) fn generated(stack: &str, logical_id: &str, at: Position) -> Placed<Box<str>> {
    let name = format!("{stack}-{logical_id}");
    let end = name.char_indices().nth(63).map_or(name.len(), |(end, _)| end);
    let name = name.get(..end).unwrap_or_default().trim_end_matches('-');
    Placed { value: name.into(), at }
}
