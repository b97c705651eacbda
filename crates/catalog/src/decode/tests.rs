use super::decode;
use crate::groups::GROUPS;
use crate::wrapper::Wrapper;
use pgattest_model::{Facts, Missing, Observation, ObservationId, Outcome, ServerVersion};
use proptest::prelude::*;

const SERVER: &str = "server_version_num,version_text,system_identifier,in_recovery,started_at,configuration_loaded_at,\
    server_time,server_address,server_port,cluster_name\n150018,PostgreSQL 15.18,7,f,a,b,c,\"\",0,\"\"\n";
const OWN_SESSION: &str = "role,login_role,database,superuser,reads_all_settings,reads_all_sessions,server_encoding,pid\n\
    auditor,auditor,postgres,f,f,f,UTF8,1\n";
const DATABASES: &str = "oid,name,owner,allows_connections,is_template,may_connect,connection_limit,encoding\n\
    1,template1,10,t,t,t,-1,UTF8\n4,template0,10,f,t,t,-1,UTF8\n5,shop,10,t,f,t,-1,UTF8\n";
const SETTINGS: &str = "name,value,withheld,shape,key_kind,unit,context,source,source_file,source_line,boot_value,\
    reset_value,pending_restart\nssl,on,f,boolean,plain,\"\",sighup,default,\"\",0,off,on,f\n";

fn observation(id: ObservationId, outcome: Outcome) -> Observation {
    Observation {
        id,
        query: "COPY ..".to_owned(),
        database: "postgres".to_owned(),
        role: "auditor".to_owned(),
        asked_at: "127.0.0.1:5432".to_owned(),
        started_at: String::new(),
        finished_at: String::new(),
        server_started_at: String::new(),
        server_finished_at: String::new(),
        outcome,
    }
}

fn cluster(group: &str, csv: impl Into<Vec<u8>>) -> Observation {
    let csv = csv.into();
    let rows = crate::count_rows(&csv);
    observation(ObservationId::cluster(group), Outcome::Rows { csv, rows })
}

fn refused(id: ObservationId, message: &str, opens: Option<&str>) -> Observation {
    let outcome = Outcome::Failed {
        sqlstate: "42501".to_owned(),
        message: message.to_owned(),
        opens: opens.map(str::to_owned),
    };
    observation(id, outcome)
}

fn basics() -> Vec<Observation> {
    vec![
        cluster("server", SERVER),
        cluster("own-session", OWN_SESSION),
        cluster("databases", DATABASES),
    ]
}

fn basics_and(more: Observation) -> Facts {
    let mut observations = basics();
    observations.push(more);
    decode(&observations)
}

fn missing<T: std::fmt::Debug>(group: &pgattest_model::Collected<T>) -> Missing {
    group
        .here()
        .map(|seen| format!("{:?}", seen.value))
        .expect_err("the group must be missing")
}

#[test]
fn nothing_collected_is_nothing_known() {
    let facts = decode(&[]);
    assert_eq!(
        missing(&facts.server).why,
        "`cluster/server` was not collected"
    );
    assert_eq!(
        missing(&facts.roles).why,
        "`cluster/server` was not collected"
    );
    assert!(facts.version().is_err() && facts.inside.is_empty());
}

#[test]
fn a_group_knows_the_observation_it_came_from() {
    let facts = decode(&basics());
    let databases = facts.databases.here().unwrap();
    assert_eq!(databases.from, &ObservationId::cluster("databases"));
    assert_eq!(
        databases
            .iter()
            .map(|database| database.name.as_str())
            .collect::<Vec<_>>(),
        ["template1", "template0", "shop"]
    );
}

#[test]
fn a_refusal_says_what_happened_and_what_would_open_it() {
    let id = ObservationId::cluster("verifiers");
    let facts = basics_and(refused(
        id.clone(),
        "permission denied for table pg_authid.",
        Some("GRANT SELECT ..;"),
    ));
    let expected = Missing {
        why: "`cluster/verifiers` could not be read: permission denied for table pg_authid (SQLSTATE 42501)".to_owned(),
        grant: Some("GRANT SELECT ..;".to_owned()),
        observation: Some(id),
    };
    assert_eq!(missing(&facts.verifiers), expected);
}

