//! Any octets as a row of the store: reading it ends without a panic, and a row that can be read is written again with
//! the same meaning.
//!
//! The first octet picks the table, the second says how long the key is; key and value follow.

#![no_main]

use fingerpost::registry::store::Table;
use fingerpost::registry::{check_row, rewrite_row};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let [table, length, rest @ ..] = octets else { return };
    let table = Table::ALL[usize::from(*table) % Table::ALL.len()];
    let Some((key, value)) = rest.split_at_checked((*length).into()) else { return };
    match (check_row(table, key, value), rewrite_row(table, key, value)) {
        (Ok(()), Ok(once)) => {
            check_row(table, key, &once).expect("what was written can be read");
            let twice = rewrite_row(table, key, &once).expect("what was written can be read");
            assert_eq!(once, twice, "it means the same");
        }
        (Err(_), Err(_)) => {}
        (check, rewritten) => panic!("{check:?}, but {rewritten:?}"),
    }
});
