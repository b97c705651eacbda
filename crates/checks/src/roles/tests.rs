//! What a managed service looks like: no server of these tests is one, so the facts are written down.

use super::{
    AdminOption, AllDataRoles, CreateDatabaseRoles, CreateRoleScope, DatabaseOwners,
    MonitoringRoles, PathToBypassRls, ReplicationRoles, SuperuserLogins,
};
use crate::{Check, Context};
use pgattest_model::{Facts, Observation, ObservationId, Outcome, Policy, Verdict};

const SERVER: &str = "server_version_num,version_text,system_identifier,in_recovery,started_at,configuration_loaded_at,\
    server_time,server_address,server_port,cluster_name\n160004,PostgreSQL 16.4,7,f,a,b,c,\"\",0,\"\"\n";
const OWN_SESSION: &str = "role,login_role,database,superuser,reads_all_settings,reads_all_sessions,server_encoding,pid\n\
    master,master,postgres,f,t,t,UTF8,1\n";
const DATABASES: &str = "oid,name,owner,allows_connections,is_template,may_connect,connection_limit,encoding\n\
    5,rdsadmin,10,t,f,t,-1,UTF8\n6,shop,16402,t,f,t,-1,UTF8\n";
const ROLES: &str = "oid,name,superuser,inherit,create_role,create_db,can_login,replication,bypass_rls,connection_limit,\
    valid_until,expired\n\
    10,BOOTSTRAP,t,t,t,t,t,t,t,-1,\"\",f\n\
    3373,pg_monitor,f,t,f,f,f,f,f,-1,\"\",f\n\
    6181,pg_read_all_data,f,t,f,f,f,f,f,-1,\"\",f\n\
    16401,rds_superuser,f,t,t,t,f,f,f,-1,\"\",f\n\
    16402,master,f,t,t,t,t,f,f,-1,\"\",f\n\
    16403,rdsrepladmin,f,t,f,f,t,t,f,-1,\"\",f\n\
    16404,app,f,t,f,f,t,f,f,-1,\"\",f\n";
const MEMBERSHIPS: &str = "role,member,grantor,admin_option,inherit_option,set_option\n\
    3373,16401,10,t,t,t\n\
    6181,16401,10,t,t,t\n\
    16401,16402,10,f,t,t\n\
    16404,16402,10,t,f,f\n";
const SETTINGS: &str = "name,value,withheld,shape,key_kind,unit,context,source,source_file,source_line,boot_value,\
    reset_value,pending_restart\ncreaterole_self_grant,,f,empty,plain,,user,default,,0,,,f\n";
const ROLE_SETTINGS: &str = "database,role,name,value,withheld,shape,key_kind\n";

/// A server whose bootstrap superuser has this name.
fn facts(bootstrap: &str) -> Facts {
    let roles = ROLES.replace("BOOTSTRAP", bootstrap);
    let observations: Vec<_> = [
        ("server", SERVER),
        ("own-session", OWN_SESSION),
        ("databases", DATABASES),
        ("roles", &roles),
        ("memberships", MEMBERSHIPS),
        ("settings", SETTINGS),
        ("role-settings", ROLE_SETTINGS),
    ]
    .into_iter()
    .map(|(group, csv)| Observation {
        id: ObservationId::cluster(group),
        query: String::new(),
        database: "postgres".to_owned(),
        role: "master".to_owned(),
        asked_at: "127.0.0.1:5432".to_owned(),
        started_at: String::new(),
        finished_at: String::new(),
        server_started_at: String::new(),
        server_finished_at: String::new(),
        outcome: Outcome::Rows {
            csv: csv.as_bytes().to_vec(),
            rows: u64::try_from(csv.lines().count() - 1).unwrap(),
        },
    })
    .collect();
    pgattest_catalog::decode(&observations)
}

/// The subjects of a check's findings.
#[track_caller]
fn found(check: &dyn Check, facts: &Facts) -> Vec<String> {
    let policy = Policy::default();
    let verdict = check.assess(&Context::new(facts, &policy)).unwrap();
    let findings = verdict.findings().iter();
    findings
        .map(|finding| finding.subject.name.clone())
        .collect()
}

#[test]
fn on_a_managed_service_the_providers_roles_are_not_the_customers_mistake() {
    let facts = facts("rdsadmin");
    let nobody: [&str; 0] = [];
    assert_eq!(found(&CreateDatabaseRoles, &facts), ["master"]);
    assert_eq!(found(&CreateRoleScope, &facts), ["master"]);
    assert_eq!(found(&AdminOption, &facts), ["master"]);
    assert_eq!(found(&DatabaseOwners, &facts), ["shop"]);
    // What comes with the service's substitute for SUPERUSER.
    assert_eq!(found(&AllDataRoles, &facts), nobody);
    assert_eq!(found(&MonitoringRoles, &facts), nobody);
    assert_eq!(found(&ReplicationRoles, &facts), nobody);
    assert_eq!(found(&PathToBypassRls, &facts), nobody);
    let policy = Policy::default();
    assert_eq!(
        SuperuserLogins.assess(&Context::new(&facts, &policy)),
        Ok(Verdict::NotApplicable(
            "no superuser but the provider's".to_owned()
        ))
    );
}

/// A name alone makes nobody a provider: on a server of one's own the same roles are judged like any other.
#[test]
fn a_role_that_is_only_called_like_a_providers_is_judged() {
    let facts = facts("postgres");
    assert_eq!(
        found(&CreateDatabaseRoles, &facts),
        ["master", "rds_superuser"]
    );
    assert_eq!(found(&AllDataRoles, &facts), ["master"]);
    assert_eq!(found(&AdminOption, &facts), ["rds_superuser", "master"]);
    let policy = Policy::default();
    let replication = ReplicationRoles.assess(&Context::new(&facts, &policy));
    assert!(
        replication.is_err(),
        "whether rdsrepladmin does anything else was not seen: {replication:?}"
    );
}
