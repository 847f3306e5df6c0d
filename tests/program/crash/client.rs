//! A client of the AWS API that hides nothing: JSON over one connection, and no second try.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::support::PATIENCE;

/// A connection.
pub(super) struct Api(BufReader<TcpStream>);

impl Api {
    /// Connects.
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// What the server replies, the code of an error among it; an error where it is gone.
    pub(super) fn call(&mut self, action: &str, input: &Value) -> io::Result<Result<Value, String>> {
        let body = input.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: \
             Route53AutoNaming_v20170314.{action}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut status = String::new();
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if status.is_empty() {
                status = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let reply: Value = serde_json::from_slice(&body).unwrap();
        let code = || reply["__type"].as_str().unwrap_or_default().to_owned();
        Ok(if status == "200" { Ok(reply) } else { Err(code()) })
    }

    /// A reply that must come, and say yes.
    #[track_caller]
    pub(super) fn must(&mut self, action: &str, input: &Value) -> Value {
        self.call(action, input).unwrap().unwrap_or_else(|code| panic!("{action} {input}: {code}"))
    }
}
