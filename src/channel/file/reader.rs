//! Reading a node tree against a schema: paths, known keys, scalars, and the list of faults.
//!
//! Knows nothing of namespaces and services; [`super::declaration`] does.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, Position};
use super::yaml::{Node, Value};
use crate::model::validate::{Shown, Violation};

/// Where in the declaration a node stands, such as `namespaces[0].services[2].name`; lives on the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trail<'a> {
    /// The document.
    Top,
    /// A value by its key.
    Key(&'a Self, &'a str),
    /// An item by its place.
    Index(&'a Self, usize),
}

impl<'a> Trail<'a> {
    /// The value of `key` in here.
    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    /// The item at `index` in here.
    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Key(Self::Top, key) => write!(f, "{}", Shown(key)),
            Self::Key(parent, key) => write!(f, "{parent}.{}", Shown(key)),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Collects the faults of one file.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The file.
    file: Arc<Path>,
    /// What was found so far.
    pub(crate) faults: Vec<Fault>,
}

impl Reader {
    /// A reader of `file` without faults so far.
    pub(crate) fn new(file: &Arc<Path>) -> Self {
        Self { file: Arc::clone(file), faults: Vec::new() }
    }

    /// Notes a fault.
    pub(crate) fn fault(&mut self, at: Position, trail: &Trail<'_>, message: impl fmt::Display) {
        let message = match trail {
            Trail::Top => message.to_string(),
            _ => format!("{trail}: {message}"),
        };
        self.faults.push(Fault::new(&self.file, at, message));
    }

    /// Unwraps what a rule returned, or notes its fault.
    pub(crate) fn checked<T>(&mut self, at: Position, trail: &Trail<'_>, result: Result<T, Violation>) -> Option<T> {
        result.map_err(|violation| self.fault(at, trail, violation)).ok()
    }

    /// The values of a mapping in the order of `allowed`. Keys beyond those are faults.
    pub(crate) fn fields<'n, const N: usize>(
        &mut self,
        node: &'n Node,
        trail: &Trail<'_>,
        allowed: [&str; N],
    ) -> Option<[Option<&'n Node>; N]> {
        self.fields_refusing(node, trail, allowed, &[])
    }

    /// As [`Self::fields`], with keys that are known and refused with a text of their own.
    pub(crate) fn fields_refusing<'n, const N: usize>(
        &mut self,
        node: &'n Node,
        trail: &Trail<'_>,
        allowed: [&str; N],
        refused: &[(&str, &str)],
    ) -> Option<[Option<&'n Node>; N]> {
        let pairs = self.pairs(node, trail)?;
        let mut fields = [None; N];
        for (key, value) in pairs {
            let text = key_text(key);
            if let Some((_, why)) = refused.iter().find(|(name, _)| *name == text) {
                self.fault(key.at, &trail.key(text), why);
                continue;
            }
            let field = allowed.iter().zip(&mut fields).find(|(name, _)| **name == text);
            if let Some((_, field)) = field {
                *field = Some(value);
                continue;
            }
            let near =
                allowed.iter().max_by(|a, b| strsim::jaro_winkler(a, text).total_cmp(&strsim::jaro_winkler(b, text)));
            // Jaro-Winkler gives about 0.9 to a slip of one letter, and less than 0.7 to unrelated words.
            let meant = near.filter(|name| strsim::jaro_winkler(name, text) > 0.8);
            let hint = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            self.fault(
                key.at,
                &trail.key(text),
                format_args!("the key is not known; allowed are {}{hint}", allowed.join(", ")),
            );
        }
        Some(fields)
    }

    /// The pairs of a mapping.
    pub(crate) fn pairs<'n>(&mut self, node: &'n Node, trail: &Trail<'_>) -> Option<&'n [(Node, Node)]> {
        match &node.value {
            Value::Mapping(pairs) => Some(pairs),
            other => {
                self.fault(node.at, trail, format_args!("{} stands here; allowed is a mapping", kind(other)));
                None
            }
        }
    }

    /// The items of a list.
    pub(crate) fn items<'n>(&mut self, node: &'n Node, trail: &Trail<'_>) -> Option<&'n [Node]> {
        match &node.value {
            Value::Sequence(items) => Some(items),
            other => {
                self.fault(
                    node.at,
                    trail,
                    format_args!("{} stands here; allowed is a list, [] for an empty one", kind(other)),
                );
                None
            }
        }
    }

    /// The text of a scalar, as written.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, trail: &Trail<'_>) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, plain } if !(*plain && is_null(text)) => Some(text),
            other => {
                self.fault(
                    node.at,
                    trail,
                    format_args!("{} stands here; allowed is text, \"\" for an empty one", kind(other)),
                );
                None
            }
        }
    }

    /// As [`Self::text`], with nothing as the empty text.
    pub(crate) fn text_or_empty<'n>(&mut self, node: &'n Node, trail: &Trail<'_>) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, plain: true } if is_null(text) => Some(""),
            _ => self.text(node, trail),
        }
    }

    /// The value of a key that must be there.
    pub(crate) fn required<'n>(
        &mut self,
        field: Option<&'n Node>,
        at: Position,
        trail: &Trail<'_>,
        key: &str,
    ) -> Option<&'n Node> {
        if field.is_none() {
            self.fault(at, trail, format_args!("{key} is missing"));
        }
        field
    }
}

/// The text of a key; keys are always text.
pub(crate) fn key_text(key: &Node) -> &str {
    match &key.value {
        Value::Scalar { text, .. } => text,
        _ => "",
    }
}

/// Whether a plain scalar means nothing (YAML 1.2.2 §10.3.2).
pub(crate) fn is_null(text: &str) -> bool {
    ["", "~", "null", "Null", "NULL"].contains(&text)
}

/// What stands there, for a message.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Scalar { text, plain: true } if is_null(text) => "nothing".to_owned(),
        Value::Scalar { text, .. } => format!("the text {}", Shown(text)),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
    }
}
