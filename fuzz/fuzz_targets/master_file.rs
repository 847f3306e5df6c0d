//! Any bytes as a zone file: reading them ends without a panic and in bounds; every fault has a place in the file; how
//! the file is cut for threads makes no difference; and what is accepted, written out with all data in the form of
//! RFC 3597, is read as the same records.

#![no_main]

use std::fmt::Write;
use std::path::Path;

use fingerpost::channel::file::{Limits, read_zone};
use fingerpost::zone::Records;
use libfuzzer_sys::fuzz_target;

/// Records that may be generated: few, so that a run stays short.
const GENERATED: usize = 1000;

fuzz_target!(|bytes: &[u8]| {
    let name = Path::new("fuzz.zone");
    let whole = Limits { generated: GENERATED, threads: 1, ..Limits::default() };
    let pieces = Limits { block: 16, threads: 2, ..whole };
    let first = read_zone(name, bytes, whole);
    match (&first, read_zone(name, bytes, pieces)) {
        (Ok((apex, records)), Ok((other_apex, others))) => {
            assert_eq!(*apex, other_apex);
            assert!(records.iter().eq(others.iter()));
        }
        (Err(faults), Err(others)) => assert_eq!(*faults, others),
        _ => panic!("accepted in one way only"),
    }
    match first {
        Ok((apex, records)) => {
            assert!(records.len() <= GENERATED + bytes.len());
            let text = written(&records);
            let (again_apex, again) = read_zone(name, text.as_bytes(), whole).unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!(apex, again_apex);
            let content = |records: &Records| -> Vec<_> {
                records.iter().map(|record| (record.owner.to_vec(), record.rtype, record.ttl, record.rdata.to_vec())).collect()
            };
            assert_eq!(content(&records), content(&again));
        }
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= 1001);
            let lines = 1 + bytes.iter().filter(|octet| **octet == b'\n').count();
            for fault in faults {
                assert!(fault.at.line as usize <= lines, "{fault}");
                assert!(!fault.message.is_empty());
            }
        }
    }
});

/// A zone file of `records`.
fn written(records: &Records) -> String {
    let mut text = String::new();
    for record in records.iter() {
        let owner = record.owner;
        let mut rest = owner;
        while let Some((length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
            let (label, tail) = tail.split_at(usize::from(*length));
            label.iter().for_each(|octet| write!(text, "\\{octet:03}").expect("memory"));
            text.push('.');
            rest = tail;
        }
        if owner == [0] {
            text.push('.');
        }
        write!(text, " {} IN TYPE{} \\# {} ", record.ttl, record.rtype, record.rdata.len()).expect("memory");
        record.rdata.iter().for_each(|octet| write!(text, "{octet:02x}").expect("memory"));
        text.push('\n');
    }
    text
}
