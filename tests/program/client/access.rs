//! Whom the client asks and as whom: endpoints, keys, certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Ran, asking, command, run, server};
use crate::support::{Launch, free_address};

#[test]
fn an_endpoint_that_is_none_is_told_from_one_that_is_down() {
    let server = server();
    let api = server.api.unwrap();
    let refusal = |words: &str, code| Ran::of(&command(words)).refusal(code);
    let closed = free_address();
    assert_eq!(
        refusal(&format!("get namespaces --endpoint http://{closed}"), 1),
        format!(
            "http://{closed} refuses connections; is `fingerpost serve` running there? Set another address with \
             --endpoint or FINGERPOST_ENDPOINT"
        )
    );
    let other = refusal(&format!("get namespaces --endpoint http://{}", server.admin), 1);
    assert!(other.contains(" answered with HTTP status 404 and not as the Cloud Map API does"), "{other}");
    let plain = refusal(&format!("get namespaces --endpoint https://{api}"), 1);
    assert_eq!(plain, format!("https://{api} does not speak TLS; is it http:// rather than https://?"));
    assert!(refusal(&format!("get namespaces --endpoint {api}"), 64).contains("it must be"), "{api}");
    // The AWS tools' variable is heard, ours first.
    let launch = command("get namespaces").variable("AWS_ENDPOINT_URL_SERVICEDISCOVERY", format!("http://{api}"));
    assert_eq!(Ran::of(&launch).code, Some(0));
    assert_eq!(Ran::of(&launch.variable("FINGERPOST_ENDPOINT", format!("http://{closed}"))).code, Some(1));
    assert_eq!(run(&server, "get services -o json").out(), "[]\n");
}

#[test]
fn keys_come_from_the_environment_or_a_profile() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, profiles) = (folder.path().join("keys.toml"), folder.path().join("profiles"));
    fs::write(&keys, "version = 1\n[[credential]]\naccess-key-id = \"AKID\"\nsecret-access-key = \"s\"\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let profile = |name: &str, id: &str| format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = s\n");
    fs::write(&profiles, profile("default", "OTHER") + &profile("ours", "AKID")).unwrap();
    let server = Launch::serve_nothing().flag("--credentials", &keys).start();
    let ask = |pairs: &[(&str, &str)]| {
        let launch = asking(server.api.unwrap(), "create namespace jobs --type http --region eu-central-1");
        Ran::of(&pairs.iter().fold(launch, |launch, (name, value)| launch.variable(name, value)))
    };
    let file = ("AWS_SHARED_CREDENTIALS_FILE", profiles.to_str().unwrap());
    for pairs in [&[][..], &[file][..], &[("AWS_ACCESS_KEY_ID", "NIX"), ("AWS_SECRET_ACCESS_KEY", "s")][..]] {
        let refusal = ask(pairs).refusal(1);
        assert!(refusal.contains("(UnrecognizedClientException); set AWS_ACCESS_KEY_ID and "), "{refusal}");
    }
    let refusal = ask(&[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "wrong")]).refusal(1);
    assert!(refusal.contains("(InvalidSignatureException)"), "{refusal}");
    let refusal = ask(&[("AWS_ACCESS_KEY_ID", "AKID")]).refusal(64);
    assert_eq!(refusal, "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both or none");
    let refusal = ask(&[file, ("AWS_PROFILE", "theirs")]).refusal(64);
    assert!(refusal.starts_with("AWS_PROFILE is theirs, but "), "{refusal}");
    ask(&[file, ("AWS_PROFILE", "ours")]).out();
    let launch = asking(server.api.unwrap(), "get namespaces -o json --region eu-central-1");
    let launch = launch.variable("AWS_ACCESS_KEY_ID", "AKID").variable("AWS_SECRET_ACCESS_KEY", "s");
    let arn = Ran::of(&launch).json()[0]["Arn"].as_str().unwrap().to_owned();
    assert!(arn.starts_with("arn:aws:servicediscovery:eu-central-1:"), "{arn}");
}

#[test]
fn a_private_certificate_is_trusted_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let launch = Launch::serve_nothing().flag("--api-tls-cert", &certificate).flag("--api-tls-key", &key);
    let server = launch.start();
    let log = server.log();
    let address = log.iter().find_map(|line| line.strip_prefix("listening on api https ")).unwrap();
    let port = address.rsplit(':').next().unwrap();
    let ask =
        |more: &str| Ran::of(&command(&format!("get namespaces -o json --endpoint https://localhost:{port}{more}")));
    let refusal = ask("").refusal(1);
    assert!(refusal.contains(" is not trusted: ") && refusal.contains("--ca-file"), "{refusal}");
    assert_eq!(ask(&format!(" --ca-file {}", certificate.display())).out(), "[]\n");
    let refusal = ask(&format!(" --ca-file {}", key.display())).refusal(64);
    assert_eq!(refusal, "--ca-file: there is no certificate in it");
}
