//! What comes in pages: `NextToken` of one answer asks for the next.

use std::vec;

use serde_json::Value;

use super::{Client, ClientError};
use crate::channel::cloudmap::Action;

/// The answers of a list action, one a page; ends after an error.
pub struct Answers<'a> {
    client: &'a Client,
    action: Action,
    /// What to ask next; `None` at the end.
    input: Option<Value>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(client: &'a Client, action: Action, input: Value) -> Self {
        Self { client, action, input: Some(input) }
    }
}

impl Iterator for Answers<'_> {
    type Item = Result<Value, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut input = self.input.take()?;
        let mut answer = self.client.call(self.action, &input);
        if let Ok(Value::Object(answer)) = &mut answer
            && let Some(Value::String(token)) = answer.remove("NextToken")
            && !token.is_empty()
        {
            // Whoever says the token that was asked with would never come to an end.
            let token = Value::String(token);
            if input.get("NextToken") != Some(&token) {
                input["NextToken"] = token;
                self.input = Some(input);
            }
        }
        Some(answer)
    }
}

/// The items of one list in the answers of a list action; ends after an error.
pub struct Pages<'a> {
    answers: Answers<'a>,
    member: &'static str,
    page: vec::IntoIter<Value>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(answers: Answers<'a>, member: &'static str) -> Self {
        Self { answers, member, page: Vec::new().into_iter() }
    }
}

impl Iterator for Pages<'_> {
    type Item = Result<Value, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.page.next() {
                return Some(Ok(item));
            }
            // A page may be empty and not the last.
            match self.answers.next()? {
                Err(error) => return Some(Err(error)),
                Ok(mut answer) => {
                    if let Some(Value::Array(items)) = answer.get_mut(self.member).map(Value::take) {
                        self.page = items.into_iter();
                    }
                }
            }
        }
    }
}
