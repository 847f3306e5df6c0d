//! From flags, environment variables and one file to the frozen [`Config`].
//!
//! `options` lists what may be set, `values` holds the types of the values, `file` reads the file, and this
//! module decides: a flag wins over a variable, a variable over the file, the file over the default. Nothing
//! here opens a socket or starts a thread.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::dns;
use crate::forward::Settings as Forward;
use crate::net::connections::Limits;
use crate::registry::Quotas;
use crate::wire::Name;

pub mod file;
mod forward;
mod options;
mod transfers;
pub mod values;
mod vpcs;

pub use options::Options;
pub use transfers::Transfer;
pub use values::LogFormat;
use values::{Address, Bounded, EmptyAnswer, LogFilter, Switch};
pub use vpcs::Vpc;

//----------- Config -----------------------------------------------------------

/// The settings of one run: complete, valid, and never changed.
#[derive(Clone, Debug)]
pub struct Config {
    /// Declaration files and folders.
    pub declare: Vec<PathBuf>,
    /// Folder of durable state; `None`: what the API registers is gone with the process.
    pub data_dir: Option<PathBuf>,
    /// Where DNS is answered, over UDP and TCP: at least one address, none twice.
    pub dns: Vec<SocketAddr>,
    /// Where the Cloud Map API is served, if it is.
    pub api: Option<SocketAddr>,
    /// Where gRPC is served, if it is.
    pub grpc: Option<SocketAddr>,
    /// Where `/metrics`, `/livez` and `/readyz` are served.
    pub admin: SocketAddr,
    /// UDP worker threads, at least one.
    pub workers: usize,
    /// Names in the NS records of our zones, at least one; the first is also the SOA's.
    pub name_servers: Vec<Name>,
    /// The VPCs whose clients see private namespaces; with none, everybody sees all.
    pub vpcs: Vec<Vpc>,
    /// Who may transfer which zone, and whom to notify.
    pub transfers: Vec<Transfer>,
    /// File of the keys that sign transfers.
    pub tsig_keys: Option<PathBuf>,
    /// What workers and connections need to answer.
    pub answers: dns::Settings,
    /// Limits of DNS over TCP.
    pub tcp: Limits,
    /// Who is asked for names outside our zones.
    pub forward: Forward,
    /// File of access keys and tokens.
    pub credentials: Option<PathBuf>,
    /// Certificate and key of the API; plain HTTP without.
    pub api_tls: Option<TlsFiles>,
    /// Certificate and key of gRPC; no TLS without.
    pub grpc_tls: Option<TlsFiles>,
    /// Certificates of the authorities of gRPC's clients; there is a [`Self::grpc_tls`] beside it.
    pub grpc_client_ca: Option<PathBuf>,
    /// Region in ARNs, where a request does not say one.
    pub region: Box<str>,
    /// Account in ARNs.
    pub account_id: Box<str>,
    /// How long a custom health status waits before it takes effect.
    pub custom_health_delay: Duration,
    /// How long from one probe of an instance to the next.
    pub probe_interval: Duration,
    /// How long a finished operation is kept.
    pub operation_retention: Duration,
    /// What the API grants at most.
    pub quotas: Quotas,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which events are logged.
    pub log_level: LogFilter,
    /// What the user should know about these settings, though they are valid.
    pub warnings: Vec<String>,
    /// Flags and variables, kept to read the file again.
    given: Options,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate with its chain, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

impl Config {
    /// Reads the file that `given` names, if any, and resolves both; `given` holds flags and variables.
    pub fn load(given: Options) -> Result<Self, Faults> {
        let file = match &given.config {
            Some(path) => file::read(path)?,
            None => Options::default(),
        };
        Self::resolve(given, file)
    }

    /// Validates the file at `path` on its own.
    pub fn check(path: &Path) -> Result<(), Faults> {
        let name = path.display();
        match Self::resolve(Options::default(), file::read(path)?) {
            Ok(_) => Ok(()),
            Err(Faults(faults)) => Err(Faults(faults.iter().map(|fault| format!("{name}: {fault}")).collect())),
        }
    }

    /// Reads the file again and resolves it under the same flags and variables.
    pub fn reload(&self) -> Result<Self, Faults> {
        Self::load(self.given.clone())
    }

