//! YAML as JSON, with merged keys (`<<`) merged.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

use crate::files;

/// All documents of a file.
pub(crate) fn documents(name: &str) -> Vec<Value> {
    let text = files::text(name);
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    documents.iter().map(value).collect()
}

fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(is_so)) => Value::from(*is_so),
        Yaml::Value(Scalar::Integer(number)) => Value::from(*number),
        Yaml::Value(Scalar::FloatingPoint(number)) => Value::from(number.into_inner()),
        Yaml::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(pairs) => {
            let (mut merged, mut own) = (Map::new(), Map::new());
            for (key, item) in pairs {
                match (key.as_str().unwrap(), value(item)) {
                    ("<<", Value::Object(others)) => merged.extend(others),
                    (key, item) => drop(own.insert(key.to_owned(), item)),
                }
            }
            merged.extend(own);
            Value::Object(merged)
        }
        other => panic!("what is {other:?}?"),
    }
}

/// What is at a place such as `/services/redis`.
pub(crate) fn at<'a>(value: &'a Value, place: &str) -> &'a Value {
    value.pointer(place).unwrap_or_else(|| panic!("there is no {place} in {value:#}"))
}

/// The texts of a list.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}
