//! Sessions from other machines, as the server's own views would tell: a test server listens on the loopback only, so no spec
//! can show them.

use super::ClearSessions;
use crate::check::Check;
use crate::context::Context;
use pgattest_model::{Facts, Observation, ObservationId, Outcome, Policy, Status, Verdict};

const SERVER: &str = "server_version_num,version_text,system_identifier,in_recovery,started_at,configuration_loaded_at,\
    server_time,server_address,server_port,cluster_name\n150018,PostgreSQL 15.18,7,f,a,b,c,\"\",0,\"\"\n";
const OWN_SESSION: &str = "role,login_role,database,superuser,reads_all_settings,reads_all_sessions,server_encoding,pid\n\
    odd \"name,odd \"name,postgres,f,f,f,UTF8,1\n";
const DATABASES: &str = "oid,name,owner,allows_connections,is_template,may_connect,connection_limit,encoding\n\
    5,shop,10,t,f,t,-1,UTF8\n6,\"=cmd()\",10,t,f,t,-1,UTF8\n";
const ROLES: &str = "oid,name,superuser,inherit,create_role,create_db,can_login,replication,bypass_rls,connection_limit,\
    valid_until,expired\n10,postgres,t,t,t,t,t,t,t,-1,\"\",f\n20,app,f,t,f,f,t,f,f,-1,\"\",f\n21,standby,f,t,f,f,t,t,f,-1,\"\",f\n";
const SESSIONS: &str = "pid,database,role,application_name,backend_type,client_address,unix_socket,visible,tls,tls_version,\
    tls_cipher,gss_encrypted,own\n";

const APP_TLS: &str = "100,5,20,api,client backend,10.0.0.10,f,t,t,TLSv1.3,x,f,f";
const APP_CLEAR: &str = "101,5,20,api,client backend,10.0.0.10,f,t,f,,,f,f";
const LOOPBACK_CLEAR: &str = "102,5,20,api,client backend,127.0.0.1,f,t,f,,,f,f";
const SOCKET: &str = "103,5,20,psql,client backend,,t,t,f,,,f,f";
const AUTOVACUUM: &str = "104,0,0,,,,f,f,f,,,f,f";
const OWN_CLEAR: &str = "105,5,20,pgattest,client backend,10.0.0.99,f,t,f,,,f,t";

fn facts(sessions: &[&str]) -> Facts {
    let rows = sessions.iter().map(|row| format!("{row}\n"));
    let sessions = format!("{SESSIONS}{}", rows.collect::<String>());
    let observations: Vec<_> = [
        ("server", SERVER),
        ("own-session", OWN_SESSION),
        ("databases", DATABASES),
        ("roles", ROLES),
        ("sessions", &sessions),
    ]
    .into_iter()
    .map(|(group, csv)| Observation {
        id: ObservationId::cluster(group),
        query: String::new(),
        database: "postgres".to_owned(),
        role: "auditor".to_owned(),
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

fn verdict(sessions: &[&str]) -> Verdict {
    let (facts, policy) = (facts(sessions), Policy::default());
    ClearSessions
        .assess(&Context::new(&facts, &policy))
        .unwrap()
}

fn details(verdict: &Verdict) -> Vec<String> {
    let findings = verdict.findings().iter();
    findings
        .map(|finding| format!("{} {}", finding.severity, finding.detail))
        .collect()
}

#[test]
fn encrypted_sessions_from_other_machines_pass_and_are_counted() {
    let verdict = verdict(&[
        APP_TLS,
        "110,5,20,api,client backend,2001:db8::7,f,t,f,,,t,f",
        LOOPBACK_CLEAR,
        SOCKET,
        AUTOVACUUM,
        OWN_CLEAR,
    ]);
    assert_eq!(
        verdict,
        Verdict::assessed(2, "client sessions from other machines", vec![])
    );
}

#[test]
fn sessions_of_one_client_are_one_finding() {
    let verdict = verdict(&[
        APP_TLS,
        APP_CLEAR,
        "111,5,20,api,client backend,10.0.0.10,f,t,f,,,f,f",
        "112,6,20,it's \"x\",client backend,10.0.0.10,f,t,f,,,f,f",
        "113,0,21,,walsender,10.0.0.20,f,t,f,,,f,f",
        "114,5,21,,walsender,10.0.0.20,f,t,f,,,f,f",
        "115,5,99,,client backend,fe80::1%eth0,f,t,f,,,f,f",
    ]);
    assert_eq!(
        details(&verdict),
        [
            "high 2 sessions of app on shop from 10.0.0.10 as 'api' without TLS or GSSAPI encryption",
            "high 1 session of app on \"=cmd()\" from 10.0.0.10 as 'it''s \"x\"' without TLS or GSSAPI encryption",
            "critical 1 session of standby on the write-ahead log from 10.0.0.20 without TLS or GSSAPI encryption",
            "critical 1 session of standby on shop from 10.0.0.20 without TLS or GSSAPI encryption",
            "high 1 session of role 99 on shop from fe80::1%eth0 without TLS or GSSAPI encryption",
        ]
    );
    let Verdict::Assessed { population, .. } = &verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(population.count, 7);
    let subjects: Vec<_> = verdict
        .findings()
        .iter()
        .map(|finding| finding.subject.name.as_str())
        .collect();
    assert_eq!(subjects[0], "app on shop from 10.0.0.10 as 'api'");
}

#[test]
fn nobody_from_another_machine_is_no_pass() {
    for (sessions, why) in [
        (
            &[OWN_CLEAR, SOCKET, AUTOVACUUM][..],
            "no other client session from another machine at that moment",
        ),
        (
            &[
                OWN_CLEAR,
                LOOPBACK_CLEAR,
                "120,5,20,api,client backend,::1,f,t,t,TLSv1.3,x,f,f",
                "121,5,20,api,client backend,::ffff:127.0.0.1,f,t,f,,,f,f",
            ],
            "no other client session from another machine at that moment (3 over the loopback, 2 of them in clear)",
        ),
        // A client that has not logged in: its handshake may not be over.
        (
            &["122,0,0,,client backend,10.0.0.10,f,t,f,,,f,f"],
            "no other client session from another machine at that moment",
        ),
    ] {
        assert_eq!(verdict(sessions), Verdict::NotApplicable(why.to_owned()));
    }
}

#[test]
fn what_is_hidden_is_said_and_hides_no_finding() {
    const HIDDEN: &str = "130,5,20,,,,f,f,f,,,f,f";
    let blind = verdict(&[APP_TLS, HIDDEN]);
    assert_eq!(blind.status(), Status::NotAssessed);
    assert_eq!(
        blind.unseen()[0].why,
        "sessions of other roles are not visible to role `odd \"name`"
    );
    assert_eq!(
        blind.unseen()[0].grant.as_deref(),
        Some(
            "/* run the SQL of `pgattest grants`, or: */ GRANT pg_read_all_stats TO \"odd \"\"name\";"
        )
    );
    assert_eq!(verdict(&[HIDDEN]).status(), Status::NotAssessed);
    assert_eq!(verdict(&[APP_CLEAR, HIDDEN]).status(), Status::Fail);
}

#[test]
fn a_session_from_nowhere_is_not_assessed() {
    let verdict = verdict(&["140,5,20,api,client backend,,f,t,f,,,f,f"]);
    assert_eq!(verdict.status(), Status::NotAssessed);
}
