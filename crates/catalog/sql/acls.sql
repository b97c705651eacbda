-- Privileges on everything inside the database, one row for what one grantor gave one grantee on one object, with the
-- object's owner. Any role may ask. An object that nobody granted on shows the built-in default with is_default; one from
-- which everything was revoked shows one row for its owner without a privilege, so that every object is there. The server's
-- own objects appear only where their privileges or their owner differ from what initdb gave; large objects, of which there
-- may be millions, only where somebody granted. Array types, and from 17 multiranges, have no privileges of their own; row
-- types of tables, which can be granted on and hardly ever are, appear only where somebody did. pg_init_privs does not know
-- information_schema, whose script gives PUBLIC SELECT on its views and USAGE on itself. What no other group lists has its
-- name here, quoted as SQL: the server's own objects, and types.
with system_grant as (
    select i.classoid, i.objoid, i.objsubid, i.initprivs from pg_catalog.pg_init_privs as i where i.objoid < 16384
), held as (
    select
        'relation' as class,
        c.oid as object,
        0 as "column",
        case when c.oid < 16384 then pg_catalog.format('%I.%I', n.nspname, c.relname) else '' end as name,
        c.relowner as owner,
        coalesce(c.relacl, pg_catalog.acldefault(case when c.relkind = 'S' then 's'::"char" else 'r'::"char" end, c.relowner)) as acl,
        c.relacl is null as is_default
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    left join system_grant as g
        on g.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and g.objoid = c.oid and g.objsubid = 0
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        and n.nspname !~ '^pg_(toast_)?temp_'
        and (
            (
                c.relacl is distinct from g.initprivs
                and c.relacl is distinct from case
                    when n.nspname = 'information_schema'
                        then pg_catalog.acldefault('r', c.relowner) || pg_catalog.makeaclitem(0, c.relowner, 'SELECT', false)
                end
            )
            or c.relowner <> 10
            or c.oid < 16384 and exists (
                select from pg_catalog.pg_attribute as a
                left join system_grant as given
                    on given.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    and given.objoid = a.attrelid
                    and given.objsubid = a.attnum
                where a.attrelid = c.oid and a.attacl is distinct from given.initprivs
            )
            or not (
                --@ include system-object c
            )
        )
    union all
    select
        'column',
        a.attrelid,
        a.attnum,
        case when c.oid < 16384 then pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname) else '' end,
        c.relowner,
        a.attacl,
        false
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    left join system_grant as g
        on g.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and g.objoid = a.attrelid and g.objsubid = a.attnum
    where a.attacl is not null
        and not a.attisdropped
        and n.nspname !~ '^pg_(toast_)?temp_'
        and (
            a.attacl is distinct from g.initprivs
            or not (
                --@ include system-object c
            )
        )
    union all
    select
        'function',
        p.oid,
        0,
        case
            when p.oid < 16384
                then pg_catalog.format(
                    '%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)
                )
            else ''
        end,
        p.proowner,
        coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)),
        p.proacl is null
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    left join system_grant as g
        on g.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass and g.objoid = p.oid and g.objsubid = 0
    where n.nspname !~ '^pg_(toast_)?temp_'
        and (
            p.proacl is distinct from g.initprivs
            or p.proowner <> 10
            or not (
                --@ include system-object p
            )
        )
    union all
    select 'schema', n.oid, 0, '', n.nspowner, coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)), n.nspacl is null
    from pg_catalog.pg_namespace as n
    left join system_grant as g
        on g.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and g.objoid = n.oid and g.objsubid = 0
    where n.nspname !~ '^pg_(toast_)?temp_'
        and (
            (
                n.nspacl is distinct from g.initprivs
                and n.nspacl is distinct from case
                    when n.nspname = 'information_schema'
                        then pg_catalog.acldefault('n', n.nspowner) || pg_catalog.makeaclitem(0, n.nspowner, 'USAGE', false)
                end
            )
            or n.nspowner <> 10
            or not (
                --@ include system-object n
            )
        )
    union all
    select
        'type',
        t.oid,
        0,
        pg_catalog.format('%I.%I', n.nspname, t.typname),
        t.typowner,
        coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner)),
        t.typacl is null
    from pg_catalog.pg_type as t
    join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
    left join pg_catalog.pg_class as c on c.oid = t.typrelid
    left join system_grant as g
        on g.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass and g.objoid = t.oid and g.objsubid = 0
    where (t.typrelid = 0 or c.relkind = 'c' or t.typacl is not null)
        and t.typtype <> 'm' --@ >=17
        and not exists (select from pg_catalog.pg_type as element where element.typarray = t.oid)
        and n.nspname !~ '^pg_(toast_)?temp_'
        and (
            t.typacl is distinct from g.initprivs
            or t.typowner <> 10
            or not (
                --@ include system-object t
            )
        )
    union all
    select 'language', l.oid, 0, '', l.lanowner, coalesce(l.lanacl, pg_catalog.acldefault('l', l.lanowner)), l.lanacl is null
    from pg_catalog.pg_language as l
    union all
    select 'foreign-data-wrapper', w.oid, 0, '', w.fdwowner, coalesce(w.fdwacl, pg_catalog.acldefault('F', w.fdwowner)), w.fdwacl is null
    from pg_catalog.pg_foreign_data_wrapper as w
    union all
    select 'foreign-server', s.oid, 0, '', s.srvowner, coalesce(s.srvacl, pg_catalog.acldefault('S', s.srvowner)), s.srvacl is null
    from pg_catalog.pg_foreign_server as s
    union all
    select 'large-object', o.oid, 0, '', o.lomowner, o.lomacl, false
    from pg_catalog.pg_largeobject_metadata as o
    where o.lomacl is not null
)
select
    held.class,
    held.object,
    held."column",
    held.name,
    held.owner,
    coalesce(item.grantor, held.owner) as grantor,
    coalesce(item.grantee, held.owner) as grantee,
    coalesce(
        pg_catalog.string_agg(
            item.privilege_type || case when item.is_grantable then '*' else '' end, ',' order by item.privilege_type
        ),
        ''
    ) as privileges,
    held.is_default
from held
left join lateral pg_catalog.aclexplode(held.acl) as item on true
group by held.class, held.object, held."column", held.name, held.owner, held.is_default, item.grantor, item.grantee
order by held.class, held.object, held."column", 6, 7
