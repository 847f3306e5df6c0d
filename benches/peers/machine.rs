//! Where a run takes place.

use std::fs;
use std::process::Command;

use crate::plan::Arguments;

/// What a reader has to know about the machine, as pairs of a heading and a text.
pub(crate) fn describe(arguments: &Arguments) -> Vec<(String, String)> {
    let line = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found =
            text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_start_matches([' ', '\t', ':', '='])));
        found.map(|found| found.trim_matches('"').to_owned())
    };
    let whole = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let memory = line("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let flaws: Vec<String> = ["retbleed", "spectre_v2", "meltdown"]
        .into_iter()
        .filter_map(|flaw| {
            Some(format!("{flaw}: {}", whole(&format!("/sys/devices/system/cpu/vulnerabilities/{flaw}"))?))
        })
        .collect();
    let (server, generator) = (arguments.server_core, arguments.generator_core);
    [
        ("When", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("Processor", line("/proc/cpuinfo", "model name")),
        ("Cores", Some(online())),
        ("Memory", memory.map(|kilobytes| format!("{} MB", kilobytes / 1000))),
        ("System", line("/etc/os-release", "PRETTY_NAME")),
        ("Kernel", said("uname", &["-sr"])),
        ("Mitigations", Some(flaws.join("; "))),
        ("Socket buffers", whole("/proc/sys/net/core/rmem_max").map(|most| format!("at most {most} octets"))),
        ("Cores used", Some(format!("{server} for the server, {generator} for the load generator"))),
    ]
    .into_iter()
    .filter_map(|(key, text)| Some((key.to_owned(), text.filter(|text| !text.is_empty())?)))
    .collect()
}

/// How many processors there are.
fn online() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    format!("{} virtual", text.lines().filter(|line| line.starts_with("processor")).count())
}
