//! Entries of a block: records and directives.

use std::path::Path;

use super::context::{self, Context, Directive};
use super::cut::Block;
use super::generate;
use super::lex::{Line, Token};
use super::rdata;
use super::source::Shared;
use super::text::{self, Bad};
use crate::zone::{Place, Record, Records};

/// A fault in one of the files of a zone; sorts by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flaw {
    /// Index of the file.
    pub(super) file: u16,
    /// Line.
    pub(super) line: u32,
    /// Column; 0 where it is not known.
    pub(super) column: u32,
    /// What is wrong.
    pub(super) message: String,
}

/// What was read of a file, or of a part of one.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The records in their order.
    pub(super) records: Records,
    /// Owners and places of the first two SOA records.
    pub(super) soas: Vec<(Box<[u8]>, Place)>,
    /// The first faults.
    pub(super) flaws: Vec<Flaw>,
    /// Faults beyond those.
    pub(super) more: usize,
}

impl Part {
    /// Faults that are kept of a file, and at first of every part of one.
    pub(super) const FLAWS_MAX: usize = 1000;

    /// Notes a fault.
    pub(super) fn flaw(&mut self, flaw: Flaw) {
        if self.flaws.len() < Self::FLAWS_MAX { self.flaws.push(flaw) } else { self.more += 1 }
    }

    /// Appends what was read behind this.
    pub(super) fn append(&mut self, other: Self) {
        self.records.append(other.records);
        self.flaws.extend(other.flaws);
        self.more += other.more;
        let room = 2usize.saturating_sub(self.soas.len());
        self.soas.extend(other.soas.into_iter().take(room));
    }
}

/// The file that is read, and how it came to that.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    /// Its index.
    pub(super) file: u16,
    /// Its path.
    pub(super) path: &'a Path,
    /// Its path without symbolic links.
    pub(super) real: &'a Path,
    /// The file that includes it.
    pub(super) from: Option<&'a Self>,
}

/// Where an entry stands.
#[derive(Clone, Copy)]
struct Site<'a> {
    /// The text with the entry.
    text: &'a [u8],
    /// Where it begins in the text.
    start: usize,
    /// The line in which it begins.
    line: u32,
    /// Whether columns of the text are columns of the file.
    written: bool,
}

/// Reads the entries of one block.
pub(super) struct Reader<'a> {
    shared: &'a Shared,
    reading: &'a Reading<'a>,
    context: Context,
    /// Owner of the record before.
    owner: Option<Vec<u8>>,
    /// The TTL given last.
    last_ttl: Option<u32>,
    /// What was read.
    part: Part,
    /// Scratch.
    rdata: Vec<u8>,
    name: Vec<u8>,
}

/// Reads `block`.
pub(super) fn read(shared: &Shared, reading: &Reading<'_>, block: &Block) -> Part {
    let mut reader = Reader {
        shared,
        reading,
        context: block.context.clone(),
        owner: None,
        last_ttl: None,
        part: Part::default(),
        rdata: Vec::new(),
        name: Vec::new(),
    };
    let text = &*block.text;
    let mut tokens = Line::default();
    let (mut start, mut line) = (0, block.line);
    while start < text.len() {
        tokens.read(text, start);
        reader.entry(Site { text, start, line, written: true }, &tokens);
        start = tokens.end;
        line = line.saturating_add(tokens.lines);
    }
    reader.part.records.shrink_to_fit();
    reader.part
}

