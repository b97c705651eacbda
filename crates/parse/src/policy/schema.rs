//! The JSON schema of the policy file, for editors.

use super::File;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The schema (draft 7, which TOML language servers know) of what [`super::parse`] accepts. Checks are given by identifier and
/// name; they are what a waiver may name. Ends with a newline.
pub fn schema<'a>(checks: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let settings = SchemaSettings::draft07();
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<File>()
        .to_value();
    without_null(&mut schema);
    let (ids, names): (Vec<&str>, Vec<&str>) = checks.into_iter().unzip();
    if let Some(check) = schema.pointer_mut("/definitions/WaiverEntry/properties/check") {
        check["enum"] = json!([ids, names].concat());
    }
    format!("{schema:#}\n")
}

/// TOML has no null: a key is there or it is not.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|word| word != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if fields.get("default") == Some(&Value::Null) {
                fields.remove("default");
            }
            fields.values_mut().for_each(without_null);
        }
        Value::Array(values) => values.iter_mut().for_each(without_null),
        _ => {}
    }
}
