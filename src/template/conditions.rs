//! `Conditions`: which parts of a template count.

use super::evaluator::{Evaluator, Faulty, Truth, function};
use super::sections::unknown;
use crate::channel::file::Position;
use crate::channel::file::reader::{Trail, key_text};
use crate::channel::file::yaml::{Node, Value};

/// The functions that yield conditions.
const KNOWN: [&str; 5] = ["Equals", "Not", "And", "Or", "Condition"];

/// Conditions that may build on each other, so that no file uses up our stack.
const CHAIN_MAX: usize = 16;

impl<'n> Evaluator<'n> {
    /// Evaluates all conditions, so that all their faults are told.
    pub(super) fn all_conditions(&mut self) {
        let top = Trail::Top;
        let trail = top.key("Conditions");
        for (key, _) in self.conditions {
            // Its faults are noted.
            let _ = self.truth(key_text(key), key.at, &trail);
        }
    }

    /// Whether the condition called `name` holds; `at` is where it is named.
    pub(super) fn truth(&mut self, name: &str, at: Position, trail: &Trail<'_>) -> Result<bool, Faulty> {
        let Some((key, node)) = self.conditions.iter().find(|(key, _)| key_text(key) == name) else {
            let known = self.conditions.iter().map(|(key, _)| key_text(key));
            let message = unknown(name, "a condition of this template", known);
            return self.fault(at, trail, message);
        };
        let name = key_text(key);
        let top = Trail::Top;
        let section = top.key("Conditions");
        let own = section.key(name);
        match self.truths.get(name) {
            Some(Truth::Known(truth)) => return *truth,
            Some(Truth::Begun) => return self.fault(key.at, &own, "the condition depends on itself"),
            None => {}
        }
        if self.begun == CHAIN_MAX {
            return self.fault(key.at, &own, format_args!("more than {CHAIN_MAX} conditions build on each other"));
        }
        self.truths.insert(name, Truth::Begun);
        self.begun += 1;
        let outer = std::mem::replace(&mut self.in_conditions, true);
        let truth = self.condition(node, &own);
        self.in_conditions = outer;
        self.begun -= 1;
        self.truths.insert(name, Truth::Known(truth));
        truth
    }

    /// Whether a condition as it is written holds.
    fn condition(&mut self, node: &Node, trail: &Trail<'_>) -> Result<bool, Faulty> {
        let by_key = || match &node.value {
            Value::Mapping(pairs) => match &**pairs {
                [(key, argument)] if key_text(key) == "Condition" => Some(("Condition".into(), argument.clone())),
                _ => None,
            },
            _ => None,
        };
        let Some((name, argument)) = function(node).or_else(by_key) else {
            return self.fault(node.at, trail, format_args!("this is no condition; allowed are {}", KNOWN.join(", ")));
        };
        match &*name {
            "Equals" => {
                let [one, other] = self.arguments(&argument, trail, "Equals", "[value, value]")?;
                Ok(self.text(one, trail)? == self.text(other, trail)?)
            }
            "Not" => {
                let [one] = self.arguments(&argument, trail, "Not", "[condition]")?;
                Ok(!self.condition(one, trail)?)
            }
            "And" | "Or" => {
                let Value::Sequence(items) = &argument.value else {
                    return self.fault(node.at, trail, format_args!("{name} takes a list of 2 to 10 conditions"));
                };
                if !(2..=10).contains(&items.len()) {
                    return self.fault(node.at, trail, format_args!("{name} takes a list of 2 to 10 conditions"));
                }
                let truths: Vec<_> = items.iter().map(|item| self.condition(item, trail)).collect();
                let truths: Vec<bool> = truths.into_iter().collect::<Result<_, _>>()?;
                Ok(if &*name == "And" { truths.iter().all(|one| *one) } else { truths.iter().any(|one| *one) })
            }
            "Condition" => {
                let name = self.text(&argument, trail)?;
                self.truth(&name, argument.at, trail)
            }
            name => self.fault(node.at, trail, unknown(name, "a function that yields a condition", KNOWN.into_iter())),
        }
    }
}
