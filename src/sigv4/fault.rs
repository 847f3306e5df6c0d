//! Why a request is not believed.

use std::borrow::Cow;

use super::{TOLERANCE, date};

/// Characters of a client's words that a message repeats.
const SHOWN_MAX: usize = 256;

/// Why a signature does not prove who sent a request; in words for whoever has to mend the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no signature.
    #[error("the request is not signed: it has no Authorization header of {}", super::ALGORITHM)]
    Missing,
    /// The Authorization header, or what belongs to it, is not as it should be.
    #[error("{0}")]
    Incomplete(String),
    /// Nobody here has this key.
    #[error("the access key id {0:?} is not known here")]
    UnknownKey(String),
    /// The session token is missing, superfluous, or another one.
    #[error("{0}")]
    Token(&'static str),
    /// Signed too long ago, or too far in the future.
    #[error("{}", clock(*.signed, *.now))]
    Clock {
        /// When the client signed, by its clock.
        signed: u64,
        /// What our clock says.
        now: u64,
    },
    /// The credential scope is that of something else.
    #[error("{0}")]
    Scope(String),
    /// The client said another hash than the body has.
    #[error("{0}")]
    Body(&'static str),
    /// The signature is not what the secret makes of this request.
    #[error(
        "the signature we calculated is not the one in the request: check the secret access key, and that nothing \
         between client and server changes a signed header ({signed_headers}) or the body"
    )]
    Mismatch {
        /// The headers that were signed.
        signed_headers: String,
    },
}

impl Fault {
    /// Nobody here has the key `id`.
    pub fn unknown_key(id: &str) -> Self {
        Self::UnknownKey(short(id).into())
    }

    /// The code that AWS has for it ("Common Errors" of its API references), as services with a JSON protocol spell it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey(_) | Self::Token(_) => "UnrecognizedClientException",
            Self::Clock { .. } | Self::Scope(_) | Self::Body(_) | Self::Mismatch { .. } => "InvalidSignatureException",
        }
    }
}

/// A client's words as far as a message repeats them: they may fill all the memory that headers get.
pub(super) fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// What is wrong with a clock. The first words are AWS's: SDKs look for them, and correct their clock.
fn clock(signed: u64, now: u64) -> String {
    let minutes = TOLERANCE / 60;
    let (signed_text, now_text) = (date::format(signed), date::format(now));
    let limit = date::format(if signed < now { now.saturating_sub(TOLERANCE) } else { now + TOLERANCE });
    let behind = now.abs_diff(signed);
    if signed < now {
        format!(
            "Signature expired: {signed_text} is now earlier than {limit} ({now_text} - {minutes} min.); the client's \
             clock is {behind} seconds behind, or the request is that old"
        )
    } else {
        format!(
            "Signature not yet current: {signed_text} is still later than {limit} ({now_text} + {minutes} min.); the \
             client's clock is {behind} seconds ahead"
        )
    }
}
