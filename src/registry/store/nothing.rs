//! No rows at all: for followers, who have everything from the primary again, and keep a file of their own.

use super::{Each, Keys, Row, Store, StoreError, Table, Write};

/// A store that keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Store for Nothing {
    fn load_part(&self, _: Table, _: Keys<'_>, _: &mut Each<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Box<[u8]>>, StoreError> {
        Ok(None)
    }

    fn scan(&self, _: Table, _: &[u8], _: bool, _: usize) -> Result<Vec<Row>, StoreError> {
        Ok(Vec::new())
    }

    fn commit(&self, _: &[Write]) -> Result<(), StoreError> {
        Ok(())
    }
}
