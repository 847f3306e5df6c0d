//! Random zones that like corners, and questions about them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use fastrand::Rng;

use super::name::Name;

/// Numbers of types.
pub(crate) mod rtype {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const MX: u16 = 15;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const DNAME: u16 = 39;
    pub(crate) const DS: u16 = 43;
    pub(crate) const CAA: u16 = 257;
    /// Of private use; nobody knows its data.
    pub(crate) const UNKNOWN: u16 = 65400;
}

/// Labels that names are made of; few, so that names meet.
const LABELS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"a",
    b"b",
    b"*",
    b"*",
    b"_t",
    b"A",
    b"x.y",
    b"\\",
    b"\x00",
    b"\xe9\xff",
    b"a b",
    b"*a",
    b"\"",
    b";",
    b"llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllLLL",
];
/// Types of plain data.
const DATA: &[u16] = &[
    rtype::A,
    rtype::A,
    rtype::A,
    rtype::AAAA,
    rtype::TXT,
    rtype::MX,
    rtype::SRV,
    rtype::PTR,
    rtype::CAA,
    rtype::UNKNOWN,
];
/// Types that are asked for.
const ASKED: &[u16] = &[
    rtype::A,
    rtype::A,
    rtype::A,
    rtype::A,
    rtype::AAAA,
    rtype::NS,
    rtype::SOA,
    rtype::CNAME,
    rtype::DNAME,
    rtype::TXT,
    rtype::MX,
    rtype::SRV,
    rtype::DS,
    rtype::PTR,
    rtype::CAA,
    rtype::UNKNOWN,
    65401,
];

/// Whether zones lie inside others. Not yet: at the apex of the inner zone the outer one has a DS record to give.
const NESTED: bool = false;

/// RRsets of a zone by owner and type: TTL and data.
pub(crate) type Sets = BTreeMap<Name, BTreeMap<u16, (u32, Vec<String>)>>;

/// A zone as all servers get it.
pub(crate) struct Zone {
    /// In lower case and without odd octets.
    pub(crate) apex: Name,
    /// Its master file.
    pub(crate) text: String,
    /// Its RRsets; names are in lower case.
    pub(crate) sets: Sets,
}

/// Zones that know of one another.
pub(crate) struct Group {
    pub(crate) zones: Vec<Zone>,
    /// Names that occur in them, in lower case.
    names: Vec<Name>,
}

/// What is asked, and how.
pub(crate) struct Query {
    pub(crate) name: Name,
    pub(crate) qtype: u16,
    /// Whether with EDNS, which lets responses have 1232 octets.
    pub(crate) edns: bool,
}

/// One of `items`.
fn pick<'i, T>(rng: &mut Rng, items: &'i [T]) -> &'i T {
    &items[rng.usize(..items.len())]
}

/// One of the labels.
fn label(rng: &mut Rng) -> &'static [u8] {
    LABELS[rng.usize(..LABELS.len())]
}

//----------- Zones ------------------------------------------------------------

/// Group number `number`: one zone to three.
pub(crate) fn group(rng: &mut Rng, number: usize) -> Group {
    let mut apex = Name::of(&[format!("z{number}").as_bytes()]);
    if rng.u8(..8) == 0 {
        // Names in it come close to the longest there may be.
        let label = [b'm'; 57];
        for _ in 0..3 {
            apex = apex.child(&label[rng.usize(..4)..]).unwrap();
        }
    }
    let mut names = vec![apex.clone()];
    for _ in 0..rng.usize(4..14) {
        let above = if rng.u8(..3) == 0 { apex.clone() } else { pick(rng, &names).clone() };
        names.extend(above.child(label(rng)).map(|name| name.lower()));
    }
    let mut apexes = vec![apex];
    if rng.u8(..3) == 0 {
        let child = pick(rng, &names).clone();
        let plain = |label: &Vec<u8>| label.iter().all(u8::is_ascii_alphanumeric);
        if NESTED && !apexes.contains(&child) && child.0.iter().all(plain) {
            apexes.push(child);
        }
    }
    if rng.u8(..3) == 0 {
        let sibling = Name::of(&[format!("y{number}").as_bytes()]);
        names.extend([&b"a"[..], b"b", b"*"].iter().filter_map(|label| sibling.child(label)));
        names.push(sibling.clone());
        apexes.push(sibling);
    }
    let unique: BTreeSet<Name> = names.into_iter().collect();
    let names: Vec<Name> = unique.into_iter().collect();
    let zones: Vec<Zone> = apexes
        .iter()
        .map(|apex| {
            let sets = sets(rng, apex, &apexes, &names);
            Zone { apex: apex.clone(), text: written(rng, apex, &sets), sets }
        })
        .collect();
    Group { zones, names }
}

