//! Changes of Unbound's local data through its control socket: a connection for each command, and nothing is kept on
//! disk.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{Channel, PATIENCE, address};
use crate::running::Running;

/// The socket of one server.
pub(super) struct Control {
    path: PathBuf,
    apex: String,
}

impl Control {
    pub(super) fn new(server: &Running) -> Self {
        Self { path: server.place.folder.join("control.sock"), apex: server.place.files.apex.clone() }
    }
}

impl Channel for Control {
    fn name(&self) -> &'static str {
        "control socket"
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn bulk(&self) -> u32 {
        1000
    }

    fn added(&self, number: u32) -> String {
        format!("new-{number}.{}", self.apex)
    }

    fn add(&mut self, first: u32, count: u32) -> Result<()> {
        let mut text = String::from("UBCT1 local_data");
        text.push_str(if count > 1 { "s\n" } else { " " });
        for number in first..first + count {
            let _ = writeln!(text, "new-{number}.{}. 10 IN A {}", self.apex, address(number));
        }
        if count > 1 {
            // The end of the list.
            text.push_str("\u{4}\n");
        }
        let mut stream = UnixStream::connect(&self.path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(text.as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        ensure!(!reply.contains("error"), "unbound: {}", reply.trim());
        Ok(())
    }
}
