//! What has to be equal between two servers' responses, and which differences are right.

use super::generate::{Group, Query, rtype};
use super::name::Name;
use super::response::{Record, Response};
use super::servers::{EDNS_PAYLOAD, Peer, Trio};

/// How a query went.
pub(crate) enum Verdict {
    Equal,
    /// Different as the table says.
    Known(Vec<String>),
    /// Different for no known reason; all about it.
    Different(String),
    /// The server of this name gave no answer.
    Silent(&'static str),
}

/// One query and two responses to it.
struct Pair<'p> {
    group: &'p Group,
    query: &'p Query,
    /// The other server.
    peer: &'static str,
    ours: &'p Response,
    theirs: &'p Response,
}

/// A difference that is right.
struct Class {
    /// What it is, and what decides.
    what: &'static str,
    holds: fn(&Pair<'_>) -> bool,
}

/// The differences that are right.
const CLASSES: &[Class] = &[
    Class {
        what: "does not follow a CNAME into another of its zones, which RFC 1034 §4.3.2 step 3a does",
        holds: |pair| pair.peer == "Knot" && pair.is_beginning(pair.theirs, pair.ours) && pair.leaves_zone(),
    },
    Class {
        what: "another limit of a long chain; RFC 1034 §3.6.2 and RFC 6672 §3.2 set none",
        holds: |pair| {
            let [ours, theirs] = [pair.chain(pair.ours), pair.chain(pair.theirs)];
            let theirs_most = if pair.peer == "Knot" { KNOT_HOPS_MOST } else { NSD_HOPS_MOST };
            (pair.is_beginning(pair.theirs, pair.ours) && theirs.len() > theirs_most)
                || (pair.is_beginning(pair.ours, pair.theirs) && ours.len() > HOPS_MOST)
        },
    },
    Class {
        what: "other additional records that need not be there: of names in another zone, made from a wildcard, glue \
               beside an answer, or of the many names of a large set (RFC 1034 §4.3.2 step 6: what may be useful)",
        holds: |pair| {
            let mut ours = pair.ours.clone();
            ours.additional.clone_from(&pair.theirs.additional);
            // NSD gives the NS records of the zone beside an answer, and their glue.
            let beside: Vec<Name> = pair.theirs.authority.iter().filter_map(Record::target).collect();
            let chain = pair.chain(pair.ours);
            let is_optional = |record: &Record| {
                pair.zone(&record.owner) != chain.last().and_then(|name| pair.zone(name))
                    || !pair.group.zones.iter().any(|zone| zone.sets.contains_key(&record.owner))
                    || pair.ours.answer.len().max(pair.ours.authority.len()) > TARGETS_MOST
                    || (pair.peer == "Knot" && !pair.theirs.answer.is_empty())
                    || (!pair.theirs.answer.is_empty() && beside.contains(&record.owner))
            };
            let [ours_wanted, theirs_wanted] = [wanted_additional(pair.ours), wanted_additional(pair.theirs)];
            let mut only_ours = ours_wanted.iter().filter(|record| !theirs_wanted.contains(record));
            let mut only_theirs = theirs_wanted.iter().filter(|record| !ours_wanted.contains(record));
            // NSD makes some from a wildcard beside a name that exists, which RFC 4592 §2.2.1 rules out.
            let is_made = |record: &Record| {
                let mut nodes = pair.group.zones.iter().filter_map(|zone| zone.sets.get(&record.owner));
                pair.peer == "NSD" && !nodes.any(|types| types.contains_key(&record.rtype))
            };
            difference(&ours, pair.theirs).is_none()
                && only_ours.all(|record| is_optional(record))
                && only_theirs.all(|record| is_optional(record) || is_made(record))
        },
    },
    Class {
        what: "goes on with the target of a DNAME that makes too long a name, where the response ends (RFC 6672 §3.2)",
        holds: |pair| {
            let is_part = pair.ours.answer.iter().all(|record| pair.theirs.answer.contains(record));
            pair.peer == "Knot" && pair.ours.rcode == YXDOMAIN && is_part
        },
    },
    Class {
        what: "follows a DNAME once that leads below itself, without end or until the name is too long (RFC 6672 §3.2)",
        holds: |pair| {
            let leads_below = |record: &Record| {
                record.rtype == rtype::DNAME && record.target().is_some_and(|target| target.is_below(&record.owner))
            };
            pair.is_beginning(pair.theirs, pair.ours) && pair.theirs.answer.iter().any(leads_below)
        },
    },
];

/// A DNAME leads to too long a name.
const YXDOMAIN: u8 = 6;
/// Records whose targets Fingerpost looks up.
const TARGETS_MOST: usize = 32;
/// CNAMEs that one response of Fingerpost follows.
const HOPS_MOST: usize = 16;
/// CNAMEs that one response of Knot follows.
const KNOT_HOPS_MOST: usize = 5;
/// CNAMEs that one response of NSD follows.
const NSD_HOPS_MOST: usize = 40;

impl Pair<'_> {
    /// The names that a response goes through, the one asked for first.
    fn chain(&self, response: &Response) -> Vec<Name> {
        let mut names = vec![self.query.name.lower()];
        let alias = |name: &Name| {
            response.answer.iter().find(|record| record.rtype == rtype::CNAME && record.owner == *name)?.target()
        };
        while let Some(target) = names.last().and_then(alias).filter(|target| !names.contains(target)) {
            names.push(target);
        }
        names
    }

