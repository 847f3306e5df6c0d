//! Unbound, by NLnet Labs, with everything as local data: a resolver that is used as a server.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};

use anyhow::{Context, Result};

use super::{Part, Peer, Place};

pub(super) const PEER: Peer = Peer {
    name: "unbound",
    title: "Unbound, local data",
    program: || "unbound".into(),
    version: &["-V"],
    configuration: Some(("unbound.conf", include_str!("../configuration/unbound.conf"))),
    prepare,
    arguments: |place| vec!["-d".into(), "-c".into(), place.folder.join("unbound.conf").into()],
    variables: &[],
    part: Part::Whole,
};

/// Turns the zone file into local data.
fn prepare(place: &Place) -> Result<()> {
    let zone = BufReader::new(File::open(&place.files.zone)?);
    let mut file = BufWriter::new(File::create(place.folder.join("local.conf"))?);
    let apex = format!("{}.", place.files.apex);
    writeln!(file, "local-zone: \"{apex}\" static")?;
    let (mut origin, mut ttl, mut owner) = (apex, String::new(), String::new());
    for line in zone.lines() {
        let line = line?;
        let line = line.split(';').next().unwrap_or_default();
        let mut words = line.split_whitespace().peekable();
        match words.peek().copied() {
            None => continue,
            Some("$ORIGIN") => origin = words.nth(1).context("$ORIGIN without a name")?.into(),
            Some("$TTL") => ttl = words.nth(1).context("$TTL without a number")?.into(),
            Some(first) => {
                if !line.starts_with([' ', '\t']) {
                    owner = absolute(first, &origin);
                    words.next();
                }
                let mut own_ttl = None;
                let rtype = loop {
                    let word = words.next().context("a record without a type")?;
                    match word {
                        "IN" => {}
                        _ if word.bytes().all(|octet| octet.is_ascii_digit()) => own_ttl = Some(word),
                        rtype => break rtype,
                    }
                };
                let own_ttl = own_ttl.unwrap_or(&ttl);
                // The generated files have names in these places only.
                let names: &[usize] = match rtype {
                    "SOA" => &[0, 1],
                    "NS" | "CNAME" => &[0],
                    "SRV" => &[3],
                    _ => &[],
                };
                let rdata = words.filter(|word| !matches!(*word, "(" | ")")).enumerate().map(|(place, word)| {
                    if names.contains(&place) { absolute(word, &origin) } else { word.to_owned() }
                });
                let rdata = rdata.collect::<Vec<_>>().join(" ");
                writeln!(file, "local-data: '{owner} {own_ttl} IN {rtype} {rdata}'")?;
            }
        }
    }
    Ok(file.flush()?)
}

/// A name of a zone file, with all of its labels.
fn absolute(name: &str, origin: &str) -> String {
    match name {
        "@" => origin.to_owned(),
        _ if name.ends_with('.') => name.to_owned(),
        _ => format!("{name}.{origin}"),
    }
}
