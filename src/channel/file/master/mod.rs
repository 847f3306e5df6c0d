//! Master files (RFC 1035 §5): the records of one zone as text.
//!
//! ```text
//!  file ─▶ cut (blocks at entry boundaries) ─▶ entry ×threads ─▶ rdata (fields, domain crate, RFC 3597) ─▶ Records
//!                   lex (tokens)                  │  context ($ORIGIN, $TTL), generate, source ($INCLUDE)
//! ```
//!
//! What the file format means here:
//! * The origin at the beginning is the file's name without `.zone`. The zone is that of the file's one SOA record.
//! * The class is IN. A TTL may have units (`1h30m`). A record without one has that of `$TTL` (RFC 2308 §4); without
//!   `$TTL`, the one given last (RFC 1035 §5.1); before any, an SOA record has its own minimum.
//! * `$INCLUDE file [origin]` reads a file, named relative to the including one, in the declared folder or, where the
//!   zone file itself is declared, in its folder: never outside, wherever links lead. Up to 8 deep, never in a circle.
//!   Afterwards origin, `$TTL` and owner are what they were. A `*.zone` file that another one includes is a part of
//!   that and not a zone of its own.
//! * `$GENERATE` is BIND's ([`generate`]), for up to 65,536 records.
//! * Every type can be given as `\# LENGTH HEX` (RFC 3597); most have their usual text.
//! * Quotes may hold ends of lines. Text in quotes may be any octets; names are printable ASCII and `\ddd`.
//!
//! A file is never in memory as a whole: it is read in blocks, on as many threads as there are cores, and only packed
//! records stay.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, Position};
use super::listing::Fingerprint;
use crate::wire::Name;
use crate::zone::{Place, Records};
use context::Context;
use entry::{Flaw, Part, Reading};
use source::{Hashed, Shared};

mod context;
mod cut;
mod entry;
mod fields;
mod generate;
mod lex;
mod rdata;
mod source;
mod text;

#[cfg(test)]
mod tests;

pub(super) use source::Included;
pub use source::Limits;

/// A zone file, read.
#[derive(Debug)]
pub(super) struct Master {
    /// The zone's name and the place of its SOA record.
    pub(super) apex: Option<(Name, Place)>,
    /// Its records. Places count files as `files` does.
    pub(super) records: Records,
    /// The file itself and those it includes.
    pub(super) files: Vec<Arc<Path>>,
    /// The files it includes.
    pub(super) included: Vec<Included>,
    /// Size of the file itself.
    pub(super) size: u64,
    /// A number that changes with the content of any of the files.
    pub(super) digest: u64,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
}

/// Reads the zone file at `path`, which may include files in its folder. `None`: it is not, or does not stay, the one
/// that `print` was taken of.
pub(super) fn read_file(path: &Arc<Path>, print: &Fingerprint) -> io::Result<Option<Master>> {
    let file = File::open(path)?;
    if Fingerprint::of(&file.metadata()?) != *print {
        return Ok(None);
    }
    let real = path.canonicalize()?;
    // A declared folder's files lie directly in it, so that this is the folder, too.
    let root = path.parent().map(|root| if root.as_os_str().is_empty() { Path::new(".") } else { root });
    let shared = Shared::new(root, Limits::default());
    let (master, file) = read_zone(path, &real, shared, file, print.size)?;
    let whole = Fingerprint::of(&file.metadata()?) == *print && master.size == print.size;
    Ok(whole.then_some(master))
}

/// Reads a zone file given as bytes, which can include nothing: for tools, tests and fuzzing.
pub fn read(name: &Path, bytes: &[u8], limits: Limits) -> Result<(Name, Records), Vec<Fault>> {
    let path = name.into();
    let shared = Shared::new(None, limits);
    // Reading from memory does not fail.
    let master = read_zone(&path, name, shared, bytes, bytes.len() as u64).map(|(master, _)| master);
    let master = master.map_err(|error| vec![Fault::new(&path, Position::WHOLE, error.to_string())])?;
    match master.apex {
        Some((apex, _)) if master.faults.is_empty() => Ok((apex, master.records)),
        _ => Err(master.faults),
    }
}

