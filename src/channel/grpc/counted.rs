//! Counts a call by the status with which it ends, which a stream tells after its last message.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::HeaderMap;
use hyper::body::{Bytes, Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use super::Method;
use crate::metrics::GrpcCounters;

/// The body of a response, which counts its end once.
pub(super) struct Counted {
    body: Body,
    method: Method,
    /// `None` once it is counted.
    counters: Option<Arc<GrpcCounters>>,
}

impl Counted {
    /// A response that will be counted.
    pub(super) fn response(
        response: hyper::Response<Body>,
        method: Method,
        counters: Arc<GrpcCounters>,
    ) -> hyper::Response<Body> {
        // A call that fails at once has its status among the headers.
        if let Some(code) = code(response.headers()) {
            counters.ended(method, code);
            return response;
        }
        response.map(|body| Body::new(Self { body, method, counters: Some(counters) }))
    }

    fn end(&mut self, code: Code) {
        if let Some(counters) = self.counters.take() {
            counters.ended(self.method, code);
        }
    }
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.end(code(trailers).unwrap_or(Code::Unknown));
                }
            }
            Some(Err(status)) => self.end(status.code()),
            None => self.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // The client did not wait for the end.
        self.end(Code::Cancelled);
    }
}

/// The status among headers or trailers.
fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}