#[test]
fn only_databases_that_accept_connections_are_inside() {
    let facts = decode(&basics());
    assert_eq!(
        facts
            .inside
            .iter()
            .map(|inside| (inside.oid, inside.name.as_str()))
            .collect::<Vec<_>>(),
        [(1, "template1"), (5, "shop")]
    );
    assert_eq!(
        missing(&facts.inside[1].policies).why,
        "`db-5/policies` was not collected from database `shop`"
    );
}

#[test]
fn a_database_that_was_not_entered_says_why_in_every_group() {
    let id = ObservationId::database(5, "own-session");
    let facts = basics_and(refused(
        id.clone(),
        "permission denied for database \"shop\"",
        Some("GRANT CONNECT ..;"),
    ));
    for missing in [
        missing(&facts.inside[1].relations),
        missing(&facts.inside[1].publication_relations),
    ] {
        assert_eq!(
            missing.why,
            "database `shop` was not looked into: permission denied for database \"shop\" (SQLSTATE 42501)"
        );
        assert_eq!(
            (missing.grant.as_deref(), missing.observation),
            (Some("GRANT CONNECT ..;"), Some(id.clone()))
        );
    }
    assert_eq!(
        missing(&facts.inside[0].relations).why,
        "`db-1/relations` was not collected from database `template1`"
    );
}

#[test]
fn an_empty_result_is_here_and_empty() {
    let facts = basics_and(cluster(
        "memberships",
        "role,member,grantor,admin_option,inherit_option,set_option\n",
    ));
    assert_eq!(facts.memberships.here().unwrap().len(), 0);
}

#[test]
fn a_version_that_is_not_known_tells_only_who_it_is() {
    for (number, major) in [("120022", "12"), ("190001", "19")] {
        let observations = [
            cluster("server", SERVER.replace("150018", number)),
            cluster("own-session", OWN_SESSION),
            cluster("databases", DATABASES),
        ];
        let facts = decode(&observations);
        assert!(facts.server.is_here() && facts.own_session.is_here());
        assert_eq!(
            missing(&facts.databases).why,
            format!("PostgreSQL {major} is not known to this version of pgattest")
        );
        assert!(facts.inside.is_empty());
    }
}

#[test]
fn a_version_too_old_for_a_group_says_so() {
    let facts = decode(&[cluster("server", SERVER.replace("150018", "140023"))]);
    assert_eq!(
        missing(&facts.ident_maps).why,
        "PostgreSQL 14 cannot say: `ident-maps` needs 15 or later"
    );
}

#[test]
fn settings_know_whether_some_are_hidden() {
    let facts = basics_and(cluster("settings", SETTINGS));
    let settings = facts.settings.here().unwrap();
    assert!(settings.require("ssl").unwrap().is_on());
    let hidden = settings.get("ssl_key_file").unwrap_err();
    assert_eq!(
        hidden.grant.as_deref(),
        Some("/* run the SQL of `pgattest grants`, or: */ GRANT pg_read_all_settings TO auditor;")
    );

    let all = OWN_SESSION.replace("postgres,f,f,f", "postgres,f,t,f");
    let facts = decode(&[
        cluster("server", SERVER),
        cluster("own-session", all),
        cluster("settings", SETTINGS),
    ]);
    assert!(
        facts
            .settings
            .here()
            .unwrap()
            .get("ssl_key_file")
            .unwrap()
            .is_none()
    );
}

#[test]
fn settings_are_missing_when_nobody_knows_what_is_hidden() {
    let facts = decode(&[cluster("server", SERVER), cluster("settings", SETTINGS)]);
    assert_eq!(
        missing(&facts.settings).why,
        "`cluster/own-session` was not collected"
    );
}

#[test]
fn a_missing_column_is_named() {
    let facts = basics_and(cluster(
        "memberships",
        "role,member,grantor,admin_option,set_option\n1,2,3,t,t\n",
    ));
    assert_eq!(
        missing(&facts.memberships).why,
        "`cluster/memberships` is damaged: row 1: missing field `inherit_option`"
    );
}

