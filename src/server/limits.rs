//! Limits of the kernel that will hurt, said at start and not found out under load.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::channel::cloudmap::http::MAX_CONNECTIONS;
use crate::channel::grpc;
use crate::config::Config;

/// Open files beside sockets: logs, epoll, signals, declarations, admin clients, with room to spare.
const OTHER_FILES: u64 = 128;

/// Makes room for as many open files as `config` needs, and warns where the kernel does not allow it. (What it
/// gives a socket less than was asked for, `net::bind` says.)
pub(super) fn check(config: &Config) {
    let sockets = config.dns.len() as u64 * (config.workers as u64 + 1);
    // A query in flight has a connection of its own to an upstream, and others where the first is slow.
    let upstreams = if config.forward.is_on() { 3 * config.forward.in_flight } else { 0 };
    let channels = config.api.map_or(0, |_| MAX_CONNECTIONS) + config.grpc.map_or(0, |_| grpc::MAX_CONNECTIONS);
    let connections = config.tcp.total + channels + upstreams;
    let wanted = connections as u64 + sockets + OTHER_FILES;
    if let Some(limit) = raise_open_files(wanted) {
        warn!(
            "the limit of open files is {limit}: {connections} connections need {wanted}; raise it (ulimit -n, \
             LimitNOFILE=) or lower tcp-connections"
        );
    }
}

/// Raises this process's limit of open files to `wanted`; returns the limit where that cannot be.
fn raise_open_files(wanted: u64) -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return None;
    }
    let possible = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = Rlimit { current: Some(possible), maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) if possible >= wanted => None,
        Ok(()) => Some(possible),
        Err(_) => limit.current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_is_raised_and_never_lowered() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(raise_open_files(1), None);
        assert_eq!(getrlimit(Resource::Nofile), before);
        if let Some(maximum) = before.maximum {
            assert_eq!(raise_open_files(maximum), None);
            assert_eq!(getrlimit(Resource::Nofile).current, Some(maximum));
        }
    }
}
