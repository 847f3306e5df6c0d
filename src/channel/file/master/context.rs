//! What directives set, and the directives that only set it: `$ORIGIN` and `$TTL`.

use std::sync::Arc;

use super::lex::Line;
use super::text::{self, Bad};

/// What the records of a file get from the lines before them. The owner and the TTL of the record before are not
/// here: no part of a file begins where they would be needed.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// What names without a final dot end with, in wire form and lower case.
    pub(super) origin: Arc<[u8]>,
    /// The TTL of records that give none (RFC 2308 §4), once `$TTL` was there.
    pub(super) default_ttl: Option<u32>,
}

/// A directive by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// RFC 1035 §5.1.
    Origin,
    /// RFC 2308 §4.
    Ttl,
    /// RFC 1035 §5.1.
    Include,
    /// BIND's.
    Generate,
}

impl Directive {
    /// The directive called `word`, with its `$`.
    pub(super) fn of(word: &[u8]) -> Result<Self, Bad> {
        let known = [
            ("$ORIGIN", Self::Origin),
            ("$TTL", Self::Ttl),
            ("$INCLUDE", Self::Include),
            ("$GENERATE", Self::Generate),
        ];
        let found = known.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
        let allowed = "$ORIGIN, $TTL, $INCLUDE and $GENERATE; a name that begins with $ is written \\$";
        found.map(|(_, directive)| *directive).ok_or_else(|| Bad::not(word, "a directive", allowed))
    }
}

impl Context {
    /// Takes `$ORIGIN` or `$TTL` with its value, the second token of `line`. The fault is of a token.
    pub(super) fn set(&mut self, directive: Directive, text: &[u8], line: &Line) -> Result<(), (usize, Bad)> {
        let Some(value) = line.tokens.get(1) else {
            return Err((1, Bad::new(0, "the value of the directive is missing")));
        };
        if line.tokens.len() > 2 {
            return Err((2, Bad::new(0, "this stands behind the value of the directive")));
        }
        let value = value.of(text);
        match directive {
            Directive::Origin => self.origin = origin(value, &self.origin).map_err(|bad| (1, bad))?,
            Directive::Ttl => self.default_ttl = Some(text::ttl(value).map_err(|bad| (1, bad))?),
            Directive::Include | Directive::Generate => {}
        }
        Ok(())
    }
}

/// The origin called `name`, which may be relative to the one before.
pub(super) fn origin(name: &[u8], before: &[u8]) -> Result<Arc<[u8]>, Bad> {
    let mut wire = Vec::new();
    text::name(name, before, &mut wire)?;
    wire.make_ascii_lowercase();
    Ok(wire.into())
}
