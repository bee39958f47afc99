//! Whole numbers of the command line, with their bounds.

/// Reads a number within these bounds; an error names them.
pub(super) fn within<N: TryFrom<u64>>(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<N, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.and_then(|number: u64| N::try_from(number).ok()).ok_or_else(|| match most {
            u64::MAX => format!("{text:?} is not a number from {least} on"),
            most => format!("{text:?} is not a number from {least} to {most}"),
        })
    }
}

/// Reads a number that is `least` at least.
pub(super) fn from<N: TryFrom<u64>>(least: u64) -> impl Fn(&str) -> Result<N, String> + Clone {
    within(least, u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_beyond_its_bounds_is_told_with_them() {
        assert_eq!((within(1, 9)("9"), from(0)("0")), (Ok(9_u8), Ok(0_u64)));
        for text in ["x", "", "-1", "0", "10", "99999999999999999999999"] {
            let told = within::<u32>(1, 9)(text).unwrap_err();
            assert_eq!(told, format!("{text:?} is not a number from 1 to 9"));
        }
        assert_eq!(from::<u64>(1)("0").unwrap_err(), "\"0\" is not a number from 1 on");
    }
}
