//! Cutting a file into blocks that can be parsed on their own.
//!
//! The file is read in pieces. A block ends before an entry that needs nothing of the records before it: it gives its
//! owner and, where `$TTL` has not been there, its TTL. What `$ORIGIN` and `$TTL` set goes with the block. A file in
//! which no such entry comes is one block.

use std::io::{self, Read};

use memchr::{memchr_iter, memchr3, memrchr};

use super::context::{Context, Directive};
use super::lex::{Boundary, Class, Line, class};

/// Octets that are looked through at a time for something special.
const STRETCH: usize = 4096;

/// Entries of a file that stand one behind the other.
pub(super) struct Block {
    /// Place among the blocks of its file.
    pub(super) number: usize,
    /// The text.
    pub(super) text: Vec<u8>,
    /// Number of its first line, from 1.
    pub(super) line: u32,
    /// What the lines before set.
    pub(super) context: Context,
}

/// Reads a file and cuts it.
pub(super) struct Cutter<R> {
    /// The file.
    input: R,
    /// Octets of a block; more where no cut is possible.
    size: usize,
    /// What was read and not cut off yet.
    text: Vec<u8>,
    /// Where the boundary of an entry is looked for.
    scanned: usize,
    /// Where that entry begins.
    entry: usize,
    /// How far it is known.
    boundary: Boundary,
    /// What holds where the text begins.
    context: Context,
    /// What holds at `entry`.
    here: Context,
    /// Number of the line at the text's beginning.
    line: u32,
    /// Blocks so far.
    blocks: usize,
    /// Whether all was read.
    ended: bool,
    /// Scratch.
    tokens: Line,
}

impl<R: Read> Cutter<R> {
    /// A cutter of `input`, at whose beginning `context` holds.
    pub(super) fn new(input: R, size: usize, context: Context) -> Self {
        Self {
            input,
            size: size.max(1),
            text: Vec::new(),
            scanned: 0,
            entry: 0,
            boundary: Boundary::default(),
            here: context.clone(),
            context,
            line: 1,
            blocks: 0,
            ended: false,
            tokens: Line::default(),
        }
    }

    /// The next block.
    pub(super) fn next(&mut self) -> io::Result<Option<Block>> {
        loop {
            if let Some(end) = self.find() {
                return Ok(Some(self.cut(end)));
            }
            if self.ended {
                return Ok((!self.text.is_empty()).then(|| self.cut(self.text.len())));
            }
            self.read()?;
        }
    }

    /// The file, all of it read.
    pub(super) fn into_input(self) -> R {
        self.input
    }

    /// Reads on.
    fn read(&mut self) -> io::Result<()> {
        // A block and a half: the cut comes soon after a block's size.
        let wanted = self.size + self.size / 2;
        self.text.reserve(wanted);
        let read = (&mut self.input).take(wanted as u64).read_to_end(&mut self.text)?;
        self.ended = read < wanted;
        Ok(())
    }

    /// Where the text can be cut, if that is known by now.
    fn find(&mut self) -> Option<usize> {
        loop {
            if self.scanned == self.entry {
                self.skip_plain();
            }
            let begin = self.entry;
            if !self.boundary.advance(&self.text, &mut self.scanned) {
                return None;
            }
            self.entry = self.scanned;
            if self.text.get(begin) == Some(&b'$') {
                self.directive(begin);
            } else if begin >= self.size && self.stands_alone(begin) {
                return Some(begin);
            }
        }
    }

    /// Goes over whole entries at once where each is a line without anything special.
    fn skip_plain(&mut self) {
        while self.entry < self.size {
            let end = self.text.len().min(self.entry + STRETCH).min(self.size);
            let stretch = self.text.get(self.entry..end).unwrap_or_default();
            let plain = memchr3(b';', b'"', b'(', stretch).and_then(|end| stretch.get(..end)).unwrap_or(stretch);
            let plain = memchr3(b'\\', b'$', b')', plain).and_then(|end| plain.get(..end)).unwrap_or(plain);
            let Some(last) = memrchr(b'\n', plain) else { return };
            self.entry += last + 1;
            self.scanned = self.entry;
        }
    }

    /// Takes the directive at `begin` into account. Its faults are told by whoever parses the block.
    fn directive(&mut self, begin: usize) {
        self.tokens.read(&self.text, begin);
        let directive = self.tokens.tokens.first().map(|token| Directive::of(token.of(&self.text)));
        if let (Some(Ok(directive)), None) = (directive, self.tokens.trouble) {
            let _ = self.here.set(directive, &self.text, &self.tokens);
        }
    }

    /// Whether the entry at `begin` needs nothing of the records before it.
    fn stands_alone(&mut self, begin: usize) -> bool {
        if !self.text.get(begin).is_some_and(|octet| class(*octet) == Class::Word) {
            return false;
        }
        self.tokens.read(&self.text, begin);
        let token = |index: usize| self.tokens.tokens.get(index).map(|token| token.of(&self.text));
        let is_ttl = |index| token(index).is_some_and(|text| text.first().is_some_and(u8::is_ascii_digit));
        let is_class = token(1).is_some_and(|text| text.eq_ignore_ascii_case(b"IN"));
        self.tokens.trouble.is_none() && (self.here.default_ttl.is_some() || is_ttl(1) || (is_class && is_ttl(2)))
    }

    /// Cuts the text in front of `end` off. `end` is the beginning of the entry before the one looked for now.
    fn cut(&mut self, end: usize) -> Block {
        let rest = self.text.split_off(end);
        let text = std::mem::replace(&mut self.text, rest);
        self.scanned -= end.min(self.scanned);
        self.entry -= end.min(self.entry);
        let lines = memchr_iter(b'\n', &text).count() as u32;
        let block = Block { number: self.blocks, text, line: self.line, context: self.context.clone() };
        self.context = self.here.clone();
        self.line = self.line.saturating_add(lines);
        self.blocks += 1;
        block
    }
}
