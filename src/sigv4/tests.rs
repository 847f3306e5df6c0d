//! Published vectors, requests of real SDKs, and everything a server has to refuse.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};

use super::*;

/// The headers, in order.
fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn credential(id: &str, secret: &str) -> Credential {
    Credential { access_key_id: id.into(), secret_access_key: secret.into(), session_token: None }
}

//----------- Vectors ----------------------------------------------------------

const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[test]
fn the_signing_key_of_the_guide_is_derived() {
    let key = SigningKey::derive_octets(EXAMPLE_SECRET, "20150830", "us-east-1", "iam");
    assert_eq!(hex(key.as_ref()), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

/// Verifies a request of AWS's test suite, of which only method, target, headers and signature differ.
fn assert_suite(method: &str, target: &str, pairs: &[(&str, &str)], signature: &str) {
    let mut headers = headers(pairs);
    headers.insert("x-amz-date", HeaderValue::from_static("20150830T123600Z"));
    let mut signed: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    signed.sort_unstable();
    let signed = signed.join(";");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request { method, path, query, headers: &headers, body: b"" };
    let hash = canonical::hash(&request, &signed, &key::body_hash(b""));
    let text = key::string_to_sign("20150830T123600Z", "us-east-1", "service", &hash);
    let key = SigningKey::derive(EXAMPLE_SECRET, "20150830", "us-east-1", "service");
    assert_eq!(key.sign(&text), signature, "{method} {target}");
}

#[test]
fn requests_of_the_test_suite_have_their_signatures() {
    let host = ("host", "example.amazonaws.com");
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    assert_suite("GET", "/", &[host], vanilla);
    // get-relative, get-slash, get-slash-dot-slash and get-relative-relative are the same after normalization.
    for path in ["/example/..", "//", "/./", "/example1/example2/../.."] {
        assert_suite("GET", path, &[host], vanilla);
    }
    assert_suite("POST", "/", &[host], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    assert_suite(
        "GET",
        "/?Param2=value2&Param1=value1",
        &[host],
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    assert_suite(
        "GET",
        "/",
        &[host, ("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    );
}

#[test]
fn the_canonical_request_is_as_documented() {
    let headers = headers(&[("Host", "h"), ("X-Amz-Date", "d"), ("A", " one  two "), ("A", "three")]);
    let request = Request { method: "PUT", path: "/a b/%20/ü", query: "b=%7e&a&a=%2f+", headers: &headers, body: b"" };
    let mut text = Vec::new();
    canonical::write(&request, "a;host", "HASH", &mut |octets| text.extend_from_slice(octets));
    let expected = "PUT\n/a%20b/%2520/%C3%BC\na=&a=%2F%2B&b=~\na:one two,three\nhost:h\n\na;host\nHASH";
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

//----------- A server ---------------------------------------------------------

/// 2026-11-22, 15:58:31 UTC.
const NOW: u64 = 1_795_363_111;

const BODY: &[u8] = b"{\"NamespaceName\": \"foo\", \"ServiceName\": \"bar\"}";

/// What a real boto3 sent, with the secret `secret`.
fn boto3() -> HeaderMap {
    headers(&[
        ("Host", "127.0.0.1:7801"),
        ("Accept-Encoding", "identity"),
        ("X-Amz-Target", "Route53AutoNaming_v20170314.DiscoverInstances"),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("User-Agent", "Boto3/1.44.5"),
        ("X-Amz-Date", "20261122T155831Z"),
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/servicediscovery/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
             Signature=8915aebb2f619ad78fdea7516cc3755955c112f6d52dd9fc91307c14aeef5d89",
        ),
        ("amz-sdk-invocation-id", "3f"),
        ("amz-sdk-request", "attempt=1"),
    ])
}

/// What is verified of a request with these headers, at this time.
fn verify_with<'a>(
    keys: &KeyCache,
    ours: &Credential,
    headers: &'a HeaderMap,
    body: &'a [u8],
    now: u64,
) -> Result<Authorization<'a>, Fault> {
    let request = Request { method: "POST", path: "/", query: "", headers, body };
    verify(&request, "servicediscovery", now, keys, |id| (*id == *ours.access_key_id).then_some(ours))
}

fn verify_boto3(headers: &HeaderMap) -> Result<(), Fault> {
    verify_with(&KeyCache::default(), &credential("AKID", "secret"), headers, BODY, NOW).map(|_| ())
}

#[test]
fn a_request_of_boto3_is_believed() {
    let headers = boto3();
    let keys = KeyCache::default();
    let ours = credential("AKID", "secret");
    for _ in 0..3 {
        let found = verify_with(&keys, &ours, &headers, BODY, NOW).unwrap();
        assert_eq!((found.access_key_id, found.region), ("AKID", "us-east-1"));
    }
    assert_eq!(keys.len(), 1, "the key is derived once");
}

#[test]
fn who_does_not_know_the_secret_fills_no_cache() {
    let keys = KeyCache::default();
    let headers = boto3();
    let fault = verify_with(&keys, &credential("AKID", "other"), &headers, BODY, NOW).unwrap_err();
    assert!(matches!(fault, Fault::Mismatch { .. }), "{fault}");
    assert_eq!(fault.code(), "InvalidSignatureException");
    assert_eq!(keys.len(), 0);
}

#[test]
fn the_cache_is_bounded() {
    let keys = KeyCache::default();
    let signing = Arc::new(SigningKey::derive("s", "20261122", "r", "s"));
    for region in 0..1000 {
        keys.keep(&credential("AKID", "s"), "20261122", &region.to_string(), "s", &signing);
    }
    assert!((1..=64).contains(&keys.len()));
}

#[test]
fn nothing_that_is_signed_may_change() {
    let body = verify_with(&KeyCache::default(), &credential("AKID", "secret"), &boto3(), b"{}", NOW).map(|_| ());
    assert!(matches!(body, Err(Fault::Mismatch { .. })));
    for (name, value) in [
        ("host", "data-127.0.0.1:7801"),
        ("x-amz-target", "Route53AutoNaming_v20170314.DeleteService"),
        ("content-type", "text/plain"),
        ("x-amz-date", "20261122T155832Z"),
    ] {
        let mut headers = boto3();
        headers.insert(name, HeaderValue::from_static(value));
        assert!(matches!(verify_boto3(&headers), Err(Fault::Mismatch { .. })), "{name}");
    }
    let mut headers = boto3();
    headers.insert("user-agent", HeaderValue::from_static("proxy"));
    assert_eq!(verify_boto3(&headers), Ok(()), "what is not signed may");
}

/// What a fault says, with the Authorization header changed.
fn said(from: &str, to: &str) -> (&'static str, String) {
    let mut headers = boto3();
    let changed = headers["authorization"].to_str().unwrap().replace(from, to);
    headers.insert("authorization", HeaderValue::from_str(&changed).unwrap());
    let fault = verify_boto3(&headers).unwrap_err();
    (fault.code(), fault.to_string())
}

#[test]
fn faults_of_the_header_say_what_is_wrong() {
    let incomplete = "IncompleteSignatureException";
    for (from, to, code, words) in [
        ("AWS4-HMAC-SHA256 ", "Bearer ", "MissingAuthenticationTokenException", "not signed"),
        ("Signature=", "Sig=", incomplete, "no meaning: Sig="),
        (", Signature=", ",", incomplete, "no meaning"),
        ("=8915", "=891", incomplete, "not 64 hexadecimal digits"),
        ("=8915", "=g915", incomplete, "not 64 hexadecimal digits"),
        ("/aws4_request", "", incomplete, "not of the form"),
        ("us-east-1", "us:east", incomplete, "region is none: \"us:east\""),
        ("us-east-1", "", incomplete, "region is none: \"\""),
        ("host;", "", incomplete, "host has to be signed"),
        ("host;", "host;origin;", incomplete, "origin is among SignedHeaders, but not in the request"),
        ("host;", "Host;", incomplete, "lower case"),
        ("host;", "host;host;", incomplete, "ascending order, each name once: host follows host"),
        ("content-type;host;", "host;content-type;", incomplete, "content-type follows host"),
        ("host;", "host;;", incomplete, "ascending order"),
        ("content-type;", ";content-type;", incomplete, "the header  is among SignedHeaders"),
        (";x-amz-target", "", incomplete, "x-amz-target is in the request, but not signed"),
        ("AKID", "OTHER", "UnrecognizedClientException", "\"OTHER\" is not known"),
        ("servicediscovery", "s3", "InvalidSignatureException", "scoped to the service \"s3\""),
        ("20261122/", "20261121/", "InvalidSignatureException", "scoped to the day \"20261121\""),
        ("20261122/", "2026/", "InvalidSignatureException", "scoped to the day \"2026\""),
    ] {
        let (found, text) = said(from, to);
        assert_eq!(found, code, "{from} -> {to}: {text}");
        assert!(text.contains(words), "{from} -> {to}: {text}");
    }
    let mut unsigned = boto3();
    unsigned.remove("authorization");
    assert_eq!(verify_boto3(&unsigned), Err(Fault::Missing));
    let mut undated = boto3();
    undated.insert("x-amz-date", HeaderValue::from_static("yesterday"));
    assert!(verify_boto3(&undated).unwrap_err().to_string().contains("\"yesterday\""));
}

#[test]
fn the_list_of_signed_headers_is_bounded() {
    // Each of them would be hashed with all its value.
    let (code, text) = said("host;", &"host;".repeat(10_000));
    assert_eq!(code, "IncompleteSignatureException");
    assert!(text.contains("each name once") && text.len() < 200, "{text}");

    let signed = |count: usize| {
        let mut headers = boto3();
        let names: Vec<String> = (0..count).map(|number| format!("a-{number:03}")).collect();
        for name in &names {
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("v"));
        }
        let list = format!("SignedHeaders={};content-type", names.join(";"));
        let changed = headers["authorization"].to_str().unwrap().replace("SignedHeaders=content-type", &list);
        headers.insert("authorization", HeaderValue::from_str(&changed).unwrap());
        verify_boto3(&headers).unwrap_err()
    };
    assert!(matches!(signed(96), Fault::Mismatch { .. }));
    assert!(signed(97).to_string().contains("more than 100 names"));
}

#[test]
fn messages_repeat_no_long_words() {
    let long = "x".repeat(20_000);
    for (from, to) in [
        ("host;", &*format!("host;{long};")),
        ("host;", &format!("host;{}", long.to_uppercase())),
        ("Signature=", &format!("{long}=")),
        ("AKID/", &long),
        ("AKID", &long),
        ("us-east-1", &long),
        ("servicediscovery", &long),
        ("20261122/", &format!("{long}/")),
    ] {
        let (_, text) = said(from, to);
        assert!(text.len() < 1000, "{from}: {text}");
    }

    let mut headers = boto3();
    headers.insert(HeaderName::try_from(&*long).unwrap(), HeaderValue::from_static("v"));
    let changed = headers["authorization"].to_str().unwrap().replace(";x-amz-target", &format!(";x-amz-target;{long}"));
    headers.insert("authorization", HeaderValue::from_str(&changed).unwrap());
    let fault = verify_boto3(&headers).unwrap_err();
    assert!(matches!(fault, Fault::Mismatch { .. }), "{fault}");
    assert!(fault.to_string().len() < 1000, "{fault}");
}

#[test]
fn clocks_may_be_off_by_five_minutes() {
    let headers = boto3();
    let at = |now| verify_with(&KeyCache::default(), &credential("AKID", "secret"), &headers, BODY, now).map(|_| ());
    assert_eq!((at(NOW - 300), at(NOW + 300)), (Ok(()), Ok(())));
    let late = at(NOW + 301).unwrap_err();
    assert_eq!(late.code(), "InvalidSignatureException");
    let late = late.to_string();
    assert!(late.starts_with("Signature expired: 20261122T155831Z is now earlier than 20261122T155832Z"), "{late}");
    assert!(late.contains("301 seconds behind"), "{late}");
    let early = at(NOW - 3600).unwrap_err().to_string();
    assert!(early.starts_with("Signature not yet current") && early.contains("3600 seconds ahead"), "{early}");
}

//----------- A client ---------------------------------------------------------

/// Headers as the JavaScript SDK sends them, signed by `ours`.
fn javascript(ours: &Credential, body: &[u8], hash: &str) -> HeaderMap {
    let mut headers = headers(&[
        ("accept", "application/cbor"),
        ("amz-sdk-invocation-id", "e1"),
        ("amz-sdk-request", "attempt=1; max=3"),
        ("content-length", &body.len().to_string()),
        ("content-type", "application/cbor"),
        ("host", "data-localhost:8300"),
        ("smithy-protocol", "rpc-v2-cbor"),
        ("user-agent", "aws-sdk-js/3.1137"),
        ("x-amz-content-sha256", hash),
        ("x-amz-user-agent", "aws-sdk-js/3.1137"),
    ]);
    Signer::new(ours.clone(), "eu-west-3", "servicediscovery").sign(NOW, "POST", "/", "", &mut headers, body).unwrap();
    headers
}

#[test]
fn a_signed_request_is_believed_with_every_set_of_headers() {
    let ours = credential("AK/ID", "secret");
    let headers = javascript(&ours, BODY, &key::body_hash(BODY));
    let found = verify_with(&KeyCache::default(), &ours, &headers, BODY, NOW).unwrap();
    assert_eq!((found.access_key_id, found.region), ("AK/ID", "eu-west-3"));
    assert_eq!(
        found.signed_headers,
        "accept;amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;smithy-protocol;\
         x-amz-content-sha256;x-amz-date;x-amz-user-agent"
    );
}

#[test]
fn a_body_hash_that_is_sent_must_be_right() {
    let ours = credential("AKID", "secret");
    for (hash, words) in [("UNSIGNED-PAYLOAD", "unsigned bodies"), (&*key::body_hash(b"other"), "was changed")] {
        let headers = javascript(&ours, BODY, hash);
        let fault = verify_with(&KeyCache::default(), &ours, &headers, BODY, NOW).unwrap_err();
        assert!(fault.to_string().contains(words), "{fault}");
    }
}

#[test]
fn a_session_token_belongs_to_its_key() {
    let plain = credential("AKID", "secret");
    let with = |token: &str| Credential { session_token: Some(token.into()), ..plain.clone() };
    for (theirs, ours, words) in [
        (with("token"), with("token"), None),
        (with("other"), with("token"), Some("is not the session token")),
        (plain.clone(), with("token"), Some("has a session token: send it")),
        (with("token"), plain.clone(), Some("has no session token")),
    ] {
        let headers = javascript(&theirs, BODY, &key::body_hash(BODY));
        let found = verify_with(&KeyCache::default(), &ours, &headers, BODY, NOW).map(|_| ());
        match words {
            None => assert_eq!(found, Ok(())),
            Some(words) => {
                let fault = found.unwrap_err();
                assert_eq!(fault.code(), "UnrecognizedClientException");
                assert!(fault.to_string().contains(words), "{fault}");
            }
        }
    }
}

#[test]
fn secrets_are_not_shown() {
    let text = format!("{:?}", credential("AKID", "hidden"));
    assert!(text.contains("AKID") && !text.contains("hidden"), "{text}");
}
