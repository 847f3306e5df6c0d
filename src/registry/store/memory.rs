//! Rows in memory: for tests, and for followers, who have them from the primary again after a restart.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::{Each, Keys, Row, Store, StoreError, Table, Write};

/// The rows of one table.
type Rows = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// A store that lasts as long as the process.
#[derive(Debug, Default)]
pub struct Memory {
    tables: RwLock<[Rows; Table::ALL.len()]>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tables. A panic of `each` in [`Store::load_part`] leaves them whole.
    fn tables(&self) -> RwLockReadGuard<'_, [Rows; Table::ALL.len()]> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn load_part(&self, table: Table, keys: Keys<'_>, each: &mut Each<'_>) -> Result<(), StoreError> {
        self.tables()[table as usize].range::<[u8], _>(keys).try_for_each(|(key, value)| each(key, value))
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Box<[u8]>>, StoreError> {
        Ok(self.tables()[table as usize].get(key).cloned())
    }

    fn scan(&self, table: Table, after: &[u8], backwards: bool, limit: usize) -> Result<Vec<Row>, StoreError> {
        let tables = self.tables();
        let bounds = super::bounds(after, backwards);
        // An empty `after` is no key but the lack of one, so that the bounds never cross.
        let rows = tables[table as usize].range::<[u8], _>(bounds);
        Ok(if backwards { rows.rev().take(limit).map(copy).collect() } else { rows.take(limit).map(copy).collect() })
    }

    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for Write { table, key, value } in writes {
            let rows = &mut tables[*table as usize];
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(())
    }
}

/// A row of its own.
#[allow(clippy::borrowed_box, reason = "so the map gives them")]
fn copy((key, value): (&Box<[u8]>, &Box<[u8]>)) -> Row {
    (key.clone(), value.clone())
}
