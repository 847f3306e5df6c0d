//! What goes wrong for a client, in one sentence that says what to do next.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

/// Why there is no answer, or not the one wished for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The server refused.
    #[error("{}", Refused(code, message))]
    Api {
        /// The name that the API has for it, such as `ServiceNotFound`.
        code: String,
        /// What the server says.
        message: String,
        /// Members beside the message, such as `NamespaceId` of `NamespaceAlreadyExists`.
        members: Map<String, Value>,
    },
    /// No answer came.
    #[error("{endpoint} {reason}; {hint}")]
    Transport {
        /// Whom we asked.
        endpoint: String,
        /// What happened.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// What came is no answer of this API.
    #[error(
        "{endpoint} answered with HTTP status {status} and not as the Cloud Map API does; is this the address that \
         `fingerpost serve` says in its line `listening on api http`? Set it with --endpoint or FINGERPOST_ENDPOINT"
    )]
    NotTheApi {
        /// Whom we asked.
        endpoint: String,
        /// The status of the answer.
        status: u16,
    },
    /// Endpoint, credentials, region or certificates are not usable.
    #[error("{0}")]
    Options(String),
    /// An operation came to an end, and not a good one.
    #[error("operation {operation} failed: {message} ({code})")]
    Failed {
        /// Its id.
        operation: String,
        /// Why, for programs.
        code: String,
        /// Why, for people.
        message: String,
    },
    /// We lost patience, and the operation did not end.
    #[error(
        "operation {operation} is {status} after {} s and goes on; see how it ends with \
         `fingerpost get operations {operation}`", patience.as_secs_f32()
    )]
    StillRunning {
        /// Its id.
        operation: String,
        /// How far it is.
        status: String,
        /// How long we waited.
        patience: Duration,
    },
}

impl ClientError {
    /// The API's name for it, if the server refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether it is the server's state rather than the request, so that the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::NotTheApi { .. } | Self::StillRunning { .. } => true,
            Self::Api { code, .. } => {
                matches!(code.as_str(), "InternalFailure" | "RequestLimitExceeded" | "ThrottlingException")
                    || code.starts_with("ServiceUnavailable")
            }
            Self::Options(_) | Self::Failed { .. } => false,
        }
    }
}

/// A refusal by code and message, with the next step for those that have one that the server cannot know.
struct Refused<'a>(&'a str, &'a str);

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(code, message) = self;
        match message.is_empty() {
            true => f.write_str(code)?,
            false => write!(f, "{message} ({code})")?,
        }
        match *code {
            "MissingAuthenticationTokenException" | "UnrecognizedClientException" => f.write_str(
                "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to a key that the server knows",
            ),
            "ExpiredTokenException" => f.write_str("; get new temporary credentials"),
            "AccessDeniedException" => f.write_str("; use credentials that may do this"),
            "RequestLimitExceeded" | "ThrottlingException" => f.write_str("; try again in a second"),
            "UnknownOperationException" => f.write_str("; is the server older than this program?"),
            _ => Ok(()),
        }
    }
}
