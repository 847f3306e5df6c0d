//! A template applied through the API: what is there, what is wished, the plan between the two, and carrying it out.
//!
//! ```text
//!  template::Evaluated ─────────────▶ wish ─┐ properties by name
//!  server ─▶ survey (what has our marks) ───┴▶ plan ─▶ act: deletions, then creations and updates, each waited for
//! ```
//!
//! There is no local file of state. What belongs to a stack is marked on the server (`mark.rs`): namespaces and services
//! by tags, instances by the id of the request that registered them. So a plan is made of what is there, a run that
//! failed is continued by the next, and two people can apply the same stack in turn.

#![forbid(unsafe_code)]

mod act;
mod mark;
mod plan;
mod survey;
mod wish;

use crate::client::ClientError;

pub use self::act::{Status, apply};
pub use self::plan::{Action, Change, Plan, Step, UNKNOWN};

/// Why a stack could not be planned or applied.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The server said no, or nothing.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server's state stands in the way.
    #[error("{0}")]
    Conflict(String),
}

impl Plan {
    /// What would make `wished` of the stack called `stack`; `None` wishes that there is nothing of it.
    pub fn make(
        client: &crate::client::Client,
        stack: &str,
        wished: Option<&crate::template::Evaluated>,
    ) -> Result<Self, StackError> {
        let resources = wished.map_or(&[][..], |wished| &wished.resources);
        let present = survey::survey(client, stack, resources)?;
        plan::plan(resources, present)
    }
}
