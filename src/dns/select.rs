//! Draws which instances a response shows, and in which order.
//!
//! Every draw is a uniform choice of `shown` out of `count` in uniform order, independent of the draws before.
//! Bounded numbers come from the upper half of a product (Lemire, "Fast random integer generation in an interval",
//! 2019) without its rejection step: the bias is below 2^-19 where sixteen are put in order by one random word, and below
//! 2^-30 in all other cases.

use fastrand::Rng;

/// Most items one response can show: 64 KiB hold no more address records.
pub(super) const MOST: usize = 4096;
/// Up to this many candidates all are put in order; a power of two.
pub(super) const SMALL: usize = 16;
/// What Cloud Map shows at most.
const EIGHT: usize = 8;
/// Up to this many items are looked for one by one to see whether they were drawn before.
const FEW: usize = 16;

/// A worker's random numbers and the indices drawn last.
pub(super) struct Sampler {
    rng: Rng,
    chosen: Box<[u32; MOST]>,
}

impl Sampler {
    /// A sampler whose draws follow from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), chosen: Box::new([0; MOST]) }
    }

    /// One of `count` items, which are at least one.
    #[inline]
    pub(super) fn draw_one(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    /// `shown` of `count` items; fewer where `count` or [`MOST`] is less.
    #[inline]
    pub(super) fn draw(&mut self, count: usize, shown: usize) -> &[u32] {
        let shown = shown.min(count).min(MOST);
        if count <= SMALL {
            self.permute(count, shown);
        } else {
            self.draw_many(count, shown);
        }
        self.chosen.get(..shown).unwrap_or_default()
    }

    /// Draws as many of `count` items as there are `places`, and hands each place the index for it: [`Self::draw`]
    /// without a list between. There are no more places than items.
    #[inline]
    pub(super) fn draw_into<T>(&mut self, count: usize, places: &mut [T], put: impl Fn(&mut T, usize)) {
        if count > SMALL {
            let drawn = self.draw(count, places.len());
            places.iter_mut().zip(drawn).for_each(|(place, index)| put(place, *index as usize));
            return;
        }
        let mut order = Permutation::new(count, self.rng.u64(..));
        places.iter_mut().for_each(|place| put(place, order.draw()));
    }

    /// A uniform order of few items, built while they are put one behind the other.
    #[inline]
    pub(super) fn arrangement(&mut self) -> Arrangement {
        Arrangement(self.rng.u64(..))
    }

    /// Draws eight of `count` items, which are more than [`SMALL`]: distinct indices in uniform order.
    #[inline]
    pub(super) fn draw_eight(&mut self, count: usize) -> [usize; EIGHT] {
        // The bias is below 2^-24 for the first, and for the second up to a million items.
        if count <= 1024 { self.draw_by::<4>(count) } else { self.draw_by::<2>(count) }
    }

    /// Draws eight of `count` items, `AT_ONCE` from one random word: each takes the upper half of a product and leaves the
    /// lower half to the next, as in [`Permutation`].
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "bounded by the loop")]
    fn draw_by<const AT_ONCE: usize>(&mut self, count: usize) -> [usize; EIGHT] {
        let mut drawn = [usize::MAX; EIGHT];
        // A bit for each index modulo 64: where it is clear, the index is new.
        let mut seen = 0_u64;
        let mut random = 0;
        for at in 0..EIGHT {
            if at % AT_ONCE == 0 {
                random = self.rng.u64(..);
            }
            let product = u128::from(random) * count as u128;
            random = product as u64;
            let mut index = (product >> 64) as usize;
            if seen >> (index % 64) & 1 != 0 {
                index = self.unless_drawn(index, &drawn, count);
            }
            seen |= 1 << (index % 64);
            drawn[at] = index;
        }
        drawn
    }

    /// `index`, or one drawn anew until it is not among those drawn.
    #[inline(never)]
    fn unless_drawn(&mut self, mut index: usize, drawn: &[usize; EIGHT], count: usize) -> usize {
        while drawn.contains(&index) {
            index = self.below(count as u64) as usize;
        }
        index
    }

    /// Draws out of more than a few.
    #[inline(never)]
    fn draw_many(&mut self, count: usize, shown: usize) {
        if shown <= FEW {
            self.reject(count, shown);
            return;
        }
        if count / 2 >= shown {
            self.collect(count, shown);
        } else {
            self.sweep(count, shown);
        }
        self.shuffle(shown);
    }

    /// A uniform number below `bound`.
    #[inline]
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.rng.u64(..)) * u128::from(bound)) >> 64) as u64
    }

    /// A few items in random order.
    #[inline]
    fn permute(&mut self, count: usize, shown: usize) {
        let mut order = Permutation::new(count, self.rng.u64(..));
        self.chosen.iter_mut().take(shown).for_each(|place| *place = order.draw() as u32);
    }

    /// Draws until the drawn are distinct; their order is uniform as it is.
    #[inline]
    fn reject(&mut self, count: usize, shown: usize) {
        let mut drawn = [u32::MAX; FEW];
        for at in 0..shown {
            let index = loop {
                let index = self.below(count as u64) as u32;
                // A fixed length compares in a few vector instructions.
                if !drawn.iter().fold(false, |found, other| found | (*other == index)) {
                    break index;
                }
            };
            if let (Some(mark), Some(place)) = (drawn.get_mut(at), self.chosen.get_mut(at)) {
                (*mark, *place) = (index, index);
            }
        }
    }

    /// Draws what is missing, sorts out doubles, and begins again: at most half of all are drawn, so that few rounds
    /// suffice. The result is sorted.
    #[cold]
    fn collect(&mut self, count: usize, shown: usize) {
        let Self { rng, chosen } = self;
        let Some(chosen) = chosen.get_mut(..shown) else { return };
        let mut distinct = 0;
        while distinct < shown {
            for place in chosen.iter_mut().skip(distinct) {
                *place = ((u128::from(rng.u64(..)) * count as u128) >> 64) as u32;
            }
            chosen.sort_unstable();
            distinct = dedup(chosen);
        }
    }

    /// Goes through all candidates and takes each with the chance that makes `shown` of them (Knuth, TAOCP vol. 2,
    /// §3.4.2, algorithm S). The result is sorted.
    #[cold]
    fn sweep(&mut self, count: usize, shown: usize) {
        let mut taken = 0;
        for candidate in 0..count {
            if self.below((count - candidate) as u64) < (shown - taken) as u64 {
                if let Some(place) = self.chosen.get_mut(taken) {
                    *place = candidate as u32;
                }
                taken += 1;
            }
        }
    }

    /// Brings the first `shown` indices into uniform order.
    #[cold]
    fn shuffle(&mut self, shown: usize) {
        for last in (1..shown).rev() {
            let other = self.below(last as u64 + 1) as usize;
            self.chosen.swap(last, other);
        }
    }
}

