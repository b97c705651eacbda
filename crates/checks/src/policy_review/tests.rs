//! A small cluster, and what becomes of a policy in it.

use super::review_policy;
use crate::assess::assess;
use pgattest_model::{
    Assessment, Date, DiagnosticLevel, Facts, Observation, ObservationId, Outcome, Status,
    WaiverState,
};

const SERVER: &str = "server_version_num,version_text,system_identifier,in_recovery,started_at,configuration_loaded_at,\
    server_time,server_address,server_port,cluster_name\n150018,PostgreSQL 15.18,7,f,a,b,c,\"\",0,\"\"\n";
const OWN_SESSION: &str = "role,login_role,database,superuser,reads_all_settings,reads_all_sessions,server_encoding,pid\n\
    postgres,postgres,postgres,t,t,t,UTF8,1\n";
const DATABASES: &str = "oid,name,owner,allows_connections,is_template,may_connect,connection_limit,encoding\n\
    5,shop,10,t,f,t,-1,UTF8\n";
/// `app`, `batch` and a role whose name starts a new line are superusers nobody approved.
const ROLES: &str = "oid,name,superuser,inherit,create_role,create_db,can_login,replication,bypass_rls,connection_limit,\
    valid_until,expired\n10,postgres,t,t,t,t,t,t,t,-1,\"\",f\n20,app,t,t,f,f,t,f,f,-1,\"\",f\n21,batch,t,t,f,f,t,f,f,-1,\"\",f\n\
    22,\"x\ny*\",t,t,f,f,t,f,f,-1,\"\",f\n23,reader,f,t,f,f,t,f,f,-1,\"\",f\n";
const MEMBERSHIPS: &str = "role,member,grantor,admin_option,inherit_option,set_option\n";
const HBA: &str =
    "number,file,line,connection_type,databases,users,address,netmask,method,options,error\n";
const TABLESPACES: &str = "oid,name,owner,location\n1663,pg_default,10,\"\"\n";
const SUBSCRIPTIONS: &str = "oid,database,name,owner,enabled\n";
const SLOTS: &str = "name,plugin,kind,database,active,temporary\n";
const SETTINGS: &str = "name,value,withheld,shape,key_kind,unit,context,source,source_file,source_line,boot_value,\
    reset_value,pending_restart\nssl,off,f,boolean,plain,\"\",sighup,default,\"\",0,off,off,f\n";

const RELATIONS: &str = "oid,schema,schema_name,name,kind,owner,persistence,row_security,force_row_security,is_partition,\
    options,estimated_rows,extension\n100,2200,public,orders,r,10,p,f,f,f,[],1,0\n";
const COLUMNS: &str = "relation,number,name,type_name,not_null,has_default,generated\n\
    100,1,tenant_id,integer,f,f,\"\"\n100,2,e-mail,text,f,f,\"\"\n";
const SCHEMAS: &str = "oid,name,owner,is_system,extension\n2200,public,10,f,0\n";
const EXTENSIONS: &str = "oid,name,version,schema,owner\n1,pgaudit,1.7,2200,10\n";
const PUBLICATIONS: &str = "oid,name,owner,all_tables,schemas\n1,out,10,f,[]\n";
const NOTHING: [(&str, &str); 5] = [
    ("event-triggers", "oid,name,event,owner,function,enabled\n"),
    ("languages", "oid,name,trusted,owner\n"),
    ("foreign-servers", "oid,name,owner,wrapper,option_keys\n"),
    ("foreign-data-wrappers", "oid,name,owner,option_keys\n"),
    ("functions", "oid\n"),
];

