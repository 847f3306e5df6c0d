//! The page of the documentation whose configuration is tested: blocks behind a comment `<!-- tested: NAME -->`.

use std::fs;

/// The page.
pub(super) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/resolvers.md");

/// What comes before a block's name, and behind it.
const MARK: (&str, &str) = ("<!-- tested: ", " -->\n```");

/// Its text.
pub(super) fn page() -> String {
    fs::read_to_string(PATH).unwrap()
}

/// The names of its tested blocks, in order.
pub(super) fn names() -> Vec<String> {
    page().split(MARK.0).skip(1).map(|rest| rest.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// The text of a block.
#[track_caller]
pub(super) fn block(name: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("{}{name}{}", MARK.0, MARK.1)).unwrap_or_else(|| panic!("no {name}"));
    // Behind the language.
    let (_, text) = rest.split_once('\n').unwrap();
    let (text, _) = text.split_once("\n```").unwrap();
    format!("{text}\n")
}
