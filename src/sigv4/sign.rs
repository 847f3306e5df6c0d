//! The client's side: a request gets the headers that prove who sends it.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue, InvalidHeaderValue};

use super::key::{body_hash, string_to_sign};
use super::{ALGORITHM, Credential, KeyCache, Request, TERMINATOR, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, canonical, date};

/// Headers that are left out, because proxies change them.
const NOT_SIGNED: &[&str] =
    &["authorization", "connection", "expect", "te", "transfer-encoding", "user-agent", "x-amzn-trace-id"];

/// Signs the requests of one client.
pub struct Signer {
    credential: Credential,
    region: Box<str>,
    service: Box<str>,
    keys: KeyCache,
}

impl Signer {
    /// A signer of requests to `service` in `region`.
    pub fn new(credential: Credential, region: &str, service: &str) -> Self {
        Self { credential, region: region.into(), service: service.into(), keys: KeyCache::default() }
    }

    /// Signs a request as of `now`, seconds since the epoch: puts `x-amz-date`, `authorization` and, for a credential
    /// that has one, `x-amz-security-token` into `headers`.
    ///
    /// Every other header that is to be signed must be there already, above all `host`. It fails if the access key id
    /// or the token has characters that no header can carry.
    pub fn sign(
        &self,
        now: u64,
        method: &str,
        path: &str,
        query: &str,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Result<(), InvalidHeaderValue> {
        let moment = date::format(now);
        let date = moment.get(..8).unwrap_or(&moment);
        headers.insert(X_AMZ_DATE, HeaderValue::from_str(&moment)?);
        if let Some(token) = &self.credential.session_token {
            let mut token = HeaderValue::from_str(token)?;
            token.set_sensitive(true);
            headers.insert(X_AMZ_SECURITY_TOKEN, token);
        }

        let mut signed: Vec<&str> =
            headers.keys().map(|name| name.as_str()).filter(|name| !NOT_SIGNED.contains(name)).collect();
        signed.sort_unstable();
        let signed = signed.join(";");

        let request = Request { method, path, query, headers, body };
        let hash = canonical::hash(&request, &signed, &body_hash(body));
        let text = string_to_sign(&moment, &self.region, &self.service, &hash);
        let (key, kept) = self.keys.key(&self.credential, date, &self.region, &self.service);
        if !kept {
            self.keys.keep(&self.credential, date, &self.region, &self.service, &key);
        }
        let signature = key.sign(&text);
        let (id, region, service) = (&self.credential.access_key_id, &self.region, &self.service);
        let authorization = format!(
            "{ALGORITHM} Credential={id}/{date}/{region}/{service}/{TERMINATOR}, SignedHeaders={signed}, \
             Signature={signature}"
        );
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&authorization)?);
        Ok(())
    }
}