fn facts_without(hidden: &[&str]) -> Facts {
    let cluster = [
        ("server", SERVER),
        ("own-session", OWN_SESSION),
        ("databases", DATABASES),
        ("roles", ROLES),
        ("memberships", MEMBERSHIPS),
        ("hba-rules", HBA),
        ("tablespaces", TABLESPACES),
        ("subscriptions", SUBSCRIPTIONS),
        ("slots", SLOTS),
        ("settings", SETTINGS),
    ];
    let inside = [
        ("relations", RELATIONS),
        ("columns", COLUMNS),
        ("schemas", SCHEMAS),
        ("extensions", EXTENSIONS),
        ("publications", PUBLICATIONS),
    ];
    let ids = cluster
        .into_iter()
        .map(|(group, csv)| (ObservationId::cluster(group), csv))
        .chain(
            inside
                .into_iter()
                .chain(NOTHING)
                .map(|(group, csv)| (ObservationId::database(5, group), csv)),
        );
    let observations: Vec<Observation> = ids
        .filter(|(id, _)| !hidden.contains(&id.group()))
        .map(|(id, csv)| Observation {
            id,
            query: String::new(),
            database: "shop".to_owned(),
            role: "postgres".to_owned(),
            asked_at: "127.0.0.1:5432".to_owned(),
            started_at: String::new(),
            finished_at: String::new(),
            server_started_at: String::new(),
            server_finished_at: String::new(),
            outcome: Outcome::Rows {
                csv: csv.as_bytes().to_vec(),
                rows: pgattest_catalog::count_rows(csv.as_bytes()),
            },
        })
        .collect();
    pgattest_catalog::decode(&observations)
}

fn today() -> Date {
    Date::new(2026, 6, 15).unwrap()
}

/// The assessment of the cluster under a policy, on 15 June 2026.
fn reviewed(text: &str, hidden: &[&str]) -> Assessment {
    let policy = pgattest_parse::policy::parse(text).unwrap();
    let facts = facts_without(hidden);
    let mut assessment = assess(&facts, &policy);
    review_policy(&mut assessment, &facts, &policy, today());
    assessment
}

fn waiver(check: &str, more: &str, expires: &str) -> String {
    format!(
        "[[waiver]]\ncheck = \"{check}\"\n{more}\nreason = \"r\"\nowner = \"o\"\napprover = \"a\"\nexpires = {expires}\n"
    )
}

/// State, reason and help of a single waiver of superusers.
#[track_caller]
fn judged(more: &str, expires: &str, hidden: &[&str]) -> (WaiverState, String, String) {
    let assessment = reviewed(&waiver("ROL-01", more, expires), hidden);
    let [result] = assessment.waivers.as_slice() else {
        panic!("{:?}", assessment.waivers)
    };
    let [diagnostic] = assessment.diagnostics.as_slice() else {
        panic!("{:?}", assessment.diagnostics)
    };
    assert_eq!(
        diagnostic.level == DiagnosticLevel::Note,
        result.state == WaiverState::Used
    );
    (
        result.state,
        result.why.clone(),
        diagnostic.help.clone().unwrap_or_default(),
    )
}

fn status(assessment: &Assessment, id: &str) -> Status {
    let result = assessment.checks.iter().find(|result| result.meta.id == id);
    result.unwrap().status()
}

#[test]
fn the_cluster_has_three_unapproved_superusers() {
    let assessment = reviewed("", &[]);
    assert_eq!(status(&assessment, "ROL-01"), Status::Fail);
    let result = &assessment.checks[0];
    let names: Vec<&str> = result
        .open()
        .map(|finding| finding.subject.name.as_str())
        .collect();
    assert_eq!(names, ["\"x\ny*\"", "app", "batch"]);
    assert!(assessment.waivers.is_empty() && assessment.diagnostics.is_empty());
}

#[test]
fn a_waiver_accepts_what_it_names_and_the_rest_still_fails() {
    let assessment = reviewed(&waiver("ROL-01", "subject = \"app\"", "2026-12-31"), &[]);
    assert_eq!(status(&assessment, "ROL-01"), Status::Fail);
    let result = &assessment.checks[0];
    assert_eq!(result.open().count(), 2);
    let accepted: Vec<_> = result
        .accepted()
        .map(|(finding, waiver)| (finding.subject.name.as_str(), waiver))
        .collect();
    assert_eq!(accepted, [("app", 0)]);
    let first = &assessment.controls[0];
    assert_eq!(first.status, Status::Fail);
    assert!(
        first.reason.ends_with("; 1 more accepted by waiver"),
        "{}",
        first.reason
    );
}

