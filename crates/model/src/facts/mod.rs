//! Facts: what the observations say, decoded, with nothing concluded yet.
//!
//! One file a subject. Each row type mirrors the columns of the query that fills it, so that whoever reads a raw result next
//! to the code finds the same names. Objects refer to each other by object identifier, never by name: names are hostile,
//! need not be unique, and need not be valid UTF-8 (they are decoded lossily).

mod acl;
mod cluster;
mod code;
mod field;
mod foreign;
mod hba;
mod isolation;
mod marks;
mod policy;
mod relation;
mod replication;
mod role;
mod session;
mod setting;
mod system;
mod trail;
mod wire;
mod wrapper;

pub use acl::{Acl, AclClass, DefaultAcl, Privilege};
pub use cluster::{AvailableExtension, Database, Extension, Schema, Server, Tablespace};
pub use code::{EventTrigger, Function, Language, Rule, Trigger};
pub use field::{KeyKind, Shape};
pub use foreign::{ForeignDataWrapper, ForeignServer, UserMapping};
pub use hba::{HbaFile, HbaOption, HbaRule, IdentMap, Quoted};
pub use isolation::{PolicyFunction, RuleWrite, TriggerWrite, ViewFilter};
pub use marks::{CodeClass, CodeMark, MarkedCode, MarkedOptions, OptionClass, OptionMark};
pub use policy::{Policy, PolicyColumn, PolicyCommand};
pub use relation::{
    Column, ColumnSequence, Index, Inheritance, Relation, RelationKind, RowCounter, SequenceUse,
    ViewDependency,
};
pub use replication::{Publication, PublicationRelation, Slot, Subscription, SubscriptionSecret};
pub use role::{Membership, PUBLIC, Role, Verifier, VerifierKind};
pub use session::{OwnSession, Session};
pub use setting::{FileSetting, RoleSetting, Setting, Settings};
pub use system::{RestrictedFunction, RestrictedRelation, ShadowingFunction};
pub use trail::{
    TrailCanary, TrailChange, TrailComparison, TrailDefect, TrailDefectKind, TrailInterval,
    TrailRule, TrailSink, TrailState,
};
pub use wire::{Certificate, Handshake, Probe, SuiteGrade, WireOutcome, certificate_name_matches};
pub use wrapper::{BETTER_THAN_A_GRANT, Wrapper};

use crate::collected::{Collected, Missing};
use crate::version::ServerVersion;

/// An object identifier. 0 is "none" or, for a grantee, PUBLIC.
pub type Oid = u32;

/// Everything known about one cluster.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The server's identity.
    pub server: Collected<Server>,
    /// The session that looked, and what it may read.
    pub own_session: Collected<OwnSession>,
    /// Configuration in force.
    pub settings: Collected<Settings>,
    /// `ALTER ROLE/DATABASE .. SET`.
    pub role_settings: Collected<Vec<RoleSetting>>,
    /// Configuration files as they are now, loaded or not.
    pub file_settings: Collected<Vec<FileSetting>>,
    /// Roles.
    pub roles: Collected<Vec<Role>>,
    /// How passwords are stored.
    pub verifiers: Collected<Vec<Verifier>>,
    /// Who is a member of what.
    pub memberships: Collected<Vec<Membership>>,
    /// Databases.
    pub databases: Collected<Vec<Database>>,
    /// Tablespaces.
    pub tablespaces: Collected<Vec<Tablespace>>,
    /// Privileges on databases, tablespaces and (15 and later) parameters.
    pub shared_acls: Collected<Vec<Acl>>,
    /// `pg_hba.conf` as it is now.
    pub hba_rules: Collected<Vec<HbaRule>>,
    /// When `pg_hba.conf`, what it includes, and `pg_ident.conf` were changed.
    pub hba_files: Collected<Vec<HbaFile>>,
    /// `pg_ident.conf` as it is now (15 and later).
    pub ident_maps: Collected<Vec<IdentMap>>,
    /// Live sessions.
    pub sessions: Collected<Vec<Session>>,
    /// Replication slots.
    pub slots: Collected<Vec<Slot>>,
    /// Subscriptions of every database.
    pub subscriptions: Collected<Vec<Subscription>>,
    /// What handshakes with the server showed.
    pub handshakes: Collected<Vec<Handshake>>,
    /// The certificates that the server showed, its own first; none when it has no TLS.
    pub certificates: Collected<Vec<Certificate>>,
    /// The audit trail as a whole.
    pub trail: Collected<TrailState>,
    /// When the trail's collector ran, and when it did not, in order.
    pub trail_coverage: Collected<Vec<TrailInterval>>,
    /// Canaries that were looked for in the trail.
    pub trail_canaries: Collected<Vec<TrailCanary>>,
    /// What the trail lacks, and what was done to the logging.
    pub trail_defects: Collected<Vec<TrailDefect>>,
    /// Rows changed against rows audited, since an earlier audit.
    pub trail_changes: Collected<Vec<TrailChange>>,
    /// Where the trail is shipped to.
    pub trail_sinks: Collected<Vec<TrailSink>>,
    /// Rules that watch the trail.
    pub trail_rules: Collected<Vec<TrailRule>>,
    /// Whether subscriptions' connection strings hold passwords.
    pub subscription_secrets: Collected<Vec<SubscriptionSecret>>,
    /// Extensions that audit or guard and could be created.
    pub available_extensions: Collected<Vec<AvailableExtension>>,
    /// What is inside each database that accepts connections, in the order of `databases`.
    pub inside: Vec<DatabaseFacts>,
}

