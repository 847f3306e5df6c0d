//! A slice that shrinks from the front.

/// The message ended before the thing that was to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short;

/// Reads big-endian numbers and octets off the front of a slice; all index arithmetic on input is here.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'m> {
    rest: &'m [u8],
}

impl<'m> Reader<'m> {
    /// A reader of all of `octets`.
    pub fn new(octets: &'m [u8]) -> Self {
        Self { rest: octets }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'m [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `length` octets.
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'m [u8], Short> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` octets.
    #[inline]
    pub fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next octet.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.take_array().map(|[octet]| octet)
    }

    /// The next two octets as a number.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Short> {
        self.take_array().map(u16::from_be_bytes)
    }

    /// Skips one name, which a compression pointer may end (RFC 1035 §4.1.4).
    pub fn skip_name(&mut self) -> Result<(), Short> {
        loop {
            match self.u8()? {
                0 => return Ok(()),
                length @ 1..=63 => self.take(usize::from(length))?,
                0xc0..=0xff => return self.u8().map(|_| ()),
                // 0b01 and 0b10 label types were never deployed (RFC 6891 §5): nothing after them can be found.
                64..=0xbf => return Err(Short),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinks_and_ends() {
        let mut reader = Reader::new(&[1, 0, 2, 9, 9]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.take(3), Err(Short));
        assert_eq!(reader.take(2), Ok(&[9, 9][..]));
        assert!(reader.is_empty());
        assert_eq!(reader.u8(), Err(Short));
    }

    #[test]
    fn skips_names() {
        let mut reader = Reader::new(b"\x01a\x00\x01b\xc0\x00\x07");
        assert_eq!((reader.skip_name(), reader.skip_name()), (Ok(()), Ok(())));
        assert_eq!(reader.rest(), [7]);
        assert_eq!(Reader::new(b"\x05ab").skip_name(), Err(Short));
        assert_eq!(Reader::new(b"\x40ab").skip_name(), Err(Short));
    }
}
