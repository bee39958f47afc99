//! What has a text has it in every format too: in a payload, a message, a database.

/// Gives types that show themselves and are read back from their text the form of that text with serde.
macro_rules! as_text {
    ($($of:ty),+ $(,)?) => {
        $(
            impl ::serde::Serialize for $of {
                fn serialize<S: ::serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> ::std::result::Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> ::serde::Deserialize<'de> for $of {
                fn deserialize<D: ::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::std::result::Result<Self, D::Error> {
                    let text = <::std::string::String as ::serde::Deserialize>::deserialize(deserializer)?;
                    text.parse().map_err(::serde::de::Error::custom)
                }
            }
        )+
    };
}

pub(crate) use as_text;

/// What is wrong with a text that is no JSON.
pub(crate) fn json_fault(json: &str, fault: &serde_json::Error) -> String {
    if json.trim().is_empty() {
        "it is empty".to_owned()
    } else if fault.is_eof() {
        format!("it ends too early, in line {} column {}", fault.line(), fault.column())
    } else {
        fault.to_string()
    }
}

/// How much of a text that is not what it should be is shown.
const SHOWN: usize = 60;

/// A text that was given, as a message shows it.
pub(crate) fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN).collect::<String>())
}
