//! One YAML document as a tree of nodes with positions.
//!
//! The parser delivers events; this file makes a tree of them and refuses what could hurt: other bytes than
//! UTF-8, control characters, more than one document, deep nesting, duplicate keys, and aliases that would
//! expand into more than a set number of nodes. An alias shares the node of its anchor, so that a small file
//! never becomes a large tree. JSON is read by the same parser, being YAML.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::fault::Position;

/// Levels of nesting. A declaration has eight.
const DEPTH_MAX: usize = 64;
/// Nodes that aliases may add to those written out. Enough for a large file that repeats itself, and read in
/// well under a second; a bomb of ten levels would ask for billions.
const ALIASED_MAX: u64 = 1_000_000;

/// A node and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The first character of the node; of an alias, the alias itself.
    pub(crate) at: Position,
    /// The name of its local tag, such as `Ref` of `!Ref Vpc`; only [`parse_tagged`] lets them stand.
    pub(crate) tag: Option<Rc<str>>,
    /// What stands there.
    pub(crate) value: Value,
}

/// The content of a node; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Text, with `plain` set where it stood without quotes.
    Scalar {
        /// The text as written, quotes and escapes undone.
        text: Rc<str>,
        /// Whether it stood without quotes, so that an empty text or `null` means nothing.
        plain: bool,
    },
    /// A list.
    Sequence(Rc<[Node]>),
    /// Pairs in their order; no two keys are the same text.
    Mapping(Rc<[(Node, Node)]>),
}

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Where.
    pub(crate) at: Position,
    /// What.
    pub(crate) message: String,
}

impl Node {
    /// Text at `at`; `plain` where it stands there without quotes.
    pub(crate) fn scalar(at: Position, text: &str, plain: bool) -> Self {
        Self { at, tag: None, value: Value::Scalar { text: text.into(), plain } }
    }

    /// A list at `at`.
    pub(crate) fn sequence(at: Position, items: Vec<Self>) -> Self {
        Self { at, tag: None, value: Value::Sequence(items.into()) }
    }
}

impl Trouble {
    /// A trouble at `at`.
    fn new(at: Position, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// A document that could be read to its end, with the faults that did not stop it (duplicate keys).
#[derive(Debug)]
pub(crate) struct Document {
    /// The top node.
    pub(crate) root: Node,
    /// Duplicate keys; of each only the first pair is in the tree.
    pub(crate) troubles: Vec<Trouble>,
    /// The first local tag, as the fault that it is in a document that has none.
    pub(crate) tagged: Option<Trouble>,
}

/// Reads the one document in `bytes`, which has no local tags.
pub(crate) fn parse(bytes: &[u8]) -> Result<Document, Trouble> {
    let mut document = parse_tagged(bytes)?;
    document.tagged.take().map_or(Ok(document), Err)
}

/// Reads the one document in `bytes`. What a local tag such as `!Ref` means is the caller's to say.
pub(crate) fn parse_tagged(bytes: &[u8]) -> Result<Document, Trouble> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (valid, _) = bytes.split_at(error.valid_up_to());
        let at = end_of(&String::from_utf8_lossy(valid));
        Trouble::new(at, "the file is not UTF-8 from here on; allowed is UTF-8")
    })?;
    // The parser takes some of these for the end of the text, which would cut the file short.
    if let Some((index, found)) = text.char_indices().find(|&(_, c)| !is_printable(c)) {
        let at = end_of(text.get(..index).unwrap_or_default());
        let text = format!("{found:?} is not a character of YAML; allowed are printable characters, tab and line end");
        return Err(Trouble::new(at, text));
    }
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Trouble::new(position(error.marker()), error.info()))?;
        builder.take(event, position(&span.start))?;
    }
    match builder.root {
        Some(root) => Ok(Document { root, troubles: builder.troubles, tagged: builder.tagged }),
        None => Err(Trouble::new(Position::START, "the file holds no document; allowed is one")),
    }
}

/// Whether `c` can stand in YAML (YAML 1.2.2 §5.1, `c-printable`, with a byte order mark).
fn is_printable(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => !c.is_control(),
    }
}

/// The place after the last character of `text`.
fn end_of(text: &str) -> Position {
    let line = text.bytes().filter(|&octet| octet == b'\n').count();
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position { line: count(line) + 1, column: count(last.chars().count()) + 1 }
}

/// The parser's position, whose columns count from 0.
fn position(marker: &Marker) -> Position {
    Position { line: count(marker.line()), column: count(marker.col()) + 1 }
}

/// A count that fits; files of more than four thousand million lines are not expected.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX - 1)
}

/// A collection whose end has not come yet.
struct Open {
    /// Where it begins.
    at: Position,
    /// Its local tag.
    tag: Option<Rc<str>>,
    /// The parser's number of its anchor, 0 for none.
    anchor: usize,
    /// Nodes in it so far, counting aliased ones each time.
    size: u64,
    /// What it holds so far.
    content: Content,
}

