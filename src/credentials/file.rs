//! The file of credentials: TOML, read or refused with the place of every fault.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::{Access, Grant, Token, TokenAccess, Tokens};
use crate::config::{Faults, file};
use crate::model::Selection;
use crate::model::validate::names;
use crate::sigv4::Credential;

/// Version 1 of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileV1 {
    #[serde(default)]
    credential: Vec<EntryV1>,
    #[serde(default)]
    token: Vec<TokenV1>,
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

/// One token in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TokenV1 {
    name: Spanned<TokenName>,
    token: TokenText,
    #[serde(default)]
    access: TokenAccess,
    namespaces: Option<Spanned<Vec<String>>>,
}

/// What the file holds: access keys by their ids, and tokens.
type Contents = (HashMap<Box<str>, Grant>, Tokens);

/// Reads the file at `path`, if only its owner can.
pub(super) fn read(path: &Path) -> Result<Contents, Faults> {
    let text = file::read_private(path)?;
    parse(&path.display().to_string(), &text)
}

/// Parses `text`, which came from the file called `name`.
pub(super) fn parse(name: &str, text: &str) -> Result<Contents, Faults> {
    let FileV1 { credential: entries, token } = file::parse_as(name, text)?;
    if entries.is_empty() && token.is_empty() {
        return Err(Faults(vec![format!("{name}: there is no [[credential]] and no [[token]] in it")]));
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
    let mut tokens = Tokens::default();
    for entry in token {
        let TokenV1 { name: label, token, access, namespaces } = entry;
        let mut refuse = |offset: usize, reason: &str| {
            let (line, column) = file::position(text, offset);
            faults.push(format!("{name}:{line}:{column}: {reason}"));
        };
        if let Some(list) = &namespaces
            && let Some(reason) = scope_fault(list.get_ref())
        {
            refuse(list.span().start, &reason);
        }
        let start = label.span().start;
        let namespaces = namespaces.map(|list| Selection::of(list.get_ref()));
        let label = label.into_inner().0;
        if !tokens.insert(Token::new(label.clone(), &token.0, access, namespaces)) {
            refuse(start, &format!("the token {label} is there twice, by its name or its text"));
        }
    }
    if faults.is_empty() { Ok((grants, tokens)) } else { Err(Faults(faults)) }
}

/// What is wrong with the namespaces of a token.
fn scope_fault(namespaces: &[String]) -> Option<String> {
    if namespaces.is_empty() {
        return Some("namespaces: at least one is needed; without the key, the token is for all".to_owned());
    }
    namespaces.iter().find_map(|text| names::http_name(text).err()).map(|fault| format!("namespaces: {fault}"))
}

//----------- Values -----------------------------------------------------------

/// An identifier that an Authorization header can carry.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AccessKeyId(pub(super) Box<str>);

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
pub(super) struct Secret(pub(super) Box<str>);

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.len() {
            1..=4096 if text.bytes().all(|octet| octet.is_ascii_graphic()) => Ok(Self(text.into())),
            _ => Err("a secret has 1 to 4096 characters, printable ASCII without spaces"),
        }
    }
}

/// What people call a token: it stands in logs.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct TokenName(Box<str>);

impl TryFrom<String> for TokenName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.chars().count() {
            1..=64 if !text.contains(char::is_control) => Ok(Self(text.into())),
            _ => Err("the name of a token has 1 to 64 characters"),
        }
    }
}

/// The text of a token; its faults do not show it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct TokenText(Box<str>);

impl TryFrom<String> for TokenText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        // Any that an Authorization header can carry, and none that could be guessed.
        match text.len() {
            16..=1024 if text.bytes().all(|octet| octet.is_ascii_graphic()) => Ok(Self(text.into())),
            _ => Err("a token has 16 to 1024 characters, printable ASCII without spaces"),
        }
    }
}
