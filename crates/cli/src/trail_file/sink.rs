//! A sink of the configuration, with what is expected of it.

use pgattest_sinks::config::Config;
use schemars::{JsonSchema, Schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::fmt;

/// The key beside those of the sink's kind.
const DEADLINE: &str = "deadline_seconds";

/// A sink, and what is expected of it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(transform = in_every_kind)]
pub(crate) struct ConfiguredSink {
    /// Seconds from a statement on within which this sink has to confirm its record: so long `pgattest prove logging` waits for it.
    /// Without it: as long as its `--deadline` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub(crate) deadline_seconds: Option<u32>,
    /// The sink itself.
    #[serde(flatten)]
    pub(crate) config: Config,
}

/// Not derived: `flatten` reads everything before it looks at anything, and a mistake would be shown at the table in place of its line.
impl<'de> Deserialize<'de> for ConfiguredSink {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(SinkVisitor)
    }
}

struct SinkVisitor;

impl<'de> Visitor<'de> for SinkVisitor {
    type Value = ConfiguredSink;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a table with the `kind` of a sink")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ConfiguredSink, A::Error> {
        let mut deadline_seconds = None;
        let keys = Keys {
            map,
            deadline: &mut deadline_seconds,
        };
        let config = Config::deserialize(MapAccessDeserializer::new(keys))?;
        Ok(ConfiguredSink {
            deadline_seconds,
            config,
        })
    }
}

/// The keys of a table but for one, which is taken out on the way.
struct Keys<'s, A> {
    map: A,
    deadline: &'s mut Option<u32>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Keys<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            if key != DEADLINE {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            *self.deadline = Some(self.map.next_value()?);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// What every kind of sink has, as a key of each kind: so an unknown key is one for an editor, too.
fn in_every_kind(schema: &mut Schema) {
    let Some(Value::Object(own)) = schema.remove("properties") else {
        return;
    };
    let kinds = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for kind in kinds.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(Value::Object(keys)) = kind.get_mut("properties") {
            keys.extend(own.clone());
        }
        kind.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}
