//! `records:` of a namespace: static records beside its services.
//!
//! ```yaml
//! records:
//!   - {name: www, type: CNAME, data: web.example.org.}
//!   - {name: "@", type: MX, ttl: 1h, data: 10 mail}
//! ```
//!
//! Names are relative to the namespace, `@` is its apex. The data is written as in a zone file, and read by the same
//! parser ([`super::master`]).

use super::fault::Position;
use super::fragment::DeclaredRecord;
use super::master::{self, Wrong};
use super::reader::{Reader, Trail};
use super::yaml::{Node, Value};
use crate::wire::Name;

/// TTL of a record that gives none, in seconds: what most DNS providers take.
const DEFAULT_TTL: u32 = 300;

/// The records of the namespace at `apex`.
pub(super) fn records(reader: &mut Reader, node: &Node, trail: &Trail<'_>, apex: &Name) -> Vec<DeclaredRecord> {
    let items = reader.items(node, trail).unwrap_or_default();
    items.iter().enumerate().filter_map(|(index, node)| record(reader, node, &trail.index(index), apex)).collect()
}

/// One record.
fn record(reader: &mut Reader, node: &Node, trail: &Trail<'_>, apex: &Name) -> Option<DeclaredRecord> {
    let [name, kind, ttl, data] = reader.fields(node, trail, ["name", "type", "ttl", "data"])?;
    let owner = value(reader, name, node, trail, "name", |text| master::owner(text, apex));
    let rtype = value(reader, kind, node, trail, "type", master::rtype);
    let ttl = match ttl {
        None => Some(DEFAULT_TTL),
        ttl => value(reader, ttl, node, trail, "ttl", master::ttl),
    };
    // Without a type the data has no meaning.
    let rtype = rtype?;
    let rdata = value(reader, data, node, trail, "data", |text| master::data(rtype, text, apex))?;
    Some(DeclaredRecord { owner: owner?.into(), rtype, ttl: ttl?, rdata: rdata.into(), line: node.at.line })
}

/// The value of a key that must be there, as `parse` reads it.
fn value<T>(
    reader: &mut Reader,
    field: Option<&Node>,
    at: &Node,
    trail: &Trail<'_>,
    key: &str,
    parse: impl FnOnce(&str) -> Result<T, Wrong>,
) -> Option<T> {
    let node = reader.required(field, at.at, trail, key)?;
    let trail = trail.key(key);
    let text = reader.text(node, &trail)?;
    match parse(text) {
        Ok(value) => Some(value),
        Err(Wrong { at, message }) => {
            reader.fault(inside(node, at), &trail, message);
            None
        }
    }
}

/// The place of an octet of a scalar's text, as far as it can be told: where the text stands as it is.
fn inside(node: &Node, offset: usize) -> Position {
    let Value::Scalar { text, plain } = &node.value else { return node.at };
    // Escapes and folded lines move what is behind them.
    if !plain && text.contains(['\n', '\\', '"', '\'']) {
        return node.at;
    }
    let before = text.char_indices().take_while(|(at, _)| *at < offset).count() as u32;
    Position { line: node.at.line, column: node.at.column + before + u32::from(!plain) }
}
