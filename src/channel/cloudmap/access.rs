//! The gate: from a signed request to the caller behind it, or to an error.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use hyper::HeaderMap;

use super::{Action, ApiError};
use crate::credentials::{Access, Credentials};
use crate::sigv4::{self, Authorization, Fault};

/// The service that requests must be signed for.
const SERVICE: &str = "servicediscovery";

/// Who sent a request, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The region of the signature, which is the one in names; the server's own where a request is not signed.
    pub region: Box<str>,
    /// The key that signed. Where no credentials are known here it is only what the client claims.
    pub access_key_id: Option<Box<str>>,
    /// What the key is called in the file of credentials.
    pub name: Option<Box<str>>,
}

/// Decides who may ask for what.
pub struct Gate {
    /// None: whoever can connect may ask for everything.
    credentials: ArcSwapOption<Credentials>,
    region: Box<str>,
}

impl Gate {
    /// A gate for those who have one of `credentials`, or for everybody. `region` is that of requests without one.
    pub fn new(credentials: Option<Arc<Credentials>>, region: &str) -> Self {
        Self { credentials: ArcSwapOption::new(credentials), region: region.into() }
    }

    /// Puts other credentials in place of the present ones.
    pub fn replace(&self, credentials: Option<Arc<Credentials>>) {
        self.credentials.store(credentials);
    }

    /// Whether everybody may ask for everything.
    pub fn is_open(&self) -> bool {
        self.credentials.load().is_none()
    }

    /// Whether a request claims to be signed with a key that is known here. It is too early to believe that, but who
    /// cannot even claim it is not worth much memory.
    pub(super) fn check_claim(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let credentials = self.credentials.load();
        let Some(credentials) = &*credentials else { return Ok(()) };
        match Authorization::of(headers) {
            Ok(claimed) if credentials.find(claimed.access_key_id).is_some() => Ok(()),
            Ok(claimed) => Err(refusal(&Fault::unknown_key(claimed.access_key_id))),
            Err(fault) => Err(refusal(&fault)),
        }
    }

    /// Lets a request pass that came `now`, in seconds since the epoch.
    pub(super) fn admit(&self, request: &sigv4::Request<'_>, action: Action, now: u64) -> Result<Caller, ApiError> {
        let credentials = self.credentials.load();
        let Some(credentials) = &*credentials else { return self.admit_anybody(request) };

        let find = |id: &str| credentials.find(id).map(|grant| &grant.credential);
        let authorization =
            sigv4::verify(request, SERVICE, now, credentials.keys(), find).map_err(|fault| refusal(&fault))?;
        let id = authorization.access_key_id;
        let grant = credentials.find(id).ok_or_else(|| ApiError::internal("a credential is gone"))?;
        if grant.access == Access::ReadOnly && !action.only_reads() {
            let message = format!("the access key {id} is read-only: it may not ask for {}", action.name());
            return Err(ApiError::new("AccessDeniedException", message));
        }
        Ok(Caller { region: authorization.region.into(), access_key_id: Some(id.into()), name: grant.name.clone() })
    }

    /// Lets everybody pass but browsers: any web page could make them send requests to the user's own machine.
    fn admit_anybody(&self, request: &sigv4::Request<'_>) -> Result<Caller, ApiError> {
        if request.headers.contains_key(hyper::header::ORIGIN) {
            let message = "requests of browsers have to be signed: configure credentials";
            return Err(ApiError::new("AccessDeniedException", message));
        }
        let claimed = Authorization::of(request.headers).ok();
        Ok(Caller {
            region: claimed.map_or_else(|| self.region.clone(), |claimed| claimed.region.into()),
            access_key_id: claimed.map(|claimed| claimed.access_key_id.into()),
            name: None,
        })
    }
}

/// What the client is told of a fault.
fn refusal(fault: &Fault) -> ApiError {
    ApiError::new(fault.code(), fault.to_string())
}
