//! What inbox messages bring about: `contact.updated` puts a contact into `crm_contacts`.
//!
//! Another kind of message is another arm of [`Change::of`].

use program::shown;
use serde_json::Value;

/// What a message changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) external_id: String,
    pub(crate) name: String,
    pub(crate) email: String,
}

/// Why a message can never be processed, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Rejected(String);

impl Change {
    /// What a message of this event with this payload says.
    pub(crate) fn of(event: &str, payload: &str) -> Result<Self, Rejected> {
        if event != "contact.updated" {
            let message = format!("unknown_event: nothing is known of {:?}", shown(event));
            return Err(Rejected(message));
        }
        let data: Value = serde_json::from_str(payload)
            .map_err(|error| Rejected(format!("invalid_data: the payload is no JSON: {error}")))?;
        Ok(Self {
            external_id: field(&data, "external_id", 1, 128)?,
            name: field(&data, "name", 1, 255)?,
            email: field(&data, "email", 0, 255)?,
        })
    }
}

/// A text of so many characters. One that may be empty may be left out.
fn field(data: &Value, name: &str, least: usize, most: usize) -> Result<String, Rejected> {
    let text = match data.get(name) {
        None if least == 0 => "",
        None => return Err(Rejected(format!("invalid_data: {name:?} is missing"))),
        Some(value) => {
            value.as_str().ok_or_else(|| Rejected(format!("invalid_data: {name:?} is no text")))?
        }
    };
    if (least..=most).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        let message = format!("invalid_data: {name:?} has not {least} to {most} characters");
        Err(Rejected(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_read() {
        let change = Change::of("contact.updated", r#"{"external_id": "c-1", "name": "Ada"}"#);

        let (external_id, name) = ("c-1".to_owned(), "Ada".to_owned());
        assert_eq!(change, Ok(Change { external_id, name, email: String::new() }));
    }

    #[test]
    fn what_can_never_be_done_is_told() {
        for (event, payload, why) in [
            ("sale.closed", "{}", "unknown_event: nothing is known of \"sale.closed\""),
            ("contact.updated", "{", "invalid_data: the payload is no JSON"),
            ("contact.updated", "{}", "invalid_data: \"external_id\" is missing"),
            ("contact.updated", r#"{"external_id": 7}"#, "\"external_id\" is no text"),
            ("contact.updated", r#"{"external_id": ""}"#, "has not 1 to 128 characters"),
        ] {
            let told = Change::of(event, payload).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
