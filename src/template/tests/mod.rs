//! Templates in, resources or faults out.

mod examples;
mod faults;
mod functions;

use std::path::Path;

use super::{Evaluated, Settings, read};

/// What is known beside the templates of the tests.
fn settings(given: &[(&str, &str)]) -> Settings {
    Settings {
        stack: "shop".into(),
        region: "eu-central-1".into(),
        account_id: "123456789012".into(),
        given: given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..Settings::default()
    }
}

/// What a template yields.
#[track_caller]
fn evaluated(text: &str, given: &[(&str, &str)]) -> Evaluated {
    read(&Path::new("t.yaml").into(), text.as_bytes(), &settings(given)).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The faults of a template as they print.
#[track_caller]
fn faults(text: &str, given: &[(&str, &str)]) -> Vec<String> {
    match read(&Path::new("t.yaml").into(), text.as_bytes(), &settings(given)) {
        Ok(evaluated) => panic!("no fault: {evaluated:#?}"),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// An HTTP namespace, which needs little.
const SPACE: &str = "Resources:\n  Space: {Type: AWS::ServiceDiscovery::HttpNamespace, Properties: {Name: space}}\n";
