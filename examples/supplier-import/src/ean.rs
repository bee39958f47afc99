//! International article numbers (EAN, GTIN).

/// Reads an article number: 8, 12, 13 or 14 digits, of which the last is a check digit.
///
/// One of 12 digits (UPC-A) is brought into the form of 13, which names the same article.
///
/// # Errors
///
/// Says why it is none.
pub fn parse(text: &str) -> Result<String, String> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let hint = if looks_rounded(text) {
            ": a spreadsheet has rounded it, export the column as text"
        } else {
            ""
        };
        return Err(format!("is not made of digits{hint}"));
    }
    if !matches!(text.len(), 8 | 12 | 13 | 14) {
        return Err(format!("has {} digits, not 8, 12, 13 or 14", text.len()));
    }
    let (body, given) = text.split_at(text.len() - 1);
    let expected = check_digit(body);
    if given.as_bytes() != [expected] {
        let expected = char::from(expected);
        return Err(format!("has check digit {given}, which should be {expected}"));
    }
    Ok(if text.len() == 12 { format!("0{text}") } else { text.to_owned() })
}

/// The check digit for the digits before it, as an ASCII digit.
pub(crate) fn check_digit(body: &str) -> u8 {
    let sum: u32 = body
        .bytes()
        .rev()
        .zip([3, 1].into_iter().cycle())
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    // Less than ten, so it fits.
    b'0' + ((10 - sum % 10) % 10) as u8
}

/// Whether it looks like `5,90123E+12`.
fn looks_rounded(text: &str) -> bool {
    text.bytes().any(|byte| byte == b'E' || byte == b'e')
        && text.bytes().any(|byte| byte == b'+')
        && text.starts_with(|c: char| c.is_ascii_digit())
}
