//! What is wrong with a declaration, and where.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in a file, counted from 1 in lines and in characters; [`Position::WHOLE`] means the file itself. A column of
/// 0, or the largest there is, stands for a line as a whole, in front of or behind the places in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl Position {
    /// No place in particular, as for a file that is missing.
    pub const WHOLE: Self = Self { line: 0, column: 0 };
    /// The first character.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// A fault of a declaration file.
///
/// It prints as `path/file.yaml:12:9: namespaces[0].name: … is not …; allowed are …`. Faults sort by file and place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, as the user named it or as its folder lists it; empty where it is no file's alone.
    pub file: Arc<Path>,
    /// Where in the file.
    pub at: Position,
    /// What is wrong: the path in the declaration, the value, and what is allowed.
    pub message: Box<str>,
}

impl Fault {
    /// A fault at a place of `file`.
    pub fn new(file: &Arc<Path>, at: Position, message: impl Into<String>) -> Self {
        Self { file: Arc::clone(file), at, message: message.into().into_boxed_str() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.as_os_str().is_empty() {
            return f.write_str(&self.message);
        }
        let file = self.file.display();
        if self.at == Position::WHOLE {
            return write!(f, "{file}: {}", self.message);
        }
        match self.at.column {
            0 | u32::MAX => write!(f, "{file}:{}: {}", self.at.line, self.message),
            column => write!(f, "{file}:{}:{column}: {}", self.at.line, self.message),
        }
    }
}

impl std::error::Error for Fault {}
