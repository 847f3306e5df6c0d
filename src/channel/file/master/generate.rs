//! `$GENERATE`, BIND's way to write many records in one line.
//!
//! `$GENERATE 1-127 host-$ A 192.0.2.$` stands for 127 records. In owner and data, `$` is the number, `\$` and `$$` a
//! dollar sign, and `${OFFSET,WIDTH,BASE}` the number plus an offset, filled with zeros to a width, in base `d`, `o`,
//! `x` or `X`; base `n` or `N` writes its hexadecimal digits backwards, joined by dots, as reverse zones for IPv6 need
//! them. The range is `START-STOP` or `START-STOP/STEP`. Data of several tokens may be given as they are or as one quoted text.

use super::lex::{Line, Token};
use super::text::Bad;

/// Records one directive makes at most: those of a /16.
const COUNT_MAX: u64 = 65_536;
/// Width of a number at most; a label has no more.
const WIDTH_MAX: u32 = 63;

/// A directive, understood.
pub(super) struct Plan<'t> {
    start: u32,
    stop: u32,
    step: u32,
    /// The template of the owner.
    owner: &'t [u8],
    /// TTL, class and type as written, and the template of the data.
    rest: Vec<u8>,
}

impl<'t> Plan<'t> {
    /// Reads a directive. The fault is of a token.
    pub(super) fn read(text: &'t [u8], line: &Line) -> Result<Self, (usize, Bad)> {
        let [_, range, owner, rest @ ..] = &*line.tokens else {
            return Err((line.tokens.len(), Bad::new(0, "range, owner, type and data belong here")));
        };
        let (start, stop, step) = read_range(range.of(text)).ok_or_else(|| {
            (1, Bad::not(range.of(text), "a range", "START-STOP and START-STOP/STEP, numbers up to 2147483647"))
        })?;
        let plan = Self { start, stop, step, owner: owner.of(text), rest: template(text, rest) };
        if plan.count() as u64 > COUNT_MAX {
            let message = format!("the range has {} numbers; allowed are {COUNT_MAX} in one directive", plan.count());
            return Err((1, Bad::new(0, message)));
        }
        if owner.quoted {
            return Err((2, Bad::new(0, "the owner stands in quotes; allowed is a name without")));
        }
        Ok(plan)
    }

    /// How many records it makes.
    pub(super) fn count(&self) -> usize {
        ((self.stop - self.start) / self.step) as usize + 1
    }

    /// The numbers.
    pub(super) fn values(&self) -> impl Iterator<Item = u32> {
        (self.start..=self.stop).step_by(self.step as usize)
    }

    /// The entry for one number.
    pub(super) fn entry(&self, value: u32) -> Result<Vec<u8>, (usize, Bad)> {
        let mut entry = Vec::with_capacity(self.owner.len() + self.rest.len() + 16);
        expand(self.owner, value, &mut entry).map_err(|bad| (2, bad))?;
        expand(&self.rest, value, &mut entry).map_err(|bad| (3, Bad::new(0, bad.message)))?;
        Ok(entry)
    }
}

/// TTL, class, type and data as one text. A single quoted token stands for the data in it.
fn template(text: &[u8], tokens: &[Token]) -> Vec<u8> {
    let mut template = Vec::new();
    let quotes = tokens.iter().filter(|token| token.quoted).count();
    for (index, token) in tokens.iter().enumerate() {
        if !token.glued {
            template.push(b' ');
        }
        let whole = quotes == 1 && token.quoted && index + 1 == tokens.len() && !token.glued;
        let quote: &[u8] = if token.quoted && !whole { b"\"" } else { b"" };
        template.extend([quote, token.of(text), quote].concat());
    }
    template
}

/// Start, stop and step.
fn read_range(text: &[u8]) -> Option<(u32, u32, u32)> {
    let number = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    let (ends, step) = match str::from_utf8(text).ok()?.split_once('/') {
        Some((ends, step)) => (ends, number(step)?),
        None => (str::from_utf8(text).ok()?, 1),
    };
    let (start, stop) = ends.split_once('-')?;
    let (start, stop) = (number(start)?, number(stop)?);
    (start <= stop && step > 0 && stop <= i32::MAX as u32).then_some((start, stop, step))
}

