//! The door of the AWS API: its keys and how they change. (What its actions do is not of this file.)

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::support::{Launch, eventually, example};

/// The code of the error that `request` gets.
fn code(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: "));
    line.unwrap_or_else(|| panic!("no error: {text}")).to_owned()
}

/// A request by the holder of a key, if its signature were right.
fn request(access_key_id: &str) -> String {
    let signature = "0".repeat(64);
    format!(
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Amz-Target: Route53AutoNaming_v20170314.ListServices\r\n\
         X-Amz-Date: 20261122T155831Z\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential={access_key_id}/20261122/us-east-1/servicediscovery/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-target, Signature={signature}\r\nContent-Length: 2\r\n\r\n{{}}"
    )
}

#[test]
fn keys_change_on_sighup_and_faults_keep_the_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.toml");
    let write = |id: &str| {
        let text = format!("version = 1\n[[credential]]\naccess-key-id = \"{id}\"\nsecret-access-key = \"s\"\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("FIRST");
    let server = Launch::serve(&example()).flag("--credentials", &path).start();
    let api = server.api.unwrap();
    // A key that is known is judged further: here by the age of the signature.
    let (known, unknown) = ("InvalidSignatureException", "UnrecognizedClientException");
    assert_eq!((code(api, &request("FIRST")), code(api, &request("SECOND"))), (known.into(), unknown.into()));

    fs::write(&path, "version = 1\n").unwrap();
    server.signal(Signal::HUP);
    let kept = "the credentials stay as they were";
    eventually(kept, || server.logged(kept) == 1);
    assert_eq!(code(api, &request("FIRST")), known);

    write("SECOND");
    server.signal(Signal::HUP);
    let changed = "reload: access keys of the api: 1";
    eventually(changed, || server.logged(changed) == 1);
    assert_eq!((code(api, &request("FIRST")), code(api, &request("SECOND"))), (unknown.into(), known.into()));
    assert_eq!(server.metrics().get("fingerpost_api_requests_total{action=\"ListServices\"}"), 5.0);
    assert_eq!(server.metrics().get("fingerpost_api_errors_total{code=\"UnrecognizedClientException\"}"), 2.0);
}
