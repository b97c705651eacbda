-- The server's own catalogs and views that initdb does not let PUBLIC read. Any role may ask. `initial_grantees` are the roles
-- that were given something on the whole relation then. `secret_columns` are the numbers of the columns that hold what the
-- relation is closed for: verifiers, connection strings, options of user mappings, sampled values, large objects' bytes.
select
    c.oid,
    n.nspname as schema_name,
    c.relname as name,
    c.relowner as owner,
    coalesce(
        (
            select pg_catalog.json_agg(distinct item.grantee::bigint order by item.grantee::bigint)::text
            from pg_catalog.aclexplode(i.initprivs) as item
        ),
        '[]'
    ) as initial_grantees,
    coalesce(
        (
            select pg_catalog.json_agg(a.attnum order by a.attnum)::text
            from pg_catalog.pg_attribute as a
            where a.attrelid = c.oid
                and (
                    a.attname in ('rolpassword', 'passwd', 'subconninfo', 'umoptions', 'data', 'stxdmcv', 'stxdexpr')
                    or a.attname ~ '^stavalues[0-9]+$'
                )
        ),
        '[]'
    ) as secret_columns
from pg_catalog.pg_init_privs as i
join pg_catalog.pg_class as c on c.oid = i.objoid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where i.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and i.objsubid = 0
    and c.relkind in ('r', 'v')
    and c.oid < 16384
    and n.nspname = 'pg_catalog'
    and not exists (
        select from pg_catalog.aclexplode(i.initprivs) as item
        where item.grantee = 0 and item.privilege_type = 'SELECT'
    )
order by c.oid
