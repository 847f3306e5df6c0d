//! Tests of the stores: one battery for both, and for the embedded one what can befall a folder, a file, a process and
//! a disk.

mod battery;
mod crash;
mod damage;
mod disk;
mod folder;

use super::{Embedded, Row, Store, StoreError, Table, Write};

/// A write of a row.
fn put(table: Table, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Write {
    Write { table, key: key.as_ref().into(), value: Some(value.as_ref().into()) }
}

/// The removal of a row.
fn remove(table: Table, key: impl AsRef<[u8]>) -> Write {
    Write { table, key: key.as_ref().into(), value: None }
}

/// All rows of a table.
fn rows(store: &dyn Store, table: Table) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    store.load(table, &mut |key, value| {
        rows.push((key.into(), value.into()));
        Ok(())
    })?;
    Ok(rows)
}

//----------- Numbered batches -------------------------------------------------------------------------------

/// Instance rows that every numbered batch writes.
const INSTANCES: u64 = 40;
/// Operation rows that are kept.
const KEPT: u64 = 25;

/// Batch `number`, from 1: it rewrites all instance rows, adds an operation and removes an old one, so that its parts
/// can be told from those of every other.
fn batch(number: u64) -> Vec<Write> {
    let value = number.to_be_bytes().repeat(20);
    let mut writes: Vec<Write> = (0..INSTANCES).map(|key| put(Table::Instances, key.to_be_bytes(), &value)).collect();
    writes.push(put(Table::Operations, number.to_be_bytes(), &value));
    writes.extend(number.checked_sub(KEPT).map(|old| remove(Table::Operations, old.to_be_bytes())));
    writes
}

/// The number of the last batch in the store, having seen that it is there as a whole, and nothing else.
fn last_batch(store: &dyn Store) -> Result<u64, StoreError> {
    let instances = rows(store, Table::Instances)?;
    let number = |octets: &[u8]| u64::from_be_bytes(octets[..8].try_into().unwrap());
    let last = instances.first().map_or(0, |(_, value)| number(value));
    let expected = |table, keys: std::ops::RangeInclusive<u64>, value: &dyn Fn(u64) -> u64| {
        let found: Vec<_> = rows(store, table)?.iter().map(|(key, value)| (number(key), number(value))).collect();
        assert_eq!(found, keys.map(|key| (key, value(key))).collect::<Vec<_>>(), "{table:?} of batch {last}");
        Ok::<_, StoreError>(())
    };
    if last > 0 {
        expected(Table::Instances, 0..=INSTANCES - 1, &|_| last)?;
        expected(Table::Operations, (last + 1).saturating_sub(KEPT).max(1)..=last, &|key| key)?;
    } else {
        assert!(rows(store, Table::Operations)?.is_empty(), "operations without their instances");
    }
    Ok(last)
}
