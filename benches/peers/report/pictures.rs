//! Pictures of what matters most.

use crate::network::Way;
use crate::plot::{Bar, bars};
use crate::results::Results;

/// File names, titles and pictures.
pub(super) fn all(results: &Results) -> Vec<(&'static str, &'static str, String)> {
    let names: Vec<&str> = results.servers.iter().map(|(name, _, _)| &**name).collect();
    let of = |figure: &dyn Fn(&str) -> Option<Vec<f64>>| -> Vec<Bar> {
        let bar = |name: &&str| Some((results.title(name).to_owned(), figure(name)?));
        let mut bars: Vec<Bar> = names.iter().filter_map(bar).collect();
        bars.sort_by(|(_, one), (_, other)| one.iter().sum::<f64>().total_cmp(&other.iter().sum()));
        bars
    };
    let time = |name: &str| {
        let (user, _) = results.user_time(name, "fixed", Way::Loopback)?;
        let total = results.median(name, "fixed", Way::Loopback, |run| run.cpu_ns)?;
        Some(vec![user.min(total), (total - user).max(0.0)])
    };
    let rate = |name: &str| Some(vec![results.median(name, "saturated", Way::Veth, |run| run.answer_rate)? / 1e3]);
    let instructions = |name: &str| Some(vec![results.instructions_of(name, 8)?]);
    let services = results.sizes.iter().map(|size| size.services).max().unwrap_or(0);
    let memory = |name: &str| Some(vec![results.size(name, services)?.pss as f64 / 1e6]);
    let load = |name: &str| Some(vec![results.size(name, services)?.load_seconds]);
    let mut pictures = Vec::new();
    let mut put = |file, title, unit, parts: &[&str], bars_of: Vec<Bar>| {
        if !bars_of.is_empty() {
            pictures.push((file, title, bars(title, unit, parts, &bars_of)));
        }
    };
    put(
        "cpu-time.svg",
        "CPU time for a query at a fixed rate, loopback (less is better)",
        "ns",
        &["user", "system"],
        of(&time),
    );
    put("throughput.svg", "Saturated, thousand responses a second over veth", "k/s", &[""], of(&rate));
    put("instructions.svg", "User instructions for a query (less is better)", "", &[""], of(&instructions));
    put("memory.svg", "Memory with the largest data (less is better)", "MB", &[""], of(&memory));
    put("load-time.svg", "From start to the first right answer with the largest data", "s", &[""], of(&load));
    pictures
}