#[test]
fn a_damaged_value_is_placed() {
    let csv =
        "role,member,grantor,admin_option,inherit_option,set_option\n1,2,3,t,t,t\n1,x,3,t,t,t\n";
    let why = missing(&basics_and(cluster("memberships", csv)).memberships).why;
    assert!(
        why.starts_with("`cluster/memberships` is damaged: row 2: column `member`: "),
        "{why}"
    );
    let flag = missing(
        &basics_and(cluster(
            "memberships",
            csv.replace('x', "2").replace("t,t,t\n1", "t,t,maybe\n1"),
        ))
        .memberships,
    )
    .why;
    assert!(
        flag.contains("row 1") && flag.contains("`maybe` is not a boolean"),
        "{flag}"
    );
    let short =
        missing(&basics_and(cluster("memberships", csv.replace("1,x,3,t,t,t", "1,2"))).memberships)
            .why;
    assert_eq!(
        short,
        "`cluster/memberships` is damaged: row 2 cannot be read: it has 2 columns where the header has 6"
    );
}

#[test]
fn a_result_that_lost_rows_is_damaged() {
    let mut cut = cluster("roles", "oid\n");
    cut.outcome = Outcome::Rows {
        csv: b"oid,name\n".to_vec(),
        rows: 7,
    };
    assert_eq!(
        missing(&basics_and(cut).roles).why,
        "`cluster/roles` is damaged: it holds 0 rows, but 7 were recorded"
    );
}

#[test]
fn an_observation_recorded_twice_counts_for_nothing() {
    let mut observations = basics();
    observations.push(cluster(
        "memberships",
        "role,member,grantor,admin_option,inherit_option,set_option\n",
    ));
    observations.push(cluster(
        "memberships",
        "role,member,grantor,admin_option,inherit_option,set_option\n",
    ));
    assert_eq!(
        missing(&decode(&observations).memberships).why,
        "`cluster/memberships` was recorded more than once"
    );
}

#[test]
fn two_rows_of_what_there_is_one_of_are_damage() {
    let twice = format!("{SERVER}150018,PostgreSQL 15.18,7,f,a,b,c,\"\",0,\"\"\n");
    assert_eq!(
        missing(&decode(&[cluster("server", twice)]).server).why,
        "`cluster/server` holds 2 rows where it must hold one"
    );
}

#[test]
fn an_unknown_column_is_no_trouble() {
    let csv =
        "role,member,grantor,admin_option,inherit_option,set_option,colour\n1,2,3,t,f,t,blue\n";
    let facts = basics_and(cluster("memberships", csv));
    assert!(!facts.memberships.here().unwrap()[0].inherit_option);
}

#[test]
fn bytes_that_are_not_utf8_are_shown_as_such() {
    let csv = DATABASES.replace("shop", "sh?p").into_bytes();
    let csv: Vec<u8> = csv
        .into_iter()
        .map(|byte| if byte == b'?' { 0xe9 } else { byte })
        .collect();
    let facts = decode(&[cluster("server", SERVER), cluster("databases", csv)]);
    assert_eq!(facts.databases.here().unwrap()[2].name, "sh\u{fffd}p");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(csv in proptest::collection::vec(any::<u8>(), 0..400), rows in 0_u64..4, group in 0..GROUPS.len()) {
        let group = &GROUPS[group];
        let mut observations = basics();
        observations.push(observation(group.observation_id(5), Outcome::Rows { csv, rows }));
        let _ = decode(&observations);
    }

    #[test]
    fn no_edit_of_a_good_result_makes_it_panic(at in 0..DATABASES.len(), byte in any::<u8>()) {
        let mut csv = DATABASES.as_bytes().to_vec();
        csv[at] = byte;
        let _ = decode(&[cluster("server", SERVER), cluster("databases", csv)]);
    }
}

const VERIFIERS: &str = "role,kind,iterations\n10,scram-sha-256,4096\n";

/// The row of `wrappers` for the function that pgattest prints, with one thing replaced by another.
fn wrappers_with(good: &str, other: &str) -> Observation {
    let wrapper = Wrapper::of(
        GROUPS
            .iter()
            .find(|group| group.name == "verifiers")
            .unwrap(),
    )
    .unwrap();
    let digest = wrapper.digest(ServerVersion(150_018));
    let row = format!(
        "20000,verifiers,0,f,sql,t,t,\"[[\"\"search_path\"\", \"\"pg_catalog, pg_temp\"\"]]\",\
         \"[[\"\"role\"\", \"\"oid\"\", \"\"t\"\"], [\"\"kind\"\", \"\"text\"\", \"\"t\"\"], [\"\"iterations\"\", \"\"integer\"\", \"\"t\"\"]]\",\
         {digest},t,[20001],t,[]\n"
    );
    assert!(good.is_empty() || row.contains(good), "{row}");
    let row = if good.is_empty() {
        row
    } else {
        row.replacen(good, other, 1)
    };
    cluster(
        "wrappers",
        format!(
            "oid,name,arguments,kind,language,owner_is_superuser,security_definer,settings,columns,body_sha256,may_execute,\
             executable_by,schema_owner_is_superuser,schema_creators\n{row}"
        ),
    )
}

