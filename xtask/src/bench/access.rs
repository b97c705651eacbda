//! `bench access`: effective privileges of every role on every table.

use super::{cpu, memory, peak_memory};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use pgattest_access::{Object, Privileges, Right, RoleGraph, View};
use pgattest_model::ServerVersion;
use pgattest_model::facts::{Acl, AclClass, Membership, Oid, PUBLIC, Privilege, Role};
use std::time::Duration;

/// What is made up.
#[derive(Args)]
pub(crate) struct Size {
    /// Roles
    #[arg(long, default_value_t = 5_000)]
    roles: u32,
    /// Tables
    #[arg(long, default_value_t = 100_000)]
    tables: u32,
    /// How much tables differ
    #[arg(long, value_enum, default_value_t = Variety::Realistic)]
    variety: Variety,
    /// Pairs asked about one at a time
    #[arg(long, default_value_t = 10_000_000)]
    questions: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Variety {
    /// Schemas of tables that are alike: 400 owners, each with a few sets of grants, and one table in fifty with one of its own
    Realistic,
    /// No two tables alike: every owner, grantee and privilege is drawn at random, five grants a table
    Adversarial,
}

pub(super) fn run(size: &Size) -> Result<()> {
    ensure!(
        size.roles > 100 && size.tables > 0,
        "at least 101 roles and one table"
    );
    let mut random = Random(42);
    let (roles, memberships) = roles(size, &mut random);
    let acls = acls(size, &mut random);
    let (facts, began) = (memory("VmRSS")?, cpu());

    let graph = RoleGraph::new(&roles, &memberships, ServerVersion(180_000));
    let privileges = Privileges::new(&graph, &acls);
    let built = cpu();

    let rights = [
        Right::Select,
        Right::Insert,
        Right::Update,
        Right::Delete,
        Right::Truncate,
        Right::References,
        Right::Trigger,
        Right::Maintain,
    ];
    let mut held = [0_u64; 3];
    for (view, held) in View::ALL.into_iter().zip(&mut held) {
        for group in privileges.groups() {
            let objects = u64::try_from(group.objects().len())?;
            for right in rights {
                *held += objects * u64::try_from(group.holders(view, right).len())?;
            }
        }
    }
    let counted = cpu();

    let mut yes = 0_u64;
    for _ in 0..size.questions {
        let role = FIRST_ROLE + random.below(size.roles);
        let table = Object::relation(FIRST_TABLE + random.below(size.tables));
        let right = rights
            .get(random.below(8) as usize)
            .copied()
            .context("a right")?;
        let answer = privileges.holds(View::InForce, role, table, right);
        yes += u64::from(answer.context("an unknown role or table")?);
    }
    let asked = cpu();

    let pairs = u64::from(size.roles) * u64::from(size.tables);
    let seconds = |from: Duration, to: Duration| (to.saturating_sub(from)).as_secs_f64();
    println!(
        "{} roles, {} memberships, {} tables, {} ACL entries, {} kinds of table ({:?})",
        roles.len(),
        memberships.len(),
        size.tables,
        acls.len(),
        privileges.groups().len(),
        size.variety
    );
    println!(
        "reading the facts in         {:>8.3} s CPU",
        seconds(began, built)
    );
    println!(
        "every pair, 8 rights, 3 views{:>8.3} s CPU   {pairs} pairs; held: {} in force, {} after SET ROLE, {} after granting itself",
        seconds(built, counted),
        held[0],
        held[1],
        held[2]
    );
    println!(
        "one pair at a time           {:>8.3} s CPU   {} questions, {yes} yes",
        seconds(counted, asked),
        size.questions
    );
    println!(
        "peak memory                  {:>8} kB      of it the facts themselves {facts} kB",
        peak_memory()?
    );
    Ok(())
}

const FIRST_ROLE: Oid = 20_000;
const FIRST_TABLE: Oid = 1_000_000;

/// Groups below logins, several levels of them, with every option; the server allows no circles.
fn roles(size: &Size, random: &mut Random) -> (Vec<Role>, Vec<Membership>) {
    let mut roles: Vec<Role> = (0..size.roles)
        .map(|at| {
            role(
                FIRST_ROLE + at,
                format!("role {at}"),
                at % 2 == 0,
                at % 1_000 == 7,
            )
        })
        .collect();
    for (oid, name) in [
        (6181, "pg_read_all_data"),
        (6182, "pg_write_all_data"),
        (6337, "pg_maintain"),
    ] {
        roles.push(role(oid, name.to_owned(), false, false));
    }
    let mut memberships = Vec::new();
    for at in 1..size.roles {
        for _ in 0..random.below(6) {
            let group = if random.below(200) == 0 {
                6181 + random.below(2)
            } else {
                FIRST_ROLE + random.below(at)
            };
            memberships.push(Membership {
                role: group,
                member: FIRST_ROLE + at,
                grantor: Role::BOOTSTRAP,
                admin_option: random.below(10) == 0,
                inherit_option: random.below(10) < 7,
                set_option: random.below(10) < 8,
            });
        }
    }
    (roles, memberships)
}

fn role(oid: Oid, name: String, can_login: bool, superuser: bool) -> Role {
    Role {
        oid,
        name,
        superuser,
        inherit: true,
        create_role: false,
        create_db: false,
        can_login,
        replication: false,
        bypass_rls: false,
        connection_limit: -1,
        valid_until: String::new(),
        expired: false,
    }
}

fn acls(size: &Size, random: &mut Random) -> Vec<Acl> {
    let mut acls = Vec::new();
    for table in 0..size.tables {
        let alike = size.variety == Variety::Realistic && table % 50 != 0;
        // Tables of the same schema draw the same numbers.
        let mut drawn = if alike {
            Random(u64::from(table % 400) * 4 + u64::from(random.below(4)))
        } else {
            Random((u64::from(table) << 20) + 1)
        };
        let owner = FIRST_ROLE + drawn.below(size.roles);
        let mut grant = |grantee: Oid, mask: u32| {
            acls.push(Acl {
                class: AclClass::Relation,
                object: FIRST_TABLE + table,
                column: 0,
                name: String::new(),
                owner,
                grantor: owner,
                grantee,
                privileges: privileges(mask),
                is_default: false,
            });
        };
        grant(owner, 0xff);
        let grants = if alike { 1 + drawn.below(3) } else { 5 };
        for _ in 0..grants {
            let mask = match (alike, drawn.below(3)) {
                (true, 0) => 0b1,
                (true, 1) => 0b1111,
                _ => 1 + drawn.below(0xfffe),
            };
            grant(FIRST_ROLE + drawn.below(size.roles), mask);
        }
        if drawn.below(500) == 0 {
            grant(PUBLIC, 0b1);
        }
    }
    acls
}

/// The low byte says which, the high byte which with grant option.
fn privileges(mask: u32) -> Vec<Privilege> {
    let names = [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "TRUNCATE",
        "REFERENCES",
        "TRIGGER",
        "MAINTAIN",
    ];
    names
        .into_iter()
        .enumerate()
        .filter(|(at, _)| mask & 1 << at != 0)
        .map(|(at, name)| Privilege {
            name: name.to_owned(),
            grantable: mask & 0x100 << at != 0,
        })
        .collect()
}

/// `SplitMix64`: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = (z ^ (z >> 31)) % u64::from(limit.max(1));
        u32::try_from(number).unwrap_or(0)
    }
}
