//! Tokens of an entry, and where entries end.
//!
//! The rules of RFC 1035 §5.1, for any octets at all:
//! * an entry ends with a line, unless a parenthesis or a quote is open there;
//! * `;` begins a comment that ends before the line's end, except in quotes;
//! * in quotes every octet but `"` stands for itself, the end of a line, too;
//! * a backslash takes the meaning from the octet behind it, except from the end of a line;
//! * a parenthesis that closes nothing is a fault and otherwise ignored.
//!
//! They stand here twice: [`Line`] makes tokens of an entry that is wholly in memory, [`Boundary`] finds the ends of
//! entries in text that comes in pieces. Tests and a fuzz target hold the two against each other.

use memchr::{memchr, memchr2};

/// What an octet means outside of quotes and comments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Word,
    Blank,
    LineEnd,
    Quote,
    Open,
    Close,
    Comment,
    Escape,
}

/// The meaning of every octet.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Word; 256];
    classes[b' ' as usize] = Class::Blank;
    classes[b'\t' as usize] = Class::Blank;
    classes[b'\r' as usize] = Class::Blank;
    classes[b'\n' as usize] = Class::LineEnd;
    classes[b'"' as usize] = Class::Quote;
    classes[b'(' as usize] = Class::Open;
    classes[b')' as usize] = Class::Close;
    classes[b';' as usize] = Class::Comment;
    classes[b'\\' as usize] = Class::Escape;
    classes
};

/// The meaning of `octet`.
pub(super) fn class(octet: u8) -> Class {
    CLASSES[usize::from(octet)]
}

//----------- Line -------------------------------------------------------------------------------------------

/// A piece of an entry between blanks, or in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Offset of the first octet, behind the quote.
    pub(super) start: usize,
    /// Offset behind the last octet, before the quote.
    pub(super) end: usize,
    /// Whether it stood in quotes.
    pub(super) quoted: bool,
    /// Whether nothing separates it from the token before, as in `alpn="h2"`.
    pub(super) glued: bool,
}

impl Token {
    /// The token's octets as written.
    pub(super) fn of<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// An entry in tokens; reused from entry to entry.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The tokens.
    pub(super) tokens: Vec<Token>,
    /// Whether it begins with a blank: its owner is that of the record before.
    pub(super) blank: bool,
    /// Offset behind the entry.
    pub(super) end: usize,
    /// Lines that end in it.
    pub(super) lines: u32,
    /// Offset and description of what is wrong with its parentheses and quotes.
    pub(super) trouble: Option<(usize, &'static str)>,
}

impl Line {
    /// Reads the entry of `text` that begins at `start`.
    pub(super) fn read(&mut self, text: &[u8], start: usize) {
        self.tokens.clear();
        self.blank = matches!(text.get(start), Some(b' ' | b'\t'));
        self.lines = 0;
        self.trouble = None;
        let (mut at, mut depth, mut opened, mut glued) = (start, 0u32, start, false);
        while let Some(&octet) = text.get(at) {
            match class(octet) {
                Class::Word | Class::Escape => {
                    let end = word_end(text, at);
                    self.tokens.push(Token { start: at, end, quoted: false, glued });
                    (at, glued) = (end, true);
                    continue;
                }
                Class::Blank => at += 1,
                Class::LineEnd => {
                    at += 1;
                    self.lines += 1;
                    if depth == 0 {
                        self.end = at;
                        return;
                    }
                }
                Class::Comment => at += memchr(b'\n', text.get(at..).unwrap_or_default()).unwrap_or(text.len() - at),
                Class::Open => {
                    if depth == 0 {
                        opened = at;
                    }
                    depth = depth.saturating_add(1);
                    at += 1;
                }
                Class::Close => {
                    if depth == 0 {
                        self.fault(at, "a parenthesis is closed that was not opened");
                    }
                    depth = depth.saturating_sub(1);
                    at += 1;
                }
                Class::Quote => {
                    let (end, closed) = quote_end(text, at + 1);
                    let token = Token { start: at + 1, end, quoted: true, glued };
                    self.lines += token.of(text).iter().filter(|&&octet| octet == b'\n').count() as u32;
                    self.tokens.push(token);
                    if !closed {
                        self.fault(at, "the quote is not closed");
                    }
                    (at, glued) = (end + usize::from(closed), true);
                    continue;
                }
            }
            glued = false;
        }
        if depth > 0 {
            self.fault(opened, "the parenthesis is not closed");
        }
        self.end = at;
    }

    /// Notes the first trouble.
    fn fault(&mut self, at: usize, what: &'static str) {
        self.trouble.get_or_insert((at, what));
    }
}

/// The end of the unquoted token that begins at `at`.
fn word_end(text: &[u8], mut at: usize) -> usize {
    while let Some(&octet) = text.get(at) {
        match class(octet) {
            Class::Word => at += 1,
            Class::Escape => at += if matches!(text.get(at + 1), None | Some(b'\n')) { 1 } else { 2 },
            _ => break,
        }
    }
    at
}

/// The end of the quoted text that begins at `at`, and whether a quote stands there.
fn quote_end(text: &[u8], mut at: usize) -> (usize, bool) {
    while let Some(next) = memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += next;
        if text.get(at) == Some(&b'"') {
            return (at, true);
        }
        at += if matches!(text.get(at + 1), None | Some(b'\n')) { 1 } else { 2 };
    }
    (text.len(), false)
}