impl Reader<'_> {
    /// Takes one entry.
    fn entry(&mut self, site: Site<'_>, line: &Line) {
        if let Some((at, what)) = line.trouble {
            return self.flaw(site, at, what.to_owned());
        }
        let Some(first) = line.tokens.first() else { return };
        let directive = !line.blank && !first.quoted && first.of(site.text).first() == Some(&b'$');
        // `\$` is a name, and so is whatever $GENERATE makes.
        if directive && site.written {
            let result = self.directive(site, line);
            return self.flaw_of(site, line, result);
        }
        self.record(site, line);
    }

    /// Notes the fault of a token.
    fn flaw_of(&mut self, site: Site<'_>, line: &Line, result: Result<(), (usize, Bad)>) {
        if let Err((index, bad)) = result {
            let end = line.tokens.last().map_or(site.start, |token| token.end);
            let at = line.tokens.get(index).map_or(end, |token| token.start);
            self.flaw(site, at + bad.at, bad.message);
        }
    }

    /// Notes a fault at an offset of the text.
    #[cold]
    fn flaw(&mut self, site: Site<'_>, at: usize, message: String) {
        let before = site.text.get(site.start..at).unwrap_or_default();
        let lines = before.iter().filter(|&&octet| octet == b'\n').count() as u32;
        let last = before.rsplit(|&octet| octet == b'\n').next().unwrap_or_default();
        let column = String::from_utf8_lossy(last).chars().count() as u32 + 1;
        let file = self.reading.file;
        let (line, column) = if site.written { (site.line.saturating_add(lines), column) } else { (site.line, 0) };
        self.part.flaw(Flaw { file, line, column, message });
    }

    //--- Records

    /// Takes a record: owner, TTL and class in either order and each optional, type, data (RFC 1035 §5.1).
    fn record(&mut self, site: Site<'_>, line: &Line) {
        let text = site.text;
        let mut tokens = &*line.tokens;
        if line.blank {
            if self.owner.is_none() {
                self.flaw(
                    site,
                    site.start,
                    "no record before gives an owner; allowed is a name in the first column".into(),
                );
                self.owner = Some(vec![0]);
            }
        } else if let Some((token, rest)) = tokens.split_first() {
            tokens = rest;
            self.set_owner(site, token);
        }
        let ttl = self.ttl_and_class(site, &mut tokens);
        let used = line.tokens.len() - tokens.len();
        let Some((token, data)) = tokens.split_first() else {
            let missing = Err((used, Bad::new(0, "the type of the record is missing")));
            return self.flaw_of(site, line, missing);
        };
        let rtype = match rdata::rtype(token.of(text)) {
            Ok(rtype) => rtype,
            Err(bad) => return self.flaw_of(site, line, Err((used, bad))),
        };
        self.rdata.clear();
        if let Err((index, bad)) = rdata::write(rtype, text, data, &self.context.origin, &mut self.rdata) {
            return self.flaw_of(site, line, Err((used + 1 + index, bad)));
        }
        let Some(ttl) = self.ttl(ttl, rtype) else {
            let message = "no TTL is known; allowed is one here, in a record before, or by $TTL";
            return self.flaw_of(site, line, Err((used, Bad::new(0, message))));
        };
        let owner = self.owner.as_deref().unwrap_or(&[0]);
        let place = Place { file: self.reading.file, line: site.line };
        if rtype == rdata::SOA && self.part.soas.len() < 2 {
            self.part.soas.push((owner.into(), place));
        }
        self.part.records.push(Record { owner, rtype, ttl, rdata: &self.rdata, place });
    }

    /// Takes the owner from the first token.
    fn set_owner(&mut self, site: Site<'_>, token: &Token) {
        self.name.clear();
        let result = text::name(token.of(site.text), &self.context.origin, &mut self.name);
        if let Err(bad) = result {
            self.flaw(site, token.start + bad.at, bad.message);
            // Records that go on with this owner are read for their own faults.
            self.name.clear();
            self.name.push(0);
        }
        self.name.make_ascii_lowercase();
        std::mem::swap(self.owner.get_or_insert_default(), &mut self.name);
    }

    /// Takes TTL and class off the front of `tokens`.
    fn ttl_and_class(&mut self, site: Site<'_>, tokens: &mut &[Token]) -> Option<u32> {
        let (mut ttl, mut class) = (None, false);
        while let Some((token, rest)) = tokens.split_first() {
            let word = token.of(site.text);
            if ttl.is_none() && word.first().is_some_and(u8::is_ascii_digit) {
                // After a fault any TTL will do.
                ttl = Some(text::ttl(word).unwrap_or_else(|bad| {
                    self.flaw(site, token.start + bad.at, bad.message);
                    0
                }));
                self.last_ttl = ttl;
            } else if !class && let Some(number) = rclass(word) {
                class = true;
                if number != 1 {
                    let bad = Bad::not(word, "a class of this server", "IN");
                    self.flaw(site, token.start, bad.message);
                }
            } else {
                break;
            }
            *tokens = rest;
        }
        ttl
    }

    /// The TTL of a record: its own, else that of `$TTL` (RFC 2308 §4), else the one given last (RFC 1035 §5.1), else,
    /// for the SOA record, its minimum, as BIND has it.
    fn ttl(&mut self, own: Option<u32>, rtype: u16) -> Option<u32> {
        let ttl = own.or(self.context.default_ttl).or(self.last_ttl);
        if ttl.is_none() && rtype == rdata::SOA {
            let minimum = self.rdata.last_chunk().map(|minimum| u32::from_be_bytes(*minimum));
            self.last_ttl = minimum.map(|minimum| minimum.min(crate::model::validate::records::TTL_MAX));
            return self.last_ttl;
        }
        ttl
    }

    //--- Directives

    /// Takes a directive.
    fn directive(&mut self, site: Site<'_>, line: &Line) -> Result<(), (usize, Bad)> {
        let word = line.tokens.first().map(|token| token.of(site.text)).unwrap_or_default();
        match Directive::of(word).map_err(|bad| (0, bad))? {
            directive @ (Directive::Origin | Directive::Ttl) => self.context.set(directive, site.text, line),
            Directive::Include => self.include(site, line),
            Directive::Generate => self.generate(site, line),
        }
    }

    /// `$INCLUDE file [origin]`. Afterwards all is as it was before: origin, `$TTL`, owner.
    fn include(&mut self, site: Site<'_>, line: &Line) -> Result<(), (usize, Bad)> {
        let [_, file, rest @ ..] = &*line.tokens else {
            return Err((1, Bad::new(0, "the name of the file is missing")));
        };
        let mut context = self.context.clone();
        match rest {
            [] => {}
            [origin] => {
                context.origin = context::origin(origin.of(site.text), &context.origin).map_err(|bad| (2, bad))?;
            }
            _ => return Err((3, Bad::new(0, "this stands behind the origin of the file"))),
        }
        let mut name = Vec::new();
        text::octets(file.of(site.text), &mut name).map_err(|bad| (1, bad))?;
        let part = self.shared.include(self.reading, &name, context).map_err(|message| (1, Bad::new(0, message)))?;
        self.part.append(part);
        Ok(())
    }

    /// `$GENERATE range owner [ttl] [class] type data`.
    fn generate(&mut self, site: Site<'_>, line: &Line) -> Result<(), (usize, Bad)> {
        let plan = generate::Plan::read(site.text, line)?;
        if !self.shared.may_generate(plan.count()) {
            let message = "more records are generated for this zone than are allowed";
            return Err((1, Bad::new(0, message)));
        }
        let (before, last_ttl, flaws) = (self.owner.clone(), self.last_ttl, self.part.flaws.len());
        let mut tokens = Line::default();
        for value in plan.values() {
            let entry = plan.entry(value)?;
            tokens.read(&entry, 0);
            if tokens.end < entry.len() || tokens.tokens.is_empty() {
                return Err((2, Bad::new(0, "this does not generate one record")));
            }
            self.entry(Site { text: &entry, start: 0, line: site.line, written: false }, &tokens);
            // The others would have the same.
            if self.part.flaws.len() > flaws || self.part.more > 0 {
                break;
            }
        }
        (self.owner, self.last_ttl) = (before, last_ttl);
        Ok(())
    }
}

/// The class called `word` (RFC 1035 §3.2.4, RFC 3597 §5).
fn rclass(word: &[u8]) -> Option<u16> {
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    if is(b"IN") {
        return Some(1);
    }
    // CSNET is as old as the Internet and as unused.
    let old = [(&b"CS"[..], 2), (b"CH", 3), (b"HS", 4)];
    if let Some((_, number)) = old.iter().find(|(name, _)| is(name)) {
        return Some(*number);
    }
    let (prefix, digits) = word.split_at_checked(5)?;
    let number = text::number(digits, u32::from(u16::MAX)).ok()?;
    prefix.eq_ignore_ascii_case(b"CLASS").then_some(number as u16)
}
