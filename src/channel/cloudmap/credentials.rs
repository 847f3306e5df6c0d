//! Who may ask: access keys from the file of `--credentials` and from the environment.
//!
//! The file is TOML, versioned like the configuration file:
//!
//! ```toml
//! version = 1
//!
//! [[credential]]
//! name = "continuous integration"
//! access-key-id = "AKIAEXAMPLE"
//! secret-access-key = "…"
//! access = "read-only"
//! ```
//!
//! Nobody but its owner may be able to read it. No message ever shows a secret.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::config::{Faults, file};
use crate::sigv4::{Credential, KeyCache};

/// Environment variable of the access key id.
const ACCESS_KEY_ID: &str = "FINGERPOST_ACCESS_KEY_ID";

/// Environment variable of the secret access key.
const SECRET_ACCESS_KEY: &str = "FINGERPOST_SECRET_ACCESS_KEY";

/// Environment variable of the session token.
const SESSION_TOKEN: &str = "FINGERPOST_SESSION_TOKEN";

//----------- Credentials ------------------------------------------------------

/// All access keys that are known, with their signing keys; at least one.
pub struct Credentials {
    grants: HashMap<Box<str>, Grant>,
    /// Belongs to these secrets and goes with them.
    keys: KeyCache,
}

/// An access key, and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The key.
    pub credential: Credential,
    /// What it allows.
    pub access: Access,
    /// What people call it.
    pub name: Option<Box<str>>,
}

/// What an access key allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Actions that change nothing.
    ReadOnly,
    /// Every action.
    #[default]
    ReadWrite,
}

impl Credentials {
    /// Reads the file at `path`, if there is one to read, and the environment; `variable` looks into it.
    ///
    /// `None` if neither has a credential. A file without any is a fault: whoever names one wants requests signed.
    pub fn load(path: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Faults> {
        let mut grants = match path {
            Some(path) => read(path)?,
            None => HashMap::new(),
        };
        if let Some(grant) = of_environment(variable)? {
            let id = grant.credential.access_key_id.clone();
            if grants.insert(id.clone(), grant).is_some() {
                return Err(Faults(vec![format!("{ACCESS_KEY_ID}: {id} is in the file of credentials, too")]));
            }
        }
        Ok(if grants.is_empty() { None } else { Some(Self { grants, keys: KeyCache::default() }) })
    }

    /// What an access key allows; `None` if it is not known.
    pub fn find(&self, access_key_id: &str) -> Option<&Grant> {
        self.grants.get(access_key_id)
    }

    /// The signing keys in use.
    pub fn keys(&self) -> &KeyCache {
        &self.keys
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.grants.len()
    }

    /// Never: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }
}

//----------- The file ---------------------------------------------------------

/// Version 1 of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileV1 {
    #[serde(default)]
    credential: Vec<EntryV1>,
}

/// One access key in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct EntryV1 {
    name: Option<Box<str>>,
    access_key_id: Spanned<AccessKeyId>,
    secret_access_key: Secret,
    session_token: Option<Secret>,
    #[serde(default)]
    access: Access,
}

/// Reads the file at `path`, if only its owner can.
fn read(path: &Path) -> Result<HashMap<Box<str>, Grant>, Faults> {
    let text = file::read_private(path)?;
    parse(&path.display().to_string(), &text)
}

/// Parses `text`, which came from the file called `name`.
fn parse(name: &str, text: &str) -> Result<HashMap<Box<str>, Grant>, Faults> {
    let FileV1 { credential: entries } = file::parse_as(name, text)?;
    if entries.is_empty() {
        return Err(Faults(vec![format!("{name}: there is no [[credential]] in it")]));
    }
    let mut grants = HashMap::new();
    let mut faults = Vec::new();
    for entry in entries {
        let span = entry.access_key_id.span();
        let id = entry.access_key_id.into_inner().0;
        let credential = Credential {
            access_key_id: id.clone(),
            secret_access_key: entry.secret_access_key.0,
            session_token: entry.session_token.map(|token| token.0),
        };
        let grant = Grant { credential, access: entry.access, name: entry.name };
        if grants.insert(id.clone(), grant).is_some() {
            let (line, column) = file::position(text, span.start);
            faults.push(format!("{name}:{line}:{column}: the access key id {id} is there twice"));
        }
    }
    if faults.is_empty() { Ok(grants) } else { Err(Faults(faults)) }
}

//----------- The environment --------------------------------------------------

/// The access key in the environment, which allows everything.
fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Grant>, Faults> {
    // A variable that is set to nothing is how some tools unset it.
    let value = |name: &str| variable(name).filter(|value| !value.is_empty());
    let fault = |name: &str, reason: &str| Faults(vec![format!("{name}: {reason}")]);
    let (id, secret) = match (value(ACCESS_KEY_ID), value(SECRET_ACCESS_KEY)) {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => (id, secret),
        (Some(_), None) => return Err(fault(SECRET_ACCESS_KEY, &format!("is missing beside {ACCESS_KEY_ID}"))),
        (None, Some(_)) => return Err(fault(ACCESS_KEY_ID, &format!("is missing beside {SECRET_ACCESS_KEY}"))),
    };
    let secret_of = |name, value| Secret::try_from(value).map_err(|reason| fault(name, reason));
    let credential = Credential {
        access_key_id: AccessKeyId::try_from(id).map_err(|reason| fault(ACCESS_KEY_ID, reason))?.0,
        secret_access_key: secret_of(SECRET_ACCESS_KEY, secret)?.0,
        session_token: match value(SESSION_TOKEN) {
            Some(token) => Some(secret_of(SESSION_TOKEN, token)?.0),
            None => None,
        },
    };
    Ok(Some(Grant { credential, access: Access::ReadWrite, name: None }))
}

//----------- Values -----------------------------------------------------------

/// An identifier that an Authorization header can carry.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct AccessKeyId(Box<str>);

impl TryFrom<String> for AccessKeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        // Commas and spaces separate the header's parts.
        match text.len() {
            1..=128 if text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',') => Ok(Self(text.into())),
            _ => Err("an access key id has 1 to 128 characters, printable ASCII without spaces and commas"),
        }
    }
}

/// A secret access key or a session token; its faults do not show it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Secret(Box<str>);

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.len() {
            1..=4096 if text.bytes().all(|octet| octet.is_ascii_graphic()) => Ok(Self(text.into())),
            _ => Err("a secret has 1 to 4096 characters, printable ASCII without spaces"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

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
        let grants = parse("c.toml", FILE).unwrap();
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
        assert_eq!(faults("version = 1\n"), ["c.toml: there is no [[credential]] in it"]);
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
        assert_eq!(credentials.len(), 2);
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
}
