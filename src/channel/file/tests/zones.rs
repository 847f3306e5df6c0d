//! Zone files and `records:`, alone and beside services.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::{Loaded, Loader, check};
use super::{faults, services, state};
use crate::model::ZoneSource;
use crate::wire::Name;

/// A folder of files with these contents.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

/// A zone file with these records after the SOA record in line 2.
fn zone(records: &str) -> String {
    format!("$TTL 60\n@ SOA ns mail 1 2 3 4 5\n{records}")
}

/// The faults of a folder of these files, without the folder's name.
fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    let dir = folder(files);
    faults_in(dir.path())
}

/// The faults of a folder, without its name.
fn faults_in(path: &Path) -> Vec<String> {
    let prefix = format!("{}/", path.display());
    match check([path.to_owned()]) {
        Ok(summary) => panic!("{summary}"),
        Err(faults) => faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect(),
    }
}

/// A state's source of the zone at `apex`.
fn source<'l>(loaded: &'l Loaded, apex: &str) -> &'l ZoneSource {
    &loaded.state.zones[&Name::parse(apex).unwrap()]
}

/// Its records as owner and type, in the order of their names.
fn records(loaded: &Loaded, apex: &str) -> String {
    let zone = source(loaded, apex).zone.as_ref().expect("records");
    let shown = zone.owners().flat_map(|owner| owner.records()).map(|record| {
        format!("{}{}@{}:{}", Name::from_lower(record.owner), record.rtype, record.place.file, record.place.line)
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Loads, and takes the result for applied.
fn load(loader: &mut Loader) -> Loaded {
    let loaded = loader.load().unwrap_or_else(|faults| panic!("{faults:?}"));
    loader.applied(&loaded.contents);
    loaded
}

//----------- Zone files -------------------------------------------------------------------------------------

#[test]
fn a_folder_may_hold_many_zones() {
    let files: Vec<_> = (0..300).map(|number| (format!("z{number}.test.zone"), zone("a A 192.0.2.1"))).collect();
    let files: Vec<_> = files.iter().map(|(name, content)| (&**name, &**content)).collect();
    let dir = folder(&files);
    let summary = check([dir.path().to_owned()]).unwrap();
    assert_eq!((summary.files, summary.zones, summary.records), (300, 300, 600));
    assert_eq!(summary.to_string(), "files=300 namespaces=0 services=0 instances=0 zones=300 records=600");
}

#[test]
fn records_are_handed_out_until_they_answer() {
    let dir = folder(&[("x.zone", &zone("a A 192.0.2.1")), ("y.zone", &zone(""))]);
    let mut loader = Loader::new([dir.path().to_owned()]);
    let first = loader.load().unwrap();
    assert_eq!(records(&first, "x"), "x.6@0:2 a.x.1@0:3");
    // It did not come to answer.
    let again = loader.load().unwrap();
    assert_eq!(records(&again, "x"), records(&first, "x"));
    loader.applied(&again.contents);
    let third = loader.load().unwrap();
    assert!(third.state.zones.values().all(|source| source.zone.is_none()));
    assert_eq!((third.state, third.contents), (first.state, first.contents));
    // Of two zones, the one that changed has records.
    fs::write(dir.path().join("x.zone"), zone("b A 192.0.2.1")).unwrap();
    let fourth = loader.load().unwrap();
    assert_eq!(records(&fourth, "x"), "x.6@0:2 b.x.1@0:3");
    assert!(source(&fourth, "y").zone.is_none());
    // A refused load is not what answers: what does is again needed from the file.
    fs::write(dir.path().join("x.zone"), zone("a A 192.0.2.1")).unwrap();
    assert!(source(&loader.load().unwrap(), "x").zone.is_none());
    loader.applied(&fourth.contents);
    assert_eq!(records(&loader.load().unwrap(), "x"), "x.6@0:2 a.x.1@0:3");
}

#[test]
fn rules_of_zones_have_places() {
    let text = zone("a CNAME b\na A 192.0.2.1\no. A 192.0.2.1");
    assert_eq!(
        faults_of(&[("x.zone", &text), ("y.zone", "a A 1")]),
        [
            "x.zone:3: a.x. has a CNAME record, beside which no other record may stand (the other is at x.zone:4)",
            "x.zone:5: o. lies outside the zone x.",
            "y.zone:1:5: 1 is not an IPv4 address; allowed are four numbers as in 192.0.2.1",
        ]
    );
}

#[test]
fn a_zone_is_declared_once() {
    let found = faults_of(&[("x.zone", &zone("")), ("y.zone", "$ORIGIN X.\n@ 1 SOA ns mail 1 2 3 4 5\n")]);
    assert_eq!(found, ["y.zone:2: the zone x. is declared twice, first at x.zone:2; allowed is once"]);
}

//----------- $INCLUDE ---------------------------------------------------------------------------------------

#[test]
fn included_files_have_places_and_leave_no_trace() {
    let text = zone("$INCLUDE sub/a.inc sub\nb A 192.0.2.1\n$INCLUDE \"sub/a.inc\"\n A 192.0.2.2\n");
    let part = "$TTL 7\n$ORIGIN deep\n@ A 192.0.2.3\n$INCLUDE b.inc\n";
    let dir = folder(&[("x.zone", &text), ("sub/a.inc", part), ("sub/b.inc", "c A 192.0.2.4")]);
    let loaded = Loader::new([dir.path().to_owned()]).load().unwrap();
    let mut shown: Vec<_> = records(&loaded, "x").split(' ').map(str::to_owned).collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "b.x.1@0:4",
            "b.x.1@0:6",
            "c.deep.sub.x.1@2:1",
            "c.deep.x.1@2:1",
            "deep.sub.x.1@1:3",
            "deep.x.1@1:3",
            "x.6@0:2"
        ]
    );
    let zone = source(&loaded, "x").zone.as_ref().unwrap();
    let ttl = |name: &str| {
        let name = Name::parse(name).unwrap();
        let owner = zone.owners().find(|owner| owner.name() == name.as_wire()).unwrap();
        owner.records().next().unwrap().ttl
    };
    assert_eq!((ttl("b.x"), ttl("c.deep.x")), (60, 7));
}

#[test]
fn faults_of_included_files_are_theirs() {
    let found = faults_of(&[("x.zone", &zone("$INCLUDE a.inc\n")), ("a.inc", "\na A x")]);
    assert_eq!(found, ["a.inc:2:5: x is not an IPv4 address; allowed are four numbers as in 192.0.2.1"]);
}

#[test]
fn files_outside_are_not_included() {
    let dir = folder(&[("d/x.zone", ""), ("secret", "s A 192.0.2.1"), ("d/in", "i A 192.0.2.1")]);
    let root = dir.path().join("d").canonicalize().unwrap();
    symlink("../secret", root.join("link")).unwrap();
    symlink("in", root.join("inner")).unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    let absolute = dir.path().canonicalize().unwrap().join("secret");
    let inside = root.join("in");
    let text = format!(
        "$INCLUDE ../secret\n$INCLUDE link\n$INCLUDE {}\n$INCLUDE {}\n$INCLUDE inner\n$INCLUDE folder\n$INCLUDE\n\
         $INCLUDE in a b\n$INCLUDE \"\"\n$INCLUDE no/../in\n",
        absolute.display(),
        inside.display()
    );
    fs::write(root.join("x.zone"), zone(&text)).unwrap();
    let found = faults_in(&root);
    let outside = format!("lies outside of {}; allowed are files in there", root.display());
    assert_eq!(
        found,
        [
            "x.zone:3:10: ../secret has a .. in it; allowed are files in the declared folder".to_owned(),
            format!("x.zone:4:10: link {outside}"),
            format!("x.zone:5:10: {} {outside}", absolute.display()),
            "x.zone:8:10: folder is not a file".to_owned(),
            "x.zone:9:9: the name of the file is missing".to_owned(),
            "x.zone:10:15: this stands behind the origin of the file".to_owned(),
            "x.zone:11:11: this is not the name of a file".to_owned(),
            "x.zone:12:10: no/../in has a .. in it; allowed are files in the declared folder".to_owned(),
        ]
    );
}

#[test]
fn circles_and_depths_end() {
    let found = faults_of(&[("x.zone", &zone("$INCLUDE a\n")), ("a", "$INCLUDE b\n"), ("b", "$INCLUDE a\n")]);
    assert_eq!(found, ["b:1:10: a includes itself, directly or through others"]);
    let found = faults_of(&[("x.zone", &zone("$INCLUDE y.zone\n")), ("y.zone", "$INCLUDE x.zone\n")]);
    assert_eq!(found.len(), 2, "{found:?}");
    let names: Vec<_> = (0..10).map(|number| (format!("f{number}"), format!("$INCLUDE f{}\n", number + 1))).collect();
    let mut files: Vec<_> = names.iter().map(|(name, content)| (&**name, &**content)).collect();
    let text = zone("$INCLUDE f0\n");
    files.push(("x.zone", &text));
    assert_eq!(faults_of(&files), ["f7:1:10: the files include each other more than 8 deep; allowed are 8"]);
    let text = zone(&"$INCLUDE a\n".repeat(1001));
    assert_eq!(
        faults_of(&[("x.zone", &text), ("a", "")]),
        ["x.zone:1003:10: too many files are included; allowed are 1000 times"]
    );
}

#[test]
fn an_included_zone_file_is_no_zone_of_its_own() {
    let dir = folder(&[("x.zone", &zone("$INCLUDE part.zone\n")), ("part.zone", "a A 192.0.2.1")]);
    let mut loader = Loader::new([dir.path().to_owned()]);
    let loaded = load(&mut loader);
    assert_eq!((loaded.summary.zones, loaded.summary.records), (1, 2));
    assert_eq!(load(&mut loader).contents, loaded.contents);
    fs::write(dir.path().join("part.zone"), "a A 192.0.2.1\nb A 192.0.2.1\n").unwrap();
    assert_eq!(load(&mut loader).summary.records, 3);
    // On its own it is a file without a SOA record.
    fs::write(dir.path().join("x.zone"), zone("")).unwrap();
    assert!(loader.load().is_err());
}

//----------- records: ---------------------------------------------------------------------------------------

#[test]
fn namespaces_have_records() {
    let state = state(
        "version: 1\nnamespaces:\n- name: X.local\n  records:\n  - {name: www, type: CNAME, ttl: 1h, data: web.example.}\n  \
         - {name: '@', type: MX, data: 10 mail}\n  - {name: \"*.a\", type: TXT, data: '\"a b\" c'}\n",
    );
    let zone = state.zones[&Name::parse("x.local").unwrap()].zone.clone().unwrap();
    let shown: Vec<_> = zone
        .owners()
        .flat_map(|owner| owner.records())
        .map(|record| {
            format!(
                "{}{} {} {:?}",
                Name::from_lower(record.owner),
                record.rtype,
                record.ttl,
                record.rdata.escape_ascii().to_string()
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"x.local.15 300 "\\x00\\n\\x04mail\\x01X\\x05local\\x00""#.replace("\\x01X", "\\x01x"),
            r#"www.x.local.5 3600 "\\x03web\\x07example\\x00""#.to_owned(),
            r#"*.a.x.local.16 300 "\\x03a b\\x01c""#.to_owned(),
        ]
    );
}

#[test]
fn faults_of_records_have_columns() {
    let text = "version: 1\nnamespaces:\n- name: x\n  records:\n  - {name: a..b, type: A, data: 192.0.2.1}\n  \
                - {name: a, type: SOA, data: x}\n  - {name: a, type: MX, ttl: 1y, data: \"10 a..b\"}\n  \
                - {name: a, type: MX, data: 10 a b}\n  - {type: A}\n  - {name: a, type: ZZ, data: x}\n  \
                - {name: o., type: A, data: 192.0.2.1}\n";
    assert_eq!(
        faults(text),
        [
            "t.yaml:5:14: namespaces[0].records[0].name: a label of the name is empty; allowed are 1 to 63 octets",
            "t.yaml:6:21: namespaces[0].records[1].type: SOA cannot be given here; the namespace has one, and soa_ttl sets its TTL",
            "t.yaml:7:30: namespaces[0].records[2].ttl: 1y is not a TTL; allowed are 0 to 2147483647 seconds, or numbers with units as in 1w2d3h4m5s",
            "t.yaml:7:46: namespaces[0].records[2].data: a label of the name is empty; allowed are 1 to 63 octets",
            "t.yaml:8:36: namespaces[0].records[3].data: this stands behind the last field of the record",
            "t.yaml:9:5: namespaces[0].records[4]: data is missing",
            "t.yaml:9:5: namespaces[0].records[4]: name is missing",
            "t.yaml:10:21: namespaces[0].records[5].type: ZZ is not a record type; allowed are the types' names and TYPE with a number",
        ]
    );
    let outside = "version: 1\nnamespaces:\n- name: x\n  records: [{name: o., type: A, data: 192.0.2.1}]\n";
    assert_eq!(faults(outside), ["t.yaml:4: o. lies outside the zone x."]);
}

#[test]
fn an_http_namespace_has_no_zone() {
    let text = "version: 1\nnamespaces:\n- name: x\n  type: HTTP\n  records: [{name: a, type: A, data: 192.0.2.1}]\n";
    assert_eq!(faults(text), ["t.yaml:5:12: namespaces[0].records: an HTTP namespace has no zone; allowed are none"]);
    let found = faults_of(&[("x.yaml", "version: 1\nnamespaces: [{name: x, type: HTTP}]"), ("x.zone", &zone(""))]);
    assert_eq!(
        found,
        [
            "x.yaml:2:21: namespaces[0].name: x is an HTTP namespace, which has no zone, and x. has a zone file, at x.zone:2"
        ]
    );
}

//----------- Together ---------------------------------------------------------------------------------------

#[test]
fn a_zone_file_and_a_namespace_are_one_zone() {
    let yaml = services("  - {name: api, dns_records: [{type: A, ttl: 1}]}")
        + "  records: [{name: www, type: A, data: 192.0.2.1}]\n";
    let dir = folder(&[("a.yaml", &yaml), ("x.local.zone", &zone("mail A 192.0.2.1\napi TXT t"))]);
    let mut loader = Loader::new([dir.path().to_owned()]);
    let first = load(&mut loader);
    assert_eq!(records(&first, "x.local"), "x.local.6@0:2 mail.x.local.1@0:3 api.x.local.16@0:4 www.x.local.1@1:6");
    assert_eq!((first.summary.zones, first.summary.records, first.summary.services), (1, 4, 1));
    // A change of services leaves the records as they are, and is held against them.
    fs::write(dir.path().join("a.yaml"), yaml.replace("api", "web")).unwrap();
    let second = load(&mut loader);
    assert!(source(&second, "x.local").zone.is_none());
    fs::write(dir.path().join("a.yaml"), yaml.replace("api", "mail")).unwrap();
    assert_eq!(loader.load().unwrap_err().len(), 1);
    fs::write(dir.path().join("a.yaml"), yaml.replace("www", "ftp")).unwrap();
    assert!(records(&load(&mut loader), "x.local").contains("ftp"));
    // With the namespace gone the zone is another, though its records stand as before.
    let before = source(&load(&mut loader), "x.local").digest;
    fs::remove_file(dir.path().join("a.yaml")).unwrap();
    assert_ne!(source(&load(&mut loader), "x.local").digest, before);
}

#[test]
fn a_zone_file_has_the_soa_record() {
    let yaml = "version: 1\nnamespaces: [{name: x, soa_ttl: 5}]\n";
    assert_eq!(
        faults_of(&[("a.yaml", yaml), ("x.zone", &zone(""))]),
        ["a.yaml:2:33: namespaces[0].soa_ttl: 5 cannot be given here; the zone file has the SOA record, at x.zone:2"]
    );
}

#[test]
fn one_name_has_one_source_of_each_type() {
    let services = "  - name: a\n    dns_records: [{type: A, ttl: 1}, {type: AAAA, ttl: 1}]\n  - name: c\n    \
                    routing_policy: WEIGHTED\n    dns_records: [{type: CNAME, ttl: 1}]\n  - name: s\n    \
                    dns_records: [{type: SRV, ttl: 1}]\n    instances: [{id: i, attributes: {AWS_INSTANCE_IPV4: 192.0.2.1, AWS_INSTANCE_PORT: 1}}]\n  \
                    - {name: api-only}\n  - {name: deep.cut, dns_records: [{type: A, ttl: 1}]}\n  \
                    - {name: cut, dns_records: [{type: A, ttl: 1}]}\n  - {name: b.d, dns_records: [{type: A, ttl: 1}]}\n  \
                    - {name: d, dns_records: [{type: A, ttl: 1}]}";
    let yaml = super::services(services);
    let text = zone(
        "a A 192.0.2.1\na A 192.0.2.2\na TXT t\nc TXT t\ns SRV 1 1 1 .\ni.s A 192.0.2.1\ni.s AAAA ::1\n\
         api-only CNAME x\ncut NS x.\nd DNAME x.\n",
    );
    let dir = folder(&[("a.yaml", &yaml), ("x.local.zone", &text)]);
    assert_eq!(
        faults_in(dir.path()),
        [
            "a.yaml:5:11: namespaces[0].services[0].name: service a and the record at x.local.zone:3 both give A records of one name; allowed is one of the two",
            "a.yaml:7:11: namespaces[0].services[1].name: service c and the record at x.local.zone:6 cannot share a name: beside a CNAME no other record may stand; allowed is one of the two",
            "a.yaml:10:11: namespaces[0].services[2].name: service s and the record at x.local.zone:7 both give SRV records of one name; allowed is one of the two",
            "a.yaml:12:22: namespaces[0].services[2].instances[0].id: instance i of service s and the record at x.local.zone:8 both give A records of one name; allowed is one of the two",
            "a.yaml:14:12: namespaces[0].services[4].name: service deep.cut lies below the delegation at x.local.zone:11; allowed are names beside it",
            "a.yaml:15:12: namespaces[0].services[5].name: service cut and the record at x.local.zone:11 cannot share a name, which is a delegation there; allowed is one of the two",
            "a.yaml:16:12: namespaces[0].services[6].name: service b.d lies below the DNAME record at x.local.zone:12; allowed are names beside it",
        ]
    );
}

#[test]
fn the_deepest_zone_has_the_name() {
    let dir = folder(&[("p.test.zone", &zone("c.b NS ns.c.b\nns.c.b A 192.0.2.1\na A 192.0.2.2\n"))]);
    let mut loader = Loader::new([dir.path().to_owned()]);
    let alone = source(&load(&mut loader), "p.test").digest;
    fs::write(dir.path().join("c.b.p.test.zone"), zone("www A 192.0.2.3\n")).unwrap();
    let both = load(&mut loader);
    // The outer zone changes with the inner one, and comes with its records again.
    assert_ne!(source(&both, "p.test").digest, alone);
    let zone = source(&both, "p.test").zone.as_ref().expect("records");
    let names: Vec<String> = zone.owners().map(|owner| Name::from_lower(owner.name()).to_string()).collect();
    assert_eq!(names, ["p.test.", "b.p.test.", "a.p.test."]);
    fs::remove_file(dir.path().join("c.b.p.test.zone")).unwrap();
    assert_eq!(source(&load(&mut loader), "p.test").digest, alone);
}

#[test]
fn services_lie_outside_the_zones_inside() {
    let yaml = "version: 1\nnamespaces:\n  - name: p.test\n    services:\n      - name: a.c\n        \
                dns_records: [{type: A, ttl: 5}]\n  - name: c.p.test\n";
    assert_eq!(
        faults_of(&[("n.yaml", yaml)]),
        ["n.yaml:5:15: namespaces[0].services[0].name: service a.c lies in the zone c.p.test., which is declared, \
          too; allowed are names outside"]
    );
}
