//! `fingerpost run`: a command that is registered while it runs.

use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use fingerpost::agent::{
    self, AwsSettings, Check, Found, GrpcSettings, METADATA_VARIABLE, Rules, Settings, Signal, Token, Wanted, Way,
};
use fingerpost::client::{Client, ClientOptions, Endpoint};

use super::pairs::{Pair, pair};
use super::service::Service;
use super::{Usage, duration};

/// Where the channel is by default.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:8301";
/// The ports of `http` and `https`, where an endpoint names none.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
/// What the registry allows as a lease, in seconds.
const LEASES: std::ops::RangeInclusive<u64> = 1..=86_400;

/// `fingerpost run …`
#[derive(Args)]
pub(crate) struct Run {
    /// The service: SERVICE.NAMESPACE, as in api.production.local, or its id srv-…
    #[arg(long, value_name = "SERVICE")]
    #[arg(env = "FINGERPOST_RUN_SERVICE", hide_env_values = true)]
    service: String,

    /// The port that the command serves, which is registered and checked
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    #[arg(env = "FINGERPOST_RUN_PORT", hide_env_values = true)]
    port: Option<u16>,

    /// The instance's id [default: the id of the ECS task, or else the name of the machine and the port]
    #[arg(long, value_name = "ID")]
    #[arg(env = "FINGERPOST_RUN_ID", hide_env_values = true)]
    id: Option<String>,

    /// The address to register; twice for IPv4 and IPv6. `auto`: that of the ECS task, or else the one from which this
    /// machine reaches the server
    #[arg(long, value_name = "ADDR", default_value = "auto", value_parser = address)]
    #[arg(env = "FINGERPOST_RUN_ADDRESS", hide_env_values = true)]
    #[arg(value_delimiter = ',')]
    address: Vec<Address>,

    /// An attribute of your own, or one of Cloud Map's by its name; repeat it
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair)]
    attribute: Vec<Pair>,

    /// The signal that makes the command stop, and so begins a drain; repeat it
    #[arg(long, value_name = "NAME", value_parser = agent::signal_named, default_values = ["TERM", "INT"])]
    #[arg(value_delimiter = ',')]
    #[arg(env = "FINGERPOST_RUN_STOP_SIGNAL", hide_env_values = true)]
    stop_signal: Vec<Signal>,

    /// How long a stop may wait for the proof that no client uses the instance any more
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = duration)]
    #[arg(env = "FINGERPOST_RUN_DRAIN_TIMEOUT", hide_env_values = true)]
    drain_timeout: Duration,

    /// Stop without a drain: deregister, and stop the command at once
    #[arg(long)]
    no_drain: bool,

    /// How long the command may take to end once it was told to; then it is killed
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    #[arg(env = "FINGERPOST_RUN_GRACE", hide_env_values = true)]
    grace: Duration,

    /// How long the instance stays registered when this program is gone without a word; renewed three times as often
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    #[arg(env = "FINGERPOST_RUN_LEASE", hide_env_values = true)]
    lease: Duration,

    /// Say on standard error what goes as it should, too
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    checks: Checks,

    #[command(flatten)]
    connection: Connection,

    /// The command to run, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How the command is checked.
#[derive(Args)]
#[command(next_help_heading = "Health")]
struct Checks {
    /// How to tell that the command is healthy: `tcp` or `tcp:PORT`, `http:/PATH` or `http:PORT/PATH` (status 200 to
    /// 399), `cmd:LINE` (for sh; exit code 0), or `none` [default: tcp with --port, else none]
    #[arg(long, value_name = "CHECK")]
    #[arg(env = "FINGERPOST_RUN_HEALTH", hide_env_values = true)]
    health: Option<Check>,

    /// Time between two checks; a command that starts is checked more often
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    #[arg(env = "FINGERPOST_RUN_HEALTH_INTERVAL", hide_env_values = true)]
    health_interval: Duration,

    /// How long a check may take
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    #[arg(env = "FINGERPOST_RUN_HEALTH_TIMEOUT", hide_env_values = true)]
    health_timeout: Duration,

    /// Failures in a row that make it unhealthy
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    #[arg(env = "FINGERPOST_RUN_HEALTH_FAILURES", hide_env_values = true)]
    health_failures: u8,
}

/// Whom to tell, and as whom.
#[derive(Args)]
#[command(next_help_heading = "Connection")]
struct Connection {
    /// The server's gRPC channel
    #[arg(long, value_name = "URL", default_value = DEFAULT_ENDPOINT)]
    #[arg(env = "FINGERPOST_RUN_ENDPOINT", hide_env_values = true)]
    endpoint: String,