//----------- Boundary ---------------------------------------------------------------------------------------

/// Where in an entry the scan stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Plain,
    Quoted,
    Comment,
}

/// Finds where entries end, in text of which more may come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Boundary {
    mode: Mode,
    /// Open parentheses.
    depth: u32,
    /// Whether the octet before was a backslash that takes the next octet's meaning.
    escaped: bool,
}

impl Boundary {
    /// Goes on from `at` to behind the end of the entry, and tells whether that is reached. `at` is where to go on.
    pub(super) fn advance(&mut self, text: &[u8], at: &mut usize) -> bool {
        while let Some(&octet) = text.get(*at) {
            if std::mem::take(&mut self.escaped) && octet != b'\n' {
                *at += 1;
                continue;
            }
            match self.mode {
                Mode::Plain => {
                    *at += 1;
                    match class(octet) {
                        Class::Word | Class::Blank => {}
                        Class::LineEnd if self.depth == 0 => return true,
                        Class::LineEnd => {}
                        Class::Quote => self.mode = Mode::Quoted,
                        Class::Open => self.depth = self.depth.saturating_add(1),
                        Class::Close => self.depth = self.depth.saturating_sub(1),
                        Class::Comment => self.mode = Mode::Comment,
                        Class::Escape => self.escaped = true,
                    }
                }
                Mode::Quoted => {
                    let rest = text.get(*at..).unwrap_or_default();
                    let Some(next) = memchr2(b'"', b'\\', rest) else {
                        *at = text.len();
                        return false;
                    };
                    if rest.get(next) == Some(&b'"') {
                        self.mode = Mode::Plain;
                    } else {
                        self.escaped = true;
                    }
                    *at += next + 1;
                }
                Mode::Comment => match memchr(b'\n', text.get(*at..).unwrap_or_default()) {
                    Some(next) => {
                        *at += next;
                        self.mode = Mode::Plain;
                    }
                    None => *at = text.len(),
                },
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tokens of the first entry as text; quoted ones in quotes, glued ones behind a plus.
    fn tokens(text: &str) -> String {
        let mut line = Line::default();
        line.read(text.as_bytes(), 0);
        let shown = line.tokens.iter().map(|token| {
            let own = String::from_utf8_lossy(token.of(text.as_bytes())).into_owned();
            let own = if token.quoted { format!("\"{own}\"") } else { own };
            if token.glued { format!("+{own}") } else { own }
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    /// The trouble with the first entry.
    fn trouble(text: &str) -> Option<(usize, &'static str)> {
        let mut line = Line::default();
        line.read(text.as_bytes(), 0);
        line.trouble
    }

    #[test]
    fn entries_fall_into_tokens() {
        assert_eq!(tokens("a 1 IN\tA 192.0.2.1 ; c\r\nb"), "a 1 IN A 192.0.2.1");
        assert_eq!(tokens("@ SOA a b ( 1 ; serial (\n 2\n\n(3) ) 4\nb"), "@ SOA a b 1 2 3 4");
        assert_eq!(tokens("a TXT \"x ; ( \\\" y\"\"z\" k=\"v\" \\\"q \\( p\\;q\n"), {
            r#"a TXT "x ; ( \" y" +"z" k= +"v" \"q \( p\;q"#
        });
        assert_eq!(tokens("a \"two\nlines\" b\nc"), "a \"two\nlines\" b");
        assert_eq!(tokens("a\\\nb"), "a\\");
        assert_eq!(tokens(""), "");
    }

    #[test]
    fn what_is_not_closed_is_seen_where_it_opens() {
        assert_eq!(trouble("a ( b ( c )\n"), Some((2, "the parenthesis is not closed")));
        assert_eq!(trouble("a ) b"), Some((2, "a parenthesis is closed that was not opened")));
        assert_eq!(trouble("a \"b\nc"), Some((2, "the quote is not closed")));
        assert_eq!(trouble("a ( b\n) c"), None);
    }

    proptest! {
        #[test]
        fn both_scans_agree_on_where_entries_end(
            octets in prop::collection::vec(prop::sample::select(b"a \n\"();\\\r$".to_vec()), 0..200),
            pieces in prop::collection::vec(1usize..9, 1..40),
        ) {
            let (mut ends, mut at, mut line) = (Vec::new(), 0, Line::default());
            while at < octets.len() {
                line.read(&octets, at);
                let text = octets.get(at..line.end).unwrap();
                prop_assert_eq!(line.lines as usize, text.iter().filter(|&&octet| octet == b'\n').count());
                at = line.end;
                ends.push(at);
            }
            let (mut found, mut at, mut known, mut boundary) = (Vec::new(), 0, 0, Boundary::default());
            let mut pieces = pieces.iter().cycle();
            while known < octets.len() {
                known = (known + pieces.next().unwrap()).min(octets.len());
                while boundary.advance(octets.get(..known).unwrap(), &mut at) {
                    found.push(at);
                }
            }
            if found.last() != Some(&octets.len()) && !octets.is_empty() {
                found.push(octets.len());
            }
            prop_assert_eq!(found, ends);
        }
    }
}
