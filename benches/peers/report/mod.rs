//! The results for people: tables and pictures, beside the raw JSON.

mod pictures;
mod tables;
mod words;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::results::Results;
use crate::servers::Peer;
use crate::targets;

/// Writes `raw.json`, `peers.md` and the pictures into `folder`.
pub(crate) fn write(folder: &Path, results: &Results, peers: &[&Peer]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("the folder {}", folder.display()))?;
    // A line for each run, so that the file stays small and can be compared.
    let json = serde_json::to_string(results)?.replace("},{", "},\n{").replace("\":[{", "\":[\n{");
    fs::write(folder.join("raw.json"), json + "\n")?;
    let pictures = pictures::all(results);
    for (name, _, svg) in &pictures {
        fs::write(folder.join(name), svg)?;
    }
    let mut text = String::from(words::HEAD);
    text.push_str(&reached(results));
    text.push_str(&tables::losses(results));
    for (name, title, _) in &pictures {
        let _ = writeln!(text, "![{title}]({name})\n");
    }
    text.push_str(&tables::all(results));
    text.push_str(words::HOW);
    text.push_str(&conditions(results, peers));
    fs::write(folder.join("peers.md"), text)?;
    Ok(())
}

/// What we want to reach, and whether we did.
fn reached(results: &Results) -> String {
    let mut text = String::from("## What we want to reach\n\n| what | reach | measured | |\n|---|---|---|---|\n");
    for target in targets::all(results) {
        let verdict = match target.is_reached {
            Some(true) => "reached",
            Some(false) => "**not reached**",
            None => "–",
        };
        let _ = writeln!(text, "| {} | {} | {} | {verdict} |", target.what, target.reach, target.measured);
    }
    text.push_str(words::ELSEWHERE);
    text
}

/// The machine, versions, commands and configurations.
fn conditions(results: &Results, peers: &[&Peer]) -> String {
    let mut text = String::from("## Machine\n\n| | |\n|---|---|\n");
    for (key, value) in &results.machine {
        let _ = writeln!(text, "| {key} | {value} |");
    }
    text.push_str("\n## Servers\n\n| server | version | command |\n|---|---|---|\n");
    for peer in peers {
        let version = results.servers.iter().find(|(name, _, _)| name == peer.name);
        let version = version.map_or("", |(_, _, version)| version);
        let _ = writeln!(text, "| {} | {version} | `{}` |", peer.title, peer.usage());
    }
    if !results.left_out.is_empty() {
        text.push_str("\nLeft out:\n\n");
        for what in &results.left_out {
            let _ = writeln!(text, "* {}", what.replace('\n', " "));
        }
    }
    text.push_str("\n## Same answers\n\n");
    let agreement = &results.agreement;
    let _ = writeln!(
        text,
        "Each server was asked the same {} questions before anything was timed (A, SRV, NODATA and NXDOMAIN of random \
         services, A of instances, the SOA): header, answers and TTLs had to be equal as sets, and were. These \
         differences remain, each with an example:\n",
        agreement.queries
    );
    for (what, example) in &agreement.differences {
        let _ = writeln!(text, "* {what}: {example}");
    }
    text.push_str(
        "\n## Configurations\n\nThe files are in `benches/peers/configuration/`; a word in braces is filled in.\n",
    );
    let mut shown = Vec::new();
    for (name, template) in peers.iter().filter_map(|peer| peer.template()) {
        if !shown.contains(&name) {
            let _ = write!(text, "\n<details><summary>{name}</summary>\n\n```text\n{template}```\n\n</details>\n");
            shown.push(name);
        }
    }
    text
}
