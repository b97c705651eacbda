//! Whatever a plan holds comes back from its file.

use super::{digest, read, write};
use pgattest_model::plan::{
    Action, Change, Closes, FactsDigest, Impact, ImpactKind, Left, Need, Plan, PlanTarget, Risk,
    ServerFile, SettingValue, Stage, Undo,
};
use pgattest_model::{Fingerprint, ObservationId, Subject, SubjectKind};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just("\u{0}\u{202e}\"\\ \n${x}".to_owned())]
}

fn closes() -> impl Strategy<Value = Closes> {
    let kind = prop_oneof![
        Just(SubjectKind::CipherSuite),
        Just(SubjectKind::DefaultPrivilege),
        Just(SubjectKind::HbaRule),
        Just(SubjectKind::Role)
    ];
    (text(), kind, of(text()), text(), text()).prop_map(
        |(check, kind, database, name, fingerprint)| Closes {
            check,
            subject: Subject {
                kind,
                database,
                name,
            },
            fingerprint: Fingerprint(fingerprint),
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let value = prop_oneof![
        text().prop_map(SettingValue::One),
        vec(text(), 0..3).prop_map(SettingValue::List)
    ];
    let file = prop_oneof![Just(ServerFile::Hba), Just(ServerFile::Ident)];
    prop_oneof![
        (of(text()), vec(text(), 0..3)).prop_map(|(database, statements)| Action::Sql {
            database,
            statements
        }),
        (text(), of(text()), text()).prop_map(|(database, before, statement)| {
            Action::SqlAlone {
                database,
                before,
                statement,
            }
        }),
        (text(), of(value)).prop_map(|(name, value)| Action::Setting { name, value }),
        (file, text(), text(), text()).prop_map(|(file, path, before_sha256, text)| {
            Action::File {
                file,
                path,
                before_sha256,
                text,
            }
        }),
        (vec(text(), 0..3), any::<u32>(), text(), text(), text()).prop_map(
            |(names, days, certificate, key, authority)| Action::Certificate {
                names,
                days,
                certificate,
                key,
                authority
            }
        ),
        Just(Action::Restart),
        text().prop_map(Action::ByHand),
    ]
}

fn observation() -> impl Strategy<Value = ObservationId> {
    prop_oneof![
        Just(ObservationId::cluster("roles")),
        any::<u32>().prop_map(|oid| ObservationId::database(oid, "relations"))
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let stage = prop_oneof![
        Just(Stage::Files),
        Just(Stage::RestartSettings),
        Just(Stage::SettingsAfterRestart),
        Just(Stage::AfterRestart)
    ];
    let undo = prop_oneof![
        action().prop_map(Undo::By),
        Just(Undo::Restore),
        text().prop_map(Undo::None)
    ];
    let risk = prop_oneof![Just(Risk::Safe), Just(Risk::Approval), Just(Risk::ByHand)];
    let need = prop_oneof![
        Just(Need::Reload),
        Just(Need::Restart),
        Just(Need::NewSessions),
        (text(), text()).prop_map(|(mode, on)| Need::Lock { mode, on })
    ];
    let kind = prop_oneof![Just(ImpactKind::LoginRefused), Just(ImpactKind::Unknown)];
    let impact = (kind, text(), text(), vec(observation(), 0..2)).prop_map(
        |(kind, subject, detail, observations)| Impact {
            kind,
            subject,
            detail,
            observations,
        },
    );
    (
        (text(), text(), text(), stage, vec(closes(), 0..2)),
        (action(), undo, risk),
        (vec(need, 0..3), vec(impact, 0..2), vec(text(), 0..2)),
    )
        .prop_map(
            |((id, kind, title, stage, closes), (action, undo, risk), (needs, impact, notes))| {
                Change {
                    id,
                    kind,
                    title,
                    stage,
                    closes,
                    action,
                    undo,
                    risk,
                    needs,
                    impact,
                    notes,
                }
            },
        )
}

fn plan() -> impl Strategy<Value = Plan> {
    let target =
        (text(), text(), text(), text()).prop_map(|(name, system_identifier, version, flavour)| {
            PlanTarget {
                name,
                system_identifier,
                version,
                flavour,
            }
        });
    let left = (closes(), text()).prop_map(|(finding, why)| Left { finding, why });
    (
        (text(), target, text(), of(text())),
        vec((observation(), text()), 0..3),
        vec(change(), 0..4),
        vec(left, 0..3),
    )
        .prop_map(
            |((tool_version, target, facts_as_of, policy_sha256), groups, changes, left)| Plan {
                tool_version,
                target,
                facts_as_of,
                facts: FactsDigest { groups },
                policy_sha256,
                changes,
                left,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_plan_comes_back(plan in plan()) {
        let text = write(&plan);
        let (again, stated) = read(&text).expect("a plan");
        prop_assert_eq!(&stated, &digest(&plan));
        prop_assert_eq!(again, plan);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        prop_assert!(read(&text).is_err());
    }

    #[test]
    fn no_damage_goes_unnoticed(plan in plan(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let text = write(&plan);
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(damaged) = String::from_utf8(bytes) && let Ok((again, _)) = read(&damaged) {
            prop_assert_eq!(again, plan);
        }
    }
}
