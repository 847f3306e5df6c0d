//! Operations, seen through or not, as the user wishes.

use std::time::Duration;

use clap::Args;
use fingerpost::client::{Client, ClientError};

use super::duration;

/// Flags of commands that start operations.
#[derive(Args, Clone, Debug)]
pub(crate) struct Waiting {
    /// Do not wait until it is done; print the id of the operation
    #[arg(long)]
    no_wait: bool,

    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, conflicts_with = "no_wait")]
    timeout: Duration,
}

impl Waiting {
    /// Waits for an operation if that is wished; returns whether it is done.
    pub(super) fn see_through(&self, client: &Client, operation: &str) -> Result<bool, ClientError> {
        if self.no_wait {
            return Ok(false);
        }
        client.wait(operation, self.timeout).map(|_| true)
    }
}
