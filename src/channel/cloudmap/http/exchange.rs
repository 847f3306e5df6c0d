//! One request, one reply.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use tokio::time::timeout;

use super::super::access::Gate;
use super::super::{Action, ApiError, Protocol};
use super::{Handler, Limits, Request};
use crate::metrics::ApiCounters;
use crate::sigv4;

/// Names the action of a JSON request, as `<PREFIX>.<action>`.
const X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Names the protocol of a CBOR request, and of its reply.
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

/// The value of [`SMITHY_PROTOCOL`].
const RPC_V2_CBOR: &str = "rpc-v2-cbor";

/// Names a reply, for people who compare logs.
const X_AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The code of an error, once more.
const X_AMZN_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// What the API model calls this service and its version, before the dot and the action.
const TARGET_PREFIX: &str = "Route53AutoNaming_v20170314.";

/// The path of a CBOR request, before the action.
const CBOR_PREFIX: &str = "/service/Route53AutoNaming_v20170314/operation/";

/// Octets that are read of a body whose sender has no key that is known here: enough for a reply on a connection that
/// goes on, and too few to exhaust the memory over all connections.
const STRANGERS_BODY: usize = 64 << 10;

/// From requests to replies.
pub(super) struct Exchange<H> {
    gate: Arc<Gate>,
    counters: Arc<ApiCounters>,
    limits: Limits,
    handler: H,
}

/// A reply, and whether the connection has to end with it.
pub(super) struct Reply {
    /// The reply as HTTP has it.
    pub(super) response: Response<Full<Bytes>>,
    /// The body of the request was not read to its end.
    pub(super) unread: bool,
}

impl<H: Handler> Exchange<H> {
    /// Replies come from `handler`, if `gate` lets the request pass.
    pub(super) fn new(gate: Arc<Gate>, counters: Arc<ApiCounters>, limits: Limits, handler: H) -> Self {
        Self { gate, counters, limits, handler }
    }

    /// Answers one request.
    pub(super) async fn reply(&self, request: hyper::Request<Incoming>) -> Reply {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        let protocol = match parts.uri.path().starts_with(CBOR_PREFIX) {
            true => Protocol::Cbor,
            false => Protocol::Json,
        };
        let action = action(&parts, protocol);
        let claim = self.gate.check_claim(&parts.headers);
        let limit = if claim.is_ok() { self.limits.body } else { self.limits.body.min(STRANGERS_BODY) };
        let (result, unread) = match self.read(body, limit).await {
            Ok(body) => (self.answer(&parts, protocol, action.clone(), body).await, false),
            Err(error) => (Err(claim.err().unwrap_or(error)), true),
        };
        self.counters.record(action.ok(), result.as_ref().err().map(|error| error.code), begun.elapsed());
        Reply { response: response(protocol, result, unread), unread }
    }

    /// Reads the body, if it has no more than `limit` octets.
    async fn read(&self, body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
        let read = async {
            let mut body = body;
            let mut first = Bytes::new();
            let mut rest = Vec::new();
            let too_large = || ApiError::invalid_input(format!("the body has more than {limit} octets"));
            // What the client says it will send.
            if body.size_hint().lower() > limit as u64 {
                return Err(too_large());
            }
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| ApiError::serialization("the body did not arrive"))?;
                let Ok(data) = frame.into_data() else { continue };
                if first.len() + rest.len() + data.len() > limit {
                    return Err(too_large());
                }
                // Nearly always the first is all.
                if first.is_empty() {
                    first = data;
                } else {
                    rest.extend_from_slice(&data);
                }
            }
            Ok(if rest.is_empty() { first } else { [&first[..], &rest].concat().into() })
        };
        match timeout(self.limits.arrival, read).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = self.limits.arrival.as_secs_f32();
                Err(ApiError::serialization(format!("the body did not arrive within {seconds} seconds")))
            }
        }
    }

    /// What the client gets to read.
    async fn answer(
        &self,
        parts: &Parts,
        protocol: Protocol,
        action: Result<Action, ApiError>,
        body: Bytes,
    ) -> Result<Vec<u8>, ApiError> {
        let action = action?;
        let signed = sigv4::Request {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body: &body,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let caller = self.gate.admit(&signed, action, now)?;
        self.handle(Request { action, protocol, caller, body }).await
    }

    /// Asks the handler. Its panic is an error of ours, and no reason to end a connection.
    async fn handle(&self, request: Request) -> Result<Vec<u8>, ApiError> {
        let action = request.action;
        let mut answer = pin!(async { self.handler.handle(request).await });
        // The future is not polled again after a panic, so nothing sees what it left behind.
        let caught = std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(Some(result)),
            Err(_) => Poll::Ready(None),
        });
        caught.await.unwrap_or_else(|| {
            tracing::error!("{} panicked", action.name());
            Err(ApiError::internal("an internal error occurred"))
        })
    }
}

