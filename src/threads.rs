//! Work that is shared out among threads for as long as it takes.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Runs all of `works` at once, and gives their results in their order. The first one runs on the caller's thread, and
/// so do, after it, those for which no thread can be had; a panic in one of them goes on in the caller.
pub(crate) fn at_once<T: Send, W: FnOnce() -> T + Send>(works: impl IntoIterator<Item = W>) -> Vec<T> {
    at_once_by(works, thread::Builder::new)
}

/// [`at_once`] with threads made by `builder`.
fn at_once_by<T: Send, W: FnOnce() -> T + Send>(
    works: impl IntoIterator<Item = W>,
    builder: impl Fn() -> thread::Builder,
) -> Vec<T> {
    // A thread that cannot be had takes with it what it was to run, so it finds its work here.
    let works: Vec<_> = works.into_iter().map(|work| Mutex::new(Some(work))).collect();
    let run = |work: &Mutex<Option<W>>| {
        let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
        work.map(|work| work())
    };
    let Some((first, others)) = works.split_first() else { return Vec::new() };
    thread::scope(|scope| {
        let others = others.iter().map(|work| (work, builder().spawn_scoped(scope, move || run(work))));
        // All are started before any is waited for.
        let others: Vec<_> = others.collect();
        let first = run(first);
        let others = others.into_iter().map(|(work, thread)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => run(work),
        });
        [first].into_iter().chain(others).flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_done_with_threads_and_without() {
        let mut places = [0; 5];
        let works = |places: &'static str| places.bytes().map(|octet| move || octet);
        assert_eq!(at_once(works("abcd")), b"abcd");
        assert_eq!(at_once(works("")), b"");
        // No machine has a stack of that size.
        let none = || thread::Builder::new().stack_size(1 << 60);
        assert!(none().spawn(|| ()).is_err());
        assert_eq!(at_once_by(works("abcd"), none), b"abcd");
        at_once_by(places.iter_mut().map(|place| move || *place += 1), none);
        assert_eq!(places, [1; 5]);
    }
}
