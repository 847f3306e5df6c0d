//! Bearer tokens of the gRPC channel: what they allow, and how one is found without telling how near a guess was.

use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use serde::Deserialize;

use crate::model::Selection;

/// What a token allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenAccess {
    /// To follow the state, and nothing else.
    Follow,
    /// Everything that changes nothing.
    ReadOnly,
    /// Everything.
    #[default]
    ReadWrite,
}

/// A token, and what it allows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What people call it.
    pub name: Box<str>,
    /// What it allows.
    pub access: TokenAccess,
    /// The namespaces that it sees and changes; `None`: all.
    pub namespaces: Option<Selection>,
    digest: [u8; SHA256_OUTPUT_LEN],
}

impl Token {
    /// The token whose text is `secret`, which is not kept.
    pub(super) fn new(name: Box<str>, secret: &str, access: TokenAccess, namespaces: Option<Selection>) -> Self {
        Self { name, access, namespaces, digest: hash(secret) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("access", &self.access).finish_non_exhaustive()
    }
}

/// All tokens that are known.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<Arc<Token>>);

impl Tokens {
    /// The token whose text is `secret`. Digests are compared, all of them and each to its end, so that the time it
    /// takes says nothing about a token.
    pub fn find(&self, secret: &str) -> Option<&Arc<Token>> {
        let digest = hash(secret);
        let mut found = None;
        for token in &self.0 {
            let differing =
                token.digest.iter().zip(&digest).fold(0, |differing, (one, other)| differing | (one ^ other));
            if std::hint::black_box(differing) == 0 {
                found = Some(token);
            }
        }
        found
    }

    /// Whether it is still there, as it was.
    pub fn has(&self, token: &Token) -> bool {
        self.0.iter().any(|known| **known == *token)
    }

    /// Puts another; false if its text or name is there already.
    pub(super) fn insert(&mut self, token: Token) -> bool {
        let is_new = self.0.iter().all(|known| known.digest != token.digest && known.name != token.name);
        if is_new {
            self.0.push(Arc::new(token));
        }
        is_new
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The digest of a token's text. Tokens are long and random: nothing slower is needed.
fn hash(secret: &str) -> [u8; SHA256_OUTPUT_LEN] {
    let mut octets = [0; SHA256_OUTPUT_LEN];
    octets.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    octets
}
