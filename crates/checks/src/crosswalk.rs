//! The crosswalk to other frameworks, as data.

use pgattest_model::Crosswalk;
use pgattest_model::crosswalk::{AreaRow, Framework};
use serde::Deserialize;
use std::sync::OnceLock;

/// The checked-in crosswalk.
pub fn crosswalk() -> &'static Crosswalk {
    static CROSSWALK: OnceLock<Crosswalk> = OnceLock::new();
    CROSSWALK.get_or_init(|| {
        parse(include_str!("../data/crosswalk.toml")).unwrap_or_else(|_| Crosswalk {
            frameworks: vec![],
            areas: vec![],
        })
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    framework: Vec<FrameworkEntry>,
    area: Vec<AreaEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrameworkEntry {
    key: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaEntry {
    key: String,
    title: String,
    numbers: std::collections::BTreeMap<String, String>,
}

fn parse(text: &str) -> Result<Crosswalk, toml::de::Error> {
    let file: File = toml::from_str(text)?;
    let areas = file
        .area
        .into_iter()
        .map(|area| AreaRow {
            numbers: file
                .framework
                .iter()
                .map(|framework| {
                    area.numbers
                        .get(&framework.key)
                        .cloned()
                        .unwrap_or_default()
                })
                .collect(),
            key: area.key,
            title: area.title,
        })
        .collect();
    let frameworks = file
        .framework
        .into_iter()
        .map(|entry| Framework {
            key: entry.key,
            name: entry.name,
        })
        .collect();
    Ok(Crosswalk { frameworks, areas })
}

#[cfg(test)]
mod tests {
    use super::{File, parse};
    use crate::registry::CHECKS;

    const TEXT: &str = include_str!("../data/crosswalk.toml");

    #[test]
    fn every_area_of_a_check_has_a_row_and_every_number_a_framework() {
        let crosswalk = parse(TEXT).unwrap();
        for check in CHECKS {
            let key = check.meta().area.key();
            assert!(
                crosswalk.areas.iter().any(|area| area.key == key),
                "no row `{key}`"
            );
        }
        let file: File = toml::from_str(TEXT).unwrap();
        for area in &file.area {
            for key in area.numbers.keys() {
                assert!(
                    file.framework.iter().any(|framework| &framework.key == key),
                    "{}: no framework `{key}`",
                    area.key
                );
            }
        }
    }
}
