//! A blocking client of the AWS Cloud Map API, for Fingerpost or for AWS: JSON 1.1 over HTTP, signed.
//!
//! ```text
//! ClientOptions ─▶ Endpoint, Credential, region ─▶ Client ─▶ call: one request, one answer
//!  flags, environment, ~/.aws/credentials           ├─ pages, answers: what comes in pages, NextToken by NextToken
//!                                                   └─ start, wait: an operation, until it succeeded or failed
//! ```
//!
//! Inputs and answers are JSON as in the API model; this module knows actions, pages, operations and errors, and no
//! other shape. It sends every request once: whether to try again is the caller's to say ([`ClientError::is_passing`]).

#![forbid(unsafe_code)]

mod credentials;
mod endpoint;
mod error;
mod options;
mod pages;
#[cfg(test)]
mod tests;
mod transport;

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use ureq::http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};

pub use self::endpoint::Endpoint;
pub use self::error::ClientError;
pub use self::options::ClientOptions;
pub use self::pages::{Answers, Pages};
use self::transport::Transport;
use crate::channel::cloudmap::Action;
use crate::sigv4::{Credential, Signer};

/// What the names of actions follow in `X-Amz-Target`.
const TARGET_PREFIX: &str = "Route53AutoNaming_v20170314";

/// The name of the API in signatures.
const SERVICE: &str = "servicediscovery";

/// Media type of JSON 1.1.
const JSON: &str = "application/x-amz-json-1.1";

/// How long to wait before an operation is asked for a second time; then twice as long, each time.
const FIRST_WAIT: Duration = Duration::from_millis(5);

/// How long to wait between two questions at most.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A client of one server, with the credential of one user. Threads may share it.
pub struct Client {
    endpoint: Endpoint,
    signer: Signer,
    transport: Transport,
}

impl Client {
    /// A client as `options`, the environment and the user's files say. Nothing is sent yet.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientError> {
        let resolved = options.resolve(|name| std::env::var(name).ok())?;
        Self::with(resolved.endpoint, resolved.credential, &resolved.region, resolved.authorities.as_deref())
    }

    /// A client of `endpoint`; `authorities` are certificates in PEM, trusted instead of those of the public web.
    pub fn with(
        endpoint: Endpoint,
        credential: Credential,
        region: &str,
        authorities: Option<&[u8]>,
    ) -> Result<Self, ClientError> {
        let transport = Transport::new(&endpoint, authorities)?;
        Ok(Self { endpoint, signer: Signer::new(credential, region, SERVICE), transport })
    }

    /// Whom it asks.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks for `action` once and returns the answer, an object.
    pub fn call(&self, action: Action, input: &Value) -> Result<Value, ClientError> {
        let body = input.to_string().into_bytes();
        let headers = self.headers(action, &body)?;
        let (status, answer) = self.transport.post(&self.endpoint, headers, &body)?;
        let answer = if answer.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&answer) };
        match (status, answer) {
            (200..=299, Ok(answer @ Value::Object(_))) => Ok(answer),
            (400..=599, Ok(Value::Object(error))) if error.contains_key("__type") => Err(ClientError::of_answer(error)),
            _ => Err(ClientError::NotTheApi { endpoint: self.endpoint.to_string(), status }),
        }
    }

    /// The items of `member`, a list in the answers of `action`, over all pages.
    pub fn pages<'a>(&'a self, action: Action, input: Value, member: &'static str) -> Pages<'a> {
        Pages::new(self.answers(action, input), member)
    }

    /// The answers of `action`, one a page.
    pub fn answers(&self, action: Action, input: Value) -> Answers<'_> {
        Answers::new(self, action, input)
    }

    /// Asks for an action that starts an operation; returns the operation's id.
    pub fn start(&self, action: Action, input: &Value) -> Result<String, ClientError> {
        let answer = self.call(action, input)?;
        match answer.get("OperationId").and_then(Value::as_str) {
            Some(id) => Ok(id.to_owned()),
            None => Err(ClientError::NotTheApi { endpoint: self.endpoint.to_string(), status: 200 }),
        }
    }

    /// Waits until an operation has succeeded, and returns it; one that fails is an error.
    pub fn wait(&self, operation: &str, patience: Duration) -> Result<Value, ClientError> {
        let begun = Instant::now();
        let mut pause = FIRST_WAIT;
        loop {
            let mut answer = self.call(Action::GetOperation, &json!({"OperationId": operation}))?;
            let found = answer.get_mut("Operation").map(Value::take).unwrap_or_default();
            let text = |member: &str| found.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
            match text("Status").as_str() {
                "SUCCESS" => return Ok(found),
                "FAIL" => {
                    let (code, message) = (text("ErrorCode"), text("ErrorMessage"));
                    return Err(ClientError::Failed { operation: operation.to_owned(), code, message });
                }
                status if begun.elapsed() + pause > patience => {
                    let (operation, status) = (operation.to_owned(), status.to_owned());
                    return Err(ClientError::StillRunning { operation, status, patience });
                }
                _ => sleep(pause),
            }
            pause = (pause * 2).min(LONGEST_WAIT);
        }
    }

    /// The headers of a request, with its signature.
    fn headers(&self, action: Action, body: &[u8]) -> Result<HeaderMap, ClientError> {
        let mut headers = HeaderMap::new();
        let header = |text: &str| HeaderValue::from_str(text).map_err(|_| ClientError::unsendable(text));
        headers.insert(HOST, header(self.endpoint.authority())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert("x-amz-target", header(&format!("{TARGET_PREFIX}.{}", action.name()))?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.signer.sign(now, "POST", "/", "", &mut headers, body).map_err(|_| {
            ClientError::Options(
                "the access key id or the session token has characters that no header can carry".into(),
            )
        })?;
        Ok(headers)
    }
}

impl ClientError {
    /// The error that an answer says.
    fn of_answer(mut answer: Map<String, Value>) -> Self {
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let code = text(answer.remove("__type")).unwrap_or_default();
        // `namespace#Code:address`, says the protocol.
        let code = code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
        let (upper, lower) = (text(answer.remove("Message")), text(answer.remove("message")));
        Self::Api { code, message: upper.or(lower).unwrap_or_default(), members: answer }
    }

    /// What cannot stand in a header.
    fn unsendable(text: &str) -> Self {
        Self::Options(format!("{text:?} cannot stand in a header"))
    }
}
