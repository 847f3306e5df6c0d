//! Values of parameters, on the command line and in files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

/// Reads `KEY=VALUE`, or `ParameterKey=KEY,ParameterValue=VALUE` as the AWS CLI takes it.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let aws = text.strip_prefix("ParameterKey=").and_then(|rest| rest.split_once(",ParameterValue="));
    match aws.or_else(|| text.split_once('=')) {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("allowed is KEY=VALUE".into()),
    }
}

/// Reads a file in JSON: an object of values, such an object under `Parameters`, or a list of `ParameterKey` and
/// `ParameterValue`.
pub(super) fn read(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let shown = path.display();
    let bytes = fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    let value: Value = serde_json::from_slice(&bytes).with_context(|| format!("{shown} is no JSON"))?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        _ => None,
    };
    let mut given = BTreeMap::new();
    let mut put = |key: &str, value: &Value| match text(value) {
        Some(value) => {
            given.insert(key.to_owned(), value);
            Ok(())
        }
        None => bail!("{shown}: {key}: allowed are text, numbers, truth values and lists of text"),
    };
    match value.get("Parameters").unwrap_or(&value) {
        Value::Object(pairs) => {
            for (key, value) in pairs {
                put(key, value)?;
            }
        }
        Value::Array(items) => {
            for item in items {
                let Some(key) = item.get("ParameterKey").and_then(Value::as_str) else {
                    bail!("{shown}: an entry of the list has no ParameterKey");
                };
                put(key, item.get("ParameterValue").unwrap_or(&Value::Null))?;
            }
        }
        _ => bail!("{shown}: allowed are an object of values, or a list of ParameterKey and ParameterValue"),
    }
    Ok(given)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a panic with its place is the message")]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_ours_or_those_of_the_aws_cli() {
        let of = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(pair("Stage=test"), of("Stage", "test"));
        assert_eq!(pair("A=b=c"), of("A", "b=c"));
        assert_eq!(pair("Lb.DNSName="), of("Lb.DNSName", ""));
        assert_eq!(pair("ParameterKey=Vpc,ParameterValue=vpc-1"), of("Vpc", "vpc-1"));
        assert!(pair("Stage").is_err() && pair("=x").is_err());
    }

    #[test]
    fn files_have_one_of_three_forms() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        let given = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path)
        };
        let expected = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "x,y".to_owned())]);
        assert_eq!(given(r#"{"A": 1, "B": ["x", "y"]}"#).unwrap(), expected);
        assert_eq!(given(r#"{"Parameters": {"A": "1", "B": "x,y"}}"#).unwrap(), expected);
        let list = r#"[{"ParameterKey": "A", "ParameterValue": "1"}, {"ParameterKey": "B", "ParameterValue": "x,y"}]"#;
        assert_eq!(given(list).unwrap(), expected);
        for bad in ["3", "[{}]", r#"{"A": {}}"#, "{"] {
            assert!(given(bad).is_err(), "{bad}");
        }
    }
}
