//! The journal, read before `fjall` reads it: what a loss of power left at its end is cut off, and damage is told.
//!
//! `fjall` alone takes any octets that are no entry for the end of the journal, cuts it off there and forgets what lies
//! behind; and it does not open a journal whose last batch has reached the disk in part but with its end. Here it is
//! told apart: a commit begins when the one before it is on disk, so that only the last batch can be torn. Whole
//! batches behind a place that cannot be read mean damage, and so does a batch whose number is not the next.
//!
//! A journal is a file `<number>.jnl`, longer than what is in it and filled up with zeros. A batch in it is:
//!
//! | entry | octets |
//! |---|---|
//! | start | 1, items (4), sequence number (8) |
//! | item | 2, kind, compression, keyspace (8), length of the key (2), of the value (4), of the value as stored (4), both |
//! | end | 3, xxh3 of the items (8), `FJL` 3 |
//!
//! Numbers are little-endian. One of the items is the row [`NUMBER`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::fs::seek;
use rustix::io::Errno;
use xxhash_rust::xxh3::Xxh3;

use super::super::StoreError;
use super::{NUMBER, corrupt, io_fault};

/// The end of an end.
const MAGIC: [u8; 4] = *b"FJL\x03";
/// From the start of a batch to its first item.
const START: usize = 13;
/// What is read at once.
const BUFFER: usize = 128 << 10;

/// A whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Batch {
    /// Its number: one more than that of the batch before.
    number: u64,
    /// `fjall`'s number, which grows.
    sequence: u64,
    /// Its length.
    length: u64,
}

/// Reads the journals in `folder`, cuts a torn batch off, and gives the number of the last whole one; `None` if there is
/// none. `acknowledged` is the number of a batch that has to be there if any of the journals has one.
pub(super) fn mend(folder: &Path, acknowledged: u64) -> Result<Option<u64>, StoreError> {
    let mut last = None;
    let mut ends = Vec::new();
    let mut torn = false;
    for path in journals(folder)? {
        let fault = |error| io_fault(&path, "read the journal", &error);
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(fault)?;
        let end = if torn { 0 } else { follow(&mut file, &path, &mut last)? };
        let rest = rest(&mut file, end).map_err(fault)?;
        if let Some(batch) = find(&rest) {
            let lost = last.map_or_else(String::new, |last: Batch| format!(" behind batch {}", last.number));
            let number = batch.number;
            return Err(corrupt(&path, &format!("what lies{lost} cannot be read, but batch {number} behind it can")));
        }
        torn |= !rest.is_empty();
        ends.push((path, file, end));
    }
    if let Some(last) = last.filter(|last| last.number < acknowledged) {
        return Err(corrupt(
            folder,
            &format!("its last batch is {}, but batch {acknowledged} was acknowledged", last.number),
        ));
    }
    for (path, file, end) in ends {
        let cut = file.set_len(end).and_then(|()| file.sync_all());
        cut.map_err(|error| io_fault(&path, "cut the journal", &error))?;
    }
    Ok(last.map(|last| last.number))
}

/// Empties the journal in `folder`, all of which is in tables, if there is only one. Nothing is lost if that fails.
pub(super) fn empty(folder: &Path) {
    if let Ok([path]) = journals(folder).as_deref() {
        let file = OpenOptions::new().write(true).open(path);
        let _ = file.and_then(|file| file.set_len(0).and_then(|()| file.sync_all()));
    }
}

/// The journals in the order in which they were written.
fn journals(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let fault = |error| io_fault(folder, "read the folder", &error);
    let mut journals = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_suffix(".jnl")) {
            let number: u64 = number.parse().map_err(|_| corrupt(folder, "a journal has no number"))?;
            journals.push((number, folder.join(&name)));
        }
    }
    journals.sort();
    if journals.is_empty() || journals.windows(2).any(|pair| pair[0].0 + 1 != pair[1].0) {
        return Err(corrupt(folder, "a journal is missing"));
    }
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// Follows the batches from the beginning of `file`, and gives the place behind the last whole one.
fn follow(file: &mut File, path: &Path, last: &mut Option<Batch>) -> Result<u64, StoreError> {
    let fault = |error| io_fault(path, "read the journal", &error);
    let mut input = BufReader::with_capacity(BUFFER, file);
    let mut end = 0;
    while let Some(batch) = batch(&mut input).map_err(fault)? {
        if let Some(last) = *last
            && (batch.number.checked_sub(1) != Some(last.number) || batch.sequence <= last.sequence)
        {
            return Err(corrupt(path, &format!("batch {} comes after batch {}", batch.number, last.number)));
        }
        end += batch.length;
        *last = Some(batch);
    }
    Ok(end)
}

