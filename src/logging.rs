//! Events of the cold side to standard error, for people or as JSON. Nothing is logged for a query.

use std::env;
use std::io::{self, IsTerminal};

use fingerpost::config::{Config, LogFormat};
use fingerpost::server::STARTED;
use tracing_subscriber::EnvFilter;

/// Starts logging as `config` says; called once.
pub(crate) fn start(config: &Config) {
    // The lines that say which sockets answer are part of the interface: no level hides them.
    // What the store's library says of its files concerns nobody, unless a filter asks for it.
    let filter = EnvFilter::new(format!("fjall=warn,lsm_tree=warn,{},{STARTED}=info", config.log_level.as_str()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match config.log_format {
        LogFormat::Human => {
            let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            builder.with_ansi(colours).init();
        }
        LogFormat::Json => builder.json().init(),
    }
}
