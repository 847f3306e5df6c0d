//! The keys of transfers, from the file of `--tsig-keys`.
//!
//! The file is TOML, versioned like the configuration file:
//!
//! ```toml
//! version = 1
//!
//! [[key]]
//! name = "transfer"
//! algorithm = "hmac-sha256"      # the only one, and the default
//! secret = "…"                   # Base64, as tsig-keygen, keymgr and openssl print it
//! ```
//!
//! Nobody but its owner may be able to read it. No message ever shows a secret.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use domain::utils::base64;
use serde::Deserialize;
use toml::Spanned;

use super::tsig::Key;
use crate::config::{Faults, file};
use crate::wire::Name;

/// Octets of the shortest secret that is taken: RFC 2104 §3 advises against less than the hash has, and keys of half
/// of it are in use.
const SECRET_LEAST: usize = 16;

/// Keys by their names.
#[derive(Debug, Default)]
pub struct Keys(HashMap<Name, Arc<Key>>);

impl Keys {
    /// Reads the file at `path`, if only its owner can. A file without a key is a fault.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        let text = file::read_private(path)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Parses `text`, which came from the file called `file_name`.
    fn parse(file_name: &str, text: &str) -> Result<Self, Faults> {
        let FileV1 { key: entries } = file::parse_as(file_name, text)?;
        if entries.is_empty() {
            return Err(Faults(vec![format!("{file_name}: there is no [[key]] in it")]));
        }
        let mut keys = HashMap::new();
        let mut faults = Vec::new();
        for EntryV1 { name, secret, algorithm: Algorithm::HmacSha256 } in entries {
            let span = name.span();
            let KeyName(name) = name.into_inner();
            if keys.insert(name.clone(), Arc::new(Key::new(name.clone(), &secret.0))).is_some() {
                let (line, column) = file::position(text, span.start);
                faults.push(format!("{file_name}:{line}:{column}: the key {name} is there twice"));
            }
        }
        if faults.is_empty() { Ok(Self(keys)) } else { Err(Faults(faults)) }
    }

    /// The key called `name`.
    pub fn find(&self, name: &Name) -> Option<&Arc<Key>> {
        self.0.get(name)
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.0.values()
    }
}

impl FromIterator<Key> for Keys {
    fn from_iter<I: IntoIterator<Item = Key>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| (key.name().clone(), Arc::new(key))).collect())
    }
}

//----------- The file ---------------------------------------------------------------------------------------

/// Version 1 of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileV1 {
    #[serde(default)]
    key: Vec<EntryV1>,
}

/// One key in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryV1 {
    name: Spanned<KeyName>,
    #[serde(default)]
    algorithm: Algorithm,
    secret: Secret,
}

/// The algorithms that are known.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Algorithm {
    #[default]
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
}

/// A key's name, which is a domain name.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct KeyName(Name);

impl TryFrom<String> for KeyName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match Name::parse(&text) {
            Ok(name) if name.as_wire().len() > 1 => Ok(Self(name)),
            Ok(_) => Err("a key needs a name, such as transfer".to_owned()),
            Err(fault) => Err(format!("\"{text}\" is not a name: {fault}")),
        }
    }
}

/// A secret; its faults do not show it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Secret(Vec<u8>);

impl TryFrom<String> for Secret {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match base64::decode::<Vec<u8>>(&text) {
            Ok(octets) if octets.len() >= SECRET_LEAST => Ok(Self(octets)),
            Ok(octets) => Err(format!("the secret has {} octets; allowed are {SECRET_LEAST} and more", octets.len())),
            Err(_) => Err("the secret is not Base64; `openssl rand -base64 32` makes one".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FILE: &str = "\
version = 1
[[key]]
name = \"One\"
secret = \"MDEyMzQ1Njc4OWFiY2RlZg==\"
[[key]]
name = \"two.\"
algorithm = \"hmac-sha256\"
secret = \"MDEyMzQ1Njc4OWFiY2RlZg==\"
";

    #[test]
    fn a_file_has_several_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        fs::write(&path, FILE).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let Faults(found) = Keys::load(&path).unwrap_err();
        assert!(found[0].contains("(mode 640): chmod 600"), "{found:?}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let keys = Keys::load(&path).unwrap();
        assert_eq!(keys.iter().count(), 2);
        assert!(keys.find(&Name::parse("one").unwrap()).is_some());
        assert!(Keys::load(&folder.path().join("none")).is_err());
    }

    #[test]
    fn faults_have_their_place_and_show_no_secret() {
        for (from, to, expected) in [
            ("two.", "ONE", "k.toml:6:8: the key one. is there twice"),
            ("hmac-sha256", "hmac-md5", "k.toml:7:13: unknown variant `hmac-md5`"),
            ("\"MDEyMzQ1Njc4OWFiY2RlZg==\"", "\"MDEy\"", "k.toml:4:10: the secret has 3 octets"),
            ("\"MDEyMzQ1Njc4OWFiY2RlZg==\"", "\"MDEy!\"", "k.toml:4:10: the secret is not Base64"),
            ("\"One\"", "\"a..b\"", "k.toml:3:8: \"a..b\" is not a name"),
            ("\"One\"", "\".\"", "k.toml:3:8: a key needs a name"),
        ] {
            let Faults(found) = Keys::parse("k.toml", &FILE.replacen(from, to, 1)).unwrap_err();
            assert!(found[0].starts_with(expected), "{found:?}");
            assert!(!found[0].contains("MDEy"), "{found:?}");
        }
        assert!(Keys::parse("k.toml", "version = 1\n").is_err());
    }
}
