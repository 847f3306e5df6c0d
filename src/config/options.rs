//! What a user may set, as one source says it.
//!
//! [`Options`] is the one list of options: clap reads flags and environment variables into it (a flag wins),
//! the configuration file is read into it as well, and [`super::Config`] is made from the two. An option's
//! three names follow one rule: flag `--udp-payload`, variable `FINGERPOST_UDP_PAYLOAD`, key `udp-payload`. Only the
//! tables have a plural for their keys: `--vpc` names one of `vpcs`, and `--forward-rule` one of `forward-rules`.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::forward::{self, Rule};
use super::transfers::Transfer;
use super::values::{
    AccountId, Address, Bounded, ClientNetwork, Domain, EmptyAnswer, LogFilter, LogFormat, Region, ServerName, Switch,
    Text,
};
use super::vpcs::{self, Vpc};
use crate::forward::Server;

/// The options of `serve` that one source sets; `None` leaves the choice to the next source.
//
// Help texts carry the defaults as words, because a default that clap filled in would win over the file. A unit
// test compares these words, and docs/configuration.md, with what `Config` resolves to.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// Read options from this TOML file; flags and environment variables win over it
    #[arg(long, value_name = "FILE", env = "FINGERPOST_CONFIG", hide_env_values = true)]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Serve what this file, or every *.yaml, *.yml, *.json and *.zone in this folder, declares; repeat it, or separate
    /// paths by colons
    #[arg(long, value_name = "PATH", env = "FINGERPOST_DECLARE", hide_env_values = true, value_delimiter = ':')]
    pub declare: Option<Vec<PathBuf>>,

    /// Keep what the API registers in this folder; "none" keeps nothing [default: ./fingerpost-data]
    #[arg(long, value_name = "DIR", env = "FINGERPOST_DATA_DIR", hide_env_values = true)]
    pub data_dir: Option<PathBuf>,

    /// Answer DNS here, over UDP and TCP; repeat it, or separate addresses by commas [default: 127.0.0.1:5300]
    #[arg(long, value_name = "ADDR:PORT", env = "FINGERPOST_DNS", hide_env_values = true, value_delimiter = ',')]
    pub dns: Option<Vec<Address>>,

    /// Serve the AWS Cloud Map API here; off for nowhere. Beyond loopback it needs credentials
    /// [default: 127.0.0.1:8300]
    #[arg(long, value_name = "ADDR:PORT", env = "FINGERPOST_API", hide_env_values = true)]
    pub api: Option<Switch>,

    /// Serve the gRPC channel here; off for nowhere. Beyond loopback it needs tokens or --grpc-client-ca
    /// [default: 127.0.0.1:8301]
    #[arg(long, value_name = "ADDR:PORT", env = "FINGERPOST_GRPC", hide_env_values = true)]
    pub grpc: Option<Switch>,

    /// Serve /metrics, /livez and /readyz here, over HTTP and to anyone who can connect [default: 127.0.0.1:9300]
    #[arg(long, value_name = "ADDR:PORT", env = "FINGERPOST_ADMIN", hide_env_values = true)]
    pub admin: Option<Address>,

    /// Worker threads that answer UDP, each pinned to a core [default: one per core available]
    #[arg(long, value_name = "N", env = "FINGERPOST_WORKERS", hide_env_values = true)]
    pub workers: Option<Bounded<1, 1024>>,

    /// Largest UDP response in octets, 512 to 4096; also advertised to clients [default: 1232]
    #[arg(long, value_name = "OCTETS", env = "FINGERPOST_UDP_PAYLOAD", hide_env_values = true, help_heading = "DNS")]
    pub udp_payload: Option<Bounded<512, 4096>>,

    /// Name of this server for clients that ask for NSID (RFC 5001) [default: none, not given]
    #[arg(long, value_name = "TEXT", env = "FINGERPOST_NSID", hide_env_values = true, help_heading = "DNS")]
    pub nsid: Option<Text>,

    /// Name in the NS records and the SOA of our zones; repeat it, or separate names by commas. Resolvers that forward
    /// to an address do not look at it [default: ns.fingerpost.invalid]
    #[arg(
        long,
        value_name = "NAME",
        env = "FINGERPOST_NAME_SERVER",
        hide_env_values = true,
        help_heading = "DNS",
        value_delimiter = ','
    )]
    pub name_server: Option<Vec<ServerName>>,

    /// Show the private namespaces of this VPC to clients in these networks, and to nobody else; repeat it, or separate
    /// VPCs by semicolons [default: none, everybody sees all]
    #[arg(
        long = "vpc",
        value_name = "ID=NETWORK[,NETWORK…]",
        env = "FINGERPOST_VPC",
        hide_env_values = true,
        help_heading = "DNS",
        value_delimiter = ';'
    )]
    #[serde(default, deserialize_with = "vpcs::table")]
    pub vpcs: Option<Vec<Vpc>>,

    /// Let clients in these networks, who sign with one of these keys, transfer this zone (* for all), and notify these
    /// servers of its changes; repeat it, or separate entries by semicolons [default: none, refused]
    #[arg(
        long,
        value_name = "zone=ZONE,allow=NETWORK,…,keys=NAME,…,notify=ADDR:PORT,…",
        env = "FINGERPOST_TRANSFER",
        hide_env_values = true,
        help_heading = "Zone transfer",
        value_delimiter = ';'
    )]
    pub transfer: Option<Vec<Transfer>>,

    /// Keys that sign transfers (TSIG): a TOML file that its owner alone can read [default: none]
    #[arg(
        long,
        value_name = "FILE",
        env = "FINGERPOST_TSIG_KEYS",
        hide_env_values = true,
        help_heading = "Zone transfer"
    )]
    pub tsig_keys: Option<PathBuf>,

    /// Answer to CHAOS TXT version.bind and version.server [default: none, refused]
    #[arg(long, value_name = "TEXT", env = "FINGERPOST_CHAOS_VERSION", hide_env_values = true, help_heading = "DNS")]
    pub chaos_version: Option<Text>,

    /// Answer to CHAOS TXT id.server and hostname.bind [default: none, refused]
    #[arg(long, value_name = "TEXT", env = "FINGERPOST_CHAOS_ID", hide_env_values = true, help_heading = "DNS")]
    pub chaos_id: Option<Text>,

    /// What a registered service with nothing to give answers; nxdomain is what AWS does [default: nodata]
    #[arg(
        long,
        value_name = "OUTCOME",
        env = "FINGERPOST_EMPTY_SERVICE",
        hide_env_values = true,
        help_heading = "DNS"
    )]
    pub empty_service: Option<EmptyAnswer>,

    /// Negative TTL of that NODATA, 0 to 86400 [default: 1]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "FINGERPOST_EMPTY_SERVICE_TTL",
        hide_env_values = true,
        help_heading = "DNS"
    )]
    pub empty_service_ttl: Option<Bounded<0, 86_400>>,

    /// Close a DNS connection after this many silent seconds, 1 to 3600 [default: 10]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "FINGERPOST_TCP_IDLE_TIMEOUT",
        hide_env_values = true,
        help_heading = "DNS over TCP"
    )]
    pub tcp_idle_timeout: Option<Bounded<1, 3600>>,

    /// Most DNS connections at once; beyond it the one idle for longest is closed [default: 1024]
    #[arg(
        long,
        value_name = "N",
        env = "FINGERPOST_TCP_CONNECTIONS",
        hide_env_values = true,
        help_heading = "DNS over TCP"
    )]
    pub tcp_connections: Option<Bounded<1, 1_000_000>>,

    /// Most DNS connections at once from one client, which is an IPv4 address or an IPv6 /64 [default: 64]
    #[arg(
        long,
        value_name = "N",
        env = "FINGERPOST_TCP_CONNECTIONS_PER_CLIENT",
        hide_env_values = true,
        help_heading = "DNS over TCP"
    )]
    pub tcp_connections_per_client: Option<Bounded<1, 1_000_000>>,

    /// Ask this upstream for names outside our zones; repeat it, or separate upstreams by commas. system: the name servers
    /// of this machine. tls://1.1.1.1#cloudflare-dns.com: over TLS [default: none, refused]
    #[arg(
        long,
        value_name = "ADDR",
        env = "FINGERPOST_FORWARD",
        hide_env_values = true,
        help_heading = "Forwarding",
        value_delimiter = ','
    )]
    pub forward: Option<Vec<Server>>,

    /// Ask these upstreams for names in this domain; repeat it, or separate rules by semicolons [default: none]
    #[arg(
        long = "forward-rule",
        value_name = "DOMAIN=ADDR[,ADDR…]",
        env = "FINGERPOST_FORWARD_RULE",
        hide_env_values = true,
        help_heading = "Forwarding",
        value_delimiter = ';'
    )]
    #[serde(default, deserialize_with = "forward::table")]
    pub forward_rules: Option<Vec<Rule>>,

    /// Forward for clients in this network, and refuse others; repeat it, or separate networks by commas
    /// [default: 127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10]
    #[arg(
        long,
        value_name = "NETWORK",
        env = "FINGERPOST_FORWARD_ALLOW",
        hide_env_values = true,
        help_heading = "Forwarding",
        value_delimiter = ','
    )]
    pub forward_allow: Option<Vec<ClientNetwork>>,

    /// Most answers of upstreams that are kept, 0 to 10000000 [default: 10000]
    #[arg(
        long,
        value_name = "N",
        env = "FINGERPOST_FORWARD_CACHE_ENTRIES",
        hide_env_values = true,
        help_heading = "Forwarding"
    )]
    pub forward_cache_entries: Option<Bounded<0, 10_000_000>>,

    /// Most octets that they may take, 0 to 4294967295 [default: 4194304]
    #[arg(
        long,
        value_name = "OCTETS",
        env = "FINGERPOST_FORWARD_CACHE_SIZE",
        hide_env_values = true,
        help_heading = "Forwarding"
    )]
    pub forward_cache_size: Option<Bounded<0, 4_294_967_295>>,

    /// How long an answer may be given beyond its TTL while no upstream answers, 0 to 604800 [default: 86400]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "FINGERPOST_FORWARD_MAX_STALE",
        hide_env_values = true,
        help_heading = "Forwarding"
    )]
    pub forward_max_stale: Option<Bounded<0, 604_800>>,

    /// Most queries that wait for upstreams; the next gets SERVFAIL, or an old answer. 1 to 100000 [default: 1024]
    #[arg(
        long,
        value_name = "N",
        env = "FINGERPOST_FORWARD_IN_FLIGHT",
        hide_env_values = true,
        help_heading = "Forwarding"
    )]
    pub forward_in_flight: Option<Bounded<1, 100_000>>,

    /// How long upstreams may take to answer, all together, 1 to 30 [default: 5]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "FINGERPOST_FORWARD_TIMEOUT",
        hide_env_values = true,
        help_heading = "Forwarding"
    )]
    pub forward_timeout: Option<Bounded<1, 30>>,

    /// Answer a single label by its name in this domain, where that is one of ours; repeat it, or separate domains by
    /// commas [default: none]
    #[arg(
        long,
        value_name = "DOMAIN",
        env = "FINGERPOST_SEARCH",
        hide_env_values = true,
        help_heading = "Forwarding",
        value_delimiter = ','
    )]
    pub search: Option<Vec<Domain>>,

    /// Access keys of the API and tokens of gRPC: a TOML file that its owner alone can read. FINGERPOST_ACCESS_KEY_ID
    /// and FINGERPOST_SECRET_ACCESS_KEY add a key [default: none, everybody on this machine may ask for everything]
    #[arg(long, value_name = "FILE", env = "FINGERPOST_CREDENTIALS", hide_env_values = true, help_heading = "AWS API")]
    pub credentials: Option<PathBuf>,

    /// Certificate of the API, with its chain, in PEM; loaded again when it changes [default: none, plain HTTP]
    #[arg(
        long,
        value_name = "FILE",
        env = "FINGERPOST_API_TLS_CERT",
        hide_env_values = true,
        help_heading = "AWS API"
    )]
    pub api_tls_cert: Option<PathBuf>,

    /// Private key of that certificate, in PEM [default: none, plain HTTP]
    #[arg(long, value_name = "FILE", env = "FINGERPOST_API_TLS_KEY", hide_env_values = true, help_heading = "AWS API")]
    pub api_tls_key: Option<PathBuf>,

    /// Region in the ARNs of what unsigned requests create; signatures name theirs [default: us-east-1]
    #[arg(long, value_name = "REGION", env = "FINGERPOST_REGION", hide_env_values = true, help_heading = "AWS API")]
    pub region: Option<Region>,

    /// Account in ARNs, 12 digits [default: 000000000000]
    #[arg(
        long,
        value_name = "DIGITS",
        env = "FINGERPOST_ACCOUNT_ID",
        hide_env_values = true,
        help_heading = "AWS API"
    )]
    pub account_id: Option<AccountId>,

    /// How long a custom health status waits before it takes effect, 0 to 3600; AWS waits 30 seconds [default: 30]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "FINGERPOST_CUSTOM_HEALTH_DELAY",
        hide_env_values = true,
        help_heading = "AWS API"
    )]
    pub custom_health_delay: Option<Bounded<0, 3600>>,

    /// How long from one probe of an instance to the next, where its service has a health check; 1 to 3600
    /// [default: 30]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "FINGERPOST_PROBE_INTERVAL",
        hide_env_values = true,
        help_heading = "AWS API"
    )]
    pub probe_interval: Option<Bounded<1, 3600>>,

    /// How long finished operations can be asked for, 1 to 8760 [default: 24]
    #[arg(
        long,
        value_name = "HOURS",
        env = "FINGERPOST_OPERATION_RETENTION",
        hide_env_values = true,
        help_heading = "AWS API"
    )]
    pub operation_retention: Option<Bounded<1, 8760>>,

    /// Most namespaces [default: none]
    #[arg(
        long,
        value_name = "N",
        env = "FINGERPOST_QUOTA_NAMESPACES",
        hide_env_values = true,
        help_heading = "Quotas of the AWS API"
    )]
    pub quota_namespaces: Option<Bounded<1, 1_000_000_000>>,

    /// Most instances in a namespace [default: none]
    #[arg(
        long,
        value_name = "N",
        env = "FINGERPOST_QUOTA_INSTANCES_PER_NAMESPACE",
        hide_env_values = true,
        help_heading = "Quotas of the AWS API"
    )]
    pub quota_instances_per_namespace: Option<Bounded<1, 1_000_000_000>>,

    /// Most instances in a service [default: none]
    #[arg(
        long,
        value_name = "N",
        env = "FINGERPOST_QUOTA_INSTANCES_PER_SERVICE",
        hide_env_values = true,
        help_heading = "Quotas of the AWS API"
    )]
    pub quota_instances_per_service: Option<Bounded<1, 1_000_000_000>>,

    /// Most DiscoverInstances requests a second [default: none]
    #[arg(
        long,
        value_name = "PER_SECOND",
        env = "FINGERPOST_QUOTA_DISCOVER_RATE",
        hide_env_values = true,
        help_heading = "Quotas of the AWS API"
    )]
    pub quota_discover_rate: Option<Bounded<1, 1_000_000_000>>,

    /// Most DiscoverInstancesRevision requests a second [default: none]
    #[arg(
        long,
        value_name = "PER_SECOND",
        env = "FINGERPOST_QUOTA_DISCOVER_REVISION_RATE",
        hide_env_values = true,
        help_heading = "Quotas of the AWS API"
    )]
    pub quota_discover_revision_rate: Option<Bounded<1, 1_000_000_000>>,

    /// Certificate of gRPC, with its chain, in PEM; loaded again when it changes [default: none, no TLS]
    #[arg(long, value_name = "FILE", env = "FINGERPOST_GRPC_TLS_CERT", hide_env_values = true, help_heading = "gRPC")]
    pub grpc_tls_cert: Option<PathBuf>,

    /// Private key of that certificate, in PEM [default: none, no TLS]
    #[arg(long, value_name = "FILE", env = "FINGERPOST_GRPC_TLS_KEY", hide_env_values = true, help_heading = "gRPC")]
    pub grpc_tls_key: Option<PathBuf>,

    /// Certificates, in PEM, of the authorities of which every client of gRPC must have one
    /// [default: none, clients need no certificate]
    #[arg(long, value_name = "FILE", env = "FINGERPOST_GRPC_CLIENT_CA", hide_env_values = true, help_heading = "gRPC")]
    pub grpc_client_ca: Option<PathBuf>,

    /// How log lines on standard error look [default: human]
    #[arg(long, value_name = "FORMAT", env = "FINGERPOST_LOG_FORMAT", hide_env_values = true, help_heading = "Logs")]
    pub log_format: Option<LogFormat>,

    /// Which events are logged: error, warn, info, debug, trace, or a list such as info,fingerpost::net=debug
    /// [default: info]
    #[arg(long, value_name = "FILTER", env = "FINGERPOST_LOG_LEVEL", hide_env_values = true, help_heading = "Logs")]
    pub log_level: Option<LogFilter>,
}
