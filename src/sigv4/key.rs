//! Signing keys: derived once for a day, a region and a service, and kept.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256};

use super::{ALGORITHM, Credential, TERMINATOR, hex};

//----------- SigningKey -------------------------------------------------------

/// What signs the requests of one credential on one day, in one region, to one service.
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Derives the key; `date` is as in `20261122`.
    pub fn derive(secret: &str, date: &str, region: &str, service: &str) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, Self::derive_octets(secret, date, region, service).as_ref()))
    }

    /// The key itself.
    pub(super) fn derive_octets(secret: &str, date: &str, region: &str, service: &str) -> hmac::Tag {
        let root = format!("AWS4{secret}");
        let first = hmac::sign(&hmac::Key::new(HMAC_SHA256, root.as_bytes()), date.as_bytes());
        [region, service, TERMINATOR]
            .iter()
            .fold(first, |key, part| hmac::sign(&hmac::Key::new(HMAC_SHA256, key.as_ref()), part.as_bytes()))
    }

    /// The signature of a string to sign, in hexadecimal.
    pub(super) fn sign(&self, text: &str) -> String {
        hex(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }

    /// Whether `signature` is that of a string to sign; takes the same time for every wrong one.
    pub(super) fn verifies(&self, text: &str, signature: &[u8; 32]) -> bool {
        hmac::verify(&self.0, text.as_bytes(), signature).is_ok()
    }
}

/// What is signed: when, in which scope, and the hash of the canonical request.
pub(super) fn string_to_sign(moment: &str, region: &str, service: &str, canonical: &str) -> String {
    let date = moment.get(..8).unwrap_or(moment);
    format!("{ALGORITHM}\n{moment}\n{date}/{region}/{service}/{TERMINATOR}\n{canonical}")
}

/// The SHA-256 of a body, in hexadecimal.
pub(super) fn body_hash(body: &[u8]) -> String {
    hex(digest(&SHA256, body).as_ref())
}

//----------- KeyCache ---------------------------------------------------------

/// The keys in use. Reading takes no lock, and there are few: a credential has one a day and region.
///
/// It belongs to one set of credentials and goes with it; a secret that changed must not find the old one's keys.
#[derive(Default)]
pub struct KeyCache(ArcSwap<Vec<Entry>>);

/// Most keys that are kept. When there are more, all are dropped but the newest: deriving one takes microseconds.
const MAX_KEYS: usize = 64;

/// A key and what it is for.
#[derive(Clone)]
struct Entry {
    access_key_id: Box<str>,
    date: Box<str>,
    region: Box<str>,
    service: Box<str>,
    key: Arc<SigningKey>,
}

impl KeyCache {
    /// The key of `credential` for a day, a region and a service, and whether it is a kept one.
    pub(super) fn key(
        &self,
        credential: &Credential,
        date: &str,
        region: &str,
        service: &str,
    ) -> (Arc<SigningKey>, bool) {
        let entries = self.0.load();
        let found = entries.iter().find(|entry| {
            *entry.region == *region
                && *entry.date == *date
                && entry.access_key_id == credential.access_key_id
                && *entry.service == *service
        });
        match found {
            Some(entry) => (Arc::clone(&entry.key), true),
            None => (Arc::new(SigningKey::derive(&credential.secret_access_key, date, region, service)), false),
        }
    }

    /// Keeps a key. A server does so once the key has verified a request: who does not know the secret cannot fill the
    /// cache.
    pub(super) fn keep(&self, credential: &Credential, date: &str, region: &str, service: &str, key: &Arc<SigningKey>) {
        let entry = Entry {
            access_key_id: credential.access_key_id.clone(),
            date: date.into(),
            region: region.into(),
            service: service.into(),
            key: Arc::clone(key),
        };
        self.0.rcu(|entries| {
            let mut entries = if entries.len() < MAX_KEYS { Vec::clone(entries) } else { Vec::new() };
            entries.push(entry.clone());
            entries
        });
    }

    /// How many keys are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.load().len()
    }
}
