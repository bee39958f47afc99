//! Numbers and texts as stored bytes, and back. Numbers are big-endian and unsigned.

use jobq_core::{Error, ErrorKind, Result, Timestamp};

/// Takes bytes apart.
pub(crate) struct Reader<'a> {
    /// What they are, for people.
    pub(crate) what: &'static str,
    /// What is left of them.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, format!("stored {} end too early", self.what))
        })?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u48(&mut self) -> Result<u64> {
        let mut number = [0; 8];
        number[2..].copy_from_slice(self.take(6)?);
        Ok(u64::from_be_bytes(number))
    }

    pub(crate) fn timestamp(&mut self) -> Result<Timestamp> {
        self.u48().map(Timestamp::from_millis)
    }

    pub(crate) fn text(&mut self, length: usize) -> Result<&'a str> {
        std::str::from_utf8(self.take(length)?).map_err(|_| {
            Error::new(ErrorKind::Corrupt, format!("stored {} hold no text", self.what))
        })
    }
}

/// `JobRecord::check` has bounded every number before; this only has to satisfy the types.
pub(crate) fn saturate<T: Saturated>(number: impl TryInto<T>) -> T {
    number.try_into().unwrap_or(T::MAX)
}

pub(crate) trait Saturated {
    const MAX: Self;
}

impl Saturated for u8 {
    const MAX: Self = Self::MAX;
}

impl Saturated for u16 {
    const MAX: Self = Self::MAX;
}
