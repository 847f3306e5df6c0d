//! Who may ask for what.

use std::os::unix::fs::PermissionsExt;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::*;
use crate::credentials::Credentials;
use crate::sigv4::{Credential, Signer};

/// A gate for a writer and a reader.
fn gate() -> Gate {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let text = "version = 1\n[[credential]]\nname = \"deploy\"\naccess-key-id = \"WRITER\"\nsecret-access-key = \"w\"\n\
                [[credential]]\naccess-key-id = \"READER\"\nsecret-access-key = \"r\"\naccess = \"read-only\"\n";
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    Gate::new(Credentials::load(Some(&path), |_| None).unwrap(), "us-east-1")
}

/// A signed request, as the headers of an SDK.
fn signed(id: &str, secret: &str, action: &str, age: u64) -> String {
    let credential = Credential { access_key_id: id.into(), secret_access_key: secret.into(), session_token: None };
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "data-localhost:8300"),
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", &format!("Route53AutoNaming_v20170314.{action}")),
        ("user-agent", "Boto3/1.44.5"),
        ("content-length", "2"),
    ] {
        headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - age;
    let signer = Signer::new(credential, "eu-west-3", "servicediscovery");
    signer.sign(now, "POST", "/", "", &mut headers, b"{}").unwrap();
    let lines = headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
    format!("POST / HTTP/1.1\r\n{}\r\n{{}}", lines.collect::<String>())
}

#[tokio::test]
async fn signatures_decide_who_may_ask_for_what() {
    let api = Api::start_with(gate(), None, Limits::default());
    let mut client = api.connect().await;
    let reply = client.ask(signed("WRITER", "w", "RegisterInstance", 0)).await;
    assert_eq!(reply.text(), "\"RegisterInstance Json eu-west-3 WRITER deploy 2\"");
    let reply = client.ask(signed("READER", "r", "DiscoverInstances", 0)).await;
    assert_eq!(reply.text(), "\"DiscoverInstances Json eu-west-3 READER - 2\"");

    let changed = signed("WRITER", "w", "GetService", 0).replace("\r\n\r\n{}", "\r\n\r\n[]");
    for (request, code, words) in [
        (signed("READER", "r", "RegisterInstance", 0), "AccessDeniedException", "may not ask for RegisterInstance"),
        (signed("WRITER", "r", "GetService", 0), "InvalidSignatureException", "check the secret access key"),
        (signed("OTHER", "w", "GetService", 0), "UnrecognizedClientException", "OTHER"),
        (signed("WRITER", "w", "GetService", 400), "InvalidSignatureException", "Signature expired"),
        (changed, "InvalidSignatureException", "the body"),
        (json("GetService", "{}"), "MissingAuthenticationTokenException", "not signed"),
    ] {
        let reply = client.ask(request).await;
        assert_eq!((reply.status, reply.header("x-amzn-errortype")), (400, Some(code)), "{}", reply.text());
        assert!(reply.text().contains(words), "{}", reply.text());
    }
}

#[tokio::test]
async fn large_bodies_of_strangers_are_not_read() {
    let api = Api::start_with(gate(), None, Limits::default());
    let large = "x".repeat(100_000);
    let mut client = api.connect().await;
    let reply = client.ask(json("GetService", &large)).await;
    assert_eq!(reply.header("x-amzn-errortype"), Some("MissingAuthenticationTokenException"));
    assert!(client.is_closed().await);
    // Who at least names a key is read to the end.
    let request = signed("WRITER", "w", "GetService", 0).replace("content-length: 2", "content-length: 100000");
    let mut client = api.connect().await;
    for _ in 0..2 {
        let reply = client.ask(request.trim_end_matches("{}").to_owned() + &large).await;
        assert_eq!(reply.header("x-amzn-errortype"), Some("InvalidSignatureException"));
    }
}

#[tokio::test]
async fn without_credentials_everything_but_a_browser_is_believed() {
    let api = Api::start();
    let mut client = api.connect().await;
    let reply = client.ask(signed("WRITER", "any", "RegisterInstance", 10_000)).await;
    assert_eq!(reply.text(), "\"RegisterInstance Json eu-west-3 WRITER - 2\"");
    let bearer = json("GetService", "{}").replace("Host:", "Authorization: Bearer x\r\nHost:");
    assert_eq!(client.ask(bearer).await.text(), "\"GetService Json us-east-1 - - 2\"");
    let browser = json("GetService", "{}").replace("Host:", "Origin: http://evil.example\r\nHost:");
    assert_eq!(client.ask(browser).await.header("x-amzn-errortype"), Some("AccessDeniedException"));
}
