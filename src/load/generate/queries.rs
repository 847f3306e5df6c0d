//! Queries about the data, a line each, as dnsperf and kxdpgun read them: a name, a blank, a type.

use std::io::{self, Write};

use fastrand::Rng;

use crate::load::data::{Data, Records};

/// Of a hundred queries of a mix, those for names that are not there.
const NXDOMAIN: u32 = 10;
/// Of a hundred queries of a mix, those for types that are not there.
const NODATA: u32 = 10;
/// Of a hundred other queries of a mix, those for the first of the types; the others share the rest.
const FIRST_TYPE: u32 = 80;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Records of a service, of the type with this name.
    Service(&'static str),
    /// The address of an instance by its own name.
    Instance(&'static str),
    /// A type that services do not have.
    Nodata,
    /// A service that is not there.
    Nxdomain,
    /// All kinds but of instances.
    Mix,
}

impl Kind {
    /// Those that the data can answer, but for the mix.
    pub(super) fn all(data: &Data) -> Vec<Self> {
        let services = data.records.types().map(|(_, name)| Self::Service(name));
        let address = if data.has_v4() { "A" } else { "AAAA" };
        let instances = data.records.srv.then_some(Self::Instance(address));
        services.chain(instances).chain([Self::Nodata, Self::Nxdomain]).collect()
    }

    /// What its file is called.
    pub(super) fn name(self) -> String {
        match self {
            Self::Service(name) => name.to_ascii_lowercase(),
            Self::Instance(_) => "instance".into(),
            Self::Nodata => "nodata".into(),
            Self::Nxdomain => "nxdomain".into(),
            Self::Mix => "mix".into(),
        }
    }
}

/// Writes `count` queries about random services, the same ones for the same seed.
pub(super) fn write(data: &Data, kind: Kind, count: u32, output: &mut impl Write) -> io::Result<()> {
    let mut random = Rng::with_seed(data.seed);
    let types: Vec<&str> = data.records.types().map(|(_, name)| name).collect();
    for _ in 0..count {
        let service = random.u32(..data.services);
        let kind = if kind == Kind::Mix { draw(&types, &mut random) } else { kind };
        match kind {
            Kind::Service(rtype) => writeln!(output, "{} {rtype}", data.service_name(service))?,
            Kind::Instance(rtype) => {
                let id = data.instance_id(random.u32(..data.instances));
                writeln!(output, "{id}.{} {rtype}", data.service_name(service))?;
            }
            Kind::Nodata => writeln!(output, "{} {}", data.service_name(service), absent(data))?,
            Kind::Nxdomain | Kind::Mix => writeln!(output, "no-{} A", data.service_name(service))?,
        }
    }
    Ok(())
}

/// One kind of a mix.
fn draw(types: &[&'static str], random: &mut Rng) -> Kind {
    match random.u32(..100) {
        ..NXDOMAIN => return Kind::Nxdomain,
        share if share < NXDOMAIN + NODATA => return Kind::Nodata,
        _ => {}
    }
    let others = types.get(1..).unwrap_or_default();
    let first = others.is_empty() || random.u32(..100) < FIRST_TYPE;
    let rtype = if first { types.first() } else { others.get(random.usize(..others.len())) };
    rtype.map_or(Kind::Nodata, |rtype| Kind::Service(rtype))
}

/// A type that services do not have: of addresses if possible, as clients ask for both.
fn absent(data: &Data) -> &'static str {
    [(Records::AAAA, "AAAA"), (Records::A, "A")]
        .into_iter()
        .find(|(rtype, _)| !data.records.has(*rtype))
        .map_or("TXT", |(_, name)| name)
}
