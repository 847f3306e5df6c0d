//! The file of credentials, and the environment.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::file::parse;
use super::*;

const FILE: &str = "\
version = 1
[[credential]]
access-key-id = \"ONE\"
secret-access-key = \"first\"
[[credential]]
name = \"reader\"
access-key-id = \"TWO\"
secret-access-key = \"second\"
session-token = \"token\"
access = \"read-only\"
";

fn faults(text: &str) -> Vec<String> {
    parse("c.toml", text).unwrap_err().0
}

fn nothing(_: &str) -> Option<String> {
    None
}

#[test]
fn a_file_has_several() {
    let (grants, tokens) = parse("c.toml", FILE).unwrap();
    assert!(tokens.is_empty());
    assert_eq!(grants.len(), 2);
    assert_eq!((grants["ONE"].access, grants["ONE"].name.as_deref()), (Access::ReadWrite, None));
    let two = &grants["TWO"];
    assert_eq!((two.access, two.name.as_deref()), (Access::ReadOnly, Some("reader")));
    assert_eq!(two.credential.session_token.as_deref(), Some("token"));
}

#[test]
fn faults_have_their_place_and_show_no_secret() {
    for (from, to, expected) in [
        ("version = 1\n", "", "c.toml:1:1: the key `version` is missing"),
        ("name =", "nam =", "c.toml:6:1: unknown field `nam`"),
        ("read-only", "all", "c.toml:10:10: unknown variant `all`"),
        ("\"ONE\"", "\"O NE\"", "c.toml:3:17: an access key id has 1 to 128"),
        ("\"first\"", "\"fir st\"", "c.toml:4:21: a secret has"),
        ("\"first\"", "\"\"", "c.toml:4:21: a secret has"),
        ("secret-access-key = \"first\"", "", "c.toml:2:1: credential: missing field `secret-access-key`"),
        ("TWO", "ONE", "c.toml:7:17: the access key id ONE is there twice"),
    ] {
        let found = faults(&FILE.replacen(from, to, 1));
        assert!(found[0].starts_with(expected), "{found:?}");
        assert!(!found[0].contains("fir"), "{found:?}");
    }
    assert_eq!(faults("version = 1\n"), ["c.toml: there is no [[credential]] and no [[token]] in it"]);
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    fs::write(&path, FILE).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let Faults(found) = Credentials::load(Some(&path), nothing).err().unwrap();
        assert!(found[0].contains(&format!("(mode {mode:o}): chmod 600 {}", path.display())), "{found:?}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let credentials = Credentials::load(Some(&path), nothing).unwrap().unwrap();
    assert_eq!(credentials.key_count(), 2);
    assert!(credentials.find("ONE").is_some() && credentials.find("THREE").is_none());
    assert!(Credentials::load(Some(&folder.path().join("none")), nothing).is_err());
}

#[test]
fn the_environment_has_one() {
    let load = |variables: &'static [(&str, &str)]| {
        Credentials::load(None, move |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    };
    assert!(load(&[]).unwrap().is_none());
    assert!(load(&[(ACCESS_KEY_ID, ""), (SECRET_ACCESS_KEY, "")]).unwrap().is_none());
    let both = load(&[(ACCESS_KEY_ID, "ONE"), (SECRET_ACCESS_KEY, "first"), (SESSION_TOKEN, "token")]);
    let credentials = both.unwrap().unwrap();
    let grant = credentials.find("ONE").unwrap();
    assert_eq!((grant.access, grant.credential.session_token.as_deref()), (Access::ReadWrite, Some("token")));
    for half in [&[(ACCESS_KEY_ID, "ONE")][..], &[(SECRET_ACCESS_KEY, "first")]] {
        let Faults(found) = load(half).err().unwrap();
        assert!(found[0].contains("is missing beside"), "{found:?}");
    }
}
#[test]
fn tokens_are_found_by_their_text() {
    let text = "version = 1\n[[token]]\nname = \"sidecars\"\ntoken = \"0123456789abcdef\"\naccess = \"follow\"\n\
                namespaces = [\"production.local\"]\n[[token]]\nname = \"deploy\"\ntoken = \"fedcba9876543210\"\n";
    let (grants, tokens) = parse("c.toml", text).unwrap();
    assert!(grants.is_empty() && tokens.len() == 2);
    let token = tokens.find("0123456789abcdef").unwrap();
    assert_eq!((&*token.name, token.access), ("sidecars", TokenAccess::Follow));
    assert_eq!(token.namespaces, Some(crate::model::Selection::of(["production.local"])));
    let token = tokens.find("fedcba9876543210").unwrap();
    assert_eq!((token.access, &token.namespaces), (TokenAccess::ReadWrite, &None));
    for other in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0"] {
        assert!(tokens.find(other).is_none(), "{other}");
    }
    for (from, to, expected) in [
        ("deploy", "sidecars", "c.toml:8:8: the token sidecars is there twice"),
        ("fedcba9876543210", "0123456789abcdef", "c.toml:8:8: the token deploy is there twice"),
        ("fedcba9876543210", "short", "c.toml:9:9: "),
        ("[\"production.local\"]", "[]", "c.toml:6:14: namespaces: at least one"),
        ("production.local", "a b", "c.toml:6:14: namespaces: \"a b\" is not"),
        ("\"follow\"", "\"write\"", "c.toml:5:10: "),
    ] {
        let found = faults(&text.replacen(from, to, 1));
        assert!(found[0].starts_with(expected) && !found[0].contains("short"), "{found:?}");
    }
}
