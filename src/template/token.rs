//! Text in which a value stands that is known only once a resource exists.
//!
//! `!Sub "zone ${Namespace.HostedZoneId}"` cannot be told before there is a namespace. In the text that it makes, the
//! reference stands between two noncharacters of Unicode, which no template may contain. So it passes unchanged through
//! every function that makes text of text, even through JSON in a string, and is replaced when its value is known.

use std::fmt;

/// Begins a reference.
const OPEN: char = '\u{fdd0}';
/// Ends it.
const CLOSE: char = '\u{fdd1}';

/// What `Ref` yields, beside the attributes of `Fn::GetAtt`.
pub(crate) const REF: &str = "Ref";

/// Whether `text` holds a mark that only we may write.
pub(super) fn is_forged(text: &str) -> bool {
    text.contains([OPEN, CLOSE])
}

/// Whether a reference stands in `text`.
pub(super) fn is_open(text: &str) -> bool {
    text.contains(OPEN)
}

/// A reference to an attribute of a resource.
pub(super) fn reference(resource: &str, attribute: &str) -> String {
    format!("{OPEN}{resource}.{attribute}{CLOSE}")
}

/// The text as people write it: `${Namespace.Id}` for a reference.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            OPEN => shown.push_str("${"),
            CLOSE => shown.push('}'),
            c => shown.push(c),
        }
    }
    shown.replace(&format!(".{REF}}}"), "}")
}

/// A text of a template, in which references to resources may stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(Box<str>);

impl Text {
    /// The text that a function made.
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The resource, if the text is nothing but what `Ref` (or the attribute `Id`) of it yields.
    pub(super) fn as_id_of(&self) -> Option<&str> {
        let (resource, attribute) = self.0.strip_prefix(OPEN)?.strip_suffix(CLOSE)?.split_once('.')?;
        matches!(attribute, REF | "Id" | "Arn").then_some(resource)
    }

    /// The references in it: resource and attribute.
    pub fn references(&self) -> impl Iterator<Item = (&str, &str)> {
        references(&self.0)
    }

    /// The text with the references replaced by what `lookup` knows; its first error is returned.
    pub fn resolve<E>(&self, mut lookup: impl FnMut(&str, &str) -> Result<String, E>) -> Result<String, E> {
        let mut resolved = String::with_capacity(self.0.len());
        for (index, part) in self.0.split(OPEN).enumerate() {
            match part.split_once(CLOSE) {
                Some((reference, rest)) if index > 0 => {
                    let (resource, attribute) = reference.split_once('.').unwrap_or((reference, REF));
                    resolved.push_str(&lookup(resource, attribute)?);
                    resolved.push_str(rest);
                }
                _ => resolved.push_str(part),
            }
        }
        Ok(resolved)
    }
}

/// The references in a text: resource and attribute.
pub(super) fn references(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(OPEN).skip(1).filter_map(|part| part.split_once(CLOSE)?.0.split_once('.'))
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_shown_and_replaced() {
        let text = Text::new(&format!("a {} b {}", reference("Space", REF), reference("Api", "Arn")));
        assert_eq!(text.to_string(), "a ${Space} b ${Api.Arn}");
        assert_eq!(text.references().collect::<Vec<_>>(), [("Space", REF), ("Api", "Arn")]);
        let resolved = text.resolve(|resource, attribute| Ok::<_, ()>(format!("<{resource} {attribute}>")));
        assert_eq!(resolved, Ok("a <Space Ref> b <Api Arn>".to_owned()));
        assert_eq!(text.resolve(|resource, _| Err(resource.to_owned())), Err("Space".to_owned()));
        assert_eq!(text.as_id_of(), None);
        assert_eq!(Text::new(&reference("Space", "Id")).as_id_of(), Some("Space"));
        assert_eq!(Text::new(&reference("Space", "Name")).as_id_of(), None);
        assert_eq!(Text::new("plain").references().count(), 0);
    }
}
