//! As whom a client asks: the AWS tools' variables, their file of profiles, or nobody in particular.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::ClientError;
use crate::sigv4::Credential;

/// The credential of a user who has none: shaped like one, so that the request is, too. A server on loopback takes it.
fn anonymous() -> Credential {
    Credential { access_key_id: "anonymous".into(), secret_access_key: "anonymous".into(), session_token: None }
}

/// Finds the user's credential: `AWS_ACCESS_KEY_ID` and its companions, else the profile `AWS_PROFILE` (or `default`)
/// of the file, else the anonymous one. `variable` never yields an empty text.
pub(super) fn find(variable: &impl Fn(&str) -> Option<String>) -> Result<Credential, ClientError> {
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => return Ok(credential(&id, &secret, variable("AWS_SESSION_TOKEN").as_deref())),
        (None, None) => {}
        (id, _) => {
            let (set, missing) = match id {
                Some(_) => ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
                None => ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
            };
            return Err(ClientError::Options(format!("{set} is set and {missing} is not; set both or none")));
        }
    }
    let profile = variable("AWS_PROFILE");
    let path = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let path = path.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".aws/credentials")));
    let text = match path.as_ref().map(fs::read_to_string) {
        Some(Ok(text)) => text,
        None => String::new(),
        Some(Err(error)) if error.kind() == ErrorKind::NotFound => String::new(),
        Some(Err(error)) => {
            let path = path.unwrap_or_default();
            return Err(ClientError::Options(format!("{} cannot be read: {error}", path.display())));
        }
    };
    let name = profile.as_deref().unwrap_or("default");
    match (in_profile(&text, name), profile) {
        (Some(credential), _) => Ok(credential),
        (None, None) => Ok(anonymous()),
        (None, Some(name)) => Err(ClientError::Options(format!(
            "AWS_PROFILE is {name}, but {} has no access key under [{name}]; add it there, or unset AWS_PROFILE",
            path.unwrap_or_default().display()
        ))),
    }
}

/// The credential under `[name]` in a file of profiles. Lines that are no `key = value` are passed over.
fn in_profile(text: &str, name: &str) -> Option<Credential> {
    let (mut here, mut id, mut secret, mut token) = (false, None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.split_once(']')).map(|(name, _)| name) {
            here = section.trim() == name;
        } else if here && !line.starts_with(['#', ';']) {
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.trim();
            match key.trim() {
                "aws_access_key_id" => id = Some(value),
                "aws_secret_access_key" => secret = Some(value),
                "aws_session_token" => token = Some(value),
                _ => {}
            }
        }
    }
    Some(credential(id?, secret?, token))
}

/// A credential of its parts.
fn credential(id: &str, secret: &str, token: Option<&str>) -> Credential {
    Credential { access_key_id: id.into(), secret_access_key: secret.into(), session_token: token.map(Into::into) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# mine
[default]
aws_access_key_id = FIRST
aws_secret_access_key=s1

[ work ]
aws_access_key_id = SECOND
; aws_access_key_id = OLD
aws_secret_access_key = a=b
aws_session_token = t
[half]
aws_access_key_id = THIRD
";

    #[test]
    fn profiles_are_read_by_name() {
        assert_eq!(in_profile(FILE, "default"), Some(credential("FIRST", "s1", None)));
        assert_eq!(in_profile(FILE, "work"), Some(credential("SECOND", "a=b", Some("t"))));
        assert_eq!(in_profile(FILE, "half"), None);
        assert_eq!(in_profile(FILE, "none"), None);
    }

    #[test]
    fn the_environment_wins_over_the_file_and_that_over_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let file = path.to_str().unwrap();
        let with = |pairs: &[(&str, &str)]| {
            find(&|name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        let place = ("AWS_SHARED_CREDENTIALS_FILE", file);
        assert_eq!(with(&[place]).unwrap(), anonymous());
        assert_eq!(with(&[]).unwrap(), anonymous());
        fs::write(&path, FILE).unwrap();
        assert_eq!(&*with(&[place]).unwrap().access_key_id, "FIRST");
        assert_eq!(&*with(&[place, ("AWS_PROFILE", "work")]).unwrap().access_key_id, "SECOND");
        let keys = [place, ("AWS_PROFILE", "x"), ("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "s")];
        assert_eq!(with(&keys).unwrap(), credential("E", "s", None));
        let error = with(&[place, ("AWS_PROFILE", "half")]).unwrap_err().to_string();
        assert!(error.starts_with("AWS_PROFILE is half, but ") && error.contains(file), "{error}");
        let error = with(&[("AWS_SECRET_ACCESS_KEY", "s")]).unwrap_err().to_string();
        assert_eq!(error, "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not; set both or none");
    }
}