/// The action that a request names.
fn action(parts: &Parts, protocol: Protocol) -> Result<Action, ApiError> {
    let unknown = |message: String| ApiError::new("UnknownOperationException", message);
    let form = "send POST / with the header X-Amz-Target";
    if parts.method != Method::POST {
        return Err(unknown(format!("this is the AWS Cloud Map API, which knows no {}: {form}", parts.method)));
    }
    let path = parts.uri.path();
    let name = match protocol {
        // The header is also what keeps web pages out: with it, browsers ask first whether they may send a request.
        Protocol::Cbor => match parts.headers.get(SMITHY_PROTOCOL) {
            Some(value) if value == RPC_V2_CBOR => path.strip_prefix(CBOR_PREFIX).unwrap_or_default(),
            _ => return Err(unknown(format!("the header {SMITHY_PROTOCOL} has to be {RPC_V2_CBOR}"))),
        },
        Protocol::Json if path != "/" => {
            return Err(unknown(format!("this is the AWS Cloud Map API, which has no path {path:?}: {form}")));
        }
        Protocol::Json => match parts.headers.get(X_AMZ_TARGET).map(|target| target.to_str().unwrap_or_default()) {
            None => return Err(unknown(format!("the header X-Amz-Target is missing: {form}"))),
            Some(target) => target.strip_prefix(TARGET_PREFIX).ok_or_else(|| {
                unknown(format!("X-Amz-Target is {target:?}, and not {TARGET_PREFIX} with an action"))
            })?,
        },
    };
    Action::of(name).ok_or_else(|| unknown(format!("there is no action {name:?}")))
}

/// The reply as HTTP has it.
fn response(protocol: Protocol, result: Result<Vec<u8>, ApiError>, close: bool) -> Response<Full<Bytes>> {
    let (status, body, code) = match result {
        Ok(body) => (StatusCode::OK, body, None),
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, protocol.error_body(&error), Some(error.code))
        }
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(protocol.content_type()));
    if let Ok(id) = HeaderValue::from_bytes(&request_id(fastrand::u128(..))) {
        headers.insert(X_AMZN_REQUEST_ID, id);
    }
    if let Some(Ok(code)) = code.map(HeaderValue::from_str) {
        headers.insert(X_AMZN_ERROR_TYPE, code);
    }
    if protocol == Protocol::Cbor {
        headers.insert(SMITHY_PROTOCOL, HeaderValue::from_static(RPC_V2_CBOR));
    }
    if close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A UUID of version 4 (RFC 9562, section 5.4) from random bits, as text.
fn request_id(random: u128) -> [u8; 36] {
    let bits = random & !(0xF << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let mut text = [b'-'; 36];
    let mut shift = 128;
    for (index, character) in text.iter_mut().enumerate() {
        if ![8, 13, 18, 23].contains(&index) {
            shift -= 4;
            *character = b"0123456789abcdef"[(bits >> shift & 15) as usize];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuids_of_version_4() {
        assert_eq!(&request_id(0), b"00000000-0000-4000-8000-000000000000");
        assert_eq!(&request_id(u128::MAX), b"ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(&request_id(0x0123_4567_89AB_CDEF << 64 | 0x0123), b"01234567-89ab-4def-8000-000000000123");
    }
}
