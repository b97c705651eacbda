//! Where a control area stands in other frameworks.

/// The crosswalk: control areas as rows, frameworks as columns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Crosswalk {
    /// Columns, in the order reports show them.
    pub frameworks: Vec<Framework>,
    /// Rows, in the order reports show them.
    pub areas: Vec<AreaRow>,
}

/// A framework that auditors map SOC 2 evidence to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Framework {
    /// Short key: `iso-27001`.
    pub key: String,
    /// Name with its version: `ISO/IEC 27001:2022 Annex A`.
    pub name: String,
}

/// One control area.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AreaRow {
    /// `Area::key`.
    pub key: String,
    /// What the area is about.
    pub title: String,
    /// For each framework, in the order of `Crosswalk::frameworks`: its numbers, or empty where it has none.
    pub numbers: Vec<String>,
}