    /// Decides every option: `given` over `file` over the default.
    pub fn resolve(given: Options, file: Options) -> Result<Self, Faults> {
        let kept = given.clone();
        let warnings = warnings(&given, &file);
        let forward = forward::settings(&given, &file);
        let local = |port| Address(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let idle_timeout: u16 = given.tcp_idle_timeout.or(file.tcp_idle_timeout).map_or(10, number);
        let dns = pick(given.dns, file.dns, || vec![local(5300)]);
        let config = Self {
            declare: pick(given.declare, file.declare, Vec::new),
            data_dir: Some(pick(given.data_dir, file.data_dir, || "./fingerpost-data".into()))
                .filter(|folder| folder.as_os_str() != "none"),
            dns: dns.into_iter().map(|address| address.0).collect(),
            api: pick(given.api, file.api, || Switch(Some(local(8300).0))).0,
            grpc: pick(given.grpc, file.grpc, || Switch(Some(local(8301).0))).0,
            admin: pick(given.admin, file.admin, || local(9300)).0,
            workers: given.workers.or(file.workers).map_or_else(cores, number),
            name_servers: given
                .name_server
                .or(file.name_server)
                .map_or_else(default_name_servers, |names| names.into_iter().map(|name| name.0).collect()),
            vpcs: pick(given.vpcs, file.vpcs, Vec::new),
            transfers: pick(given.transfer, file.transfer, Vec::new),
            tsig_keys: given.tsig_keys.or(file.tsig_keys),
            answers: dns::Settings {
                udp_payload: given.udp_payload.or(file.udp_payload).map_or(1232, number),
                nsid: given.nsid.or(file.nsid).map(|text| Box::<str>::from(text).into()),
                version: given.chaos_version.or(file.chaos_version).map(Box::from),
                id_server: given.chaos_id.or(file.chaos_id).map(Box::from),
                empty_service: match pick(given.empty_service, file.empty_service, || EmptyAnswer::NoData) {
                    EmptyAnswer::NoData => dns::EmptyService::NoData {
                        ttl: given.empty_service_ttl.or(file.empty_service_ttl).map_or(1, number),
                    },
                    EmptyAnswer::NxDomain => dns::EmptyService::NxDomain,
                },
                // In units of 100 ms (RFC 7828, section 3.1); 3600 seconds fit.
                tcp_keepalive: idle_timeout * 10,
                // The server sets it, once it knows who answers what is left.
                defer: dns::Defer::default(),
            },
            tcp: Limits {
                idle_timeout: Duration::from_secs(idle_timeout.into()),
                total: given.tcp_connections.or(file.tcp_connections).map_or(1024, number),
                per_client: given.tcp_connections_per_client.or(file.tcp_connections_per_client).map_or(64, number),
                // Not an option: who does not read for as long as this is gone, however long others may be idle.
                ..Limits::default()
            },
            forward,
            credentials: given.credentials.or(file.credentials),
            api_tls: tls_files(
                "api",
                given.api_tls_cert.or(file.api_tls_cert),
                given.api_tls_key.or(file.api_tls_key),
            )?,
            grpc_tls: tls_files(
                "grpc",
                given.grpc_tls_cert.or(file.grpc_tls_cert),
                given.grpc_tls_key.or(file.grpc_tls_key),
            )?,
            grpc_client_ca: given.grpc_client_ca.or(file.grpc_client_ca),
            region: given.region.or(file.region).map_or_else(|| "us-east-1".into(), Box::from),
            account_id: given.account_id.or(file.account_id).map_or_else(|| "000000000000".into(), Box::from),
            custom_health_delay: Duration::from_secs(
                given.custom_health_delay.or(file.custom_health_delay).map_or(30, number),
            ),
            probe_interval: Duration::from_secs(given.probe_interval.or(file.probe_interval).map_or(30, number)),
            operation_retention: Duration::from_secs(
                3600 * given.operation_retention.or(file.operation_retention).map_or(24, number::<u64, _, _>),
            ),
            quotas: Quotas {
                namespaces: given.quota_namespaces.or(file.quota_namespaces).map(number),
                instances_per_namespace: given
                    .quota_instances_per_namespace
                    .or(file.quota_instances_per_namespace)
                    .map(number),
                instances_per_service: given
                    .quota_instances_per_service
                    .or(file.quota_instances_per_service)
                    .map(number),
                discover_rate: given.quota_discover_rate.or(file.quota_discover_rate).map(number),
                discover_revision_rate: given
                    .quota_discover_revision_rate
                    .or(file.quota_discover_revision_rate)
                    .map(number),
            },
            log_format: pick(given.log_format, file.log_format, || LogFormat::Human),
            log_level: pick(given.log_level, file.log_level, LogFilter::default),
            warnings,
            given: kept,
        };
        config.validate()?;
        Ok(config)
    }

    /// Faults between options; the values alone are valid already.
    fn validate(&self) -> Result<(), Faults> {
        let mut faults = Vec::new();
        if self.dns.is_empty() {
            faults.push("dns: at least one ADDR:PORT is needed".to_owned());
        }
        for (index, address) in self.dns.iter().enumerate() {
            // Port 0 means another free port each time.
            if address.port() != 0 && self.dns[..index].contains(address) {
                faults.push(format!("dns: {address} is listed twice"));
            }
            if address.port() != 0 && *address == self.admin {
                faults.push(format!("admin: {address} is a dns address, too"));
            }
        }
        faults.extend(vpcs::faults(&self.vpcs));
        faults.extend(forward::faults(&self.forward));
        faults.extend(transfers::faults(&self.transfers, self.tsig_keys.is_some()));
        let others = || self.dns.iter().map(|dns| (dns, "a dns")).chain([(&self.admin, "the admin")]);
        let api = self.api.iter().map(|api| (api, "the api"));
        for (address, name) in others().filter(|(address, _)| self.api.as_ref() == Some(address)) {
            if address.port() != 0 {
                faults.push(format!("api: {address} is {name} address, too"));
            }
        }
        for (address, name) in others().chain(api).filter(|(address, _)| self.grpc.as_ref() == Some(address)) {
            if address.port() != 0 {
                faults.push(format!("grpc: {address} is {name} address, too"));
            }
        }
        if self.grpc_client_ca.is_some() && self.grpc_tls.is_none() {
            faults.push("grpc-client-ca: grpc-tls-cert and grpc-tls-key are missing beside it".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }

    /// Every option that has a key, with its effective value: what the log shows at start.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let text = |text: Option<&[u8]>| text.map_or_else(|| "none".to_owned(), |t| String::from_utf8_lossy(t).into());
        let path = |path: Option<&Path>| path.map_or_else(|| "none".to_owned(), |path| path.display().to_string());
        let quota = |quota: Option<u32>| quota.map_or_else(|| "none".to_owned(), |quota| quota.to_string());
        let (empty_service, ttl) = match self.answers.empty_service {
            dns::EmptyService::NoData { ttl } => (EmptyAnswer::NoData, ttl.to_string()),
            dns::EmptyService::NxDomain => (EmptyAnswer::NxDomain, "the zone's".to_owned()),
        };
        let mut settings = vec![
            ("declare", list(self.declare.iter().map(|path| path.display()))),
            (
                "data-dir",
                self.data_dir.as_ref().map_or_else(|| "none".to_owned(), |folder| folder.display().to_string()),
            ),
            ("dns", list(&self.dns)),
            ("api", Switch(self.api).to_string()),
            ("grpc", Switch(self.grpc).to_string()),
            ("admin", self.admin.to_string()),
            ("workers", self.workers.to_string()),
            ("udp-payload", self.answers.udp_payload.to_string()),
            ("nsid", text(self.answers.nsid.as_deref())),
            (
                "name-server",
                list(self.name_servers.iter().map(|name| name.to_string().trim_end_matches('.').to_owned())),
            ),
            ("vpcs", vpcs::shown(&self.vpcs)),
            ("transfer", transfers::shown(&self.transfers)),
            ("tsig-keys", path(self.tsig_keys.as_deref())),
            ("chaos-version", text(self.answers.version.as_deref().map(str::as_bytes))),
            ("chaos-id", text(self.answers.id_server.as_deref().map(str::as_bytes))),
            ("empty-service", empty_service.to_string()),
            ("empty-service-ttl", ttl),
            ("tcp-idle-timeout", self.tcp.idle_timeout.as_secs().to_string()),
            ("tcp-connections", self.tcp.total.to_string()),
            ("tcp-connections-per-client", self.tcp.per_client.to_string()),
        ];
        settings.extend(forward::shown(&self.forward));
        settings.extend([
            ("credentials", path(self.credentials.as_deref())),
            ("api-tls-cert", path(self.api_tls.as_ref().map(|files| &*files.certificate))),
            ("api-tls-key", path(self.api_tls.as_ref().map(|files| &*files.key))),
            ("region", self.region.to_string()),
            ("account-id", self.account_id.to_string()),
            ("custom-health-delay", self.custom_health_delay.as_secs().to_string()),
            ("probe-interval", self.probe_interval.as_secs().to_string()),
            ("operation-retention", (self.operation_retention.as_secs() / 3600).to_string()),
            ("quota-namespaces", quota(self.quotas.namespaces)),
            ("quota-instances-per-namespace", quota(self.quotas.instances_per_namespace)),
            ("quota-instances-per-service", quota(self.quotas.instances_per_service)),
            ("quota-discover-rate", quota(self.quotas.discover_rate)),
            ("quota-discover-revision-rate", quota(self.quotas.discover_revision_rate)),
            ("grpc-tls-cert", path(self.grpc_tls.as_ref().map(|files| &*files.certificate))),
            ("grpc-tls-key", path(self.grpc_tls.as_ref().map(|files| &*files.key))),
            ("grpc-client-ca", path(self.grpc_client_ca.as_deref())),
            ("log-format", self.log_format.to_string()),
            ("log-level", self.log_level.as_str().to_owned()),
        ]);
        settings
    }

    /// Keys whose effective value differs in `other`.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.settings().into_iter().zip(other.settings());
        pairs.filter(|(mine, theirs)| mine != theirs).map(|(mine, _)| mine.0).collect()
    }
}

/// The first that is set.
fn pick<T>(given: Option<T>, file: Option<T>, default: impl FnOnce() -> T) -> T {
    given.or(file).unwrap_or_else(default)
}

/// The number in `bounded`, in the type that the setting has. Every bound fits every type it is asked for in;
/// saturating says so without a panic.
fn number<T: TryFrom<u32> + From<u16>, const MIN: u32, const MAX: u32>(bounded: Bounded<MIN, MAX>) -> T {
    T::try_from(bounded.get()).unwrap_or_else(|_| T::from(u16::MAX))
}

/// Certificate and key of a channel: both or neither.
fn tls_files(channel: &str, certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, Faults> {
    let missing = |there: &str, missing: &str| {
        Faults(vec![format!("{channel}-tls-{there}: {channel}-tls-{missing} is missing beside it")])
    };
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing("cert", "key")),
        (None, Some(_)) => Err(missing("key", "cert")),
    }
}

/// Cores this process may run on: its affinity and its control group's quota are respected.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A name that cannot be mistaken for a server of somebody's (RFC 2606).
fn default_name_servers() -> Vec<Name> {
    Name::parse("ns.fingerpost.invalid").into_iter().collect()
}

/// Items separated by commas.
fn list(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(",")
}

/// What is valid but will surprise.
fn warnings(given: &Options, file: &Options) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(Address(admin)) = given.admin.or(file.admin).filter(|address| !address.0.ip().is_loopback()) {
        warnings
            .push(format!("admin listens beyond loopback, on {admin}: whoever can connect may read metrics and state"));
    }
    if given.empty_service.or(file.empty_service) == Some(EmptyAnswer::NxDomain)
        && given.empty_service_ttl.or(file.empty_service_ttl).is_some()
    {
        warnings.push("empty-service-ttl has no effect while empty-service is nxdomain".to_owned());
    }
    let nobody_registers = [given.api.or(file.api), given.grpc.or(file.grpc)] == [Some(Switch(None)); 2];
    if given.declare.as_ref().or(file.declare.as_ref()).is_none_or(Vec::is_empty) && nobody_registers {
        warnings.push("nothing is declared, and api and grpc are off: nothing can be registered".to_owned());
    }
    let data_dir = given.data_dir.as_ref().or(file.data_dir.as_ref());
    if data_dir.is_some_and(|folder| folder.as_os_str() == "none") && !nobody_registers {
        warnings.push("data-dir is none: what is registered is gone when the server stops".to_owned());
    }
    warnings
}

//----------- Faults -----------------------------------------------------------

/// Why a configuration or a declaration cannot be used: every fault, one a line, with its place where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl Faults {
    /// The faults in the words that they display.
    pub fn of(faults: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        Self(faults.into_iter().map(|fault| fault.to_string()).collect())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests;
