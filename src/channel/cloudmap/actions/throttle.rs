//! How often something may be asked for.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::channel::cloudmap::ApiError;

/// A token bucket: so many requests a second, and twice as many at once, as with Cloud Map's own quotas (developer
/// guide: 1,000 steady, 2,000 in a burst).
pub(super) struct Throttle(Option<Mutex<Bucket>>);

struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Throttle {
    /// `rate` requests a second; none: as many as come.
    pub(super) fn new(rate: Option<u32>) -> Self {
        Self(rate.map(|rate| {
            let rate = f64::from(rate);
            Mutex::new(Bucket { rate, tokens: 2.0 * rate, filled: Instant::now() })
        }))
    }

    /// Takes one request; refused where there are too many.
    pub(super) fn take(&self) -> Result<(), ApiError> {
        let Some(bucket) = &self.0 else { return Ok(()) };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gained = now.duration_since(bucket.filled).as_secs_f64() * bucket.rate;
        bucket.tokens = (bucket.tokens + gained).min(2.0 * bucket.rate);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            let rate = bucket.rate;
            return Err(ApiError::new(
                "RequestLimitExceeded",
                format!("the quota of {rate} requests a second is used up"),
            ));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_twice_the_rate() {
        let throttle = Throttle::new(Some(5));
        assert!((0..10).all(|_| throttle.take().is_ok()));
        assert_eq!(throttle.take().unwrap_err().code, "RequestLimitExceeded");
        assert!((0..100).all(|_| Throttle::new(None).take().is_ok()));
    }
}
