//! What is done to the registry, step by step: plain data, so that a failing run can be cut short and done again.
//!
//! Numbers pick among what is there when the step is done; whatever is left of a cut run still means something.

use fastrand::Rng;
use fingerpost::model::{NamespaceType, RecordType};

/// Namespaces' names; some lie below others, some differ by case only.
pub(crate) const NAMESPACES: [&str; 5] = ["t", "a.t", "T", "u", "b.a.t"];
/// Services' names; some are also those of instances of others.
pub(crate) const SERVICES: [&str; 9] = ["a", "A", "b", "i.a", "i", "j.b", ".", "b.a", "x.y.a"];
/// Instances' ids; some differ by case only, one cannot stand in DNS.
pub(crate) const INSTANCES: [&str; 16] =
    ["i", "I", "j", "x.y", "a/b", ".x", "b", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"];
/// What clients call their requests.
const TOKENS: [&str; 2] = ["one", "two"];
/// TTLs.
const TTLS: [u32; 3] = [0, 10, 60];

/// A service's records, and their policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Records {
    pub(crate) types: Vec<(RecordType, u32)>,
    pub(crate) weighted: bool,
}

/// Where a service's health comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    None,
    Custom,
    Probe,
}

/// A map, in order.
pub(crate) type Pairs = Vec<(String, String)>;

/// A declared service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeclaredService {
    pub(crate) name: &'static str,
    pub(crate) records: Records,
    pub(crate) check: Check,
    pub(crate) limit: Option<&'static str>,
    pub(crate) instances: Vec<(&'static str, Pairs)>,
}

/// A declared namespace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeclaredNamespace {
    pub(crate) name: &'static str,
    pub(crate) kind: NamespaceType,
    pub(crate) vpc: Option<&'static str>,
    pub(crate) soa_ttl: u32,
    pub(crate) services: Vec<DeclaredService>,
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    CreateNamespace {
        name: &'static str,
        kind: NamespaceType,
        vpc: &'static str,
        soa_ttl: Option<u32>,
        token: Option<&'static str>,
        tags: Pairs,
    },
    UpdateNamespace {
        which: u8,
        kind: NamespaceType,
        description: Option<String>,
        soa_ttl: Option<u32>,
        token: Option<&'static str>,
    },
    DeleteNamespace {
        which: u8,
    },
    CreateService {
        namespace: u8,
        name: &'static str,
        records: Records,
        /// Whether the client names the policy.
        says_policy: bool,
        api_only: bool,
        check: Check,
        token: Option<&'static str>,
        tags: Pairs,
    },
    UpdateService {
        which: u8,
        description: Option<String>,
        /// New TTL of its records; `None` takes them away.
        ttl: Option<u32>,
        /// Whether other types are given than it has.
        other_types: bool,
        probe: bool,
    },
    DeleteService {
        which: u8,
    },
    PutAttributes {
        which: u8,
        pairs: Pairs,
    },
    RemoveAttributes {
        which: u8,
        keys: Vec<String>,
    },
    Register {
        service: u8,
        id: &'static str,
        token: Option<&'static str>,
        attributes: Pairs,
    },
    Deregister {
        service: u8,
        id: &'static str,
    },
    SetHealth {
        service: u8,
        id: &'static str,
        healthy: bool,
        probed: bool,
    },
    Tag {
        which: u8,
        of_service: bool,
        pairs: Pairs,
    },
    Untag {
        which: u8,
        of_service: bool,
        keys: Vec<String>,
    },
    Declare(Vec<DeclaredNamespace>),
    /// Starts anew from the store, and declares what was declared before, or nothing.
    Restart {
        declares: bool,
    },
}

/// The steps of a run.
pub(crate) fn run(seed: u64, steps: usize) -> Vec<Op> {
    let mut rng = Rng::with_seed(seed);
    (0..steps).map(|_| op(&mut rng)).collect()
}

fn op(rng: &mut Rng) -> Op {
    let which = rng.u8(..);
    match rng.u8(..100) {
        0..8 => Op::CreateNamespace {
            name: pick(rng, &NAMESPACES),
            kind: kind(rng),
            vpc: pick(rng, &["v1", "v2"]),
            soa_ttl: maybe(rng, 3).then(|| pick(rng, &TTLS)),
            token: token(rng),
            tags: pairs(rng, 2),
        },
        8..11 => Op::UpdateNamespace {
            which,
            kind: kind(rng),
            description: maybe(rng, 2).then(|| rng.u8(..9).to_string()),
            soa_ttl: maybe(rng, 2).then(|| pick(rng, &TTLS)),
            token: token(rng),
        },
        11..14 => Op::DeleteNamespace { which },
        14..27 => {
            let records = records(rng);
            Op::CreateService {
                namespace: which,
                name: pick(rng, &SERVICES),
                // CNAME is for WEIGHTED services only, which is not what a service is of which nothing is said.
                says_policy: rng.bool() || records.types.iter().any(|(one, _)| *one == RecordType::Cname),
                records,
                api_only: maybe(rng, 8),
                check: check(rng),
                token: token(rng),
                tags: pairs(rng, 2),
            }
        }
        27..31 => Op::UpdateService {
            which,
            description: maybe(rng, 2).then(|| rng.u8(..9).to_string()),
            ttl: (!maybe(rng, 4)).then(|| pick(rng, &TTLS)),
            other_types: maybe(rng, 6),
            probe: maybe(rng, 4),
        },
        31..36 => Op::DeleteService { which },
        36..39 => Op::PutAttributes { which, pairs: service_attributes(rng) },
        39..40 => {
            Op::RemoveAttributes { which, keys: service_attributes(rng).into_iter().map(|pair| pair.0).collect() }
        }
        40..63 => {
            Op::Register { service: which, id: pick(rng, &INSTANCES), token: token(rng), attributes: instance(rng) }
        }
        63..75 => Op::Deregister { service: which, id: pick(rng, &INSTANCES) },
        75..83 => {
            Op::SetHealth { service: which, id: pick(rng, &INSTANCES), healthy: maybe(rng, 3), probed: maybe(rng, 4) }
        }
        83..86 => Op::Tag { which, of_service: rng.bool(), pairs: pairs(rng, 30) },
        86..88 => {
            let keys = pairs(rng, 4).into_iter().map(|pair| pair.0).collect();
            Op::Untag { which, of_service: rng.bool(), keys }
        }
        88..96 => Op::Declare(declaration(rng)),
        _ => Op::Restart { declares: !maybe(rng, 4) },
    }
}

