//! Answers that are right, and wrong in each way.

use super::*;
use crate::load::questions::{LONGEST, Questions};
use crate::load::{Mix, Popularity};

/// A response to a question, made record by record.
struct Response {
    message: Vec<u8>,
    question: usize,
}

impl Response {
    fn to(data: &Data, kind: Kind, number: u32, rcode: u8) -> Self {
        let questions = Questions::of_data(data, &Mix::default(), Popularity::Uniform, 4, false);
        let mut message = vec![0; LONGEST];
        let length = questions.write(Question { kind, number }, 1, &mut message);
        message.truncate(length);
        (message[2], message[3]) = (0x84, rcode);
        Self { question: length - HEADER_LENGTH, message }
    }

    fn record(mut self, owner: &[u8], rtype: u16, ttl: u32, rdata: &[u8]) -> Self {
        self.message[7] += 1;
        self.message.extend_from_slice(owner);
        self.message.extend(rtype.to_be_bytes());
        self.message.extend([0, 1]);
        self.message.extend(ttl.to_be_bytes());
        self.message.extend((rdata.len() as u16).to_be_bytes());
        self.message.extend_from_slice(rdata);
        self
    }

    fn a(self, address: Ipv4Addr) -> Self {
        self.record(QUESTION, 1, 10, &address.octets())
    }

    fn found(&self, data: &Data, kind: Kind, number: u32) -> Found {
        let checker = Checker { data: Some(data.clone()), versions: None };
        let asked = Asked { question: Question { kind, number }, due: 0, sent: 0 };
        checker.check(asked, &self.message, self.question)
    }
}

fn data() -> Data {
    "services=100,instances=3".parse().unwrap()
}

/// The right answer for the addresses of service 7, but for what `change` does to the third record.
fn addresses(third: impl FnOnce(Response) -> Response) -> Found {
    let data = data();
    let response = Response::to(&data, Kind::A, 7, 0).a(data.v4(7, 2)).a(data.v4(7, 0));
    third(response).found(&data, Kind::A, 7)
}

#[test]
fn right_addresses_in_any_order_are_right() {
    assert_eq!(addresses(|response| response.a(data().v4(7, 1))), Found::default());
}

#[test]
fn each_fault_is_found() {
    let none = Found::default();
    assert_eq!(addresses(|response| response), (Found { count: true, ..none }));
    assert_eq!(addresses(|response| response.a(data().v4(7, 0))), (Found { duplicate: true, ..none }));
    assert_eq!(addresses(|response| response.a(data().v4(8, 0))), (Found { record: true, ..none }));
    let right = data().v4(7, 1).octets();
    let ttl = addresses(|response| response.record(QUESTION, 1, 9, &right));
    assert_eq!(ttl, (Found { ttl: true, ..none }));
    let other_type = addresses(|response| response.record(QUESTION, 28, 10, &right));
    assert_eq!(other_type, (Found { record: true, ..none }));
    let other_name = addresses(|response| response.record(b"\x01x\0", 1, 10, &right));
    assert_eq!(other_name, (Found { record: true, ..none }));
    let cut = addresses(|response| {
        let mut response = response.a(data().v4(7, 1));
        response.message.pop();
        response
    });
    assert_eq!(cut, (Found { malformed: true, ..none }));
    let failed = Response::to(&data(), Kind::A, 7, 2).found(&data(), Kind::A, 7);
    assert_eq!(failed, (Found { rcode: true, ..none }));
}

#[test]
fn a_truncated_answer_may_have_fewer_records() {
    let found = addresses(|mut response| {
        response.message[2] |= 0x02;
        response
    });
    assert_eq!(found, Found::default());
}

#[test]
fn owners_may_be_written_out_in_any_case() {
    let found = addresses(|response| {
        let owner = response.message[HEADER_LENGTH..HEADER_LENGTH + response.question - 4].to_ascii_uppercase();
        response.record(&owner, 1, 10, &data().v4(7, 1).octets())
    });
    assert_eq!(found, Found::default());
}

#[test]
fn targets_and_ports_belong_together() {
    let data = data();
    let found = |instance: &[u8], port: u16, pointer: &[u8]| {
        let mut rdata = vec![0, 1, 0, 1];
        rdata.extend(port.to_be_bytes());
        rdata.push(instance.len() as u8);
        rdata.extend_from_slice(instance);
        rdata.extend_from_slice(pointer);
        let mut one = data.clone();
        one.limit = Some(1);
        Response::to(&one, Kind::Srv, 7, 0).record(QUESTION, 33, 10, &rdata).found(&one, Kind::Srv, 7)
    };
    assert_eq!(found(b"i2", data.port(2), QUESTION), Found::default());
    let wrong = Found { record: true, ..Found::default() };
    assert_eq!(found(b"i2", data.port(1), QUESTION), wrong);
    assert_eq!(found(b"i3", data.port(2), QUESTION), wrong);
    assert_eq!(found(b"i2", data.port(2), b"\xc0\x1b"), wrong);
    // A pointer to itself, through the message and back.
    assert_eq!(found(b"i2", data.port(2), b"\xc0\x40"), wrong);
}

#[test]
fn names_that_are_not_there_and_types_that_are_not_there() {
    let data = data();
    let right = |kind, rcode| Response::to(&data, kind, 7, rcode).found(&data, kind, 7);
    assert_eq!(right(Kind::NxDomain, 3), Found::default());
    assert!(right(Kind::NxDomain, 0).rcode);
    assert_eq!(right(Kind::NoData, 0), Found::default());
    assert!(right(Kind::NoData, 3).rcode);
    let instance = Response::to(&data, Kind::Instance, 7 * 3 + 1, 0).a(data.v4(7, 1));
    assert_eq!(instance.found(&data, Kind::Instance, 7 * 3 + 1), Found::default());
    assert!(instance.found(&data, Kind::Instance, 7 * 3 + 2).record);
}

#[test]
fn an_address_that_was_replaced_before_the_question_is_stale() {
    let data = data();
    let versions = Arc::new(Versions::new(4));
    versions.next(2, 0);
    versions.acknowledge(2, 0, 1, 100);
    let mut response = Response::to(&data, Kind::Churn, 2, 0);
    for instance in 0..8 {
        response = response.record(QUESTION, 1, versions.ttl(), &Versions::address(2, instance, 0).octets());
    }
    let checker = Checker { data: Some(data), versions: Some(versions) };
    let found = |sent| {
        let asked = Asked { question: Question { kind: Kind::Churn, number: 2 }, due: 0, sent };
        checker.check(asked, &response.message, response.question)
    };
    assert_eq!(found(99), Found::default());
    assert_eq!(found(101), Found { stale: true, ..Found::default() });
}
