//! Tests of the channel: text in, state or faults out.

mod declaration;
mod folder;
mod follow;
mod merge;
mod template;
mod yaml;
mod zones;

use std::path::Path;

use super::read;
use crate::model::State;

/// The state a declaration makes.
fn state(text: &str) -> State {
    let state = read(Path::new("t.yaml"), text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(crate::model::validate::state(&state), []);
    state
}

/// The faults of a declaration as they print.
fn faults(text: &str) -> Vec<String> {
    match read(Path::new("t.yaml"), text.as_bytes()) {
        Ok(state) => panic!("no fault in {text}\n{state:#?}"),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// A declaration of one namespace `x.local` with these lines of services, which begin in line 5.
fn services(lines: &str) -> String {
    format!("version: 1\nnamespaces:\n- name: x.local\n  services:\n{lines}\n")
}
