//! Whether all servers say the same, before anything is timed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use fastrand::Rng;
use hickory_proto::rr::RecordType;

use crate::ask::{Client, Said};
use crate::data::Files;
use crate::running::Running;

/// Services that each server is asked about.
const SERVICES: usize = 200;
/// Differences shown of each kind.
const SHOWN: usize = 1;

/// What was found.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Agreement {
    /// Queries asked of each server.
    pub(crate) queries: usize,
    /// Answers that had to be the same and were not: nothing is measured then.
    pub(crate) faults: Vec<String>,
    /// Differences that do not matter to an answer's meaning: server, what, and an example.
    pub(crate) differences: BTreeMap<String, String>,
}

/// Asks every server the same and compares with the first.
pub(crate) fn check(servers: &[&Running], files: &Files) -> Result<Agreement> {
    let mut rng = Rng::with_seed(1);
    let mut agreement = Agreement::default();
    let mut questions = Vec::new();
    for _ in 0..SERVICES {
        let service = rng.u32(..files.data.services);
        let name = files.data.service_name(service);
        let instance = files.data.instance_id(rng.u32(..files.data.instances));
        questions.extend([
            (name.clone(), RecordType::A),
            (name.clone(), RecordType::SRV),
            (name.clone(), RecordType::TXT),
            (format!("{instance}.{name}"), RecordType::A),
            (format!("no-{name}"), RecordType::A),
        ]);
    }
    questions.push((files.apex.clone(), RecordType::SOA));
    let Some((first, others)) = servers.split_first() else { return Ok(agreement) };
    first.process.resume();
    let mut client = Client::new(first.place.socket())?;
    let wanted: Vec<Said> = questions.iter().map(|(name, rtype)| client.ask(name, *rtype)).collect::<Result<_>>()?;
    first.process.pause();
    agreement.queries = questions.len();
    for server in others {
        server.process.resume();
        let mut client = Client::new(server.place.socket())?;
        let mut shown = 0;
        for ((name, rtype), wanted) in questions.iter().zip(&wanted) {
            let said = client.ask(name, *rtype)?;
            let title = server.peer.title;
            if let Some(fault) = fault(wanted, &said) {
                shown += 1;
                if shown <= SHOWN {
                    agreement.faults.push(format!("{title}: {name} {rtype}: {fault}"));
                }
            }
            for (what, example) in harmless(wanted, &said) {
                let key = format!("{title}: {rtype}: {what}");
                agreement.differences.entry(key).or_insert_with(|| format!("{name}: {example}"));
            }
        }
        server.process.pause();
    }
    Ok(agreement)
}

/// What must not differ: the header, the answers with their TTL.
fn fault(wanted: &Said, said: &Said) -> Option<String> {
    if wanted.header != said.header {
        return Some(format!("{} instead of {}", said.header, wanted.header));
    }
    (wanted.answers != said.answers).then(|| format!("{:?} instead of {:?}", said.answers, wanted.answers))
}

/// What may: the other sections, and how well names are compressed.
fn harmless(wanted: &Said, said: &Said) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let missing = |wanted: &BTreeSet<String>, said: &BTreeSet<String>| {
        let (missing, more) = (wanted.difference(said).count(), said.difference(wanted).count());
        (missing + more > 0).then(|| format!("{missing} records missing, {more} more"))
    };
    found.extend(missing(&wanted.authorities, &said.authorities).map(|text| ("authority section", text)));
    found.extend(missing(&wanted.additionals, &said.additionals).map(|text| ("additional section", text)));
    if found.is_empty() && wanted.length != said.length {
        found.push(("length", format!("{} octets instead of {}", said.length, wanted.length)));
    }
    found
}
