//! How a plan, what came of it, and the outputs look.

use std::env;
use std::io::{self, IsTerminal, Write};

use fingerpost::stack::{Action, Change, Plan, Status, Step, UNKNOWN};
use fingerpost::template::{Evaluated, Text};
use serde_json::{Map, Value, json};

/// Shows one stack.
pub(super) struct Show<'a> {
    stack: &'a str,
    /// What is wished, if anything is.
    evaluated: Option<&'a Evaluated>,
    /// Whether there are colours.
    colours: bool,
}

/// A text without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// What the last part of a type is.
fn short(type_name: &str) -> &str {
    type_name.rsplit("::").next().unwrap_or(type_name)
}

impl<'a> Show<'a> {
    /// Shows `stack`; on a terminal with colours.
    pub(super) fn new(stack: &'a str, evaluated: Option<&'a Evaluated>, may_colour: bool) -> Self {
        let unset = |name: &str| env::var_os(name).is_none_or(|value| value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = may_colour && io::stdout().is_terminal() && unset("NO_COLOR") && !dumb;
        Self { stack, evaluated, colours }
    }

    /// A text without secrets.
    pub(super) fn covered(&self, text: &str) -> String {
        self.evaluated.map_or_else(|| text.to_owned(), |evaluated| evaluated.covered(text))
    }

    /// A text in the colour of an action.
    fn painted(&self, action: Action, text: &str) -> String {
        let code = match action {
            _ if !self.colours => return text.to_owned(),
            Action::Create => 32,
            Action::Update | Action::Replace => 33,
            Action::Delete => 31,
            Action::Unchanged => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Prints the plan: a line for each resource, and what changes of it.
    pub(super) fn plan(&self, plan: &Plan) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "Stack {}", self.stack)?;
        let width = |of: fn(&Step) -> usize| plan.steps.iter().map(of).max().unwrap_or_default();
        let ids = width(|step| step.logical_id.chars().count());
        let types = width(|step| short(step.type_name).len());
        for step in &plan.steps {
            let (sign, word) = step.action.words();
            let (id, kind, name) = (&step.logical_id, short(step.type_name), printable(&self.covered(&step.name)));
            let head = self.painted(step.action, &format!("{sign:>3} {word:<9}"));
            writeln!(out, "{head}  {id:<ids$}  {kind:<types$}  {name}")?;
            if matches!(step.action, Action::Update | Action::Replace) {
                for change in &step.changes {
                    writeln!(out, "                 {}", self.change(change))?;
                }
            }
        }
        if let Some(evaluated) = self.evaluated {
            for (id, kind) in &evaluated.ignored {
                writeln!(out, "    {:<9}  {id:<ids$}  {kind}", "ignored")?;
            }
            for note in &evaluated.notes {
                writeln!(out, "Note: {}", printable(&self.covered(note)))?;
            }
        }
        if plan.steps.is_empty() {
            writeln!(out, "    there is nothing of it")?;
        }
        let counts = [Action::Create, Action::Update, Action::Replace, Action::Delete, Action::Unchanged];
        let counts = counts.map(|action| format!("{} to {}", plan.count(action), action.words().1));
        let counts = counts.join(", ").replace("to unchanged", "unchanged");
        writeln!(out, "Plan: {counts}")
    }

    /// One change in a line.
    fn change(&self, change: &Change) -> String {
        let value = |value: &Option<String>| match value {
            Some(text) if text == UNKNOWN => text.clone(),
            Some(text) => format!("{:?}", self.covered(text)),
            None => "(none)".to_owned(),
        };
        let replaces = if change.replaces { "  (replaces)" } else { "" };
        format!("{}: {} -> {}{replaces}", printable(&change.property), value(&change.old), value(&change.new))
    }

    /// Prints that a step is done.
    pub(super) fn done(&self, step: &Step) -> io::Result<()> {
        let word = match step.action {
            Action::Create => "created",
            Action::Update => "updated",
            Action::Replace => "replaced",
            Action::Delete => "deleted",
            Action::Unchanged => return Ok(()),
        };
        let text = format!("{} ({} {})", step.logical_id, short(step.type_name), self.covered(&step.name));
        writeln!(io::stdout(), "{}  {}", self.painted(step.action, word), printable(&text))
    }

    /// Prints how it ended, and the outputs.
    pub(super) fn end(&self, plan: &Plan, json: bool, dry: bool, failure: Option<&str>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            let object = self.object(plan, dry, failure);
            return writeln!(out, "{}", serde_json::to_string_pretty(&object)?);
        }
        if let Some(failure) = failure {
            let left = |step: &&Step| step.status != Status::Done && step.action != Action::Unchanged;
            let names = |failed: bool| {
                let those = plan.steps.iter().filter(left).filter(|step| (step.status == Status::Failed) == failed);
                those
                    .map(|step| format!("{} {}", step.action.words().1, step.logical_id))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let failed = names(true);
            eprintln!("fingerpost: failed: {}: {}", failed, printable(failure));
            let not_done = names(false);
            if !not_done.is_empty() {
                eprintln!("fingerpost: not done: {not_done}");
            }
            eprintln!("fingerpost: what is done stays done; apply again to go on");
            return Ok(());
        }
        match (dry, plan.is_empty()) {
            (_, true) => writeln!(out, "Nothing to do.")?,
            (true, false) => writeln!(out, "Nothing is done: this was a dry run.")?,
            (false, false) => writeln!(out, "Done.")?,
        }
        let outputs = self.evaluated.map_or(&[][..], |evaluated| &evaluated.outputs);
        if outputs.is_empty() {
            return Ok(());
        }
        let width = outputs.iter().map(|output| output.name.chars().count()).max().unwrap_or_default();
        writeln!(out, "Outputs:")?;
        for output in outputs {
            writeln!(out, "  {:<width$}  {}", output.name, printable(&self.output(plan, &output.value)))?;
        }
        Ok(())
    }

    /// The value of an output.
    fn output(&self, plan: &Plan, value: &Text) -> String {
        plan.resolve(value).map_or_else(|| UNKNOWN.to_owned(), |value| self.covered(&value))
    }

    /// Everything as one object.
    fn object(&self, plan: &Plan, dry: bool, failure: Option<&str>) -> Value {
        let value = |value: &Option<String>| value.as_deref().map(|text| self.covered(text));
        let change = |change: &Change| {
            json!({
                "property": change.property, "old": value(&change.old), "new": value(&change.new),
                "replaces": change.replaces,
            })
        };
        let step = |step: &Step| {
            let status = match step.status {
                _ if dry => "planned",
                Status::Planned if step.action == Action::Unchanged => "done",
                Status::Planned => "planned",
                Status::Deleted => "deleted",
                Status::Done => "done",
                Status::Failed => "failed",
            };
            json!({
                "action": step.action.words().1, "logical_id": step.logical_id, "type": step.type_name,
                "name": self.covered(&step.name), "status": status,
                "changes": step.changes.iter().map(change).collect::<Vec<_>>(),
            })
        };
        let (mut ignored, mut outputs, mut notes) = (Vec::new(), Map::new(), Vec::new());
        if let Some(evaluated) = self.evaluated {
            ignored.extend(evaluated.ignored.iter().map(|(id, kind)| json!({"logical_id": id, "type": kind})));
            notes.extend(evaluated.notes.iter().map(|note| self.covered(note)));
            for output in &evaluated.outputs {
                let value = plan.resolve(&output.value).map(|value| self.covered(&value));
                outputs.insert(output.name.to_string(), value.into());
            }
        }
        json!({
            "stack": self.stack, "dry_run": dry, "resources": plan.steps.iter().map(step).collect::<Vec<_>>(),
            "ignored": ignored, "notes": notes, "outputs": outputs, "error": failure,
        })
    }
}
