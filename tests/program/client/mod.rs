//! The program as its own client, for people without the AWS tools.
//!
//! [`commands`] go through the life of a service, [`names`] finds what users mean, [`watch`] sees changes and outages,
//! [`access`] is about endpoints, keys and certificates.

mod access;
mod commands;
mod names;
mod watch;

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{Launch, Server};

/// How a command went.
#[derive(Debug)]
pub(crate) struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// Runs a command to its end.
    fn of(launch: &Launch) -> Self {
        let output = launch.run();
        let text = |octets| String::from_utf8(octets).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Standard output of a command that succeeds and has nothing else to say.
    #[track_caller]
    pub(crate) fn out(self) -> String {
        assert_eq!((self.code, &*self.err), (Some(0), ""), "{self:?}");
        self.out
    }

    /// The same of a command that prints JSON.
    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.out()).unwrap()
    }

    /// The one line on standard error of a command that fails with `code`, without the program's name.
    #[track_caller]
    fn refusal(self, code: i32) -> String {
        assert_eq!((self.code, &*self.out), (Some(code), ""), "{self:?}");
        let line = self.err.strip_prefix("fingerpost: ").and_then(|line| line.strip_suffix('\n'));
        line.filter(|line| !line.contains('\n')).unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// A command with its words separated by blanks, on a machine where no AWS tool was ever set up.
fn command(words: &str) -> Launch {
    let variables = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SERVICEDISCOVERY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ];
    let launch = Launch::of(words.split_whitespace()).variable("HOME", "/nonexistent");
    variables.iter().fold(launch, |launch, name| launch.variable(name, ""))
}

/// A command that asks the server at `api`.
fn asking(api: SocketAddr, words: &str) -> Launch {
    command(words).variable("FINGERPOST_ENDPOINT", format!("http://{api}"))
}

/// Runs a command on the server's API.
pub(crate) fn run(server: &Server, words: &str) -> Ran {
    Ran::of(&asking(server.api.unwrap(), words))
}

/// A server without anything, whose custom health takes effect at once.
fn server() -> Server {
    Launch::serve_nothing().flag("--custom-health-delay", "0").start()
}

/// Such a server with the namespace `production.local` and its service `api`.
fn server_with_api() -> Server {
    let server = server();
    run(&server, "create namespace production.local").out();
    run(&server, "create service api -n production.local --record A:10 --custom-health").out();
    server
}