//----------- Parts ------------------------------------------------------------------------------------------

/// A declaration that may break rules; whoever does the step passes over those that no file channel would send.
fn declaration(rng: &mut Rng) -> Vec<DeclaredNamespace> {
    let mut all: Vec<DeclaredNamespace> = Vec::new();
    for _ in 0..rng.u8(..4) {
        let name = pick(rng, &["t", "a.t", "u"]);
        if all.iter().any(|known| known.name == name) {
            continue;
        }
        let kind = kind(rng);
        let vpc = (kind == NamespaceType::DnsPrivate).then(|| pick(rng, &["v1", "v1", "v1", "v2"]));
        let soa_ttl = pick(rng, &TTLS);
        let mut services: Vec<DeclaredService> = Vec::new();
        for _ in 0..rng.u8(..4) {
            let name = pick(rng, &SERVICES);
            if services.iter().any(|known| known.name.eq_ignore_ascii_case(name)) {
                continue;
            }
            let records = if kind == NamespaceType::Http { none() } else { records(rng) };
            let mut instances: Vec<(&str, Pairs)> = Vec::new();
            for _ in 0..rng.u8(..5) {
                let id = pick(rng, &INSTANCES);
                if instances.iter().all(|(known, _)| *known != id) {
                    instances.push((id, instance(rng)));
                }
            }
            let limit = maybe(rng, 4).then(|| pick(rng, &["1", "3", "all"]));
            services.push(DeclaredService { name, records, check: check(rng), limit, instances });
        }
        all.push(DeclaredNamespace { name, kind, vpc, soa_ttl, services });
    }
    all
}

fn none() -> Records {
    Records { types: Vec::new(), weighted: false }
}

fn records(rng: &mut Rng) -> Records {
    use RecordType::{A, Aaaa, Cname, Srv};
    const COMBINATIONS: [&[RecordType]; 11] =
        [&[], &[A], &[A], &[Aaaa], &[A, Aaaa], &[Srv], &[Srv], &[A, Srv], &[Aaaa, Srv], &[A, Aaaa, Srv], &[Cname]];
    let types = pick(rng, &COMBINATIONS);
    let weighted = types == [Cname] || maybe(rng, 3);
    let mut types: Vec<_> = types.iter().map(|record_type| (*record_type, pick(rng, &TTLS))).collect();
    rng.shuffle(&mut types);
    Records { types, weighted }
}

/// Attributes of an instance. Most have what most records need.
fn instance(rng: &mut Rng) -> Pairs {
    let mut pairs = Pairs::new();
    let mut put = |key: &str, value: String| pairs.push((key.into(), value));
    if !maybe(rng, 8) {
        put("AWS_INSTANCE_IPV4", format!("10.0.0.{}", rng.u8(..20)));
    }
    if !maybe(rng, 4) {
        put("AWS_INSTANCE_IPV6", format!("2001:db8::{:x}", rng.u8(1..20)));
    }
    if !maybe(rng, 8) {
        put("AWS_INSTANCE_PORT", rng.u16(1..1000).to_string());
    }
    if !maybe(rng, 4) {
        put("AWS_INSTANCE_CNAME", format!("h{}.example{}", rng.u8(..9), pick(rng, &["", "."])));
    }
    if maybe(rng, 4) {
        put("AWS_INIT_HEALTH_STATUS", pick(rng, &["HEALTHY", "UNHEALTHY"]).into());
    }
    if maybe(rng, 3) {
        put("color", pick(rng, &["red", "", "a b"]).into());
    }
    pairs
}

fn service_attributes(rng: &mut Rng) -> Pairs {
    let mut pairs = Pairs::new();
    if maybe(rng, 2) {
        pairs.push(("FINGERPOST_LIMIT".into(), pick(rng, &["1", "2", "9", "all"]).into()));
    }
    let start = rng.u8(..30);
    pairs.extend((0..rng.u8(..20)).map(|number| (format!("k{}", start + number), String::new())));
    pairs
}

/// Tags, up to `most`.
fn pairs(rng: &mut Rng, most: u8) -> Pairs {
    let start = rng.u8(..40);
    (0..rng.u8(..=most)).map(|number| (format!("tag{}", start + number), rng.u8(..3).to_string())).collect()
}

fn kind(rng: &mut Rng) -> NamespaceType {
    pick(rng, &[NamespaceType::DnsPrivate, NamespaceType::DnsPublic, NamespaceType::Http])
}

fn check(rng: &mut Rng) -> Check {
    pick(rng, &[Check::None, Check::Custom, Check::Custom, Check::Probe])
}

fn token(rng: &mut Rng) -> Option<&'static str> {
    maybe(rng, 2).then(|| pick(rng, &TOKENS))
}

fn pick<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.usize(..all.len())]
}

/// True once in `n` times.
fn maybe(rng: &mut Rng, n: u8) -> bool {
    rng.u8(..n) == 0
}
