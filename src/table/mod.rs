//! The immutable answer table and how it is published.
mod publish;
pub use publish::{Handle, Publisher, View};

/// One immutable table.
#[derive(Default)]
pub struct Snapshot {
    revision: u64,
}
impl Snapshot {
    /// The registry revision this table shows.
    pub fn revision(&self) -> u64 {
        self.revision
    }
    /// Owner names, empty non-terminals included.
    pub fn names(&self) -> usize {
        0
    }
}