fn verifiers_through_a_wrapper() -> Observation {
    let mut observation = cluster("verifiers", VERIFIERS);
    observation.query = crate::copy_statement("select * from pgattest.verifiers()");
    observation
}

#[test]
fn what_a_sound_wrapper_returned_counts() {
    let mut observations = basics();
    observations.extend([wrappers_with("", ""), verifiers_through_a_wrapper()]);
    let facts = decode(&observations);
    assert_eq!(facts.verifiers.here().unwrap().len(), 1);
}

#[test]
fn what_another_function_returned_counts_for_nothing() {
    for (good, other, why) in [
        (",sql,t,t,", ",sql,f,t,", "its owner is not a superuser"),
        (",sql,t,t,", ",sql,t,f,", "it is not SECURITY DEFINER"),
        (
            ",sql,",
            ",plpgsql,",
            "its text is not the one that this version of pgattest prints for PostgreSQL 15",
        ),
        ("pg_catalog, pg_temp", "public, pg_temp", "it is not pinned"),
        (",[20001],", ",\"[0,20001]\",", "PUBLIC may execute it"),
        ("20000,verifiers,", "20000,sessions,", "it is not there"),
    ] {
        let mut observations = basics();
        observations.extend([wrappers_with(good, other), verifiers_through_a_wrapper()]);
        let missing = missing(&decode(&observations).verifiers);
        assert!(
            missing
                .why
                .contains("`cluster/verifiers` was read through pgattest.verifiers()")
                && missing.why.contains(why),
            "{missing:?}"
        );
        assert!(missing.grant.unwrap().contains("`pgattest grants` again"));
    }
}

#[test]
fn a_wrapper_that_nobody_looked_at_counts_for_nothing() {
    let missing = missing(&basics_and(verifiers_through_a_wrapper()).verifiers);
    assert_eq!(
        missing.why,
        "`cluster/verifiers` was read through pgattest.verifiers(), and whether that is to be trusted is not known: \
         `cluster/wrappers` was not collected"
    );
}

#[test]
fn a_refusal_says_why_the_wrapper_was_not_asked() {
    let mut observations = basics();
    let id = ObservationId::cluster("verifiers");
    observations.extend([
        wrappers_with(",sql,t,t,", ",sql,f,t,"),
        refused(
            id,
            "permission denied for table pg_authid",
            Some("GRANT SELECT ..;"),
        ),
    ]);
    let missing = missing(&decode(&observations).verifiers);
    assert!(
        missing
            .why
            .ends_with("; pgattest.verifiers() was not asked: its owner is not a superuser"),
        "{missing:?}"
    );
}

#[test]
fn settings_read_through_a_wrapper_are_all_there() {
    let group = GROUPS
        .iter()
        .find(|group| group.name == "settings")
        .unwrap();
    let wrapper = Wrapper::of(group).unwrap();
    let columns: Vec<String> = wrapper
        .columns
        .iter()
        .map(|(name, kind)| format!("[\"\"{name}\"\",\"\"{kind}\"\",\"\"t\"\"]"))
        .collect();
    let rows = format!(
        "oid,name,arguments,kind,language,owner_is_superuser,security_definer,settings,columns,body_sha256,may_execute,\
         executable_by,schema_owner_is_superuser,schema_creators\n\
         20000,settings,0,f,sql,t,t,\"[[\"\"search_path\"\",\"\"pg_catalog, pg_temp\"\"]]\",\"[{}]\",{},t,[],t,[]\n",
        columns.join(","),
        wrapper.digest(ServerVersion(150_018)),
    );
    let mut settings = cluster("settings", SETTINGS);
    settings.query = crate::copy_statement(&wrapper.select());
    let mut observations = basics();
    observations.extend([cluster("wrappers", rows), settings]);
    let facts = decode(&observations);
    assert!(facts.settings.here().unwrap().all_visible());
}