#[test]
fn a_check_with_every_finding_accepted_is_waived_and_so_is_its_control() {
    // By identifier in any case, by name, by pattern and by a name that starts a new line.
    let text = [
        waiver("rol-01", "subject = \"app\"", "2026-12-31"),
        waiver("superuser-roles", "subject = \"b*\"", "2026-09-30"),
        waiver("ROL-01", "subject = \"\\\"x\\ny\\\\*\\\"\"", "2026-12-31"),
    ]
    .concat();
    let assessment = reviewed(&text, &[]);
    assert_eq!(status(&assessment, "ROL-01"), Status::Waived);
    let states: Vec<WaiverState> = assessment
        .waivers
        .iter()
        .map(|result| result.state)
        .collect();
    assert_eq!(states, [WaiverState::Used; 3]);
    let only_waived: Vec<_> = assessment
        .checks
        .into_iter()
        .filter(|result| result.meta.id == "ROL-01")
        .collect();
    let controls = crate::assess::conclude_all(&only_waived, &assessment.waivers);
    assert_eq!(controls[0].status, Status::Waived);
    assert_eq!(
        controls[0].reason,
        "3 findings in ROL-01 accepted by waiver, the first until 2026-09-30"
    );
}

#[test]
fn a_waiver_is_in_force_through_its_last_day() {
    for (expires, state) in [
        ("2026-06-14", WaiverState::Expired),
        ("2026-06-15", WaiverState::Used),
        ("2026-06-16", WaiverState::Used),
    ] {
        assert_eq!(
            judged("subject = \"app\"", expires, &[]).0,
            state,
            "{expires}"
        );
    }
    let (_, why, help) = judged("subject = \"*\"", "2026-06-14", &[]);
    assert_eq!(
        why,
        "it ended on 2026-06-14: 3 findings are accepted no more"
    );
    assert_eq!(help, "fix them, or have the risk accepted anew");
    let assessment = reviewed(&waiver("ROL-01", "subject = \"*\"", "2026-06-14"), &[]);
    assert_eq!(status(&assessment, "ROL-01"), Status::Fail);
    assert_eq!(assessment.checks[0].accepted().count(), 0);
    assert_eq!(assessment.waivers[0].covered.len(), 3);
}

#[test]
fn a_finding_under_two_waivers_is_accepted_until_the_later_ends() {
    let text = [
        waiver("ROL-01", "subject = \"*\"", "2026-07-01"),
        waiver("ROL-01", "subject = \"app\"", "2026-12-31"),
        waiver("ROL-01", "subject = \"a*\"", "2026-09-30"),
    ]
    .concat();
    let assessment = reviewed(&text, &[]);
    let accepted: Vec<_> = assessment.checks[0]
        .accepted()
        .map(|(finding, waiver)| (finding.subject.name.as_str(), waiver))
        .collect();
    assert_eq!(accepted, [("\"x\ny*\"", 0), ("app", 1), ("batch", 0)]);
    let states: Vec<WaiverState> = assessment
        .waivers
        .iter()
        .map(|result| result.state)
        .collect();
    assert_eq!(states, [WaiverState::Used; 3]);
}

#[test]
fn what_exists_but_fails_no_more_is_unused_and_what_does_not_exist_is_unknown() {
    assert_eq!(
        judged("subject = \"reader\"", "2026-12-31", &[]),
        (
            WaiverState::Unused,
            "ROL-01 finds nothing on `reader`".to_owned(),
            "remove it: there is nothing left to accept".to_owned()
        )
    );
    assert_eq!(
        judged("subject = \"bacth\"", "2026-12-31", &[]),
        (
            WaiverState::Unknown,
            "nothing in this cluster is called `bacth`".to_owned(),
            "did you mean `batch`?".to_owned()
        )
    );
    let (state, why, _) = judged("subject = \"nobody.*\"", "2026-12-31", &[]);
    assert_eq!(state, WaiverState::Unknown);
    assert_eq!(why, "nothing in this cluster matches `nobody.*`");
    let (state, _, help) = judged("subject = \"app\"\ndatabase = \"shp\"", "2026-12-31", &[]);
    assert_eq!(state, WaiverState::Unknown);
    assert_eq!(help, "did you mean `shop`?");
    // A role is in no database.
    let (state, ..) = judged("subject = \"app\"\ndatabase = \"shop\"", "2026-12-31", &[]);
    assert_eq!(state, WaiverState::Unknown);
    let (state, ..) = judged("fingerprint = \"0000000000000000\"", "2026-12-31", &[]);
    assert_eq!(state, WaiverState::Unused);
    // Nobody can list what policies were ever on a table.
    let (state, ..) = judged("subject = \"p ON public.orders\"", "2026-12-31", &[]);
    assert_eq!(state, WaiverState::Unused);
}

