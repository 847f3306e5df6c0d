//! A response under construction.

/// Appends to a buffer up to a limit. A piece that does not fit is not written at all.
///
/// The octets before [`Self::length`] are final: header and question are where the query left them.
#[derive(Debug)]
pub struct Writer<'b> {
    /// The buffer, cut at the largest response this client can take.
    buffer: &'b mut [u8],
    /// Octets written.
    length: usize,
    /// Octets at the end that only [`Self::release`] makes available.
    reserved: usize,
}

/// The piece does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<'b> Writer<'b> {
    /// A writer behind the first `length` octets of `buffer`, of which it uses at most `limit`.
    #[inline]
    pub fn new(buffer: &'b mut [u8], length: usize, limit: usize) -> Self {
        let limit = limit.min(buffer.len());
        Self { buffer: buffer.split_at_mut_checked(limit).map_or(&mut [], |(head, _)| head), length, reserved: 0 }
    }

    /// Octets written so far, which is the offset of what comes next.
    #[inline]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Octets that can still be written.
    #[inline]
    pub fn space(&self) -> usize {
        self.buffer.len().saturating_sub(self.reserved + self.length)
    }

    /// Keeps `octets` free at the end.
    #[inline]
    pub fn reserve(&mut self, octets: usize) {
        self.reserved = octets;
    }

    /// Makes the reserved octets available.
    #[inline]
    pub fn release(&mut self) {
        self.reserved = 0;
    }

    /// Forgets everything behind `length`.
    #[inline]
    pub fn rewind(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Appends `octets`.
    #[inline]
    pub fn put(&mut self, octets: &[u8]) -> Result<(), Full> {
        let end = self.length + octets.len();
        if end + self.reserved > self.buffer.len() {
            return Err(Full);
        }
        self.buffer.get_mut(self.length..end).ok_or(Full)?.copy_from_slice(octets);
        self.length = end;
        Ok(())
    }

    /// Appends all of `parts`, or nothing.
    #[inline]
    pub fn put_parts<const N: usize>(&mut self, parts: [&[u8]; N]) -> Result<(), Full> {
        let start = self.length;
        parts.into_iter().try_for_each(|part| self.put(part)).inspect_err(|_| self.rewind(start))
    }

    /// Appends `octets`, whose number the compiler knows.
    #[inline]
    pub fn put_array<const N: usize>(&mut self, octets: [u8; N]) -> Result<(), Full> {
        self.put(&octets)
    }

    /// Room for `count` items of `N` octets each, to be filled by the caller; as many as fit.
    #[inline]
    pub fn put_items<const N: usize>(&mut self, count: usize) -> &mut [[u8; N]] {
        let start = self.length;
        let count = count.min(self.space() / N);
        self.length += count * N;
        self.buffer.get_mut(start..self.length).map_or(&mut [], |items| items.as_chunks_mut().0)
    }

    /// All octets written from `offset` on.
    #[inline]
    pub fn written(&self, offset: usize) -> &[u8] {
        self.buffer.get(offset..self.length).unwrap_or_default()
    }

    /// Octets written earlier; zeros beyond the limit.
    #[inline]
    pub fn peek<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.buffer.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    /// Overwrites octets written earlier.
    #[inline]
    pub fn patch<const N: usize>(&mut self, offset: usize, octets: [u8; N]) {
        if let Some(place) = self.buffer.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) {
            *place = octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_whole_pieces_up_to_the_limit() {
        let mut buffer = [0; 16];
        let mut writer = Writer::new(&mut buffer, 2, 10);
        writer.reserve(3);
        assert_eq!(writer.put(&[1, 2, 3, 4, 5, 6]), Err(Full));
        assert_eq!(writer.put_array([1, 2, 3, 4]), Ok(()));
        assert_eq!(writer.space(), 1);
        writer.release();
        assert_eq!(writer.put_items::<2>(9).len(), 2);
        assert_eq!((writer.length(), writer.space()), (10, 0));
        assert_eq!(writer.put_parts([&[], &[8]]), Err(Full));
        assert_eq!(writer.length(), 10);
        writer.rewind(4);
        assert_eq!(writer.put_parts([&[1, 2, 3], &[4, 5, 6, 7]]), Err(Full));
        assert_eq!(writer.length(), 4, "no part is left behind");
        assert_eq!(writer.put_parts([&[3], &[4, 5]]), Ok(()));
        writer.patch(0, [7]);
        writer.rewind(3);
        assert_eq!(writer.length(), 3);
        assert_eq!(buffer[..4], [7, 0, 1, 2]);
    }
}
