-- Functions whose makers keep them from PUBLIC: the server's own that initdb takes EXECUTE from PUBLIC on, and those of
-- extensions whose script does. Any role may ask. `initial_grantees` are the roles that were given EXECUTE then (`pg_monitor`
-- and its like): what is in `acls` beyond them, somebody granted.
select
    p.oid,
    n.nspname as schema_name,
    p.proname as name,
    coalesce(pg_catalog.pg_get_function_identity_arguments(p.oid), '') as arguments,
    p.proowner as owner,
    coalesce(
        (
            select pg_catalog.json_agg(distinct item.grantee::bigint order by item.grantee::bigint)::text
            from pg_catalog.aclexplode(i.initprivs) as item
        ),
        '[]'
    ) as initial_grantees
from pg_catalog.pg_init_privs as i
join pg_catalog.pg_proc as p on p.oid = i.objoid
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    and i.objsubid = 0
    and not exists (select from pg_catalog.aclexplode(i.initprivs) as item where item.grantee = 0)
order by p.oid
