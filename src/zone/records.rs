//! Records of a zone, packed.
//!
//! ```text
//! entry   owner octets 8 | owner | place 32 | type 16 | TTL 32 | RDATA octets 16 | RDATA
//! ```
//!
//! An entry whose owner is that of the entry before has 0 owner octets. A zone of three million records takes some
//! seventy octets a record; as separate allocations it would take three times that.

/// Octets after which a chunk gets no more entries, so that 32 bits hold every offset.
const CHUNK_MOST: usize = 1 << 30;

/// Where a record comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index of the file in a list that whoever reads keeps.
    pub file: u16,
    /// Line, from 1. Files of more than 2^32 lines do not occur.
    pub line: u32,
}

/// One record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record<'r> {
    /// Owner in wire form and lower case.
    pub owner: &'r [u8],
    /// Type.
    pub rtype: u16,
    /// Seconds.
    pub ttl: u32,
    /// RDATA in wire form; names are not compressed and keep their case.
    pub rdata: &'r [u8],
    /// Where it was declared.
    pub place: Place,
}

/// Where a record lies in its [`Records`]: chunk, entry, and the octets of its owner.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// Offset of what follows the owner in the chunk.
    entry: u32,
    /// Offset of the owner in the chunk.
    owner: u32,
    chunk: u16,
    owner_length: u8,
}

impl Slot {
    /// The slot whose owner begins `octets` later, to name an ancestor of the owner.
    pub(super) fn suffix(self, octets: usize) -> Self {
        Self { owner: self.owner + octets as u32, owner_length: self.owner_length - octets as u8, ..self }
    }
}

/// Records in the order they were read, in chunks: one for each file or part of a file.
#[derive(Clone, Debug, Default)]
pub struct Records {
    chunks: Vec<Chunk>,
}

/// Entries of one file.
#[derive(Clone, Debug, Default)]
struct Chunk {
    file: u16,
    octets: Vec<u8>,
    count: usize,
    /// Offset and length of the last entry's owner.
    owner: (usize, usize),
}

impl Records {
    /// No records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `record`, whose owner is in wire form and lower case.
    pub fn push(&mut self, record: Record<'_>) {
        if self.chunks.last().is_none_or(|chunk| chunk.file != record.place.file || chunk.octets.len() > CHUNK_MOST) {
            self.chunks.push(Chunk { file: record.place.file, ..Chunk::default() });
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(record);
        }
    }

    /// Appends all of `other` behind these.
    pub fn append(&mut self, other: Self) {
        self.chunks.extend(other.chunks);
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.count).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.chunks.iter().all(|chunk| chunk.count == 0)
    }

    /// All records in order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.slots().map(|(_, record)| record)
    }

    /// All records in order, with their slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = (Slot, Record<'_>)> {
        self.chunks.iter().enumerate().flat_map(|(number, chunk)| chunk.slots(number as u16))
    }

    /// The record at `slot`, which is one of these.
    pub(super) fn record(&self, slot: Slot) -> Record<'_> {
        let chunk = &self.chunks[usize::from(slot.chunk)];
        // Slots are made from entries that were read once already.
        let (record, _) = chunk.entry(self.owner(slot), &chunk.octets[slot.entry as usize..]).unwrap_or_default();
        record
    }

    /// The owner, or the ancestor of it, that `slot` names.
    pub(super) fn owner(&self, slot: Slot) -> &[u8] {
        &self.chunks[usize::from(slot.chunk)].octets[slot.owner as usize..][..usize::from(slot.owner_length)]
    }
}

impl Chunk {
    /// Appends one entry.
    fn push(&mut self, Record { owner, rtype, ttl, rdata, place }: Record<'_>) {
        let (start, length) = self.owner;
        if self.count > 0 && self.octets.get(start..start + length) == Some(owner) {
            self.octets.push(0);
        } else {
            self.octets.push(owner.len() as u8);
            self.owner = (self.octets.len(), owner.len());
            self.octets.extend_from_slice(owner);
        }
        self.octets.extend_from_slice(&place.line.to_ne_bytes());
        self.octets.extend_from_slice(&rtype.to_ne_bytes());
        self.octets.extend_from_slice(&ttl.to_ne_bytes());
        self.octets.extend_from_slice(&(rdata.len() as u16).to_ne_bytes());
        self.octets.extend_from_slice(rdata);
        self.count += 1;
    }

    /// All entries with their slots; this is chunk `number`.
    fn slots(&self, number: u16) -> impl Iterator<Item = (Slot, Record<'_>)> {
        let mut at = 0;
        let mut slot = Slot { chunk: number, ..Slot::default() };
        std::iter::from_fn(move || {
            let length = *self.octets.get(at)?;
            at += 1;
            if length > 0 {
                (slot.owner, slot.owner_length) = (at as u32, length);
                at += usize::from(length);
            }
            slot.entry = at as u32;
            let owner = self.octets.get(slot.owner as usize..)?.get(..usize::from(slot.owner_length))?;
            let rest = self.octets.get(at..)?;
            let (record, rest) = self.entry(owner, rest)?;
            at = self.octets.len() - rest.len();
            Some((slot, record))
        })
    }

    /// The entry of `owner` at the front of `octets`, which begin behind the owner; and what follows it.
    fn entry<'r>(&self, owner: &'r [u8], octets: &'r [u8]) -> Option<(Record<'r>, &'r [u8])> {
        let (line, rest) = octets.split_first_chunk()?;
        let (rtype, rest) = rest.split_first_chunk()?;
        let (ttl, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_ne_bytes(*length)))?;
        let record = Record {
            owner,
            rtype: u16::from_ne_bytes(*rtype),
            ttl: u32::from_ne_bytes(*ttl),
            rdata,
            place: Place { file: self.file, line: u32::from_ne_bytes(*line) },
        };
        Some((record, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_went_in() {
        let record =
            |owner, rtype, file, line| Record { owner, rtype, ttl: 7, rdata: b"\x01\x02", place: Place { file, line } };
        let all = [
            record(&b"\x01a\x00"[..], 1, 0, 1),
            record(b"\x01a\x00", 28, 0, 2),
            record(b"\x00", 6, 0, 3),
            record(b"\x00", 2, 1, 1),
        ];
        let mut records = Records::new();
        all.into_iter().for_each(|record| records.push(record));
        assert_eq!(records.iter().collect::<Vec<_>>(), all);
        assert_eq!(records.len(), 4);
        records.append(records.clone());
        assert_eq!((records.len(), records.is_empty()), (8, false));
    }
}