    /// Use the AWS API instead, at this address: without a proof when a drain is done, the largest TTL is waited for.
    /// Keys are looked for as by the AWS tools
    #[arg(long, value_name = "URL")]
    #[arg(env = "FINGERPOST_RUN_AWS_ENDPOINT", hide_env_values = true)]
    aws_endpoint: Option<String>,

    /// Region to sign for, with --aws-endpoint. Else AWS_REGION, AWS_DEFAULT_REGION [default: us-east-1]
    #[arg(long, value_name = "REGION", requires = "aws_endpoint")]
    region: Option<String>,

    /// The file with the token for the gRPC channel, which may change, and which its owner alone can read. Else the token
    /// itself in FINGERPOST_TOKEN
    #[arg(long, value_name = "FILE")]
    #[arg(env = "FINGERPOST_RUN_TOKEN_FILE", hide_env_values = true)]
    token_file: Option<PathBuf>,

    /// Trust the certificates in this PEM file, and no others, when the server has TLS [default: those that this
    /// machine trusts]
    #[arg(long, value_name = "FILE")]
    #[arg(env = "FINGERPOST_RUN_CA", hide_env_values = true)]
    ca: Option<PathBuf>,

    /// The certificate to show to a server that asks clients for one, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    #[arg(env = "FINGERPOST_RUN_CERT", hide_env_values = true)]
    cert: Option<PathBuf>,

    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    #[arg(env = "FINGERPOST_RUN_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
}

pub(crate) const EXAMPLES: &str = "\
What the ECS agent does for a task, for any process: starts COMMAND, registers it as an instance once it is healthy, \
renews its lease, tells its health, passes signals on, and takes it out of DNS before it stops. Made to be the first \
process of a container: it reaps orphans, and exits with the command's code (128 and the signal's number if one killed \
it).

On SIGTERM or SIGINT the instance is drained first: no new answer has it. Once every server has left the old answers \
behind and the TTL of the last one is over, it is deregistered, and COMMAND gets the signal; after --grace, SIGKILL. A \
second signal ends the wait. Let whoever stops this program wait longer than TTL and --grace together (docker stop \
--time, ECS stopTimeout, Kubernetes terminationGracePeriodSeconds; KillMode=mixed in a systemd unit).

While the registry is away the command starts, runs and stops all the same, and this program tries again. If it is \
killed outright, the lease takes the instance out.

A service with a custom health check is told when the checks fail; an instance of any other is deregistered until they \
pass again. The lease is the attribute FINGERPOST_LEASE. In an ECS task, the metadata endpoint says address, id, \
availability zone, cluster and family. The command does not see FINGERPOST_TOKEN.

Every option can be set as FINGERPOST_RUN_…, except --attribute, --no-drain, --region and --verbose.

Examples:
  fingerpost run --service api.production.local --port 8080 -- ./server --listen 0.0.0.0:8080
  fingerpost run --service api.production.local --port 8080 --health http:/ready --attribute version=2 -- ./server
  fingerpost run --service jobs.production.local --health cmd:./ready.sh -- ./worker
  fingerpost run --service web.production.local --port 80 --stop-signal QUIT --stop-signal TERM -- nginx
  fingerpost run --service api.production.local --port 8080 --aws-endpoint http://127.0.0.1:8300 -- ./server";

/// An address, or the wish that one be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    Auto,
    Said(IpAddr),
}

/// Reads an address.
fn address(text: &str) -> Result<Address, String> {
    match text {
        "auto" => Ok(Address::Auto),
        text => text.parse().map(Address::Said).map_err(|_| "allowed are IPv4 and IPv6 addresses, and auto".into()),
    }
}

impl Run {
    /// Runs the command; the exit code is the command's.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        agent::run(self.settings(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?)
    }

    /// What the flags and `variable`, the environment, say.
    fn settings(self, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Settings> {
        let check = match (self.checks.health, self.port) {
            (Some(check), None) if check.needs_port() => {
                return Err(Usage("--health: the check needs a port; say it there, or say --port".into()).into());
            }
            (Some(check), _) => check,
            (None, Some(_)) => Check::Tcp { port: None },
            (None, None) => Check::None,
        };
        let lease = self.lease.as_secs();
        if self.lease.subsec_nanos() > 0 || !LEASES.contains(&lease) {
            let text = format!("--lease: allowed are whole seconds from {} to {}", LEASES.start(), LEASES.end());
            return Err(Usage(text).into());
        }
        let attributes: Vec<(String, String)> = super::pairs::object(self.attribute)?
            .into_iter()
            .map(|(key, value)| (key, value.as_str().unwrap_or_default().to_owned()))
            .collect();
        let addresses = addresses(&self.address)?;
        let is_aws = self.connection.aws_endpoint.is_some();
        let (way, registry) = self.connection.way(&variable)?;
        Ok(Settings {
            rules: Rules {
                lease: self.lease,
                interval: (check != Check::None).then_some(self.checks.health_interval),
                threshold: self.checks.health_failures,
                stop: self.stop_signal,
                drain: (!self.no_drain).then_some(self.drain_timeout),
                renew_in_drain: !is_aws,
                grace: self.grace,
            },
            wanted: Wanted {
                id: self.id,
                addresses,
                port: self.port,
                attributes,
                lease,
                metadata: variable(METADATA_VARIABLE),
                registry,
            },
            command: self.command,
            service: self.service,
            check,
            check_timeout: self.checks.health_timeout,
            way,
            verbose: self.verbose,
        })
    }
}