/// Fisher–Yates over at most [`SMALL`] items, drawn one at a time. One random word serves all draws: each takes the
/// upper half of the product with its bound and leaves the lower half to the next (Brackett-Rozinsky and Lemire,
/// "Batched ranged random integer generation", 2024).
struct Permutation {
    order: [u8; SMALL],
    random: u64,
    /// Items drawn.
    drawn: usize,
    /// Items left.
    left: u64,
}

impl Permutation {
    #[inline]
    fn new(count: usize, random: u64) -> Self {
        let order = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        Self { order, random, drawn: 0, left: count as u64 }
    }

    /// The next item; call it no more often than there are items.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "bounded by the remainder")]
    fn draw(&mut self) -> usize {
        let product = u128::from(self.random) * u128::from(self.left);
        self.random = product as u64;
        let place = (self.drawn + (product >> 64) as usize) % SMALL;
        let item = self.order[place];
        self.order[place] = self.order[self.drawn % SMALL];
        self.drawn += 1;
        self.left -= 1;
        usize::from(item)
    }
}

/// Fisher–Yates "inside out" (Knuth, TAOCP vol. 2, §3.4.2, answer 7 of the exercises): item by item, each goes to a
/// random place of those taken so far and its own, and what was there to its own. One random word serves at most
/// [`SMALL`] draws, as in [`Permutation`].
pub(super) struct Arrangement(u64);

impl Arrangement {
    /// The place for item number `own`, at most that number; call it for each in turn.
    #[inline(always)]
    pub(super) fn place(&mut self, own: usize) -> usize {
        let product = u128::from(self.0) * (own as u128 + 1);
        self.0 = product as u64;
        (product >> 64) as usize
    }
}

