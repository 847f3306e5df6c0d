//! `KEY=VALUE` on the command line.

use serde_json::{Map, Value};

use super::Usage;

/// One pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair(pub(crate) String, pub(crate) String);

/// Reads a pair; the value is what follows the first equals sign, and may be empty.
pub(crate) fn pair(text: &str) -> Result<Pair, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok(Pair(key.to_owned(), value.to_owned())),
        _ => Err("allowed is KEY=VALUE".into()),
    }
}

/// The pairs as an object; a key that is there twice is bad usage.
pub(super) fn object(pairs: impl IntoIterator<Item = Pair>) -> Result<Map<String, Value>, Usage> {
    let mut object = Map::new();
    for Pair(key, value) in pairs {
        if object.contains_key(&key) {
            return Err(Usage(format!("{key} is given twice; an attribute has one value")));
        }
        object.insert(key, Value::String(value));
    }
    Ok(object)
}
