//! What a declaration's server answers, a zone file's server answers.

use std::collections::BTreeSet;
use std::process::Command as Process;
use std::sync::Arc;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name as TextName, RecordType};

use super::*;
use crate::channel::file::Loader;
use crate::dns::{self, Ctx, Settings, Transport};
use crate::registry::{Command, Registry};
use crate::table::Snapshot;
use crate::wire::Name;

/// What a server of this file or folder would answer from.
fn snapshot(path: &Path) -> Arc<Snapshot> {
    let loaded = Loader::new([path.to_owned()]).load().unwrap_or_else(|faults| panic!("{}", faults[0]));
    let mut registry = Registry::new(vec![Name::parse(NAME_SERVER).unwrap()]);
    registry.apply(Command::Declare(loaded.state)).unwrap();
    registry.handle().load()
}

/// A response without what order makes of it: its RCODE, and the records of its three sections.
type Answer = (ResponseCode, bool, [BTreeSet<String>; 3]);

fn ask(snapshot: &Snapshot, name: &str, rtype: RecordType) -> Answer {
    let mut query = Message::query();
    query.add_query(Query::query(TextName::from_ascii(name).unwrap(), rtype));
    let query = query.to_vec().unwrap();
    let mut buffer = vec![0; 65_535];
    buffer[..query.len()].copy_from_slice(&query);
    let mut ctx = Ctx::new(Arc::new(Settings::default()), 7);
    let length = dns::answer(snapshot, &mut ctx, Transport::Tcp, &mut buffer, query.len()).length;
    let message = Message::from_vec(&buffer[..length]).unwrap();
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let count: usize = sections.iter().map(|section| section.len()).sum();
    let sections = sections.map(|section| section.iter().map(|record| record.to_string().to_lowercase()).collect());
    let distinct: usize = sections.iter().map(BTreeSet::len).sum();
    assert_eq!(count, distinct, "a record twice: {message}");
    (message.metadata.response_code, message.metadata.authoritative, sections)
}

/// Names that are there, and some that are not.
fn names(data: &Data) -> Vec<String> {
    let mut names = vec!["load.test".into(), "other.test".into(), data.namespace(data.namespaces)];
    for namespace in (0..data.namespaces).map(|namespace| data.namespace(namespace)) {
        names.push(format!("no-service.{namespace}"));
        names.push(format!("hostmaster.{namespace}"));
        names.push(namespace);
    }
    for service in (0..data.services).map(|service| data.service_name(service)) {
        names.extend((0..=data.instances).map(|instance| format!("{}.{service}", data.instance_id(instance))));
        names.push(format!("a.i0.{service}"));
        names.push(service);
    }
    names
}

const TYPES: [RecordType; 7] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::SOA,
    RecordType::NS,
    RecordType::TXT,
    RecordType::CNAME,
];

#[test]
fn declaration_and_zone_files_give_the_same_answers() {
    for text in [
        "services=5,instances=3",
        "services=1,instances=1,records=a,ttl=0",
        "services=3,instances=8,records=aaaa,ttl=60",
        "services=3,instances=2,records=srv,seed=7",
        "services=3,instances=2,records=aaaa+srv",
        "namespaces=4,services=10,instances=2,records=a+aaaa+srv,limit=all",
        "namespaces=3,services=2,instances=12,records=a+aaaa+srv,limit=20",
    ] {
        let data: Data = text.parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let generated = generate(&data, folder.path(), 10).unwrap();
        let declared = snapshot(&folder.path().join("declaration.yaml"));
        let served = snapshot(&folder.path().join("zones"));
        let mut outcomes = BTreeSet::new();
        for name in names(&data) {
            for rtype in TYPES {
                let (one, other) = (ask(&declared, &name, rtype), ask(&served, &name, rtype));
                assert_eq!(one, other, "{text}: {name} {rtype}");
                outcomes.insert((one.0.to_string(), one.2[0].len()));
            }
        }
        let count = |rcode: ResponseCode, records: usize| outcomes.contains(&(rcode.to_string(), records));
        assert!(count(ResponseCode::NoError, data.shown() as usize), "{text}: {outcomes:?}");
        assert!(count(ResponseCode::NoError, 0) && count(ResponseCode::NXDomain, 0), "{text}: {outcomes:?}");
        assert!(count(ResponseCode::Refused, 0), "{text}: {outcomes:?}");
        let records: usize = (0..data.namespaces)
            .map(|number| fs::read_to_string(folder.path().join(file_of(&data, number))).unwrap())
            .map(|text| text.lines().filter(|line| line.contains(" IN ")).count())
            .sum();
        assert_eq!(generated.records, records as u64, "{text}");
    }
}

