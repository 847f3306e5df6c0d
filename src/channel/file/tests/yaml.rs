//! The node tree: positions, limits, and text that is refused.

use super::super::fault::Position;
use super::super::yaml::{Node, Value, parse};

/// The tree in a short notation, with positions.
fn show(node: &Node) -> String {
    let Position { line, column } = node.at;
    let value = match &node.value {
        Value::Scalar { text, plain: true } => text.to_string(),
        Value::Scalar { text, plain: false } => format!("{text:?}"),
        Value::Sequence(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Mapping(pairs) => {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{}={}", show(key), show(value))).collect();
            format!("{{{}}}", pairs.join(" "))
        }
    };
    format!("{line}:{column}:{value}")
}

fn tree(text: &str) -> String {
    show(&parse(text.as_bytes()).unwrap().root)
}

fn trouble(bytes: impl AsRef<[u8]>) -> (u32, u32, String) {
    let trouble = parse(bytes.as_ref()).unwrap_err();
    (trouble.at.line, trouble.at.column, trouble.message)
}

#[test]
fn nodes_have_positions() {
    assert_eq!(
        tree("a: 1\nb:\n  - 'x'\n  - {é: , k: 010}\n"),
        "1:1:{1:1:a=1:4:1 2:1:b=3:3:[3:5:\"x\" 4:5:{4:6:é=4:7: 4:11:k=4:14:010}]}"
    );
    assert_eq!(tree("{\r\n\t\"a\": [\"x\\u0041\"]\r\n}\r\n"), "1:1:{2:2:\"a\"=2:7:[2:8:\"xA\"]}");
    assert_eq!(tree("\u{feff}a: b"), "1:1:{1:1:a=1:4:b}");
    assert_eq!(tree("--- !!str 5\n...\n"), "1:5:\"5\"");
}

#[test]
fn aliases_share_their_anchors_node() {
    assert_eq!(tree("a: &x [1]\nb: *x\n"), "1:1:{1:1:a=1:4:[1:8:1] 2:1:b=2:4:[1:8:1]}");
    assert_eq!(trouble("a: &x [*x]").0, 1);
    assert!(trouble("a: *y").2.contains("unknown anchor"));
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let item = format!("*a{}, ", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", item.repeat(10));
    }
    let (line, _, message) = trouble(bomb);
    assert!((5..8).contains(&line), "{line}");
    assert!(message.contains("1000000 nodes"), "{message}");
}

#[test]
fn nesting_is_bounded() {
    assert!(parse(("[".repeat(64) + &"]".repeat(64)).as_bytes()).is_ok());
    let (_, column, message) = trouble("[".repeat(65) + &"]".repeat(65));
    assert_eq!((column, message.contains("64 levels")), (65, true));
    trouble("[".repeat(100_000));
    trouble("- ".repeat(100_000));
    trouble("a: {".repeat(100_000));
}

#[test]
fn duplicate_keys_are_found_and_the_first_kept() {
    let document = parse(b"a: 1\nb: 2\n\"a\": {x: 1, x: 2}\n").unwrap();
    assert_eq!(show(&document.root), "1:1:{1:1:a=1:4:1 2:1:b=2:4:2}");
    let lines: Vec<_> = document.troubles.iter().map(|trouble| (trouble.at.line, trouble.at.column)).collect();
    assert_eq!(lines, [(3, 1), (3, 13)]);
}

#[test]
fn one_document_of_text_is_allowed() {
    assert_eq!(trouble("a: 1\n---\nb: 2\n").0, 2);
    assert_eq!(trouble("").2, "the file holds no document; allowed is one");
    assert_eq!(trouble("# nothing\n").2, "the file holds no document; allowed is one");
    assert!(trouble("? [a]\n: b\n").2.contains("a key is a list"));
    assert!(trouble("a: !!binary aGk=\nb: !thing 1\n").2.contains("!thing"));
}

#[test]
fn bytes_that_are_no_text_are_found() {
    assert_eq!(trouble(b"a: 1\nb: \xff\n"), (2, 4, "the file is not UTF-8 from here on; allowed is UTF-8".into()));
    assert_eq!(trouble("ä: \0x").1, 4);
    assert_eq!(trouble("a: 1\n\u{7f}").0, 2);
    assert_eq!(trouble(b"\xff\xfea\0").0, 1);
}

#[test]
fn broken_text_is_found() {
    for text in ["a: b: c", "{a: 1", "[1, 2", "a:\n\t- b", "\"x", "{---", "{...", "%", "a: @b", "&"] {
        let parsed = parse(text.as_bytes());
        assert!(parsed.is_err(), "{text}: {:?}", parsed.map(|document| show(&document.root)));
    }
}