/// Appends `template` with its numbers.
fn expand(template: &[u8], value: u32, out: &mut Vec<u8>) -> Result<(), Bad> {
    let mut at = 0;
    while let Some(&octet) = template.get(at) {
        let rest = template.get(at + 1..).unwrap_or_default();
        match (octet, rest) {
            (b'\\', [next, ..]) => {
                out.extend([octet, *next]);
                at += 2;
            }
            (b'$', [b'$', ..]) => {
                out.extend(b"\\$");
                at += 2;
            }
            (b'$', [b'{', modifiers @ ..]) => {
                let end = modifiers.iter().position(|octet| *octet == b'}');
                let inner = end.and_then(|end| modifiers.get(..end)).unwrap_or(modifiers);
                let written = end.and_then(|_| modify(inner, value));
                let written = written.ok_or_else(|| {
                    let allowed = "{OFFSET,WIDTH,BASE} with base d, o, x, X, n or N, and no negative number of it";
                    let bad = Bad::not(inner, "a form of the number", allowed);
                    Bad::new(at, bad.message)
                })?;
                out.extend_from_slice(written.as_bytes());
                at += inner.len() + 3;
            }
            (b'$', _) => {
                out.extend_from_slice(value.to_string().as_bytes());
                at += 1;
            }
            _ => {
                out.push(octet);
                at += 1;
            }
        }
    }
    Ok(())
}

/// The number as `OFFSET,WIDTH,BASE` wants it.
fn modify(modifiers: &[u8], value: u32) -> Option<String> {
    let mut parts = str::from_utf8(modifiers).ok()?.splitn(3, ',');
    let offset: i64 = parts.next()?.trim().parse::<i32>().ok()?.into();
    let width = parts.next().map_or(Some(0), |width| width.trim().parse().ok())?;
    let base = parts.next().unwrap_or("d");
    let value = u32::try_from(i64::from(value) + offset).ok().filter(|_| width <= WIDTH_MAX)?;
    let width = width as usize;
    Some(match base {
        "d" => format!("{value:0width$}"),
        "o" => format!("{value:0width$o}"),
        "x" => format!("{value:0width$x}"),
        "X" => format!("{value:0width$X}"),
        "n" => nibbles(value, width),
        "N" => nibbles(value, width).to_ascii_uppercase(),
        _ => return None,
    })
}

/// The hexadecimal digits from the last to the first, joined by dots, in at least `width` characters.
fn nibbles(mut value: u32, mut width: usize) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from_digit(value & 15, 16).unwrap_or('0'));
        value >>= 4;
        width = width.saturating_sub(1);
        if value == 0 && width == 0 {
            return text;
        }
        text.push('.');
        width = width.saturating_sub(1);
        // BIND stops at the width, and leaves a dot there.
        if value == 0 && width == 0 {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A template for a number.
    fn expanded(template: &str, value: u32) -> String {
        let mut out = Vec::new();
        expand(template.as_bytes(), value, &mut out)
            .map_or_else(|bad| bad.message, |()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn numbers_take_their_forms() {
        assert_eq!(expanded("a$-$.b", 7), "a7-7.b");
        assert_eq!(expanded("${10}.${-7}.${0,4}.${1,3,x}.${8,0,X}", 7), "17.0.0007.008.F");
        assert_eq!(expanded("${0,0,o}", 9), "11");
        assert_eq!(expanded("${0,7,n}.x", 0x1a2), "2.a.1.0.x");
        assert_eq!(expanded("${0,0,N}", 0x1a2), "2.A.1");
        assert_eq!(expanded("\\$ $$ \\\\$", 3), "\\$ \\$ \\\\3");
    }

    #[test]
    fn forms_that_are_none_are_faults() {
        for template in ["${", "${}", "${a}", "${1,2,q}", "${1,2,d,3}", "${-8}", "${0,64}", "${0,-1}"] {
            assert!(expanded(template, 7).contains("is not a form of the number"), "{template}");
        }
    }

    #[test]
    fn ranges_have_steps() {
        assert_eq!(read_range(b"1-10/3"), Some((1, 10, 3)));
        assert_eq!(read_range(b"0-0"), Some((0, 0, 1)));
        for text in ["", "1", "2-1", "1-2/0", "-1-2", "1-2147483648", "+1-2", "1-2/"] {
            assert_eq!(read_range(text.as_bytes()), None, "{text}");
        }
    }
}
