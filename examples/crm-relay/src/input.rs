//! What is wrong with what a caller gave of a message.

use program::{InputFault, shown};

/// How long a payload may be, in bytes of JSON.
pub const MAX_DATA: usize = 200 * 1024;

/// Checks the name of a destination or a source.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), InputFault> {
    let is_good =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(is_good) {
        return Ok(());
    }
    let message = format!("{:?} is no {what}: 1 to 64 of a-z, 0-9, _ and -", shown(name));
    Err(InputFault::new("invalid_name", message))
}

/// Checks the name of an event, such as `contact.updated`.
pub(crate) fn check_event(event: &str) -> Result<(), InputFault> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&event.len()) && event.bytes().all(is_good) {
        return Ok(());
    }
    let message = format!("{:?} is no event: 1 to 64 of a-z, A-Z, 0-9, ., _ and -", shown(event));
    Err(InputFault::new("invalid_event", message))
}

/// Checks the id that a sender has given a message, so that it can be sent twice.
pub(crate) fn check_message_id(id: &str) -> Result<(), InputFault> {
    if (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let message =
        format!("{:?} is no message id: 1 to 128 characters of ASCII without spaces", shown(id));
    Err(InputFault::new("invalid_message_id", message))
}

/// Checks the data of a message, which is kept as it came: nobody here is to round its numbers.
pub(crate) fn check_data(json: &str) -> Result<(), InputFault> {
    if !json.starts_with('{') {
        return Err(InputFault::new("invalid_data", "\"data\" is no JSON object"));
    }
    if json.len() > MAX_DATA {
        let message = format!("\"data\" has {} bytes, more than {MAX_DATA}", json.len());
        return Err(InputFault::new("data_too_large", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_events_and_ids_are_checked() {
        for (name, is_good) in
            [("shop-1", true), ("a_b", true), ("", false), ("Shop", false), ("a b", false)]
        {
            assert_eq!(check_name("destination", name).is_ok(), is_good, "{name}");
        }
        for (event, is_good) in [("contact.updated", true), ("", false), ("a b", false)] {
            assert_eq!(check_event(event).is_ok(), is_good, "{event}");
        }
        for (id, is_good) in [("4711", true), ("", false), ("a b", false), ("ü", false)] {
            assert_eq!(check_message_id(id).is_ok(), is_good, "{id}");
        }
        assert!(check_message_id(&"x".repeat(129)).is_err());
    }

    #[test]
    fn data_is_an_object_of_a_bounded_size() {
        assert!(check_data(r#"{"name": "Ada"}"#).is_ok());
        assert_eq!(check_data("[1]").unwrap_err().code(), "invalid_data");
        let large = format!(r#"{{"text": "{}"}}"#, "x".repeat(MAX_DATA));
        assert_eq!(check_data(&large).unwrap_err().code(), "data_too_large");
    }
}
