//! What a column's name says about tenants.

/// How surely a name speaks of tenants. The surest first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tier {
    /// It says tenant.
    Tenant,
    /// What tenants are most often called; seldom anything else.
    Organization,
    /// What tenants are called too, and what a single shop calls those it sells to.
    Account,
}

/// Words that stand for a tenant, as they are without a suffix such as `_id`.
const WORDS: [(Tier, &[&str]); 3] = [
    (Tier::Tenant, &["tenant"]),
    (
        Tier::Organization,
        &["org", "organization", "organisation", "workspace"],
    ),
    (Tier::Account, &["account", "company", "customer"]),
];

/// What may follow the word. Nothing may follow too, but only for `tenant`: `account` and `company` alone hold text more often
/// than a key.
const SUFFIXES: [&str; 5] = ["id", "uuid", "guid", "key", "code"];

/// The tier of a column name; `None` when it says nothing. `tenant_id`, `tenantId` and `TENANT_ID` are one name.
pub(super) fn tier(column: &str) -> Option<Tier> {
    let plain = plain(column);
    WORDS.iter().find_map(|(tier, words)| {
        words
            .iter()
            .filter_map(|word| plain.strip_prefix(word))
            .any(|rest| SUFFIXES.contains(&rest) || (rest.is_empty() && *tier == Tier::Tenant))
            .then_some(*tier)
    })
}

/// What the spellings of one name have in common.
pub(crate) fn plain(column: &str) -> String {
    column
        .chars()
        .filter(|c| *c != '_')
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Tier, tier};

    #[test]
    fn spellings_of_one_name_are_one_name() {
        for name in [
            "tenant_id",
            "tenantId",
            "TENANT_ID",
            "tenant",
            "tenant_uuid",
        ] {
            assert_eq!(tier(name), Some(Tier::Tenant), "{name}");
        }
        for name in [
            "org_id",
            "organizationId",
            "organisation_id",
            "workspace_uuid",
        ] {
            assert_eq!(tier(name), Some(Tier::Organization), "{name}");
        }
        for name in ["account_id", "company_id", "customerId"] {
            assert_eq!(tier(name), Some(Tier::Account), "{name}");
        }
    }

    #[test]
    fn other_names_say_nothing() {
        for name in [
            "id",
            "user_id",
            "account",
            "company",
            "tenants",
            "tenant_name",
            "accountant_id",
            "organic_id",
            "",
            "_",
        ] {
            assert_eq!(tier(name), None, "{name}");
        }
    }
}
