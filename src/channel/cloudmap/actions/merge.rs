//! Operations on their way and stored ones as one list, the latest first, cut into pages.
//!
//! The two overlap: an operation may end, and so be stored, between a look at the one and a look at the other. Who
//! looks at those on their way first misses none, and here none is found twice.

use std::cmp::Ordering;

use crate::channel::cloudmap::shapes::paging::Page;
use crate::registry::Operation;
use crate::registry::store::Row;

/// An operation, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// On its way.
    Running(Operation),
    /// In the store.
    Stored(Row),
}

/// The key after which the next page begins, if there may be one.
pub(super) type Next = Option<Box<[u8]>>;

/// The key of an operation on its way: that of the row it will be.
fn key(operation: &Operation) -> [u8; 8] {
    operation.id.0.to_be_bytes()
}

/// One page of the list of `running`, in the order of their ids, and of the stored rows, and where the next one begins.
///
/// `rows` gives a few stored rows before a key, the latest first, and none at the end; `running` was looked at before.
/// What `show` makes of an operation is on the page, if anything. Of one that is both running and stored the row
/// counts. The page ends when it is full, or `bound` rows were looked at, however few of them are on it.
pub(super) fn merge<T, E>(
    running: Vec<Operation>,
    page: Page<'_>,
    bound: usize,
    mut rows: impl FnMut(&[u8]) -> Result<Vec<Row>, E>,
    mut show: impl FnMut(Found) -> Result<Option<T>, E>,
) -> Result<(Vec<T>, Next), E> {
    let is_on_it = |operation: &Operation| page.after.is_empty() || key(operation)[..] < *page.after;
    let mut running = running.into_iter().rev().filter(is_on_it).peekable();
    let mut stored = Vec::new().into_iter().peekable();
    // Of what was looked at last, and of the row that was last fetched.
    let (mut last, mut fetched): (Box<[u8]>, Box<[u8]>) = (page.after.into(), page.after.into());
    let (mut looked_at, mut all_fetched) = (0, false);
    let mut shown = Vec::new();
    loop {
        if looked_at >= bound {
            return Ok((shown, Some(last)));
        }
        if stored.peek().is_none() && !all_fetched {
            let batch = rows(&fetched)?;
            match batch.last() {
                Some((key, _)) => fetched = key.clone(),
                None => all_fetched = true,
            }
            stored = batch.into_iter().peekable();
        }
        let order = match (running.peek(), stored.peek()) {
            (None, None) => return Ok((shown, None)),
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (Some(operation), Some((row, _))) => key(operation)[..].cmp(row),
        };
        if shown.len() == page.limit {
            return Ok((shown, Some(last)));
        }
        if order == Ordering::Equal {
            // It has ended in between.
            running.next();
        }
        let next = if order == Ordering::Greater {
            running.next().map(|operation| (key(&operation).into(), Found::Running(operation)))
        } else {
            looked_at += 1;
            stored.next().map(|row| (row.0.clone(), Found::Stored(row)))
        };
        if let Some((key, found)) = next {
            last = key;
            shown.extend(show(found)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;
    use crate::model::OperationId;
    use crate::registry::{OperationStatus, OperationType};

    fn operation(id: u64) -> Operation {
        Operation {
            id: OperationId(id),
            operation_type: OperationType::RegisterInstance,
            status: OperationStatus::Submitted,
            updated: 0,
            namespace: None,
            service: None,
            instance: None,
            error: None,
        }
    }

    /// What is running and what is stored, each in the order of the ids.
    struct Lists<'a> {
        running: &'a [u64],
        stored: &'a [u64],
        bound: usize,
        batch: usize,
        /// Rows that were given.
        given: Cell<usize>,
    }

    impl<'a> Lists<'a> {
        fn new(running: &'a [u64], stored: &'a [u64]) -> Self {
            Self { running, stored, bound: usize::MAX, batch: 3, given: Cell::new(0) }
        }

        /// A page of those that are wanted: their ids, those of running ones negative.
        fn page(&self, limit: usize, after: &[u8], wanted: impl Fn(i64) -> bool) -> (Vec<i64>, Next) {
            let rows = |after: &[u8]| {
                let before = |id: &&u64| after.is_empty() || id.to_be_bytes()[..] < *after;
                let ids = self.stored.iter().rev().filter(before).take(self.batch);
                let rows: Vec<Row> = ids.map(|id| (id.to_be_bytes().into(), Box::default())).collect();
                self.given.set(self.given.get() + rows.len());
                Ok::<_, Infallible>(rows)
            };
            let show = |found| {
                let id = match found {
                    Found::Running(operation) => -(operation.id.0 as i64),
                    Found::Stored((key, _)) => i64::from_be_bytes(key[..].try_into().unwrap()),
                };
                Ok(wanted(id).then_some(id))
            };
            let running = self.running.iter().map(|id| operation(*id)).collect();
            let Ok(found) = merge(running, Page { limit, after }, self.bound, rows, show);
            found
        }

        /// All pages.
        fn walk(&self, limit: usize, wanted: impl Fn(i64) -> bool) -> Vec<Vec<i64>> {
            let (mut pages, mut after) = (Vec::new(), Box::<[u8]>::default());
            loop {
                let (page, next) = self.page(limit, &after, &wanted);
                assert!(page.len() <= limit, "{page:?}");
                pages.push(page);
                let Some(next) = next else { return pages };
                assert!(after.is_empty() || next < after, "it goes on");
                after = next;
            }
        }
    }

    #[test]
    fn both_are_one_list() {
        let all = |running, stored| Lists::new(running, stored).page(100, &[], |_| true);
        assert_eq!(all(&[], &[]), (vec![], None));
        assert_eq!(all(&[1, 2, 3], &[]), (vec![-3, -2, -1], None));
        assert_eq!(all(&[], &[1, 2, 3, 4, 5, 6]), (vec![6, 5, 4, 3, 2, 1], None));
        assert_eq!(all(&[5, 6], &[1, 2]), (vec![-6, -5, 2, 1], None));
        assert_eq!(all(&[2, 4, 9], &[1, 3, 5, 6]), (vec![-9, 6, 5, -4, 3, -2, 1], None));
        assert_eq!(all(&[1], &[5, 6, 7, 8]), (vec![8, 7, 6, 5, -1], None));
    }

    #[test]
    fn what_is_in_both_is_shown_as_it_is_stored() {
        let lists = Lists::new(&[2, 3, 5], &[1, 2, 3, 4, 5]);
        assert_eq!(lists.page(100, &[], |_| true), (vec![5, 4, 3, 2, 1], None));
        // Not as running either where the row is not wanted.
        assert_eq!(lists.page(100, &[], |id| ![2, 3].contains(&id)), (vec![5, 4, 1], None));
    }

    #[test]
    fn a_full_page_has_a_token_if_there_is_more() {
        let key = |id: u64| Some(Box::from(id.to_be_bytes()));
        for (running, stored) in [(&[1, 2, 3][..], &[][..]), (&[], &[1, 2, 3]), (&[3], &[1, 2]), (&[1], &[2, 3])] {
            let lists = Lists::new(running, stored);
            let page = |limit, after: &[u8]| {
                let (page, next) = lists.page(limit, after, |_| true);
                (page.iter().map(|id| id.unsigned_abs()).collect::<Vec<_>>(), next)
            };
            assert_eq!(page(2, &[]), (vec![3, 2], key(2)), "{running:?} {stored:?}");
            assert_eq!(page(3, &[]), (vec![3, 2, 1], None), "{running:?} {stored:?}");
            assert_eq!(page(2, &2_u64.to_be_bytes()), (vec![1], None), "{running:?} {stored:?}");
            assert_eq!(page(2, &1_u64.to_be_bytes()), (vec![], None), "{running:?} {stored:?}");
        }
    }

    #[test]
    fn pages_have_every_operation_once_and_in_order() {
        // Each of five is nowhere, running, stored, or both.
        for mut places in 0..4_u32.pow(5) {
            let (mut running, mut stored) = (Vec::new(), Vec::new());
            for id in 1..=5 {
                running.extend((places & 1 > 0).then_some(id));
                stored.extend((places & 2 > 0).then_some(id));
                places >>= 2;
            }
            let all = (1..=5).rev().filter(|id| running.contains(id) || stored.contains(id));
            let all: Vec<i64> = all.map(|id| if stored.contains(&id) { id as i64 } else { -(id as i64) }).collect();
            for limit in 1..=6 {
                let pages = Lists::new(&running, &stored).walk(limit, |_| true);
                assert_eq!(pages.concat(), all, "{running:?} {stored:?}");
                assert_eq!(pages.len(), all.len().div_ceil(limit).max(1), "none is empty: {pages:?}");
                for bound in 1..4 {
                    let bounded = Lists { bound, ..Lists::new(&running, &stored) }.walk(limit, |id| id % 3 != 0);
                    let wanted: Vec<_> = all.iter().copied().filter(|id| id % 3 != 0).collect();
                    assert_eq!(bounded.concat(), wanted, "{running:?} {stored:?} {bound}");
                }
            }
        }
    }

    #[test]
    fn a_page_looks_at_so_many_rows_only() {
        let stored: Vec<u64> = (1..=100).collect();
        let lists = Lists { bound: 10, batch: 5, ..Lists::new(&[50, 102], &stored) };
        let (page, next) = lists.page(4, &[], |id| id < 10);
        assert_eq!((page, next), (vec![-102], Some(Box::from(91_u64.to_be_bytes()))));
        assert_eq!(lists.given.get(), 10);
        assert_eq!(lists.walk(4, |id| id < 3).concat(), [-102, 2, 1]);
    }

    #[test]
    fn a_token_may_be_of_any_length() {
        let lists = Lists::new(&[3], &[1, 2]);
        assert_eq!(lists.page(10, &[0], |_| true), (vec![], None));
        assert_eq!(lists.page(10, &[1], |_| true), (vec![-3, 2, 1], None));
    }
}
