//! Durable bytes under the registry.
//!
//! A store holds rows, each a key and a value in one of a few tables, and knows nothing of what they mean:
//! `registry::rows` encodes them. There is one writer, the registry, and any number of readers.
//!
//! [`Embedded`] keeps them in a folder, and needs no set-up; [`Memory`] forgets them.

pub mod embedded;
mod memory;
#[cfg(test)]
mod tests;

use std::ops::Bound;

pub use embedded::Embedded;
pub use memory::Memory;

/// A kind of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Namespaces by id.
    Namespaces,
    /// Services by id.
    Services,
    /// Instances by service id and instance id.
    Instances,
    /// Operations by number, in big-endian order: by age.
    Operations,
    /// What is of the registry as a whole.
    Meta,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 5] = [Self::Namespaces, Self::Services, Self::Instances, Self::Operations, Self::Meta];
}

/// One write of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: Table,
    /// The row's key.
    pub key: Box<[u8]>,
    /// The row's new value; `None` removes it.
    pub value: Option<Box<[u8]>>,
}

/// Why a store cannot be used. The texts say what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("{0}")]
    Locked(String),
    /// It was written by a newer version of this program.
    #[error("{0}")]
    NewerFormat(String),
    /// It was written by an older version of this program, whose rows this one does not read.
    #[error("{0}")]
    OlderFormat(String),
    /// It holds what it cannot hold.
    #[error("{0}")]
    Corrupt(String),
    /// The disk, or what lies between.
    #[error("{0}")]
    Io(String),
}

/// A row as read: key and value.
pub type Row = (Box<[u8]>, Box<[u8]>);

/// The bounds of keys.
pub type Keys<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// What is called with the key and the value of each row.
pub type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'a;

/// Durable rows. Implemented by an embedded store on disk and by one in memory; one shared by several primaries has to
/// fit as well.
pub trait Store: Send + Sync {
    /// Calls `each` with every row of `table` whose key lies within `keys`, in the order of the keys. The first bound is
    /// not behind the second one.
    fn load_part(&self, table: Table, keys: Keys<'_>, each: &mut Each<'_>) -> Result<(), StoreError>;

    /// Calls `each` with every row of `table`, in the order of the keys.
    fn load(&self, table: Table, each: &mut Each<'_>) -> Result<(), StoreError> {
        self.load_part(table, (Bound::Unbounded, Bound::Unbounded), each)
    }

    /// The value of one row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Box<[u8]>>, StoreError>;

    /// Up to `limit` rows of `table` whose keys come after `after` (from the first on where it is empty), in the order
    /// of the keys, or before it and in reverse order where `backwards`.
    fn scan(&self, table: Table, after: &[u8], backwards: bool, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Makes `writes` durable, all or none, in their order; they are on disk when this returns. An error leaves it open
    /// whether they are, so that nothing may be written afterwards: every later call fails, too.
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError>;
}

/// The keys of a scan.
fn bounds(after: &[u8], backwards: bool) -> Keys<'_> {
    match (after, backwards) {
        ([], _) => (Bound::Unbounded, Bound::Unbounded),
        (after, false) => (Bound::Excluded(after), Bound::Unbounded),
        (before, true) => (Bound::Unbounded, Bound::Excluded(before)),
    }
}