/// The RRsets of the zone at `apex`, one of `apexes`, at some of `names`.
fn sets(rng: &mut Rng, apex: &Name, apexes: &[Name], names: &[Name]) -> Sets {
    let mut sets = Sets::new();
    for name in names.iter().filter(|name| name.is_below(apex) && *name != apex) {
        match rng.u8(..20) {
            // Nothing: an empty non-terminal, if there are names below.
            0..4 => {}
            4..8 => add(rng, &mut sets, name, rtype::CNAME, names),
            8..11 if !name.has_asterisk() => add(rng, &mut sets, name, rtype::DNAME, names),
            11..14 if !name.has_asterisk() => add_cut(rng, &mut sets, name, names),
            _ => (0..rng.usize(1..4)).for_each(|_| {
                let rtype = *pick(rng, DATA);
                add(rng, &mut sets, name, rtype, names);
            }),
        }
    }
    for rtype in [rtype::NS, *pick(rng, DATA)] {
        add(rng, &mut sets, apex, rtype, names);
    }
    if rng.u8(..20) == 0 {
        add(rng, &mut sets, apex, rtype::DNAME, names);
    }
    keep_lawful(apex, apexes, &mut sets);
    sets
}

/// A delegation, with glue and what may be beside it.
fn add_cut(rng: &mut Rng, sets: &mut Sets, name: &Name, names: &[Name]) {
    for _ in 0..rng.usize(1..4) {
        let server = match rng.u8(..4) {
            0 | 1 => name.child(pick(rng, &["ns", "a", "b"]).as_bytes()).unwrap_or_else(|| name.clone()),
            2 => name.clone(),
            _ => pick(rng, names).clone(),
        };
        put(rng, sets, name, rtype::NS, server.to_string());
        if server.is_below(name) && rng.u8(..4) > 0 {
            (0..rng.usize(1..3)).for_each(|_| {
                let rtype = *pick(rng, &[rtype::A, rtype::AAAA]);
                add(rng, sets, &server, rtype, names);
            });
        }
    }
    if rng.bool() {
        add(rng, sets, name, rtype::DS, names);
    }
    if rng.u8(..4) == 0 {
        let rtype = *pick(rng, DATA);
        add(rng, sets, name, rtype, names);
    }
}

/// Adds a record, or many, of random data.
fn add(rng: &mut Rng, sets: &mut Sets, name: &Name, rtype: u16, names: &[Name]) {
    let records = match (rtype, rng.u8(..40)) {
        (rtype::CNAME | rtype::DNAME, _) => 1,
        // More than a datagram holds.
        (_, 0) => 60,
        (_, 1..10) => rng.usize(2..5),
        _ => 1,
    };
    for _ in 0..records {
        let data = data(rng, rtype, names);
        put(rng, sets, name, rtype, data);
    }
}

/// Adds one record.
fn put(rng: &mut Rng, sets: &mut Sets, name: &Name, rtype: u16, data: String) {
    let ttl = *pick(rng, &[0, 1, 60, 3600, 86400, 0x7fff_ffff]);
    let (_, set) = sets.entry(name.clone()).or_default().entry(rtype).or_insert((ttl, Vec::new()));
    // Equal but for case is equal (RFC 4034 §6.2).
    if !set.iter().any(|other| other.eq_ignore_ascii_case(&data)) {
        set.push(data);
    }
}