/// What lies in `file` from `from` on, without the zeros at the end.
fn rest(file: &mut File, from: u64) -> io::Result<Vec<u8>> {
    let (mut at, mut end) = (from, from);
    let (mut buffer, zeros) = (vec![0; BUFFER], vec![0; BUFFER]);
    // A journal is mostly a hole in its file.
    while let Some(data) = next_data(file, at)? {
        file.seek(SeekFrom::Start(data))?;
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        if buffer[..read] != zeros[..read] {
            let place = buffer[..read].iter().rposition(|octet| *octet != 0).unwrap_or(0);
            end = data + place as u64 + 1;
        }
        at = data + read as u64;
    }
    file.seek(SeekFrom::Start(from))?;
    let mut rest = Vec::new();
    file.take(end - from).read_to_end(&mut rest)?;
    Ok(rest)
}

/// The place at or behind `at` from which on `file` has something other than a hole; `None` if it has nothing more.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match seek(file, rustix::fs::SeekFrom::Data(at)) {
        Err(Errno::NXIO) => Ok(None),
        // Not every file system knows of holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(at)),
        other => Ok(Some(other?)),
    }
}

/// The first whole batch anywhere in `octets`.
fn find(octets: &[u8]) -> Option<Batch> {
    let starts = memchr::memchr_iter(1, octets).filter(|at| octets.get(at + START) == Some(&2));
    starts.filter_map(|at| batch(&mut &octets[at..]).ok().flatten()).next()
}

/// The batch at the beginning of `input`; `None` if there is no whole one.
fn batch(input: &mut impl BufRead) -> io::Result<Option<Batch>> {
    match entries(input) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        other => other,
    }
}

/// [`batch`], but an end of `input` in the midst of one is an error.
fn entries(input: &mut impl BufRead) -> io::Result<Option<Batch>> {
    let [tag] = octets(input)?;
    let items = u32::from_le_bytes(octets(input)?);
    let sequence = u64::from_le_bytes(octets(input)?);
    // The highest bit is `fjall`'s own.
    if tag != 1 || sequence >> 62 != 0 {
        return Ok(None);
    }
    let mut length = START as u64;
    let mut hash = Xxh3::new();
    let mut number = None;
    for _ in 0..items {
        let head: [u8; 21] = octets(input)?;
        let [2, 0..=1, 0, rest @ ..] = head else { return Ok(None) };
        let [_, _, _, _, _, _, _, _, k0, k1, v0, v1, v2, v3, s0, s1, s2, s3] = rest;
        let key = u16::from_le_bytes([k0, k1]);
        let value = u32::from_le_bytes([v0, v1, v2, v3]);
        if value != u32::from_le_bytes([s0, s1, s2, s3]) {
            return Ok(None);
        }
        hash.update(&head);
        if (usize::from(key), value) == (NUMBER.len(), 8) {
            let octets: [u8; NUMBER.len() + 8] = octets(input)?;
            hash.update(&octets);
            if let Some(value) = octets.strip_prefix(&NUMBER).and_then(|value| value.try_into().ok()) {
                number = Some(u64::from_be_bytes(value));
            }
        } else {
            pass(input, u64::from(key) + u64::from(value), &mut hash)?;
        }
        length += (head.len() + usize::from(key)) as u64 + u64::from(value);
    }
    let [tag] = octets(input)?;
    let checksum = u64::from_le_bytes(octets(input)?);
    let magic: [u8; 4] = octets(input)?;
    let whole = (tag, checksum, magic) == (3, hash.digest(), MAGIC);
    Ok(number.filter(|_| whole).map(|number| Batch { number, sequence, length: length + 13 }))
}

/// The next octets.
fn octets<const N: usize>(input: &mut impl BufRead) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    input.read_exact(&mut octets)?;
    Ok(octets)
}

/// Passes over `left` octets, which go into `hash`.
fn pass(input: &mut impl BufRead, mut left: u64, hash: &mut Xxh3) -> io::Result<()> {
    while left > 0 {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let part = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        hash.update(&buffer[..part]);
        input.consume(part);
        left -= part as u64;
    }
    Ok(())
}