/// Moves the distinct values of a sorted slice to its front and returns their number.
fn dedup(sorted: &mut [u32]) -> usize {
    let mut distinct = 0;
    let mut last = None;
    for at in 0..sorted.len() {
        let value = sorted.get(at).copied();
        if value != last {
            sorted.swap(distinct, at);
            distinct += 1;
            last = value;
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pearson's statistic of `observed` against equal expectation is no larger than chance allows once in a
    /// million (Laurent and Massart, 2000: with n degrees of freedom, P(X > n + 2√(nx) + 2x) < e^-x).
    fn assert_uniform(observed: &[u64], what: &str) {
        let expected = observed.iter().sum::<u64>() as f64 / observed.len() as f64;
        let statistic: f64 = observed.iter().map(|seen| (*seen as f64 - expected).powi(2) / expected).sum();
        let freedom = (observed.len() - 1) as f64;
        let exponent = 14.0_f64;
        let bound = freedom + 2.0 * (freedom * exponent).sqrt() + 2.0 * exponent;
        assert!(statistic < bound, "{what}: {statistic} at {freedom}");
    }

    #[test]
    fn every_item_comes_at_every_place_equally_often() {
        let mut sampler = Sampler::new(7);
        for (count, shown) in
            [(1, 1), (2, 2), (8, 8), (9, 8), (16, 16), (17, 8), (17, 16), (100, 8), (40, 17), (30, 20), (64, 64)]
        {
            let mut seen = vec![0u64; count * shown];
            for _ in 0..40_000 {
                let drawn = sampler.draw(count, shown);
                assert_eq!(drawn.len(), shown);
                for (place, item) in drawn.iter().enumerate() {
                    seen[place * count + *item as usize] += 1;
                }
            }
            if count > 1 {
                for place in seen.chunks(count) {
                    assert_uniform(place, &format!("{shown} of {count}"));
                }
            }
        }
    }

    #[test]
    fn eight_of_many_are_uniform_and_distinct() {
        let mut sampler = Sampler::new(5);
        for count in [17, 64, 100, 1024, 1025, 5000] {
            // Items in groups, lest there be too few of each.
            let groups = 16;
            let mut seen = vec![0u64; 8 * groups];
            for _ in 0..40_000 {
                let mut drawn = sampler.draw_eight(count);
                for (place, item) in drawn.iter().enumerate() {
                    let whole = count / groups * groups;
                    if *item < whole {
                        seen[place * groups + *item * groups / whole] += 1;
                    }
                    assert!(*item < count);
                }
                drawn.sort_unstable();
                assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]), "{drawn:?} of {count}");
            }
            for place in seen.chunks(groups) {
                assert_uniform(place, &format!("eight of {count}"));
            }
        }
    }

    #[test]
    fn arrangements_are_uniform() {
        let mut sampler = Sampler::new(9);
        let mut seen = std::collections::HashMap::<Vec<usize>, u64>::new();
        for _ in 0..48_000 {
            let mut items = vec![0; 4];
            let mut arrangement = sampler.arrangement();
            for own in 0..4 {
                let other = arrangement.place(own);
                items[own] = items[other];
                items[other] = own;
            }
            *seen.entry(items).or_default() += 1;
        }
        assert_eq!(seen.len(), 24);
        assert_uniform(&seen.into_values().collect::<Vec<_>>(), "arrangements");
    }

    #[test]
    fn all_orders_of_four_are_equally_likely() {
        let mut sampler = Sampler::new(1);
        let mut seen = std::collections::HashMap::<Vec<u32>, u64>::new();
        for _ in 0..48_000 {
            *seen.entry(sampler.draw(4, 4).to_vec()).or_default() += 1;
        }
        assert_eq!(seen.len(), 24);
        assert_uniform(&seen.into_values().collect::<Vec<_>>(), "orders");
    }

    #[test]
    fn no_item_twice() {
        let mut sampler = Sampler::new(3);
        for (count, shown) in
            [(5, 9), (17, 17), (1000, 16), (1000, 75), (5000, 4000), (1_000_000, 4096), (90_000, 9_000)]
        {
            let mut drawn = sampler.draw(count, shown).to_vec();
            assert_eq!(drawn.len(), shown.min(count).min(MOST));
            assert!(drawn.iter().all(|item| (*item as usize) < count));
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len(), shown.min(count).min(MOST), "{shown} of {count}");
        }
        assert!(sampler.draw(0, 8).is_empty());
        assert!((0..100).map(|_| sampler.draw_one(3)).all(|item| item < 3));
    }
}
