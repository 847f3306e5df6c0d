//! The gate: who a caller is, and whether he may ask for a method.
//!
//! Whatever is configured is asked for: a certificate in the TLS handshake where there is an authority for clients, a
//! token where there are tokens. Where there is neither, everybody who can connect may do everything, which the server
//! allows on loopback alone; but where access keys of the AWS API exist and no token, nobody may do anything: whoever
//! protects one door wants no other one open.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use tonic::Status;

use super::Method;
use super::method::Need;
use crate::credentials::{Credentials, Token, TokenAccess};
use crate::model::Selection;

/// Decides who may ask for what.
pub struct Gate {
    credentials: ArcSwapOption<Credentials>,
    /// Whether every client has shown a certificate.
    certified: bool,
}

impl Gate {
    /// A gate for those who have a token among `credentials`; `certified` says that connections are those of clients
    /// with certificates.
    pub fn new(credentials: Option<Arc<Credentials>>, certified: bool) -> Self {
        Self { credentials: ArcSwapOption::new(credentials), certified }
    }

    /// Puts other credentials in place of the present ones.
    pub fn replace(&self, credentials: Option<Arc<Credentials>>) {
        self.credentials.store(credentials);
    }

    /// Lets a caller pass, or says why not.
    pub(super) fn admit(self: &Arc<Self>, method: Method, headers: &HeaderMap) -> Result<Caller, Status> {
        let need = method.need();
        let anybody = || Caller { gate: Arc::clone(self), token: None };
        if need == Need::Nothing {
            return Ok(anybody());
        }
        let credentials = self.credentials.load();
        let Some(tokens) = credentials.as_ref().map(|credentials| credentials.tokens()).filter(|all| !all.is_empty())
        else {
            return self.admit_anybody(credentials.is_some()).map(|()| anybody());
        };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Status::unauthenticated("a token is needed: one header \"authorization: Bearer TOKEN\""));
        };
        let token = value.to_str().ok().and_then(bearer).and_then(|secret| tokens.find(secret));
        let Some(token) = token else { return Err(Status::unauthenticated("the token is not known")) };
        let allowed = match token.access {
            TokenAccess::Follow => need == Need::Follow,
            TokenAccess::ReadOnly => need != Need::Write,
            TokenAccess::ReadWrite => true,
        };
        if !allowed {
            let access = match token.access {
                TokenAccess::Follow => "follow",
                _ => "read-only",
            };
            let text = format!("the token {} is for {access}: it may not ask for {}", token.name, method.name());
            return Err(Status::permission_denied(text));
        }
        Ok(Caller { gate: Arc::clone(self), token: Some(Arc::clone(token)) })
    }

    /// Whether callers without tokens may pass, where there are none to ask for.
    fn admit_anybody(&self, has_keys: bool) -> Result<(), Status> {
        if self.certified || !has_keys {
            return Ok(());
        }
        Err(Status::unauthenticated("the server has access keys and no tokens: it has to be given some ([[token]])"))
    }
}

/// The token of an Authorization header (RFC 6750, section 2.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim_start_matches(' '))
}

/// Somebody who was let in.
#[derive(Clone)]
pub struct Caller {
    gate: Arc<Gate>,
    /// The token that was shown; `None` where none is asked for.
    token: Option<Arc<Token>>,
}

impl Caller {
    /// Whether he would be let in again: tokens go while streams last.
    pub(super) fn check(&self) -> Result<(), Status> {
        let credentials = self.gate.credentials.load();
        let tokens = credentials.as_ref().map(|credentials| credentials.tokens()).filter(|all| !all.is_empty());
        match (&self.token, tokens) {
            (Some(token), Some(tokens)) if tokens.has(token) => Ok(()),
            (Some(token), _) => {
                Err(Status::unauthenticated(format!("the token {} has changed or is gone", token.name)))
            }
            (None, Some(_)) => Err(Status::unauthenticated("a token is needed by now")),
            (None, None) => self.gate.admit_anybody(credentials.is_some()),
        }
    }

    /// The namespaces that he may see and change; `None`: all.
    pub(super) fn namespaces(&self) -> Option<&Selection> {
        self.token.as_ref()?.namespaces.as_ref()
    }
}
