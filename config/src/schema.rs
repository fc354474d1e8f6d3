//! JSON Schema of the configuration, so that editors complete and check it.

use serde_json::{Map, Value, json};

use crate::kind::Nest;
use crate::table::{AnyKey, SECTIONS, Section, TOP};

/// The JSON Schema (draft 7, which every editor knows) as text.
///
/// It checks the shape: names of keys, types, words. What it lets pass, [`crate::load`] still checks.
#[must_use]
pub fn schema() -> String {
    let mut root = Map::new();
    root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    root.insert("title".to_owned(), json!("Configuration of the Kimura server"));
    root.extend(section(&TOP));
    let definitions = SECTIONS.iter().filter(|known| known.name != TOP.name);
    let definitions: Map<_, _> =
        definitions.map(|known| (known.name.to_owned(), Value::Object(section(known)))).collect();
    root.insert("definitions".to_owned(), Value::Object(definitions));
    format!("{:#}\n", Value::Object(root))
}

/// The schema of an object that is described elsewhere in the same file.
pub(crate) fn reference_to(section: &Section) -> Value {
    json!({"$ref": format!("#/definitions/{}", section.name)})
}

fn section(section: &'static Section) -> Map<String, Value> {
    let properties: Map<_, _> = section.keys().map(|key| (key.name().to_owned(), property(key))).collect();
    let mut object = Map::new();
    object.insert("description".to_owned(), json!(section.prose));
    object.insert("type".to_owned(), json!("object"));
    object.insert("properties".to_owned(), Value::Object(properties));
    object.insert("additionalProperties".to_owned(), json!(false));
    object
}

fn property(key: &'static dyn AnyKey) -> Value {
    let mut schema = key.schema();
    // Draft 7 ignores whatever stands beside a reference.
    if let (Value::Object(members), Nest::Leaf | Nest::Map | Nest::Named(_) | Nest::Items(_)) =
        (&mut schema, key.nest())
    {
        members.insert("description".to_owned(), json!(key.prose()));
        members.extend(key.default().map(|default| ("default".to_owned(), default)));
        members.insert("examples".to_owned(), json!([key.example_value()]));
    }
    schema
}
