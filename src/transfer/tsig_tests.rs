//! Signatures against those of the `domain` crate, from both sides, and the errors of RFC 8945 §5.

use std::str::FromStr;

use domain::base::message_builder::AdditionalBuilder;
use domain::base::{Message, MessageBuilder, Rtype};
use domain::rdata::tsig::Time48;
use domain::tsig::{Algorithm, ClientSequence, KeyName, ServerTransaction};

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_750_000_000;

type Query = AdditionalBuilder<Vec<u8>>;

fn ours(name: &str) -> Arc<Key> {
    Arc::new(Key::new(Name::parse(name).unwrap(), SECRET))
}

fn theirs(name: &str) -> domain::tsig::Key {
    domain::tsig::Key::new(Algorithm::Sha256, SECRET, KeyName::from_str(name).unwrap(), None, None).unwrap()
}

fn at(seconds: u64) -> Time48 {
    Time48::from_u64(seconds)
}

/// A query for an AXFR.
fn query() -> Query {
    let mut builder = MessageBuilder::new_vec().question();
    builder.header_mut().set_id(0x1234);
    builder.push((domain::base::Name::<Vec<u8>>::from_str("z.test.").unwrap(), Rtype::AXFR)).unwrap();
    builder.additional()
}

/// A response of header, question and something.
fn response(something: u8) -> Vec<u8> {
    let mut message = query().finish();
    message[2] |= 0x80;
    message[3] = something & 0xf;
    message
}

/// Verifies `message` with our key of theirs.
fn verify_at(message: &[u8], now: u64) -> Result<Session, (Rejection, Option<Session>)> {
    let tsig = Tsig::find(message).unwrap().unwrap();
    verify([&ours("other"), &ours("Transfer.Key")], message, &tsig, now)
}

/// A signed query of theirs.
fn signed(now: u64) -> (Vec<u8>, ClientSequence<domain::tsig::Key>) {
    let mut query = query();
    let sequence = ClientSequence::request(theirs("transfer.key"), &mut query, at(now)).unwrap();
    (query.finish(), sequence)
}

fn rejection(message: &[u8], now: u64) -> Rejection {
    verify_at(message, now).err().unwrap().0
}

#[test]
fn a_stream_of_signed_messages_is_what_others_expect() {
    let (message, mut sequence) = signed(NOW);
    let mut session = verify_at(&message, NOW + 300).ok().unwrap();
    for something in 0..5 {
        let mut message = response(something);
        session.sign(&mut message, NOW + u64::from(something));
        let mut message = Message::from_octets(message).unwrap();
        sequence.answer(&mut message, at(NOW)).unwrap();
        // What is counted of it; the record behind it stays there.
        assert!(message.as_slice().starts_with(&response(something)));
    }
    sequence.done().unwrap();
    // In another order, or with another octet, it is none.
    let (message, sequence) = signed(NOW);
    let mut session = verify_at(&message, NOW).ok().unwrap();
    let mut messages = [0, 1].map(response);
    messages.iter_mut().for_each(|message| session.sign(message, NOW));
    let mut other = messages[0].clone();
    other[3] ^= 1;
    for wrong in [&messages[1], &other] {
        let mut message = Message::from_octets(wrong.clone()).unwrap();
        assert!(sequence.clone().answer(&mut message, at(NOW)).is_err());
    }
}

#[test]
fn what_we_sign_is_what_others_verify() {
    let mut message = query().finish();
    let session = Session::begin(&ours("transfer.key"), &mut message, NOW);
    let mut request = Message::from_octets(message).unwrap();
    let server = ServerTransaction::request(&theirs("transfer.key"), &mut request, at(NOW)).unwrap().unwrap();
    let mut answer = query();
    answer.header_mut().set_qr(true);
    server.answer(&mut answer, at(NOW)).unwrap();
    let mut answer = answer.finish();
    assert!(session.accepts(&answer, NOW));
    assert!(!session.accepts(&answer, NOW + 301), "too late");
    assert!(!session.accepts(&response(0), NOW), "not signed");
    answer[3] ^= 1;
    assert!(!session.accepts(&answer, NOW));
}