/// The content of an open collection.
enum Content {
    /// A list.
    Sequence(Vec<Node>),
    /// Pairs, with the key that waits for its value and the first place of each key.
    Mapping { pairs: Vec<(Node, Node)>, key: Option<(Node, bool)>, seen: HashMap<Rc<str>, Position> },
}

/// Makes the tree, event by event.
#[derive(Default)]
struct Builder {
    /// Collections from the outermost in.
    open: Vec<Open>,
    /// Finished nodes with an anchor and their sizes, by the parser's number.
    anchors: HashMap<usize, (Node, u64)>,
    /// Nodes added by aliases.
    aliased: u64,
    /// The finished document.
    root: Option<Node>,
    /// Duplicate keys.
    troubles: Vec<Trouble>,
    /// The first local tag.
    tagged: Option<Trouble>,
}

impl Builder {
    /// Takes the next event.
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Trouble> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_none() => Ok(()),
            Event::DocumentStart(_) => Err(Trouble::new(at, "a second document begins here; allowed is one in a file")),
            Event::Scalar(text, style, anchor, tag) => {
                let core = tag.as_ref().filter(|tag| tag.is_yaml_core_schema());
                let plain = style == ScalarStyle::Plain && core.is_none_or(|tag| tag.suffix != "str");
                let tag = self.local_tag(tag.as_deref(), at)?;
                let value = Value::Scalar { text: text.into(), plain };
                self.finish(Node { at, tag, value }, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                let tag = self.local_tag(tag.as_deref(), at)?;
                self.begin(at, tag, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let tag = self.local_tag(tag.as_deref(), at)?;
                let content = Content::Mapping { pairs: Vec::new(), key: None, seen: HashMap::new() };
                self.begin(at, tag, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(Trouble::new(
                        at,
                        "the alias stands inside its own anchor; allowed are aliases of finished nodes",
                    ));
                };
                let (node, size) = (Node { at, ..node.clone() }, *size);
                self.aliased = self.aliased.saturating_add(size);
                if self.aliased > ALIASED_MAX {
                    let text = format!(
                        "the aliases up to here stand for more than {ALIASED_MAX} nodes; allowed are {ALIASED_MAX}"
                    );
                    return Err(Trouble::new(at, text));
                }
                self.finish(node, 0, size)
            }
        }
    }

    /// Opens a collection.
    fn begin(&mut self, at: Position, tag: Option<Rc<str>>, anchor: usize, content: Content) -> Result<(), Trouble> {
        if self.open.len() == DEPTH_MAX {
            return Err(Trouble::new(
                at,
                format!("the file nests deeper than {DEPTH_MAX} levels; allowed are {DEPTH_MAX}"),
            ));
        }
        self.open.push(Open { at, tag, anchor, size: 1, content });
        Ok(())
    }

    /// Closes the innermost collection.
    fn end(&mut self, at: Position) -> Result<(), Trouble> {
        let Some(open) = self.open.pop() else {
            return Err(Trouble::new(at, "a collection ends that did not begin"));
        };
        let value = match open.content {
            Content::Sequence(items) => Value::Sequence(items.into()),
            Content::Mapping { pairs, .. } => Value::Mapping(pairs.into()),
        };
        self.finish(Node { at: open.at, tag: open.tag, value }, open.anchor, open.size)
    }

    /// Puts a finished node into the innermost open collection.
    fn finish(&mut self, node: Node, anchor: usize, size: u64) -> Result<(), Trouble> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.size = open.size.saturating_add(size);
        match &mut open.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { pairs, key, seen } => match key.take() {
                Some((first, true)) => pairs.push((first, node)),
                Some((_, false)) => {}
                None => {
                    let Value::Scalar { text, .. } = &node.value else {
                        return Err(Trouble::new(node.at, "a key is a list or a mapping; allowed is text"));
                    };
                    let first = *seen.entry(Rc::clone(text)).or_insert(node.at);
                    let fresh = first == node.at;
                    if !fresh {
                        let text = format!(
                            "the key {text:?} stands there twice, first on line {}; allowed is once",
                            first.line
                        );
                        self.troubles.push(Trouble::new(node.at, text));
                    }
                    *key = Some((node, fresh));
                }
            },
        }
        Ok(())
    }

    /// The name of a local tag. Those of YAML's core schema are none; others would change the meaning of the text and
    /// are refused.
    fn local_tag(&mut self, tag: Option<&saphyr_parser::Tag>, at: Position) -> Result<Option<Rc<str>>, Trouble> {
        let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) else { return Ok(None) };
        let text = format!("the tag {:?} has no meaning here; allowed is no tag", tag.to_string());
        let trouble = Trouble::new(at, text);
        if tag.handle != "!" || tag.suffix.is_empty() {
            return Err(trouble);
        }
        self.tagged.get_or_insert(trouble);
        Ok(Some(tag.suffix.as_str().into()))
    }
}
