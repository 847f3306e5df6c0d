//! Any bytes as a declaration file: reading them ends without a panic, every fault has a place in the file, and
//! whatever is accepted keeps every rule of the model.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match fingerpost::channel::file::read(Path::new("fuzz.yaml"), bytes) {
        Ok(state) => {
            let broken = fingerpost::model::validate::state(&state);
            assert!(broken.is_empty(), "accepted against {broken:?}");
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            // A line ends with CR, LF or both; the parser also counts the line after the last.
            let lines = 1 + bytes.iter().filter(|octet| [b'\n', b'\r'].contains(octet)).count();
            for fault in faults {
                let line = usize::try_from(fault.at.line).expect("a line fits");
                assert!((1..=lines + 1).contains(&line) && fault.at.column > 0, "{fault}");
                assert!(!fault.message.is_empty());
            }
        }
    }
});