#[test]
fn a_query_is_stripped_to_what_it_was() {
    let (mut message, _) = signed(NOW);
    // A forwarder gives it an id of its own.
    message[..2].copy_from_slice(&[9, 9]);
    let tsig = Tsig::find(&message).unwrap().unwrap();
    assert_eq!(tsig.strip(&message), query().finish());
    assert!(verify_at(&message, NOW).is_ok());
    assert_eq!(Tsig::find(&query().finish()), Ok(None));
}

#[test]
fn each_fault_has_its_error() {
    let (message, _) = signed(NOW);
    assert_eq!(rejection(&message, NOW + 301), Rejection::Time);
    assert_eq!(rejection(&message, NOW - 301), Rejection::Time);
    let mut changed = message.clone();
    changed[13] ^= 0x20;
    assert_eq!(rejection(&changed, NOW), Rejection::Signature);
    let tsig = Tsig::find(&message).unwrap().unwrap();
    assert_eq!(verify([&ours("other")], &message, &tsig, NOW).err().unwrap().0, Rejection::Key);
    let mut query = query();
    let key = KeyName::from_str("transfer.key").unwrap();
    let other = domain::tsig::Key::new(Algorithm::Sha512, SECRET, key.clone(), None, None).unwrap();
    ClientSequence::request(&other, &mut query, at(NOW)).unwrap();
    assert_eq!(rejection(&query.finish(), NOW), Rejection::Key, "another algorithm");
    for (length, expected) in [(16, Rejection::Truncated), (31, Rejection::Truncated)] {
        let mut query = self::query();
        let short = domain::tsig::Key::new(Algorithm::Sha256, SECRET, key.clone(), None, Some(length)).unwrap();
        ClientSequence::request(&short, &mut query, at(NOW)).unwrap();
        assert_eq!(rejection(&query.finish(), NOW), expected);
    }
    let truncated = Tsig { mac: &tsig.mac[..15], ..tsig };
    assert_eq!(verify([&ours("transfer.key")], &message, &truncated, NOW).err().unwrap().0, Rejection::Malformed);
    // BADTIME is signed and has our time; BADKEY and BADSIG are not signed.
    let (_, session) = verify_at(&message, NOW + 400).err().unwrap();
    let mut told = response(9);
    put_rejection(&mut told, &tsig, Rejection::Time, session, NOW + 400);
    let time = Tsig::find(&told).unwrap().unwrap();
    assert_eq!((time.error, time.time, time.mac.len()), (18, NOW, 32));
    assert_eq!(time.other, &(NOW + 400).to_be_bytes()[2..]);
    let mut told = response(9);
    put_rejection(&mut told, &tsig, Rejection::Signature, None, NOW);
    let wrong = Tsig::find(&told).unwrap().unwrap();
    assert_eq!((wrong.error, wrong.mac.len(), wrong.key), (16, 0, tsig.key));
}

#[test]
fn a_record_in_a_wrong_place_is_malformed() {
    let (message, _) = signed(NOW);
    let tsig = Tsig::find(&message).unwrap().unwrap();
    let record = message[tsig.start..].to_vec();
    // Twice, or before another record.
    for other in [&record[..], b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"] {
        let mut twice = [&message[..], other].concat();
        twice[11] = 2;
        assert_eq!(Tsig::find(&twice), Err(Short));
    }
    // In the answer section.
    let mut answer = message.clone();
    answer[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
    assert_eq!(Tsig::find(&answer), Err(Short));
    for end in 0..message.len() {
        assert_ne!(Tsig::find(&message[..end]), Ok(Some(tsig)), "{end}");
    }
}

proptest::proptest! {
    #[test]
    fn no_octets_do_harm(octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), at in 0..120_usize) {
        // As they are, and in the middle of a sound message.
        let (mut message, _) = signed(NOW);
        let end = message.len().min(at + octets.len());
        message.splice(at.min(end)..end, octets.iter().copied());
        for message in [&octets, &message] {
            if let Ok(Some(tsig)) = Tsig::find(message) {
                proptest::prop_assert!(tsig.start <= message.len());
                let _ = verify([&ours("transfer.key")], message, &tsig, NOW);
            }
        }
    }
}
