//! `fingerpost watch`: instances as they come, go and change.

mod changes;

use std::io::{self, Write};
use std::process;
use std::thread::{self, sleep};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientError, ClientOptions};
use serde_json::{Value, json};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use self::changes::{Instances, between};
use super::instance::{self, Instance};
use super::output::colours;
use super::service::Service;
use super::{duration, is_not_found};

/// How many instances `DiscoverInstances` gives at most; it gives any so many of more.
const MOST: usize = 1000;

/// How long to wait between two tries at most while the server is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// `fingerpost watch …`
#[derive(Args)]
pub(crate) struct Watch {
    /// The service: SERVICE.NAMESPACE, as in api.production.local, or its id srv-…
    service: String,

    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    interval: Duration,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    #[command(flatten)]
    client: ClientOptions,
}

/// How changes are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line each, for people
    Text,
    /// An object in a line each, for programs
    Json,
}

pub(crate) const EXAMPLES: &str = "\
What is there at the beginning comes first. A line begins with + for an instance that came, - for one that went, and ~ \
for one that changed. While the server is away it tries again, less and less often, and says so on standard error. \
SIGINT and SIGTERM end it.

Output json is one object a line: Change (registered, deregistered, changed), InstanceId, HealthStatus, Attributes, for \
changes what was Before (HealthStatus, Attributes), ServiceName, NamespaceName, and Time in seconds since the epoch.

Examples:
  fingerpost watch api.production.local
  fingerpost watch api.production.local --interval 200ms
  fingerpost watch api.production.local -o json | jq -c '[.Change, .InstanceId]'";

impl Watch {
    /// Watches until somebody ends it. A server that does not answer at the very beginning is an error.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        end_on_signals()?;
        let client = Client::new(&self.client)?;
        let mut watched = Watched::find(&client, &self.service)?;
        let mut known = Instances::new();
        let mut pause: Option<Duration> = None;
        loop {
            match watched.look(&client) {
                Ok(None) => {}
                Ok(Some(now)) => {
                    self.print(&watched.service, &known, &now)?;
                    known = now;
                }
                Err(error) => {
                    if is_not_found(&error) {
                        self.print(&watched.service, &known, &Instances::new())?;
                        known.clear();
                    }
                    let next = pause.map_or(self.interval, |pause| (pause * 2).min(LONGEST_PAUSE.max(self.interval)));
                    say(&format!("{error}; trying again in {} s", next.as_secs_f32()));
                    sleep(next);
                    pause = Some(next);
                    // It may be another service of the same name by then.
                    if let Ok(again) = Watched::find(&client, &self.service) {
                        watched = again;
                    }
                    continue;
                }
            }
            if pause.take().is_some() {
                say(&format!("{} answers again", client.endpoint()));
            }
            sleep(self.interval);
        }
    }

    /// Prints what changed, each change by one write.
    fn print(&self, service: &Service, before: &Instances, after: &Instances) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for change in between(before, after) {
            let line = match self.output {
                Format::Text => change.line(colours()),
                Format::Json => {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    let mut value = change.value();
                    value["ServiceName"] = service.name().into();
                    value["NamespaceName"] = service.namespace.name().into();
                    value["Time"] = (now.as_millis() as f64 / 1000.0).into();
                    value.to_string()
                }
            };
            out.write_all(format!("{line}\n").as_bytes())?;
        }
        out.flush()
    }
}

/// Says something on standard error, if anybody listens there.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "watch: {what}");
}

//----------- Watched ----------------------------------------------------------

/// A service between two looks.
struct Watched {
    service: Service,
    /// The revision of the instances we saw last.
    revision: Option<u64>,
}

impl Watched {
    /// The service of a name, not looked at yet.
    fn find(client: &Client, name: &str) -> anyhow::Result<Self> {
        Ok(Self { service: Service::find(client, name)?, revision: None })
    }

    /// The instances, or `None` if they are the same as last time for sure.
    fn look(&mut self, client: &Client) -> Result<Option<Instances>, ClientError> {
        let mut input =
            json!({"NamespaceName": self.service.namespace.http_name(), "ServiceName": self.service.name()});
        // The revision moves when instances come, go or are replaced, and not with their health.
        if self.revision.is_some() && !self.service.has_health() {
            let answer = client.call(Action::DiscoverInstancesRevision, &input)?;
            if revision(&answer) == self.revision {
                return Ok(None);
            }
        }
        input["HealthStatus"] = "ALL".into();
        input["MaxResults"] = MOST.into();
        let mut answer = client.call(Action::DiscoverInstances, &input)?;
        let seen = revision(&answer);
        let values = match answer.get_mut("Instances").map(Value::take) {
            Some(Value::Array(values)) if values.len() < MOST => values,
            Some(Value::Array(_)) => instance::all(client, &self.service)?,
            _ => Vec::new(),
        };
        self.revision = seen;
        let instances = values.iter().map(Instance::of);
        Ok(Some(instances.map(|instance| (instance.id.clone(), instance)).collect()))
    }
}

/// The revision in an answer of discovery.
fn revision(answer: &Value) -> Option<u64> {
    answer.get("InstancesRevision").and_then(Value::as_u64)
}

//----------- Signals ----------------------------------------------------------

/// Lets SIGINT and SIGTERM end the process as if it had come to its end. Lines are written whole, so none is torn.
fn end_on_signals() -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        process::exit(0);
    })?;
    Ok(())
}