/// What is inside one database. When the database was not reached, every group is missing for that reason.
#[derive(Clone, Debug)]
pub struct DatabaseFacts {
    /// Object identifier of the database.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// What `pgattest grants` made, and what only has its name.
    pub wrappers: Collected<Vec<Wrapper>>,
    /// Schemas, without the temporary ones.
    pub schemas: Collected<Vec<Schema>>,
    /// Tables, partitioned tables, views, materialized views, foreign tables, sequences; system schemas excluded.
    pub relations: Collected<Vec<Relation>>,
    /// Columns of those relations but sequences.
    pub columns: Collected<Vec<Column>>,
    /// Partitions and inheritance children.
    pub inheritance: Collected<Vec<Inheritance>>,
    /// How many rows of each table were ever changed.
    pub row_counters: Collected<Vec<RowCounter>>,
    /// Sequences that columns take their numbers from.
    pub column_sequences: Collected<Vec<ColumnSequence>>,
    /// Indexes on tables and materialized views.
    pub indexes: Collected<Vec<Index>>,
    /// Privileges on everything inside the database, NULL expanded to the default.
    pub acls: Collected<Vec<Acl>>,
    /// `ALTER DEFAULT PRIVILEGES`.
    pub default_acls: Collected<Vec<DefaultAcl>>,
    /// Row-level security policies.
    pub policies: Collected<Vec<Policy>>,
    /// Columns that policies' expressions use.
    pub policy_columns: Collected<Vec<PolicyColumn>>,
    /// Functions that policies call.
    pub policy_functions: Collected<Vec<PolicyFunction>>,
    /// What views and materialized views read.
    pub view_dependencies: Collected<Vec<ViewDependency>>,
    /// What views ask the session.
    pub view_filters: Collected<Vec<ViewFilter>>,
    /// Functions and procedures outside the system schemas.
    pub functions: Collected<Vec<Function>>,
    /// Functions that a call of a built-in one may reach instead.
    pub shadowing_functions: Collected<Vec<ShadowingFunction>>,
    /// Functions that their makers keep from PUBLIC, the server's own among them.
    pub restricted_functions: Collected<Vec<RestrictedFunction>>,
    /// Catalogs and views of the server's own that PUBLIC may not read.
    pub restricted_relations: Collected<Vec<RestrictedRelation>>,
    /// Triggers; of the server's own only those that do not fire in an ordinary session.
    pub triggers: Collected<Vec<Trigger>>,
    /// Tables that trigger functions write.
    pub trigger_writes: Collected<Vec<TriggerWrite>>,
    /// Event triggers.
    pub event_triggers: Collected<Vec<EventTrigger>>,
    /// Rewrite rules, without those that make views.
    pub rules: Collected<Vec<Rule>>,
    /// Tables that rewrite rules write.
    pub rule_writes: Collected<Vec<RuleWrite>>,
    /// Extensions.
    pub extensions: Collected<Vec<Extension>>,
    /// Procedural languages.
    pub languages: Collected<Vec<Language>>,
    /// Foreign-data wrappers.
    pub foreign_data_wrappers: Collected<Vec<ForeignDataWrapper>>,
    /// Foreign servers.
    pub foreign_servers: Collected<Vec<ForeignServer>>,
    /// User mappings.
    pub user_mappings: Collected<Vec<UserMapping>>,
    /// Publications.
    pub publications: Collected<Vec<Publication>>,
    /// Tables in publications.
    pub publication_relations: Collected<Vec<PublicationRelation>>,
    /// Code, with what its text gives away.
    pub code_marks: Collected<Vec<MarkedCode>>,
    /// Foreign objects, with what their options give away.
    pub option_marks: Collected<Vec<MarkedOptions>>,
}

impl Facts {
    /// The server's version; every verdict needs it.
    pub fn version(&self) -> Result<ServerVersion, Missing> {
        let server = self.server.here()?;
        Ok(ServerVersion(server.server_version_num))
    }
}
