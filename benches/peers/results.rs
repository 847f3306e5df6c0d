//! What was measured, as it is written to the raw JSON.

use serde::Serialize;

use crate::agreement::Agreement;
use crate::network::Way;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    /// Where and how.
    pub(crate) machine: Vec<(String, String)>,
    /// Name, title and version of the servers, in the order of the tables.
    pub(crate) servers: Vec<(String, String, String)>,
    /// What could not be had: a server that is missing, a part that failed.
    pub(crate) left_out: Vec<String>,
    /// Whether all answer the same.
    pub(crate) agreement: Agreement,
    /// Runs of the load generator.
    pub(crate) runs: Vec<Run>,
    /// Memory and load times.
    pub(crate) sizes: Vec<Size>,
    /// Instructions.
    pub(crate) instructions: Vec<Instructions>,
    /// Changes.
    pub(crate) changes: Vec<Changes>,
}

/// One run of the load generator against one server. Times are in nanoseconds, rates a second.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) server: String,
    /// What is measured, such as `saturated`.
    pub(crate) subject: String,
    /// `loopback` or `veth`.
    pub(crate) way: String,
    pub(crate) mix: String,
    pub(crate) transport: String,
    pub(crate) services: u32,
    pub(crate) instances: u32,
    pub(crate) repeat: usize,
    /// Asked for, in an open loop.
    pub(crate) rate: Option<f64>,
    /// Under way, in a closed loop.
    pub(crate) outstanding: Option<usize>,
    pub(crate) seconds: f64,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) lost: u64,
    pub(crate) unsent: u64,
    pub(crate) send_rate: f64,
    pub(crate) answer_rate: f64,
    /// Answers with something wrong, and an example.
    pub(crate) wrong: u64,
    pub(crate) example: String,
    /// The server's CPU time for an answer, of all of its threads.
    pub(crate) cpu_ns: f64,
    /// The part in user mode, as the kernel's samples divide it.
    pub(crate) user_ns: f64,
    /// These samples, in hundredths of a second.
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
    /// The share of the time that the server was on its core.
    pub(crate) busy: f64,
    /// The same of the generator.
    pub(crate) generator_busy: f64,
    /// How late the generator was, 99 % of the queries.
    pub(crate) lag_p99: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    /// Answers with what had been replaced before they were asked for; of runs with changes beside the queries.
    pub(crate) stale: u64,
    /// Changes that were acknowledged meanwhile.
    pub(crate) changes: u64,
    /// From a change's acknowledgement, or from when it was due, to the first answer with it, 99 % of them.
    pub(crate) visible_p99: u64,
    pub(crate) shown_p99: u64,
}

/// Memory and load time of one server with one size of data.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Size {
    pub(crate) server: String,
    pub(crate) services: u32,
    pub(crate) instances: u32,
    pub(crate) records: u64,
    /// From the program's start to its first right answer.
    pub(crate) load_seconds: f64,
    /// Proportional set size once it answers, all processes.
    pub(crate) pss: u64,
    /// The most that was resident until then.
    pub(crate) peak: u64,
}

/// User instructions of one server for a query.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Instructions {
    pub(crate) server: String,
    pub(crate) services: u32,
    pub(crate) instances: u32,
    pub(crate) queries: u64,
    pub(crate) per_query: f64,
}

/// Changes of one server.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Changes {
    pub(crate) server: String,
    /// How: `one by one` or `in bulk`, and through what.
    pub(crate) how: String,
    /// Instances that were there before.
    pub(crate) instances: u64,
    /// Whether an acknowledged change survives a crash.
    pub(crate) durable: bool,
    pub(crate) count: u64,
    pub(crate) per_second: f64,
    /// From sending a change to the first DNS answer with it.
    pub(crate) shown_p50: Option<u64>,
    pub(crate) shown_p99: Option<u64>,
}

impl Results {
    /// Notes that something could not be had, and says so.
    pub(crate) fn fail(&mut self, what: String) {
        println!("  left out: {what}");
        self.left_out.push(what);
    }

    /// Runs of a server with one subject over one way.
    pub(crate) fn runs_of<'r>(&'r self, server: &'r str, subject: &'r str, way: Way) -> impl Iterator<Item = &'r Run> {
        let is_it = move |run: &&Run| {
            run.server == server && run.subject == subject && run.way == way.name() && run.answered > 0
        };
        self.runs.iter().filter(is_it)
    }

    /// The median of a figure over the repeats; `None` where there was no run.
    pub(crate) fn median(&self, server: &str, subject: &str, way: Way, figure: impl Fn(&Run) -> f64) -> Option<f64> {
        median(self.runs_of(server, subject, way).map(figure))
    }

    /// Nanoseconds of user time for an answer, and how sure that is (one standard deviation): all repeats together,
    /// for the kernel tells user time by samples.
    pub(crate) fn user_time(&self, server: &str, subject: &str, way: Way) -> Option<(f64, f64)> {
        let (mut total, mut user, mut all, mut answered) = (0.0, 0.0, 0.0, 0.0);
        for run in self.runs_of(server, subject, way) {
            total += run.cpu_ns * run.answered as f64;
            answered += run.answered as f64;
            user += run.user_ticks as f64;
            all += (run.user_ticks + run.system_ticks) as f64;
        }
        (all > 0.0).then(|| {
            let share = user / all;
            // Samples are taken 250 times a second, and told in hundredths: so many were there.
            let samples = all * 2.5;
            let each = total / answered;
            (each * share, each * (share * (1.0 - share) / samples).sqrt())
        })
    }

    /// The medians of memory and of load time of a server with a size of data.
    pub(crate) fn size(&self, server: &str, services: u32) -> Option<Size> {
        let of: Vec<&Size> =
            self.sizes.iter().filter(|size| size.server == server && size.services == services).collect();
        let last = of.last()?;
        let mut size = Size::clone(last);
        size.load_seconds = median(of.iter().map(|size| size.load_seconds))?;
        size.pss = median(of.iter().map(|size| size.pss as f64))? as u64;
        size.peak = of.iter().map(|size| size.peak).max()?;
        Some(size)
    }

    /// Instructions of a server for a query of data with so many instances.
    pub(crate) fn instructions_of(&self, server: &str, instances: u32) -> Option<f64> {
        let found = self.instructions.iter().find(|found| found.server == server && found.instances == instances)?;
        Some(found.per_query)
    }

    /// Servers to compare ours with, by name.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &str> {
        let names = self.servers.iter().map(|(name, _, _)| &**name);
        names.filter(|name| !matches!(*name, "fingerpost" | "echo"))
    }

    /// The peer with the least of a figure, and that.
    pub(crate) fn least(&self, figure: impl Fn(&str) -> Option<f64>) -> Option<(&str, f64)> {
        let all = self.peers().filter_map(|name| Some((name, figure(name)?)));
        all.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// What people call a server.
    pub(crate) fn title<'r>(&'r self, server: &'r str) -> &'r str {
        match server {
            "fingerpost-stored" => "Fingerpost, registry on disk",
            "fingerpost-follower" => "Fingerpost, follower",
            "disk" => "the disk itself",
            _ => self.servers.iter().find(|(name, _, _)| name == server).map_or(server, |(_, title, _)| title),
        }
    }
}

/// The median; `None` of nothing.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = figures.get(middle).copied()?;
    let is_odd = figures.len() % 2 == 1;
    Some(if is_odd { upper } else { f64::midpoint(upper, figures.get(middle - 1).copied()?) })
}
