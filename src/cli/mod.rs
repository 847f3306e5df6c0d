//! `fingerpost` as a client: one file a command, for people without the AWS tools.
//!
//! Every command is a struct of arguments with `run`, which asks over [`fingerpost::client`] and prints. [`service`]
//! and [`namespace`] find what a user names, [`instance`] says how an instance looks, [`table`] and [`output`] print,
//! [`waiting`] sees operations through.

pub(crate) mod apply;
pub(crate) mod completions;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod deregister;
pub(crate) mod discover;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod health;
pub(crate) mod import;
mod instance;
pub(crate) mod load;
mod namespace;
mod output;
mod pairs;
pub(crate) mod register;
pub(crate) mod resolvconf;
pub(crate) mod run;
mod service;
mod table;
mod waiting;
pub(crate) mod watch;
mod zone;

use std::io::{self, ErrorKind};
use std::time::Duration;

use fingerpost::client::ClientError;
use serde_json::Value;

/// Bad usage that only shows once the arguments are looked at together: exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Whether an error is the user's usage: [`Usage`], or an endpoint, a region or credentials that make no sense.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<Usage>() || matches!(error.downcast_ref(), Some(ClientError::Options(_)))
}

/// Whether an error is that nobody reads our output any more, which is no fault: `fingerpost watch api | head -1`.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// The text of a member; empty if it is not there.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the server says that what we asked for is not there.
fn is_not_found(error: &ClientError) -> bool {
    matches!(error.code(), Some("ServiceNotFound" | "NamespaceNotFound"))
}

/// Reads a time such as `500ms`, `1s`, `2m`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        _ => 0,
    };
    match number.parse::<u64>() {
        Ok(number @ 1..=86_400_000) if unit > 0 => Ok(Duration::from_millis(number * unit)),
        _ => Err("allowed are times above 0 such as 500ms, 1s, 2m".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, millis) in [("500ms", 500), ("1s", 1000), ("3", 3000), ("2m", 120_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "s", "0", "0ms", "1h", "-1s", "1.5s", "99999999999999999999"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
