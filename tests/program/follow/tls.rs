//! Followers and primaries that know each other by certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::primary::Primary;
use super::{expect_equal, failures, following, is_connected};
use crate::support::eventually;

/// An authority, in whose folder all that it made lies.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        write(&folder.path().join("ca.pem"), &params.self_signed(&key).unwrap().pem());
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a certificate for `host`, and its key.
    fn certify(&self, name: &str, host: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let (certificate, secret) = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        write(&certificate, &params.signed_by(&key, &self.issuer).unwrap().pem());
        write(&secret, &key.serialize_pem());
        (certificate, secret)
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn certificates_are_asked_for_on_both_sides() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.certify("server", "localhost");
    let authorities = authority.file("ca.pem");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let primary = Primary::with([
        "--grpc-tls-cert".to_owned(),
        path(&certificate),
        "--grpc-tls-key".to_owned(),
        path(&key),
        "--grpc-client-ca".to_owned(),
        path(&authorities),
    ]);
    let server = primary.start();
    primary.fill(&server);
    let url = format!("https://localhost:{}", primary.port());
    let (certificate, key) = authority.certify("follower", "follower");
    let with_identity = |launch: crate::support::Launch, (certificate, key): &(PathBuf, PathBuf)| {
        launch.flag("--follow-cert", certificate).flag("--follow-key", key)
    };

    let sound = following(&url).flag("--follow-ca", &authorities);
    let follower = with_identity(sound.clone(), &(certificate, key)).start();
    assert!(is_connected(&follower));
    expect_equal(&server, &follower);

    // Without a certificate, with one of somebody else, and with no trust in the server's.
    let stranger = other.certify("stranger", "follower");
    for launch in [sound.clone(), with_identity(sound, &stranger), following(&url)] {
        let follower = launch.start_unready();
        eventually("it is not let in", || {
            ["connect", "closed", "refused", "message"].iter().any(|reason| failures(&follower, reason) > 0.0)
        });
        assert_eq!(follower.get("/readyz").0, 503);
        assert!(!is_connected(&follower));
    }
}
