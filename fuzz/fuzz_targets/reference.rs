//! The lookup of RFC 1034 §4.3.2 over a list of records, label by label: slow, and plain enough to be checked against
//! the text. No table, no index, no flags.

/// A name as labels in lower case, from left to right.
pub type Labels = Vec<Vec<u8>>;

/// Numbers of types that mean something to the lookup.
pub mod rtype {
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const DNAME: u16 = 39;
    pub const DS: u16 = 43;
}

/// Names that one response goes through.
const HOPS_MOST: usize = 16;

/// A record of a zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub owner: Labels,
    pub rtype: u16,
    pub rdata: Vec<u8>,
    /// The name that the data is, for the types that lead on.
    pub target: Labels,
}

/// A zone.
pub struct Zone {
    pub apex: Labels,
    pub records: Vec<Record>,
}

/// What a response has to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub rcode: u8,
    pub authoritative: bool,
    /// Owner, type and data; sorted and without doubles.
    pub answer: Vec<(Labels, u16, Vec<u8>)>,
    /// Owner and type of the records in the authority section, if there are any.
    pub authority: Option<(Labels, u16)>,
}

/// A name in wire form.
pub fn to_wire(name: &Labels) -> Vec<u8> {
    let mut wire: Vec<u8> = name.iter().flat_map(|label| [&[label.len() as u8], &label[..]].concat()).collect();
    wire.push(0);
    wire
}

impl Zone {
    /// Whether there is such a name: it or one below it has records (RFC 4592 §2.2.2).
    fn exists(&self, name: &[Vec<u8>]) -> bool {
        self.records.iter().any(|record| record.owner.ends_with(name))
    }

    /// The records of one type at a name.
    fn set(&self, name: &[Vec<u8>], rtype: u16) -> Vec<&Record> {
        self.records.iter().filter(|record| record.owner == name && record.rtype == rtype).collect()
    }
}

/// Where the way from the apex down to a name ends.
enum End<'z> {
    /// RFC 1034 §4.3.2 step 3a or 3c: at the name, or at a wildcard that stands for it.
    Node(Labels),
    /// Step 3b: at a zone cut.
    Cut(&'z [Vec<u8>]),
    /// RFC 6672 §3.2 step 3c: at a DNAME.
    Dname(&'z Record),
    /// Step 3c: the label does not exist, nor does an asterisk in its place.
    Nothing,
}

/// Step 3 for `name`, which lies in `zone`.
fn descend<'z>(zone: &'z Zone, name: &'z [Vec<u8>], qtype: u16) -> End<'z> {
    for length in zone.apex.len()..=name.len() {
        let here = &name[name.len() - length..];
        let is_last = length == name.len();
        if !zone.exists(here) {
            // The closest encloser is one label shorter (RFC 4592 §3.3.1).
            let wildcard: Labels = [&[b"*".to_vec()][..], &here[1..]].concat();
            return if zone.exists(&wildcard) { End::Node(wildcard) } else { End::Nothing };
        }
        // The DS RRset belongs to the side above (RFC 4035 §3.1.4.1).
        let is_cut = length > zone.apex.len() && !zone.set(here, rtype::NS).is_empty();
        if is_cut && !(is_last && qtype == rtype::DS) {
            return End::Cut(here);
        }
        if let (false, Some(dname)) = (is_last, zone.set(here, rtype::DNAME).first()) {
            return End::Dname(dname);
        }
    }
    End::Node(name.to_vec())
}

/// The response to a query of class IN.
pub fn answer(zones: &[Zone], name: &Labels, qtype: u16) -> Expected {
    let mut expected = Expected { authoritative: true, ..Expected::default() };
    let mut name = name.clone();
    let mut before: Vec<Labels> = Vec::new();
    while before.len() < HOPS_MOST && !before.contains(&name) {
        // Step 2: the zone that is the nearest ancestor.
        let own = zones.iter().filter(|zone| name.ends_with(&zone.apex)).max_by_key(|zone| zone.apex.len());
        let Some(zone) = own else {
            if before.is_empty() {
                expected.rcode = 5;
                expected.authoritative = false;
            }
            break;
        };
        let target = match descend(zone, &name, qtype) {
            End::Cut(cut) => {
                // RFC 1034 §4.2.1; the header speaks of the first name in the answer (RFC 1035 §4.1.1).
                expected.authoritative = !before.is_empty();
                expected.authority = Some((cut.to_vec(), rtype::NS));
                break;
            }
            End::Nothing => {
                // RFC 2308 §2.1; of the last name of a chain (RFC 6604 §3).
                expected.rcode = 3;
                expected.authority = Some((zone.apex.clone(), rtype::SOA));
                break;
            }
            End::Dname(dname) => {
                expected.answer.push((dname.owner.clone(), rtype::DNAME, dname.rdata.clone()));
                let labels = &name[..name.len() - dname.owner.len()];
                let target = [labels, &dname.target].concat();
                if to_wire(&target).len() > 255 {
                    expected.rcode = 6;
                    break;
                }
                expected.answer.push((name.clone(), rtype::CNAME, to_wire(&target)));
                if qtype == rtype::CNAME {
                    break;
                }
                target
            }
            End::Node(node) => {
                if let (true, Some(alias)) = (qtype != rtype::CNAME, zone.set(&node, rtype::CNAME).first()) {
                    expected.answer.push((name.clone(), rtype::CNAME, alias.rdata.clone()));
                    alias.target.clone()
                } else {
                    let set = zone.set(&node, qtype);
                    if set.is_empty() {
                        // RFC 2308 §2.2.
                        expected.authority = Some((zone.apex.clone(), rtype::SOA));
                    }
                    expected.answer.extend(set.iter().map(|record| (name.clone(), qtype, record.rdata.clone())));
                    break;
                }
            }
        };
        before.push(std::mem::replace(&mut name, target));
    }
    expected.answer.sort();
    expected.answer.dedup();
    expected
}