    /// Whether one response is the beginning of the other: it has a chain, and nothing that the other has not.
    fn is_beginning(&self, part: &Response, whole: &Response) -> bool {
        part.authoritative
            && part.rcode == 0
            && part.answer.iter().all(|record| whole.answer.contains(record))
            && self.chain(part).len() > 1
    }

    /// The apex of the zone in which `name` lies.
    fn zone(&self, name: &Name) -> Option<&Name> {
        let apexes = self.group.zones.iter().map(|zone| &zone.apex).filter(|apex| name.is_below(apex));
        apexes.max_by_key(|apex| apex.0.len())
    }

    /// Whether their chain ends in another zone of ours than the one where it begins.
    fn leaves_zone(&self) -> bool {
        let chain = self.chain(self.theirs);
        let [first, last] = [chain.first(), chain.last()].map(|name| name.and_then(|name| self.zone(name)));
        last.is_some() && first != last
    }
}

/// The responses of all three, or the name of the first that gave none.
fn all_answered(all: &[&Peer; 3], ask: impl Fn(&Peer) -> Option<Response>) -> Result<[Response; 3], &'static str> {
    let [first, second, third] = all.map(|peer| ask(peer).ok_or(peer.name));
    Ok([first?, second?, third?])
}

/// Asks all three.
pub(crate) fn ask(trio: &Trio, group: &Group, query: &Query) -> Verdict {
    let all = [&trio.fingerpost, &trio.nsd, &trio.knot];
    let mut responses = match all_answered(&all, |peer| peer.ask(query)) {
        Ok(responses) => responses,
        Err(silent) => return Verdict::Silent(silent),
    };
    let mut differences = Vec::new();
    if responses.iter().any(|response| response.truncated) || !is_same(&responses) {
        let whole = match all_answered(&all, |peer| peer.ask_whole(query)) {
            Ok(whole) => whole,
            Err(silent) => return Verdict::Silent(silent),
        };
        differences.extend(judge_datagram(query, &responses[0], &whole[0]));
        responses = whole;
    }
    let [ours, nsd, knot] = &responses;
    let mut known = Vec::new();
    for (peer, theirs) in [("NSD", nsd), ("Knot", knot)] {
        let Some(difference) = difference(ours, theirs) else { continue };
        let pair = Pair { group, query, peer, ours, theirs };
        match CLASSES.iter().find(|class| (class.holds)(&pair)) {
            Some(class) => known.push(format!("{peer}: {}", class.what)),
            None => differences.push(format!("{difference} is not as with {peer}")),
        }
    }
    if differences.is_empty() {
        return if known.is_empty() { Verdict::Equal } else { Verdict::Known(known) };
    }
    let edns = if query.edns { " with EDNS" } else { "" };
    let mut text = format!("== {} TYPE{}{edns}: {}\n", query.name, query.qtype, differences.join("; "));
    for (name, response) in [("Fingerpost", ours), ("NSD", nsd), ("Knot", knot)] {
        text += &format!("  {name}: {response}");
    }
    for zone in &group.zones {
        // Sets of sixty records say no more than their first lines.
        let mut last = ("", "", 0);
        for line in zone.text.lines() {
            let mut words = line.split(' ');
            let key = (words.next().unwrap_or_default(), words.nth(2).unwrap_or_default());
            let repeated = if key.0.eq_ignore_ascii_case(last.0) && key.1 == last.1 { last.2 + 1 } else { 0 };
            last = (key.0, key.1, repeated);
            if repeated < 4 {
                text += &format!("  | {line}\n");
            }
        }
        text += "  |\n";
    }
    Verdict::Different(text)
}

