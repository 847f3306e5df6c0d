//! Checks of the command, made by ourselves, where it runs.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::health::probe::Target;
use crate::model::ProbeType;

/// How the command is checked. The default of a port is that of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is healthy once it runs.
    None,
    /// It takes connections.
    Tcp {
        /// Where.
        port: Option<u16>,
    },
    /// It answers with a status from 200 to 399.
    Http {
        /// Where.
        port: Option<u16>,
        /// What it is asked for.
        path: Box<str>,
    },
    /// This line succeeds in a shell.
    Shell(Box<str>),
}

impl FromStr for Check {
    type Err = String;

    /// Reads `http:/ready`, `http:8081/ready`, `tcp`, `tcp:8081`, `cmd:LINE`, `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let text = "allowed are tcp, tcp:PORT, http:/PATH, http:PORT/PATH, cmd:LINE and none";
            Err(text.to_owned())
        };
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match (kind, rest) {
            ("none", "") => Ok(Self::None),
            ("tcp", "") => Ok(Self::Tcp { port: None }),
            ("tcp", rest) => port(rest).map_or_else(wrong, |port| Ok(Self::Tcp { port: Some(port) })),
            ("http", rest) => {
                let at = rest.find('/').unwrap_or(rest.len());
                let (number, path) = rest.split_at(at);
                let is_sendable = path.bytes().all(|octet| octet.is_ascii_graphic());
                match (number, port(number)) {
                    _ if path.is_empty() || !is_sendable => wrong(),
                    ("", _) => Ok(Self::Http { port: None, path: path.into() }),
                    (_, Some(port)) => Ok(Self::Http { port: Some(port), path: path.into() }),
                    (_, None) => wrong(),
                }
            }
            ("cmd", line) if !line.trim().is_empty() => Ok(Self::Shell(line.into())),
            _ => wrong(),
        }
    }
}

impl Check {
    /// Whether it needs a port that it does not name.
    pub fn needs_port(&self) -> bool {
        matches!(self, Self::Tcp { port: None } | Self::Http { port: None, .. })
    }

    /// Makes a check over the network, at this address; `port` is that of the instance. Others fail.
    pub(super) async fn passes(&self, address: IpAddr, port: Option<u16>, host: &str, patience: Duration) -> bool {
        let (probe_type, path, named) = match self {
            Self::Tcp { port } => (ProbeType::Tcp, "/", port),
            Self::Http { port, path } => (ProbeType::Http, &**path, port),
            Self::None | Self::Shell(_) => return false,
        };
        let Some(port) = named.or(port) else { return false };
        let address = SocketAddr::new(address, port);
        let target = Target { probe_type, address, host: Arc::from(host), path: path.into() };
        timeout(patience, target.passes()).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_read() {
        let http = |port, path: &str| Check::Http { port, path: path.into() };
        for (text, check) in [
            ("none", Check::None),
            ("tcp", Check::Tcp { port: None }),
            ("tcp:81", Check::Tcp { port: Some(81) }),
            ("http:/", http(None, "/")),
            ("http:/ready?deep=1", http(None, "/ready?deep=1")),
            ("http:8081/a:b", http(Some(8081), "/a:b")),
            ("cmd:test -e /run/ready", Check::Shell("test -e /run/ready".into())),
        ] {
            assert_eq!(text.parse(), Ok(check), "{text}");
        }
        for bad in
            ["", "udp", "tcp:x", "tcp:0", "http", "http:", "http:81", "http:x/", "http:/a b", "cmd:", "cmd: ", "none:1"]
        {
            assert!(bad.parse::<Check>().unwrap_err().starts_with("allowed are"), "{bad}");
        }
    }
}
