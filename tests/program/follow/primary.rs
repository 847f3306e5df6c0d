//! A primary that can be started again where it was.

use std::path::Path;

use tempfile::TempDir;

use crate::client::run;
use crate::support::{Launch, Server, free_address};

/// Where a primary listens for followers, and where its data are.
pub(super) struct Primary {
    port: u16,
    flags: Vec<String>,
    data: TempDir,
}

impl Primary {
    /// One with nothing in it.
    pub(super) fn new() -> Self {
        Self::with::<&str>([])
    }

    /// One that is started with flags of its own.
    pub(super) fn with<S: Into<String>>(flags: impl IntoIterator<Item = S>) -> Self {
        Self {
            port: free_address().port(),
            flags: flags.into_iter().map(Into::into).collect(),
            data: TempDir::new().unwrap(),
        }
    }

    /// Where followers find it.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port at which followers find it.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Its data.
    pub(super) fn folder(&self) -> &Path {
        self.data.path()
    }

    /// Starts it.
    #[track_caller]
    pub(super) fn start(&self) -> Server {
        self.start_in(self.folder())
    }

    /// Starts it over other data.
    #[track_caller]
    pub(super) fn start_in(&self, folder: &Path) -> Server {
        let launch = Launch::serve_nothing()
            .flag("--grpc", format!("127.0.0.1:{}", self.port))
            .flag("--custom-health-delay", "0")
            .flag("--data-dir", folder);
        let mut flags = self.flags.iter();
        let mut launch = launch;
        while let (Some(flag), Some(value)) = (flags.next(), flags.next()) {
            launch = launch.flag(flag, value);
        }
        launch.start()
    }

    /// Runs a command of the program on it.
    #[track_caller]
    pub(super) fn run(&self, server: &Server, words: &str) {
        run(server, words).out();
    }

    /// Makes the namespace `production.local` with a service of addresses and one of ports.
    #[track_caller]
    pub(super) fn fill(&self, server: &Server) {
        for words in [
            "create namespace production.local",
            "create service api -n production.local --record A:10 --record AAAA:10 --custom-health",
            "create service web -n production.local --record SRV:10",
            "register api.production.local --id task-1 --ip 10.0.0.1 --attribute AWS_INSTANCE_IPV6=fd00::1",
            "register api.production.local --id task-2 --ip 10.0.0.2 --attribute AWS_INSTANCE_IPV6=fd00::2",
            "register web.production.local --id web-1 --ip 10.0.1.1 --port 8080 --attribute colour=blue",
        ] {
            self.run(server, words);
        }
    }
}