/// Whether all three say the same.
fn is_same([ours, nsd, knot]: &[Response; 3]) -> bool {
    difference(ours, nsd).is_none() && difference(ours, knot).is_none()
}

/// What of our responses is different.
fn difference(ours: &Response, theirs: &Response) -> Option<&'static str> {
    let both_answer = !ours.answer.is_empty() && !theirs.answer.is_empty();
    if ours.rcode != theirs.rcode {
        Some("the response code")
    } else if ours.authoritative != theirs.authoritative {
        Some("AA")
    } else if ours.truncated != theirs.truncated {
        Some("TC")
    } else if ours.answer != as_set(&theirs.answer) {
        Some("the answer section")
    } else if !both_answer && ours.authority != as_set(&theirs.authority) {
        Some("the authority section")
    } else if wanted_additional(ours) != wanted_additional(theirs) {
        Some("the additional section")
    } else {
        None
    }
}

/// Without repetitions, of which Knot has some; they are not forgiven on our side.
fn as_set(section: &[Record]) -> Vec<Record> {
    let mut records = section.to_vec();
    records.dedup();
    records
}

/// The additional records that belong to the answer, or to a referral. NS records beside an answer, which Fingerpost
/// does not give, bring their own.
fn wanted_additional(response: &Response) -> Vec<&Record> {
    let section = if response.answer.is_empty() { &response.authority } else { &response.answer };
    let leads = |record: &&Record| matches!(record.rtype, rtype::NS | rtype::MX | rtype::SRV);
    let targets: Vec<Name> = section.iter().filter(leads).filter_map(Record::target).collect();
    response.additional.iter().filter(|record| targets.contains(&record.owner)).collect()
}

/// What is wrong with our datagram, given the response over TCP: it has to be the same if it fits, and else the
/// beginning of it, with TC where what was asked for is not all there (RFC 2181 §9).
fn judge_datagram(query: &Query, datagram: &Response, whole: &Response) -> Option<String> {
    let limit = if query.edns { usize::from(EDNS_PAYLOAD) } else { 512 };
    let part = |part: &[Record], whole: &[Record]| part.iter().all(|record| whole.contains(record));
    let wrong = if datagram.length > limit {
        "is too long"
    } else if datagram.truncated && whole.length <= limit {
        "is truncated, and the response would fit"
    } else if !datagram.truncated && datagram.answer != whole.answer {
        "lacks answers without TC"
    } else if !datagram.truncated && (datagram.rcode, datagram.authoritative) != (whole.rcode, whole.authoritative) {
        "has another header than the response over TCP"
    } else if !part(&datagram.answer, &whole.answer) || !part(&datagram.additional, &whole.additional) {
        "has records that the response over TCP has not"
    } else {
        return None;
    };
    Some(format!("the datagram {wrong}"))
}
