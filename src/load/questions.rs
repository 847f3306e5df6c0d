//! The questions of a run: drawn from the data or taken from a file, and written as queries without allocation.

use std::path::Path;
use std::sync::Arc;

use super::data::Data;
use super::file::Lines;
use super::mix::{Kind, Mix};
use super::popularity::Popularity;
use crate::wire::types::{class, rtype};
use crate::wire::{HEADER_LENGTH, Name};

/// Octets of a payload that we say we take, in EDNS (RFC 6891): what DNS Flag Day 2020 recommends.
const PAYLOAD: u16 = 1232;

/// Octets of the longest query: header, name, type, class, EDNS.
pub(super) const LONGEST: usize = HEADER_LENGTH + 255 + 4 + 11;

/// The namespace of the services that are changed while a run lasts.
pub const CHURN_NAMESPACE: &str = "churn.load.test";

/// One question: a kind, and the number of a service, of an instance among all, or of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) kind: Kind,
    pub(super) number: u32,
}

/// All questions of a run; threads share them.
pub struct Questions {
    source: Source,
    /// The EDNS record behind each question; empty for none.
    edns: Box<[u8]>,
}

enum Source {
    Data { data: Data, suffixes: Vec<Box<[u8]>>, draws: Box<[Kind; 256]>, popularity: Popularity, churn: Churned },
    File(Lines),
}

/// The services that are being changed: how many, and their namespace in wire form.
struct Churned {
    services: u32,
    suffix: Box<[u8]>,
}

impl Questions {
    /// Questions for `data`. `churned` is the number of services in [`CHURN_NAMESPACE`].
    pub fn of_data(data: &Data, mix: &Mix, popularity: Popularity, churned: u32, edns: bool) -> Self {
        let suffix = |name: &str| match Name::parse(name) {
            Ok(name) => name.as_wire().into(),
            Err(_) => Box::default(),
        };
        Self {
            source: Source::Data {
                data: data.clone(),
                suffixes: (0..data.namespaces).map(|number| suffix(&data.namespace(number))).collect(),
                draws: Box::new(mix.draws()),
                popularity,
                churn: Churned { services: churned.max(1), suffix: suffix(CHURN_NAMESPACE) },
            },
            edns: edns_record(edns),
        }
    }

    /// Questions of a file as dnsperf reads them: a name and a type a line, asked in turn.
    pub fn of_file(path: &Path, edns: bool) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let lines = Lines::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { source: Source::File(lines), edns: edns_record(edns) })
    }

    /// The data that answers are checked against; a file has none.
    pub(super) fn data(&self) -> Option<&Data> {
        match &self.source {
            Source::Data { data, .. } => Some(data),
            Source::File(_) => None,
        }
    }

    /// Octets of EDNS behind the question.
    pub(super) fn edns_length(&self) -> usize {
        self.edns.len()
    }

    /// A question for people: name and type.
    pub(super) fn describe(&self, question: Question) -> String {
        let mut space = [0; LONGEST];
        let length = self.write(question, 0, &mut space) - self.edns.len();
        let mut rest = space.get(HEADER_LENGTH..length).unwrap_or_default();
        let mut text = String::new();
        while let Some((&length @ 1.., behind)) = rest.split_first() {
            let (label, behind) = behind.split_at_checked(length.into()).unwrap_or_default();
            text.extend(label.escape_ascii().map(char::from));
            text.push('.');
            rest = behind;
        }
        let rtype = match rest {
            [_, high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        format!("{text} {}", super::file::type_name(rtype))
    }

    /// Writes a query, RD not set; its length. `space` must have room for [`LONGEST`].
    #[inline]
    pub(super) fn write(&self, question: Question, id: u16, space: &mut [u8]) -> usize {
        let mut out = Out { space, length: 0 };
        let [high, low] = id.to_be_bytes();
        let additional = u8::from(!self.edns.is_empty());
        out.put(&[high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0, additional]);
        self.write_question(question, &mut out);
        out.put(&self.edns);
        out.length
    }

    /// Name, type and class.
    fn write_question(&self, Question { kind, number }: Question, out: &mut Out<'_>) {
        match &self.source {
            Source::File(lines) => out.put(lines.get(number)),
            Source::Data { data, suffixes, churn, .. } => {
                let service = if kind == Kind::Instance { number / data.instances.max(1) } else { number };
                if kind == Kind::Instance {
                    out.label(b"i", number % data.instances.max(1), 1);
                }
                // As long as the name of a service, so that queries of all kinds have one length.
                out.label(if kind == Kind::NxDomain { b"missing-" } else { b"service-" }, service, 6);
                let suffix = match kind {
                    Kind::Churn => Some(&churn.suffix),
                    _ => suffixes.get((service % data.namespaces.max(1)) as usize),
                };
                out.put(suffix.map(|suffix| &**suffix).unwrap_or_default());
                let [type_high, type_low] = kind.rtype().to_be_bytes();
                let [class_high, class_low] = class::IN.to_be_bytes();
                out.put(&[type_high, type_low, class_high, class_low]);
            }
        }
    }
}

/// The record that says EDNS, if it is to be said (RFC 6891 §6.1.2).
fn edns_record(edns: bool) -> Box<[u8]> {
    let [type_high, type_low] = rtype::OPT.to_be_bytes();
    let [high, low] = PAYLOAD.to_be_bytes();
    if edns { Box::new([0, type_high, type_low, high, low, 0, 0, 0, 0, 0, 0]) } else { Box::default() }
}

/// Octets that are written one after another; what does not fit is left out.
struct Out<'s> {
    space: &'s mut [u8],
    length: usize,
}

