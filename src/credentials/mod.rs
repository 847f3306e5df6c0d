//! Who may ask: access keys of the AWS API and tokens of the gRPC channel, from the file of `--credentials` and from the
//! environment.
//!
//! The file is TOML, versioned like the configuration file:
//!
//! ```toml
//! version = 1
//!
//! [[credential]]
//! name = "continuous integration"
//! access-key-id = "AKIAEXAMPLE"
//! secret-access-key = "…"
//! access = "read-only"
//!
//! [[token]]
//! name = "sidecars"
//! token = "…"
//! access = "follow"
//! namespaces = ["production.local"]
//! ```
//!
//! Nobody but its owner may be able to read it. No message ever shows a secret. `file` reads it, `token` finds tokens.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use self::file::{AccessKeyId, Secret};
pub use self::token::{Token, TokenAccess, Tokens};
use crate::config::Faults;
use crate::sigv4::{Credential, KeyCache};

mod file;
mod token;

/// Environment variable of the access key id.
const ACCESS_KEY_ID: &str = "FINGERPOST_ACCESS_KEY_ID";

/// Environment variable of the secret access key.
const SECRET_ACCESS_KEY: &str = "FINGERPOST_SECRET_ACCESS_KEY";

/// Environment variable of the session token.
const SESSION_TOKEN: &str = "FINGERPOST_SESSION_TOKEN";

//----------- Credentials ------------------------------------------------------

/// All access keys that are known, with their signing keys, and all tokens; at least one of either.
pub struct Credentials {
    grants: HashMap<Box<str>, Grant>,
    tokens: Tokens,
    /// Belongs to these secrets and goes with them.
    keys: KeyCache,
}

/// An access key, and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The key.
    pub credential: Credential,
    /// What it allows.
    pub access: Access,
    /// What people call it.
    pub name: Option<Box<str>>,
}

/// What an access key allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Actions that change nothing.
    ReadOnly,
    /// Every action.
    #[default]
    ReadWrite,
}

impl Credentials {
    /// Reads the file at `path`, if there is one to read, and the environment; `variable` looks into it.
    ///
    /// `None` if neither has a credential. A file without any is a fault: whoever names one wants requests signed.
    pub fn load(path: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Arc<Self>>, Faults> {
        let (mut grants, tokens) = match path {
            Some(path) => file::read(path)?,
            None => (HashMap::new(), Tokens::default()),
        };
        if let Some(grant) = of_environment(variable)? {
            let id = grant.credential.access_key_id.clone();
            if grants.insert(id.clone(), grant).is_some() {
                return Err(Faults(vec![format!("{ACCESS_KEY_ID}: {id} is in the file of credentials, too")]));
            }
        }
        let is_empty = grants.is_empty() && tokens.is_empty();
        Ok((!is_empty).then(|| Arc::new(Self { grants, tokens, keys: KeyCache::default() })))
    }

    /// What an access key allows; `None` if it is not known.
    pub fn find(&self, access_key_id: &str) -> Option<&Grant> {
        self.grants.get(access_key_id)
    }

    /// The signing keys in use.
    pub fn keys(&self) -> &KeyCache {
        &self.keys
    }

    /// The tokens of the gRPC channel.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// How many access keys there are.
    pub fn key_count(&self) -> usize {
        self.grants.len()
    }
}

//----------- The environment --------------------------------------------------

/// The access key in the environment, which allows everything.
fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Grant>, Faults> {
    // A variable that is set to nothing is how some tools unset it.
    let value = |name: &str| variable(name).filter(|value| !value.is_empty());
    let fault = |name: &str, reason: &str| Faults(vec![format!("{name}: {reason}")]);
    let (id, secret) = match (value(ACCESS_KEY_ID), value(SECRET_ACCESS_KEY)) {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => (id, secret),
        (Some(_), None) => return Err(fault(SECRET_ACCESS_KEY, &format!("is missing beside {ACCESS_KEY_ID}"))),
        (None, Some(_)) => return Err(fault(ACCESS_KEY_ID, &format!("is missing beside {SECRET_ACCESS_KEY}"))),
    };
    let secret_of = |name, value| Secret::try_from(value).map_err(|reason| fault(name, reason));
    let credential = Credential {
        access_key_id: AccessKeyId::try_from(id).map_err(|reason| fault(ACCESS_KEY_ID, reason))?.0,
        secret_access_key: secret_of(SECRET_ACCESS_KEY, secret)?.0,
        session_token: match value(SESSION_TOKEN) {
            Some(token) => Some(secret_of(SESSION_TOKEN, token)?.0),
            None => None,
        },
    };
    Ok(Some(Grant { credential, access: Access::ReadWrite, name: None }))
}

#[cfg(test)]
mod tests;
