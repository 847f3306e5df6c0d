//! Any octets as an upstream's response: reading it ends without a panic, and what can be read is written for a client so
//! that hickory-proto reads it, too, and that we read the same again.

#![no_main]

use fingerpost::forward::rewrite;
use hickory_proto::op::Message;
use libfuzzer_sys::fuzz_target;

/// `www.Example.` A with EDNS.
const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03www\x07Example\x00\x00\x01\x00\x01\
                       \x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00";

fuzz_target!(|octets: &[u8]| {
    let Some(once) = rewrite(QUERY, octets) else { return };
    assert!(once.len() <= usize::from(u16::MAX));
    let twice = rewrite(QUERY, &once).expect("what was written can be read");
    assert_eq!(once, twice, "it means the same");
    // Where RDATA makes no sense to hickory-proto, it made none before.
    if Message::from_vec(octets).is_ok() {
        Message::from_vec(&once).expect("hickory-proto reads what was written");
    }
});