#[test]
fn a_fingerprint_covers_one_finding() {
    let fingerprint = reviewed("", &[]).checks[0].fingerprints[1].0.clone();
    let text = waiver(
        "ROL-01",
        &format!("fingerprint = \"{fingerprint}\""),
        "2026-12-31",
    );
    let assessment = reviewed(&text, &[]);
    let accepted: Vec<_> = assessment.checks[0]
        .accepted()
        .map(|(finding, _)| finding.subject.name.as_str())
        .collect();
    assert_eq!(accepted, ["app"]);
}

#[test]
fn a_check_that_does_not_exist_is_unknown_and_the_nearest_is_named() {
    let of = |check: &str| {
        let assessment = reviewed(&waiver(check, "subject = \"app\"", "2020-01-01"), &[]);
        (
            assessment.waivers[0].state,
            assessment.diagnostics[0].help.clone().unwrap(),
        )
    };
    assert_eq!(
        of("superuser-role"),
        (
            WaiverState::Unknown,
            "did you mean `superuser-roles`?".to_owned()
        )
    );
    assert!(of("rol-99").1.starts_with("did you mean `ROL-"));
    assert_eq!(of("x\\u001B[2J").1, "`pgattest explain` lists the checks");
}

#[test]
fn what_was_not_seen_is_neither_accepted_nor_called_unknown() {
    let (state, why, _) = judged("subject = \"nobody\"", "2026-12-31", &["roles"]);
    assert_eq!(state, WaiverState::Unused);
    assert_eq!(
        why,
        "ROL-01 was not assessed, and what nobody saw cannot be accepted"
    );
    let (state, ..) = judged("subject = \"nobody\"", "2026-12-31", &["schemas"]);
    assert_eq!(state, WaiverState::Unused);
    let assessment = reviewed(
        &waiver("ROL-01", "subject = \"*\"", "2026-12-31"),
        &["roles"],
    );
    assert_eq!(status(&assessment, "ROL-01"), Status::NotAssessed);
}

/// Messages on the names of a policy.
fn remarks(text: &str, hidden: &[&str]) -> Vec<String> {
    reviewed(text, hidden)
        .diagnostics
        .iter()
        .map(|one| {
            format!(
                "{}; {}",
                one.message,
                one.help.as_deref().unwrap_or_default()
            )
        })
        .collect()
}

const MISSPELT: &str = "[access]\nsuperusers = [\"postgres\", \"bacth\"]\npublic_schemas = [\"public\", \"shop.public\", \"pubic\"]\n\
    public_databases = [\"shop\", \"shops\"]\n[tenancy]\ncolumn = \"tenant\"\ntables = [\"public.orders\", \"shop.public.orders\", \
    \"public.order\"]\n[extensions]\napproved = [\"pgaudit\", \"plpython3u\"]\n[egress]\npublications = [\"out\", \"shop.out\", \"in\"]\n\
    [[classification]]\nclass = \"pii\"\ncolumns = [\"public.orders.*\", \"public.orders.\\\"e-mail\\\"\", \"shop.public.orders.tenant_id\", \
    \"public.orders.mail\", \"public.nothing.*\"]\n";

#[test]
fn approved_names_that_nothing_has_are_remarked_on_in_the_order_of_the_file() {
    assert_eq!(
        remarks(MISSPELT, &[]),
        [
            "no role is called `bacth`; did you mean `batch`?",
            "no schema is called `pubic`; did you mean `public`?",
            "no database is called `shops`; did you mean `shop`?",
            "no relation has a column `tenant`; remove it from `tenancy.column`",
            "no relation is called `public.order`; did you mean `public.orders`?",
            "no database has the extension `plpython3u`; remove it from `extensions.approved`",
            "no publication is called `in`; remove it from `egress.publications`",
            "no column is called `public.orders.mail`; did you mean `public.orders.e-mail`?",
            "no column is called `public.nothing.*`; remove it from `classification.columns`",
        ]
    );
}

#[test]
fn names_that_may_merely_be_hidden_are_left_alone() {
    let left = remarks(
        MISSPELT,
        &[
            "roles",
            "schemas",
            "relations",
            "columns",
            "extensions",
            "publications",
        ],
    );
    assert_eq!(
        left,
        ["no database is called `shops`; did you mean `shop`?"]
    );
    assert!(remarks(MISSPELT, &["databases", "roles"]).is_empty());
}