/// Random data in presentation form.
fn data(rng: &mut Rng, rtype: u16, names: &[Name]) -> String {
    let target = target(rng, names);
    let hex = |octets: usize, rng: &mut Rng| (0..octets).map(|_| format!("{:02x}", rng.u8(..))).collect::<String>();
    match rtype {
        rtype::A => format!("192.0.{}.{}", rng.u8(..), rng.u8(..)),
        rtype::AAAA => format!("2001:db8::{:x}:{:x}", rng.u16(..), rng.u16(..)),
        rtype::MX => format!("{} {target}", rng.u16(..)),
        rtype::SRV => format!("{} {} {} {target}", rng.u16(..), rng.u16(..), rng.u16(..)),
        rtype::DS => format!("{} 13 2 {}", rng.u16(..), hex(32, rng)),
        rtype::CAA => format!("0 issue \"ca{}.test\"", rng.u8(..)),
        rtype::TXT => {
            let octets = rng.usize(..40);
            let text: String = (0..octets).map(|_| format!("\\{:03}", rng.u8(..))).collect();
            format!("\"{text}\" plain\\\"{}", rng.u16(..))
        }
        rtype::UNKNOWN => {
            let octets = rng.usize(..20);
            format!("\\# {octets} {}", hex(octets, rng))
        }
        _ => target.to_string(),
    }
}

/// What records name: a name of the group or one below, or another's.
fn target(rng: &mut Rng, names: &[Name]) -> Name {
    let name = pick(rng, names).clone();
    let name = match rng.u8(..10) {
        0 => Name::of(&[b"elsewhere", b"test"]),
        1..4 => name.child(label(rng)).unwrap_or(name),
        _ => name,
    };
    name.with_random_case(rng)
}

/// Takes out what no zone may have, or what the servers are known to refuse as a whole.
fn keep_lawful(apex: &Name, apexes: &[Name], sets: &mut Sets) {
    for (name, set) in sets.iter_mut() {
        // RFC 6672 §2.4, which NSD applies across zones.
        let is_nested = |other: &Name| other != apex && (other.is_below(name) || apex.is_below(other));
        if apexes.iter().any(is_nested) {
            set.remove(&rtype::DNAME);
        }
        if set.contains_key(&rtype::CNAME) && set.len() > 1 {
            set.remove(&rtype::CNAME);
        }
        // RFC 6672 §2.3.
        if name != apex && set.contains_key(&rtype::DNAME) {
            set.remove(&rtype::NS);
        }
    }
    // RFC 6672 §2.4: nothing below a DNAME.
    let redirected: Vec<Name> =
        sets.iter().filter(|(_, set)| set.contains_key(&rtype::DNAME)).map(|(name, _)| name.clone()).collect();
    sets.retain(|name, _| !redirected.iter().any(|owner| name != owner && name.is_below(owner)));
}

/// The zone's master file.
fn written(rng: &mut Rng, apex: &Name, sets: &Sets) -> String {
    let [ttl, minimum] = [pick(rng, &[5, 600]), pick(rng, &[0, 7, 900])];
    let mut text = format!("{apex} {ttl} IN SOA ns.test. host\\.master.test. 1 2 3 4 {minimum}\n");
    for (owner, by_type) in sets {
        for (rtype, (ttl, set)) in by_type {
            for data in set {
                let owner = owner.with_random_case(rng);
                let word = match *rtype {
                    rtype::A => "A",
                    rtype::NS => "NS",
                    rtype::CNAME => "CNAME",
                    rtype::PTR => "PTR",
                    rtype::MX => "MX",
                    rtype::TXT => "TXT",
                    rtype::AAAA => "AAAA",
                    rtype::SRV => "SRV",
                    rtype::DNAME => "DNAME",
                    rtype::DS => "DS",
                    rtype::CAA => "CAA",
                    _ => "TYPE65400",
                };
                writeln!(text, "{owner} {ttl} IN {word} {data}").unwrap();
            }
        }
    }
    text
}

//----------- Queries ----------------------------------------------------------

/// A question about the group.
pub(crate) fn query(rng: &mut Rng, group: &Group) -> Query {
    let name = pick(rng, &group.names).clone();
    let below = |rng: &mut Rng, name: Name| name.child(label(rng)).unwrap_or(name);
    let name = match rng.u8(..20) {
        0 => Name::of(&[b"elsewhere", b"test"]),
        1 => name.parent().unwrap_or(name),
        2 | 3 => {
            let apex = pick(rng, &group.zones).apex.clone();
            below(rng, apex)
        }
        4..9 => below(rng, name),
        9 | 10 => {
            let name = below(rng, name);
            below(rng, name)
        }
        _ => name,
    };
    Query { name: name.with_random_case(rng), qtype: *pick(rng, ASKED), edns: rng.u8(..3) > 0 }
}