#[test]
fn answers_are_what_the_data_says() {
    for text in
        ["services=3,instances=12,records=a+aaaa+srv,seed=3", "services=2,records=srv", "services=2,records=aaaa"]
    {
        let data: Data = text.parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        generate(&data, folder.path(), 1).unwrap();
        let snapshots = ["declaration.yaml", "zones"].map(|name| snapshot(&folder.path().join(name)));
        for (snapshot, service) in snapshots.iter().flat_map(|snapshot| (0..data.services).map(move |n| (snapshot, n)))
        {
            let name = data.service_name(service);
            for rtype in [RecordType::A, RecordType::AAAA, RecordType::SRV, RecordType::TXT] {
                let (rcode, _, [answers, ..]) = ask(snapshot, &name, rtype);
                assert_eq!((rcode, answers.len() as u32), (ResponseCode::NoError, data.service_answers(rtype.into())));
                for answer in answers {
                    let fields: Vec<&str> = answer.split_whitespace().collect();
                    assert_eq!(fields[1], data.ttl.to_string(), "{answer}");
                    let last = fields.last().unwrap();
                    if rtype == RecordType::SRV {
                        let instance = data.instance_of_id(last.split('.').next().unwrap().as_bytes()).unwrap();
                        assert_eq!(fields[6], data.port(instance).to_string(), "{answer}");
                    } else {
                        assert!(data.owns(service, last.parse().unwrap()), "{answer}");
                    }
                }
                let instance = format!("{}.{name}", data.instance_id(data.instances - 1));
                let (rcode, _, [answers, ..]) = ask(snapshot, &instance, rtype);
                let expected = data.instance_answers(rtype.into());
                assert_eq!(expected.is_none(), rcode == ResponseCode::NXDomain, "{text}: {instance} {rtype}");
                assert_eq!(expected.unwrap_or(0), answers.len() as u32, "{text}: {instance} {rtype}");
            }
        }
    }
}

#[test]
fn zone_files_please_the_checkers_of_others() {
    let data: Data = "namespaces=2,services=20,records=a+aaaa+srv".parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    generate(&data, folder.path(), 1).unwrap();
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let listed = fs::read_to_string(folder.path().join("zones.txt")).unwrap();
    assert_eq!(listed.lines().count(), 2);
    for (zone, file) in listed.lines().map(|line| line.split_once('\t').unwrap()) {
        for arguments in
            [&["nsd-checkzone", zone, file][..], &["named-checkzone", zone, file], &["kzonecheck", "-o", zone, file]]
        {
            let mut process = Process::new(arguments[0]);
            match process.args(&arguments[1..]).env("PATH", &path).current_dir(folder.path()).output() {
                Ok(output) => {
                    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{arguments:?}: {text}");
                }
                // Which zone files can be read by others is told by those that are there.
                Err(error) => eprintln!("skipped: {}: {error}", arguments[0]),
            }
        }
    }
}

#[test]
fn queries_are_of_the_data_and_the_same_again() {
    let data: Data = "namespaces=2,services=50,records=a+srv".parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [first, again] = ["first", "again"].map(|name| folder.path().join(name));
    generate(&data, &first, 2000).unwrap();
    generate(&data, &again, 2000).unwrap();
    let snapshot = snapshot(&first.join("zones"));
    let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
    for (name, rcode, least, most) in [
        ("queries/a.txt", ResponseCode::NoError, 8, 8),
        ("queries/srv.txt", ResponseCode::NoError, 8, 8),
        ("queries/instance.txt", ResponseCode::NoError, 1, 1),
        ("queries/nodata.txt", ResponseCode::NoError, 0, 0),
        ("queries/nxdomain.txt", ResponseCode::NXDomain, 0, 0),
    ] {
        let text = read(&first, name);
        assert_eq!(text, read(&again, name));
        assert_eq!(text.lines().count(), 2000);
        for line in text.lines().take(100) {
            let (owner, rtype) = line.split_once(' ').unwrap();
            let (found, _, [answers, ..]) = ask(&snapshot, owner, rtype.parse().unwrap());
            assert!(found == rcode && (least..=most).contains(&answers.len()), "{name}: {line}");
        }
    }
    let mix = read(&first, "queries.txt");
    let count = |what: &str| mix.lines().filter(|line| line.contains(what)).count();
    let shares = [count("no-service"), count(" AAAA"), count(" SRV"), count(" A")];
    assert!((130..270).contains(&shares[0]) && (130..270).contains(&shares[1]), "{shares:?}");
    assert!((250..390).contains(&shares[2]), "{shares:?}");
}

#[test]
fn an_error_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("zones"), "").unwrap();
    let error = generate(&Data::default(), folder.path(), 1).unwrap_err().to_string();
    assert!(error.contains(&folder.path().join("zones").display().to_string()), "{error}");
}
