-- Privileges on databases, tablespaces and (15 and later) parameters. Any role may ask. An object that nobody granted on
-- shows the built-in default with is_default, and one from which everything was revoked one row for its owner without a
-- privilege. Parameters have no default: without a grant, superusers alone set them, and the bootstrap superuser counts as
-- their owner.
select
    held.class,
    held.object,
    0 as "column",
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
from (
    select
        'database' as class,
        d.oid as object,
        '' as name,
        d.datdba as owner,
        coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba)) as acl,
        d.datacl is null as is_default
    from pg_catalog.pg_database as d
    union all
    select
        'tablespace',
        t.oid,
        '',
        t.spcowner,
        coalesce(t.spcacl, pg_catalog.acldefault('t', t.spcowner)),
        t.spcacl is null
    from pg_catalog.pg_tablespace as t
    union all --@ >=15
    select 'parameter', 0::pg_catalog.oid, p.parname, 10::pg_catalog.oid, p.paracl, false from pg_catalog.pg_parameter_acl as p --@ >=15
) as held
left join lateral pg_catalog.aclexplode(held.acl) as item on true
group by held.class, held.object, held.name, held.owner, held.is_default, item.grantor, item.grantee
order by held.class, held.object, held.name, 6, 7