impl Out<'_> {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        if let Some(space) = self.space.get_mut(self.length..self.length + octets.len()) {
            space.copy_from_slice(octets);
            self.length += octets.len();
        }
    }

    /// A label: a prefix of up to 16 octets and a number of `digits` digits or more.
    #[inline]
    fn label(&mut self, prefix: &[u8], number: u32, digits: usize) {
        let mut text = [b'0'; 10];
        let mut begin = text.len();
        let mut rest = number;
        for place in text.iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
            begin -= 1;
        }
        let begin = begin.min(text.len() - digits);
        let digits = text.get(begin..).unwrap_or_default();
        self.put(&[(prefix.len() + digits.len()) as u8]);
        self.put(prefix);
        self.put(digits);
    }
}

//----------- Draw -------------------------------------------------------------

/// A thread's turn at the questions.
pub(super) struct Draw {
    questions: Arc<Questions>,
    random: fastrand::Rng,
    /// Lines taken so far.
    taken: u32,
}

impl Draw {
    /// The turn of thread `index` in step `step`: the same in every run with the same seed.
    pub(super) fn new(questions: Arc<Questions>, index: usize, step: usize) -> Self {
        let seed = questions.data().map_or(1, |data| data.seed);
        let mut random = fastrand::Rng::with_seed(seed ^ (index as u64) << 32 ^ (step as u64) << 48);
        // Threads begin at different lines.
        let taken = match &questions.source {
            Source::File(lines) if index > 0 => random.u32(..lines.count().max(1)),
            _ => 0,
        };
        Self { questions, random, taken }
    }

    /// The next question.
    #[inline]
    pub(super) fn next(&mut self) -> Question {
        match &self.questions.source {
            Source::File(lines) => {
                let number = self.taken;
                self.taken = if number + 1 < lines.count() { number + 1 } else { 0 };
                Question { kind: Kind::File, number }
            }
            Source::Data { data, draws, popularity, churn, .. } => {
                let kind = draws.get(usize::from(self.random.u8(..))).copied().unwrap_or(Kind::A);
                let number = match kind {
                    Kind::Churn => self.random.u32(..churn.services),
                    Kind::Instance => {
                        let service = popularity.draw(&mut self.random, data.services);
                        service * data.instances.max(1) + self.random.u32(..data.instances.max(1))
                    }
                    _ => popularity.draw(&mut self.random, data.services),
                };
                Question { kind, number }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(questions: &Questions, kind: Kind, number: u32) -> Vec<u8> {
        let mut space = [0; LONGEST];
        let length = questions.write(Question { kind, number }, 0x1234, &mut space);
        space[..length].to_vec()
    }

    #[test]
    fn queries_ask_for_what_the_data_calls_its_services() {
        for text in ["services=2000000,instances=8", "namespaces=7,services=50,instances=3"] {
            let data: Data = text.parse().unwrap();
            let questions = Questions::of_data(&data, &Mix::default(), Popularity::default(), 10, true);
            for service in [0, 9, 10, 49, data.services - 1] {
                let query = written(&questions, Kind::Srv, service);
                let name = Name::parse(&data.service_name(service)).unwrap();
                assert_eq!(query[..12], [0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
                assert_eq!(query[12..query.len() - 15], *name.as_wire());
                assert_eq!(query[query.len() - 15..], [0, 33, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
                let instance = written(&questions, Kind::Instance, service * data.instances + 2);
                assert_eq!(instance[12..instance.len() - 15], *name.child("i2").unwrap().as_wire());
            }
            assert_eq!(written(&questions, Kind::A, 7).len(), written(&questions, Kind::NxDomain, 42).len());
            let churned = Name::parse("service-000003.churn.load.test").unwrap();
            assert!(written(&questions, Kind::Churn, 3)[12..].starts_with(churned.as_wire()));
        }
    }

    #[test]
    fn draws_are_the_same_in_every_run_and_within_the_data() {
        let data: Data = "services=100,instances=3".parse().unwrap();
        let mix = "a=1,instance=1,churn=1".parse().unwrap();
        let questions = Arc::new(Questions::of_data(&data, &mix, Popularity::default(), 5, false));
        let draws = |index| {
            let mut draw = Draw::new(Arc::clone(&questions), index, 0);
            (0..1000).map(|_| draw.next()).collect::<Vec<_>>()
        };
        assert_eq!(draws(0), draws(0));
        assert_ne!(draws(0), draws(1));
        for Question { kind, number } in draws(0) {
            let most = match kind {
                Kind::Churn => 5,
                Kind::Instance => 300,
                _ => 100,
            };
            assert!(number < most, "{kind:?} {number}");
        }
    }
}
