//! Zones of static records: what master files and `records:` declare, on its way into the table.
//!
//! A zone's records lie packed in [`Records`] in the order of their files. Nothing keeps them once the table has them.

#![forbid(unsafe_code)]

mod grouping;
mod records;

pub use grouping::{Fault, Marks, Owner, Zone};
pub use records::{Place, Record, Records};