/// Reads a zone file.
fn read_zone<R: io::Read + Send>(
    path: &Arc<Path>,
    real: &Path,
    shared: Shared,
    input: R,
    size: u64,
) -> io::Result<(Master, R)> {
    let mut whole = Part::default();
    let origin = origin(path).unwrap_or_else(|message| {
        whole.flaw(Flaw { file: 0, line: 0, column: 0, message });
        Arc::new([0])
    });
    let mut hasher = DefaultHasher::new();
    hasher.write(&origin);
    let reading = Reading { file: 0, path, real, from: None };
    let context = Context { origin, default_ttl: None };
    let (part, input) = shared.read(Hashed::new(input), size, &reading, context)?;
    whole.append(part);
    let apex = apex(&mut whole);
    let included = shared.into_included();
    let files: Vec<_> = std::iter::once(Arc::clone(path))
        .chain(included.iter().map(|included| included.path.as_path().into()))
        .collect();
    hasher.write_u64(input.finish());
    hasher.write_u64(source::digest(&included));
    let master = Master {
        apex,
        faults: faults(whole.flaws, whole.more, &files),
        records: whole.records,
        files,
        included,
        size: input.size,
        digest: hasher.finish(),
    };
    Ok((master, input.into_inner()))
}

/// The origin that a file's name tells.
fn origin(path: &Path) -> Result<Arc<[u8]>, String> {
    let stem = path.file_stem().unwrap_or_default().as_encoded_bytes();
    let mut wire = Vec::new();
    let result = text::name(stem, &[0], &mut wire);
    result.map_err(|bad| format!("the file's name without .zone is no origin: {}", bad.message))?;
    wire.make_ascii_lowercase();
    Ok(wire.into())
}

/// The zone's name, which is the owner of the one SOA record.
fn apex(whole: &mut Part) -> Option<(Name, Place)> {
    if let [(_, first), (_, second), ..] = &*whole.soas {
        let (first, second) = (first.min(second), first.max(second));
        let message = format!("a second SOA record, the first is on line {}; allowed is one in a zone", first.line);
        let flaw = Flaw { file: second.file, line: second.line, column: 0, message };
        whole.flaw(flaw);
    }
    let Some((owner, place)) = whole.soas.first() else {
        // A fault elsewhere may be the one that hides it.
        if whole.flaws.is_empty() {
            let message = "no SOA record; allowed is one, at the zone's apex".to_owned();
            whole.flaw(Flaw { file: 0, line: 0, column: 0, message });
        }
        return None;
    };
    Some((Name::from_lower(owner), *place))
}

/// The faults in their order, of each file the first, and how many more there are.
fn faults(mut flaws: Vec<Flaw>, more: usize, files: &[Arc<Path>]) -> Vec<Fault> {
    flaws.sort();
    flaws.dedup();
    let mut faults: Vec<Fault> = Vec::new();
    for same in flaws.chunk_by(|one, next| one.file == next.file) {
        let Some(file) = same.first().and_then(|flaw| files.get(usize::from(flaw.file))) else { continue };
        // Those that no part kept are counted with the first file.
        let dropped = same.len().saturating_sub(Part::FLAWS_MAX) + if faults.is_empty() { more } else { 0 };
        let shown = same.iter().take(Part::FLAWS_MAX);
        faults.extend(shown.map(|Flaw { line, column, message, .. }| {
            Fault::new(file, Position { line: *line, column: *column }, &**message)
        }));
        if dropped > 0 {
            let line = faults.last().map_or(0, |fault| fault.at.line);
            faults.push(Fault::new(file, Position { line, column: u32::MAX }, format!("and {dropped} faults more")));
        }
    }
    faults
}

//----------- Records that stand alone -----------------------------------------------------------------------

/// What is wrong with a text, and at which of its octets.
pub(super) struct Wrong {
    /// Offset.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) message: String,
}

impl From<text::Bad> for Wrong {
    fn from(bad: text::Bad) -> Self {
        Self { at: bad.at, message: bad.message }
    }
}

/// The owner called `text` below `origin`, in wire form and lower case.
pub(super) fn owner(text: &str, origin: &Name) -> Result<Vec<u8>, Wrong> {
    let mut wire = Vec::new();
    text::name(text.as_bytes(), origin.as_wire(), &mut wire)?;
    wire.make_ascii_lowercase();
    Ok(wire)
}

/// The type called `text`.
pub(super) fn rtype(text: &str) -> Result<u16, Wrong> {
    let rtype = rdata::rtype(text.as_bytes())?;
    if rtype == rdata::SOA {
        let message = "SOA cannot be given here; the namespace has one, and soa_ttl sets its TTL".to_owned();
        return Err(Wrong { at: 0, message });
    }
    Ok(rtype)
}

/// A TTL.
pub(super) fn ttl(text: &str) -> Result<u32, Wrong> {
    Ok(text::ttl(text.as_bytes())?)
}

/// The data of a record in wire form.
pub(super) fn data(rtype: u16, text: &str, origin: &Name) -> Result<Vec<u8>, Wrong> {
    let mut wire = Vec::new();
    rdata::write_all(rtype, text.as_bytes(), origin.as_wire(), &mut wire)?;
    Ok(wire)
}
