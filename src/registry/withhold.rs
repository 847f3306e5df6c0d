//! Answers that are held back: a follower that has lost sight of its primary for too long, or has not seen it yet, does
//! not know what is true.
//!
//! The tables stay, and go on being changed; workers are shown others in their place, which answer nothing.

use std::sync::Arc;

use super::Registry;
use crate::table::Snapshot;

/// What is not to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withhold {
    /// Nothing is held back.
    Nothing,
    /// Names in zones that are known; others are refused, or forwarded, as ever.
    Zones,
    /// Every name: nobody knows which zones there are.
    All,
}

impl Registry {
    /// Shows workers the tables, or what stands in for them.
    pub fn withhold(&mut self, what: Withhold) {
        let tables = self.tables();
        self.withheld = None;
        // The common table answers whatever the others do not: one mark there is enough.
        let stand_in = |(view, table): (usize, &Arc<Snapshot>)| match what {
            Withhold::Nothing => Snapshot::clone(table),
            Withhold::All if view == 0 => table.all_withheld(),
            Withhold::Zones | Withhold::All => table.withheld(),
        };
        let shown = tables.iter().enumerate().map(stand_in).map(Some).collect();
        self.publish(shown);
        self.withheld = (what != Withhold::Nothing).then_some(tables);
    }
}