/// The addresses that are said; none if they are to be found.
fn addresses(said: &[Address]) -> Result<Vec<IpAddr>, Usage> {
    let one = |address: &Address| match address {
        Address::Auto => None,
        Address::Said(address) => Some(*address),
    };
    let all: Vec<IpAddr> = said.iter().filter_map(one).collect();
    if !all.is_empty() && all.len() < said.len() {
        return Err(Usage("--address: auto stands alone".into()));
    }
    let v4 = all.iter().filter(|address| address.is_ipv4()).count();
    match v4 > 1 || all.len() - v4 > 1 {
        true => Err(Usage("--address: an instance has one IPv4 and one IPv6 address at most".into())),
        false => Ok(all),
    }
}

impl Connection {
    /// How the registry is reached, and its host and port.
    fn way(self, variable: &impl Fn(&str) -> Option<String>) -> anyhow::Result<(Way, String)> {
        if self.aws_endpoint.is_some() {
            let options = ClientOptions { endpoint: self.aws_endpoint, region: self.region, ca_file: self.ca };
            let client = Client::new(&options)?;
            let registry = host_and_port(client.endpoint());
            let find = |client: &Client, name: &str| {
                let service = Service::find(client, name)?;
                Ok(Found { id: service.id().to_owned(), value: service.value })
            };
            return Ok((Way::Aws(AwsSettings { client, find }), registry));
        }
        let endpoint: Endpoint = self.endpoint.parse().map_err(Usage)?;
        let certificate = match (self.cert, self.key) {
            (Some(certificate), Some(key)) => Some((read("--cert", &certificate)?, read("--key", &key)?)),
            _ => None,
        };
        let token = match self.token_file {
            Some(path) => {
                read("--token-file", &path)?;
                Some(Token::File(path))
            }
            None => variable("FINGERPOST_TOKEN").map(Token::Text),
        };
        let authorities = self.ca.as_deref().map(|path| read("--ca", path)).transpose()?;
        let registry = host_and_port(&endpoint);
        let host = registry.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if token.is_some() && !is_here && !endpoint.to_string().starts_with("https:") {
            eprintln!("fingerpost: the token goes to {registry} without TLS; use https:// (--endpoint)");
        }
        let settings = GrpcSettings { endpoint: endpoint.to_string(), authorities, certificate, token };
        Ok((Way::Grpc(settings), registry))
    }
}

/// Host and port of an endpoint.
fn host_and_port(endpoint: &Endpoint) -> String {
    let authority = endpoint.authority();
    // An IPv6 address has colons, but none behind its bracket unless a port follows.
    let has_port = authority.rsplit(']').next().unwrap_or_default().contains(':');
    let port = if endpoint.to_string().starts_with("https:") { HTTPS_PORT } else { HTTP_PORT };
    if has_port { authority.to_owned() } else { format!("{authority}:{port}") }
}

/// Reads a file that a flag names.
fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Usage> {
    fs::read(path).map_err(|error| Usage(format!("{flag}: {} cannot be read: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_one_of_a_family() {
        let read = |text: &str| addresses(&text.split(' ').map(|one| address(one).unwrap()).collect::<Vec<_>>());
        assert_eq!(read("auto").unwrap(), [] as [IpAddr; 0]);
        assert_eq!(read("10.0.0.1 ::1").unwrap().len(), 2);
        for bad in ["auto 10.0.0.1", "10.0.0.1 10.0.0.2", "::1 ::2"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(address("localhost").is_err());
    }

    #[test]
    fn an_endpoint_has_a_port() {
        for (text, expected) in [
            ("http://h", "h:80"),
            ("https://h", "h:443"),
            ("http://h:8301", "h:8301"),
            ("http://[::1]", "[::1]:80"),
            ("http://[::1]:8301", "[::1]:8301"),
        ] {
            assert_eq!(host_and_port(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
