//! The number of the last batch that was acknowledged, kept apart from the journal: a journal that ends before it has
//! lost something, however well it ends.
//!
//! It is written after each commit and left to the kernel to bring to disk, so that it costs next to nothing. After a
//! kill it is exact; after a loss of power it may be half a minute old, and then tells less. It is never ahead.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

/// The file with the number, and its checksum behind it.
#[derive(Debug)]
pub(super) struct Acknowledged(File);

impl Acknowledged {
    /// Opens the file at `path` or makes it, and gives the number in it: 0 if it has none.
    pub(super) fn open(path: &Path) -> io::Result<(Self, u64)> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let mut file = options?;
        let mut octets = Vec::new();
        file.by_ref().take(16).read_to_end(&mut octets)?;
        let number = octets.first_chunk().map_or(0, |number| u64::from_le_bytes(*number));
        let number = if octets == encode(number) { number } else { 0 };
        Ok((Self(file), number))
    }

    /// Writes the number of an acknowledged batch.
    pub(super) fn set(&self, number: u64) -> io::Result<()> {
        self.0.write_all_at(&encode(number), 0)
    }
}

/// A number and its checksum.
fn encode(number: u64) -> [u8; 16] {
    let octets = number.to_le_bytes();
    let mut encoded = [0; 16];
    encoded[..8].copy_from_slice(&octets);
    encoded[8..].copy_from_slice(&xxh3_64(&octets).to_le_bytes());
    encoded
}
