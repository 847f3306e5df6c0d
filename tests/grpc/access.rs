//! Tokens, certificates, and where neither is needed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Launch, eventually};
use crate::{Script, address, have_grpc, launch, run, script};

/// A file of credentials with some text after its version.
fn credentials(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("credentials.toml");
    fs::write(&path, format!("version = 1\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A token in that file; its text is made of its name.
fn token(name: &str, more: &str) -> String {
    format!("[[token]]\nname = \"{name}\"\ntoken = \"{name}-0123456789abcdef\"\n{more}\n")
}

/// A token allows what it says, and only in its namespaces.
#[test]
fn tokens_decide_who_may_do_what() {
    if !have_grpc() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let tokens = [
        token("writer", ""),
        token("reader", "access = \"read-only\""),
        token("sidecar", "access = \"follow\"\nnamespaces = [\"mine.local\"]"),
        token("team", "access = \"read-write\"\nnamespaces = [\"mine.local\", \"new.local\"]"),
    ];
    let server = launch().flag("--credentials", credentials(folder.path(), &tokens.concat())).start();
    assert_eq!(server.logged("tokens of grpc: 4"), 1);
    run("access.py", &[&address(&server)]);
    assert_eq!(server.logged("0123456789abcdef"), 0);
}

/// A token that is gone from the file after SIGHUP ends the streams that it began.
#[test]
fn a_token_can_be_taken_away() {
    if !have_grpc() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = credentials(folder.path(), &[token("writer", ""), token("team", "")].concat());
    let server = launch().flag("--credentials", &path).start();
    let mut script = Script::start(script("revoked.py", &[&address(&server)]));
    credentials(folder.path(), &token("writer", ""));
    server.signal(Signal::HUP);
    eventually("the file is read again", || server.logged("tokens of grpc: 1") == 1);
    drop(script.0.stdin.take());
    script.succeed();
}

/// With access keys and no token nobody gets in: whoever protects the one door wants the other one closed.
#[test]
fn keys_alone_close_the_channel() {
    if !have_grpc() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let keys = "[[credential]]\naccess-key-id = \"A\"\nsecret-access-key = \"secret\"\n";
    let server = launch().flag("--credentials", credentials(folder.path(), keys)).start();
    assert_eq!(server.logged("grpc refuses every request"), 1);
    let code = "import sys; sys.path.insert(0, sys.argv[1]); from registry import *\n\
                fails(grpc.StatusCode.UNAUTHENTICATED, 'has access keys and no tokens', \
                lambda: connect(sys.argv[2]).ApplyOnce(pb.ApplyRequest()))";
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grpc/python");
    let mut python = std::process::Command::new("python3");
    python.args(["-c", code]).arg(scripts).arg(address(&server)).env("PYTHONDONTWRITEBYTECODE", "1");
    Script(python.spawn().unwrap()).succeed();
}

/// Beyond loopback it does not start without tokens or an authority of its clients: exit code 78.
#[test]
fn a_channel_that_anyone_could_use_is_78() {
    let folder = TempDir::new().unwrap();
    let keys = "[[credential]]\naccess-key-id = \"A\"\nsecret-access-key = \"secret\"\n";
    let beyond = Launch::serve_nothing().dns("127.0.0.1:0").flag("--grpc", "0.0.0.0:0");
    for launch in [beyond.clone(), beyond.clone().flag("--credentials", credentials(folder.path(), keys))] {
        let output = launch.run();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("grpc: 0.0.0.0:0 is beyond loopback") && said.contains("[[token]]"), "{said}");
    }
    let server = beyond.flag("--credentials", credentials(folder.path(), &token("one", ""))).start_as_is();
    assert_eq!(server.logged("grpc has no TLS on 0.0.0.0:0"), 1);
}

/// Mutual TLS: a certificate of the authority is needed and enough, beyond loopback too.
#[test]
fn certificates_are_asked_for() {
    if !have_grpc() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let authority = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        write(&format!("{name}.pem"), certificate.pem());
        Issuer::new(params, key)
    };
    let issue = |who: &str, issuer: &Issuer<'_, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        write(&format!("{who}.pem"), params.signed_by(&key, issuer).unwrap().pem());
        write(&format!("{who}.key"), key.serialize_pem());
    };
    issue("server", &authority("server-ca"));
    issue("client", &authority("client-ca"));
    issue("stranger", &authority("other-ca"));
    let path = |name: &str| folder.path().join(name);
    let server = launch()
        .flag("--grpc", "0.0.0.0:0")
        .flag("--grpc-tls-cert", path("server.pem"))
        .flag("--grpc-tls-key", path("server.key"))
        .flag("--grpc-client-ca", path("client-ca.pem"))
        .start();
    assert_eq!(server.logged("listening on grpc https 0.0.0.0:"), 1);
    run("secure.py", &[&address(&server), folder.path().to_str().unwrap()]);
}
